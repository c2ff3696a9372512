//! Does a free cost more the more free blocks there are? A list that is searched for the buddy shows its length here.

use super::{FRAMES, Frames, Workload, subjects};
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// Frames freed in one step.
const FREED: usize = 64;

/// The question with `holes` free frames, none beside another.
pub(crate) fn question(name: &'static str, holes: usize) -> Question {
    let mut subjects = subjects(Scattered { holes });
    // A sorted list of so many ranges takes seconds to build.
    subjects.retain(|subject| holes < 1000 || !subject.name.starts_with("free-list"));
    Question {
        name,
        what: format!(
            "{holes} free blocks of one frame among frames in use; free {FREED} more such. (free-list: up to 100 blocks.)"
        ),
        operation: "free",
        operations: FREED,
        shape: Shape::Once,
        subjects,
    }
}

#[derive(Clone, Copy)]
struct Scattered {
    holes: usize,
}

impl Workload for Scattered {
    fn body<F: Frames>(self, mut frames: F) -> Box<dyn Body> {
        let all: Vec<usize> = core::iter::from_fn(|| frames.allocate(1)).take(FRAMES).collect();
        let holes = all.iter().copied().step_by(2).take(self.holes + FREED);
        holes.for_each(|frame| frames.free(frame, 1));
        Box::new(Frees { frames, taken: Vec::with_capacity(FREED) })
    }
}

struct Frees<F> {
    frames: F,
    taken: Vec<usize>,
}

impl<F: Frames> Body for Frees<F> {
    fn prepare(&mut self) {
        let missing = FREED - self.taken.len();
        self.taken.extend((0..missing).map(|_| must(self.frames.allocate(1))));
    }

    fn run(&mut self, steps: usize) {
        for frame in self.taken.drain(..if steps == 0 { 0 } else { FREED }) {
            self.frames.free(frame, 1);
        }
    }
}
