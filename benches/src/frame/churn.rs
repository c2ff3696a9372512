//! What do frames cost in the long run? Many live runs of mixed lengths, each in turn replaced by another length.

use core::hint::black_box;

use super::{Frames, Workload, subjects};
use crate::harness::memory::Random;
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// Runs alive at any time: half of the frames.
const LIVE: usize = 2000;

/// Replacements until the sequence starts again.
const SEQUENCE: usize = 1 << 14;

/// The question.
pub(crate) fn question() -> Question {
    Question {
        name: "frame-churn",
        what: format!(
            "{LIVE} live runs of 1 to 512 frames (each power of two as likely as the next); free one at random, allocate one \
             of another length."
        ),
        operation: "free and allocation",
        operations: 1,
        shape: Shape::Repeated { counted: 2000 },
        subjects: subjects(Churn),
    }
}

#[derive(Clone, Copy)]
struct Churn;

impl Workload for Churn {
    fn body<F: Frames>(self, mut frames: F) -> Box<dyn Body> {
        let mut random = Random::new(0xf4ae);
        let live = (0..LIVE).map(|_| {
            let count = 1 << random.below(10);
            (must(frames.allocate(count)), count)
        });
        let live = live.collect();
        let replacements = (0..SEQUENCE).map(|_| (random.below(LIVE), 1 << random.below(10))).collect();
        Box::new(Churned { frames, live, replacements, next: 0 })
    }
}

struct Churned<F> {
    frames: F,
    live: Vec<(usize, usize)>,
    replacements: Vec<(usize, usize)>,
    next: usize,
}

impl<F: Frames> Body for Churned<F> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let (index, count) = *must(self.replacements.get(self.next % SEQUENCE));
            self.next += 1;
            let run = must(self.live.get_mut(index));
            self.frames.free(run.0, run.1);
            *run = (black_box(must(self.frames.allocate(count))), count);
        }
    }
}
