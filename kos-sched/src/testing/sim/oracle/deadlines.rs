//! [`Deadlines`]: whether jobs end in time.

use super::super::watch::{Happening, Observer};
use super::Breach;

/// Counts jobs and remembers the latest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadlines {
    jobs: u64,
    misses: u64,
    worst: Option<(u64, u32, u64)>,
}

impl Deadlines {
    /// No job so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many jobs ended, and how many of them late.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.jobs, self.misses)
    }

    /// By how much the latest job was late, in nanoseconds.
    #[must_use]
    pub fn tardiness(&self) -> u64 {
        self.worst.map_or(0, |(tardiness, ..)| tardiness)
    }

    /// # Errors
    /// [`Breach::Late`], the latest.
    pub fn verdict(&self) -> Result<(), Breach> {
        self.worst.map_or(Ok(()), |(tardiness, task, release)| Err(Breach::Late { task, release, tardiness }))
    }
}

impl Observer for Deadlines {
    fn see(&mut self, now: u64, what: &Happening) {
        let Happening::Job { task, release, deadline } = *what else { return };
        self.jobs += 1;
        if now > deadline {
            self.misses += 1;
            if self.tardiness() < now - deadline {
                self.worst = Some((now - deadline, task, release));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_ends_at_its_deadline_is_in_time() {
        let mut oracle = Deadlines::new();
        let job = Happening::Job { task: 3, release: 0, deadline: 10 };
        oracle.see(10, &job);
        assert_eq!((oracle.verdict(), oracle.counts()), (Ok(()), (1, 0)));
        oracle.see(11, &job);
        oracle.see(15, &job);
        oracle.see(12, &job);
        assert_eq!(oracle.verdict(), Err(Breach::Late { task: 3, release: 0, tardiness: 5 }));
        assert_eq!(oracle.counts(), (4, 3));
    }
}
