//! What do frames cost that are freed in another order than they were taken? Merging has to wait for the neighbours.

use core::hint::black_box;

use super::{FRAMES, Frames, Workload, subjects};
use crate::harness::memory::shuffled;
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// Frames taken one by one.
const COUNT: usize = 1 << 16;

/// The question.
pub(crate) fn question() -> Question {
    let mut subjects = subjects(Shuffled);
    for slow in subjects.iter_mut().filter(|subject| subject.name.starts_with("free-list")) {
        slow.counted = false;
    }
    Question {
        name: "frame-shuffled-64k",
        what: format!("Allocate {COUNT} of {FRAMES} frames one by one, free them in a shuffled order."),
        operation: "allocation and free",
        operations: COUNT,
        shape: Shape::Repeated { counted: 1 },
        subjects,
    }
}

#[derive(Clone, Copy)]
struct Shuffled;

impl Workload for Shuffled {
    fn body<F: Frames>(self, frames: F) -> Box<dyn Body> {
        Box::new(Batches { frames, taken: vec![0; COUNT], order: shuffled(COUNT) })
    }
}

struct Batches<F> {
    frames: F,
    taken: Vec<usize>,
    order: Vec<usize>,
}

impl<F: Frames> Body for Batches<F> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            for frame in &mut self.taken {
                *frame = black_box(must(self.frames.allocate(1)));
            }
            for index in &self.order {
                self.frames.free(*must(self.taken.get(*index)), 1);
            }
        }
    }

    fn verify(&mut self) {
        let mut taken = self.taken.clone();
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), COUNT, "a frame was handed out twice");
    }
}
