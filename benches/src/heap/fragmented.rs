//! What do small objects cost in a heap that has been in use for long? Many holes, none of which is large enough.

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use super::{Heap, Workload, layout, subjects};
use crate::harness::memory::{Random, shuffled};
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// Holes of 16 to 96 bytes, a live object behind each.
const HOLES: usize = 10_000;

/// Objects allocated and freed in one step.
const OBJECTS: usize = 64;

/// Bytes of each: more than a hole has.
const BYTES: usize = 128;

/// The question.
pub(crate) fn question() -> Question {
    Question {
        name: "heap-fragmented",
        what: format!(
            "{HOLES} holes of 16 to 96 bytes between live objects; allocate {OBJECTS} objects of {BYTES} bytes, free them \
             in a shuffled order."
        ),
        operation: "allocation and free",
        operations: OBJECTS,
        shape: Shape::Repeated { counted: 4 },
        subjects: subjects(Fragmented),
    }
}

#[derive(Clone, Copy)]
struct Fragmented;

impl Workload for Fragmented {
    fn body<H: Heap>(self, mut heap: H) -> Box<dyn Body> {
        let mut random = Random::new(0xf4a6);
        let small: Vec<(NonNull<u8>, Layout)> = (0..2 * HOLES)
            .map(|_| {
                let layout = layout(16 + 8 * random.below(11));
                (must(heap.allocate(layout)), layout)
            })
            .collect();
        for &(block, layout) in small.iter().step_by(2) {
            // SAFETY: allocated above with this layout; each is named once.
            unsafe { heap.free(block, layout) };
        }
        Box::new(Small { heap, blocks: vec![NonNull::dangling(); OBJECTS], order: shuffled(OBJECTS) })
    }
}

struct Small<H> {
    heap: H,
    blocks: Vec<NonNull<u8>>,
    order: Vec<usize>,
}

impl<H: Heap> Body for Small<H> {
    fn run(&mut self, steps: usize) {
        let layout = layout(BYTES);
        for _ in 0..steps {
            for block in &mut self.blocks {
                *block = black_box(must(self.heap.allocate(black_box(layout))));
            }
            for index in &self.order {
                let block = *must(self.blocks.get(*index));
                // SAFETY: allocated above with this layout; `order` names each block once.
                unsafe { self.heap.free(block, layout) };
            }
        }
    }
}
