//! What does it cost to take frames and give them back at once, all others being free?

use core::hint::black_box;

use super::{FRAMES, Frames, Workload, subjects};
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// The question for `count` adjacent frames.
pub(crate) fn question(name: &'static str, count: usize) -> Question {
    Question {
        name,
        what: format!("Allocate {count} adjacent frame(s) of {FRAMES} free ones and free them at once."),
        operation: "allocation and free",
        operations: 1,
        shape: Shape::Repeated { counted: 100 },
        subjects: subjects(Pair { count }),
    }
}

#[derive(Clone, Copy)]
struct Pair {
    count: usize,
}

impl Workload for Pair {
    fn body<F: Frames>(self, frames: F) -> Box<dyn Body> {
        Box::new(Pairs { frames, count: self.count })
    }
}

struct Pairs<F> {
    frames: F,
    count: usize,
}

impl<F: Frames> Body for Pairs<F> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let first = black_box(must(self.frames.allocate(black_box(self.count))));
            self.frames.free(first, self.count);
        }
    }
}
