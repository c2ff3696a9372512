//! Interleaved timing: in each round every subject runs once, so that a busy neighbour hits all of them.

use core::time::Duration;
use std::time::Instant;

use super::question::{Body, Question, Shape, kos_bench_timed};

/// A sample is at least that long: clock and first misses vanish in it.
const SAMPLE: Duration = Duration::from_millis(2);

/// A subject whose sample takes longer than that sits out rounds in proportion.
const SLOW: Duration = Duration::from_millis(60);

/// Nanoseconds per operation of one subject, one entry a round; `None` where it sat out.
pub(crate) type Times = Vec<Option<f64>>;

struct Runner {
    body: Box<dyn Body>,
    steps: usize,
    every: usize,
}

impl Runner {
    fn time(&mut self, steps: usize) -> Duration {
        self.body.prepare();
        let start = Instant::now();
        kos_bench_timed(self.body.as_mut(), steps);
        start.elapsed()
    }

    /// Chooses the number of steps of a sample, and how often the subject takes part.
    fn calibrate(&mut self, shape: Shape) {
        let mut took = self.time(1);
        self.body.verify();
        while shape != Shape::Once && took < SAMPLE {
            self.steps *= 2;
            took = self.time(self.steps);
        }
        self.every = usize::try_from(took.as_nanos().div_ceil(SLOW.as_nanos())).unwrap_or(usize::MAX).max(1);
    }

    fn sample(&mut self, operations: usize) -> f64 {
        // The neighbour has just filled the caches with his data: the first eighth is not counted.
        let _ = self.time((self.steps / 8).max(1));
        let took = self.time(self.steps);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let done = (self.steps * operations) as f64;
        took.as_secs_f64() * 1e9 / done
    }
}

/// Times every subject of `question` in `rounds` rounds.
pub(crate) fn measure(question: &Question, rounds: usize) -> Vec<Times> {
    let mut runners: Vec<Runner> = question
        .subjects
        .iter()
        .map(|subject| {
            let mut runner = Runner { body: (subject.make)(), steps: 1, every: 1 };
            runner.calibrate(question.shape);
            runner
        })
        .collect();
    let mut times: Vec<Times> = vec![Vec::with_capacity(rounds); runners.len()];
    for round in 0..rounds {
        for (runner, times) in runners.iter_mut().zip(&mut times) {
            times.push((round % runner.every == 0).then(|| runner.sample(question.operations)));
        }
    }
    times
}

/// Each round's time divided by the base's time in the same round.
pub(crate) fn ratios(times: &Times, base: &Times) -> Vec<f64> {
    times.iter().zip(base).filter_map(|(time, base)| Some((*time)? / (*base)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::ratios;

    #[test]
    fn rounds_that_one_of_them_sat_out_have_no_ratio() {
        let times = vec![Some(4.0), None, Some(9.0), Some(8.0)];
        let base = vec![Some(2.0), Some(2.0), Some(3.0), None];
        assert_eq!(ratios(&times, &base), [2.0, 3.0]);
    }
}
