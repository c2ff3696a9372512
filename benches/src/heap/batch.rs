//! What do frees cost that come in another order than the allocations? Lists of holes show their length here.

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use super::{Heap, Workload, layout, subjects};
use crate::harness::memory::shuffled;
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// The question for `count` blocks of `bytes`.
pub(crate) fn question(name: &'static str, bytes: usize, count: usize) -> Question {
    Question {
        name,
        what: format!("Allocate {count} blocks of {bytes} bytes, free them in a shuffled order."),
        operation: "allocation and free",
        operations: count,
        shape: Shape::Repeated { counted: 1 },
        subjects: subjects(Batch { bytes, count }),
    }
}

#[derive(Clone, Copy)]
struct Batch {
    bytes: usize,
    count: usize,
}

impl Workload for Batch {
    fn body<H: Heap>(self, heap: H) -> Box<dyn Body> {
        let blocks = vec![NonNull::dangling(); self.count];
        Box::new(Batches { heap, layout: layout(self.bytes), blocks, order: shuffled(self.count) })
    }
}

struct Batches<H> {
    heap: H,
    layout: Layout,
    blocks: Vec<NonNull<u8>>,
    order: Vec<usize>,
}

impl<H: Heap> Body for Batches<H> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            for block in &mut self.blocks {
                *block = black_box(must(self.heap.allocate(black_box(self.layout))));
            }
            for index in &self.order {
                let block = *must(self.blocks.get(*index));
                // SAFETY: allocated above with this layout; `order` names each block once.
                unsafe { self.heap.free(block, self.layout) };
            }
        }
    }
}
