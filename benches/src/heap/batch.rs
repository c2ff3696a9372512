//! What do frees cost that come in another order than the allocations? Lists of holes show their length here.

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use super::{Heap, Workload, aligned, subjects};
use crate::harness::memory::shuffled;
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// The question for `count` blocks of `bytes`, aligned to `align`.
pub(crate) fn question(name: &'static str, bytes: usize, align: usize, count: usize) -> Question {
    let layout = aligned(bytes, align);
    Question {
        name,
        what: format!(
            "Allocate {count} blocks of {bytes} bytes aligned to {align}, free them in a shuffled order."
        ),
        operation: "allocation and free",
        operations: count,
        shape: Shape::Repeated { counted: 1 },
        subjects: subjects(Batch { layout, count }),
    }
}

#[derive(Clone, Copy)]
struct Batch {
    layout: Layout,
    count: usize,
}

impl Workload for Batch {
    fn body<H: Heap>(self, heap: H) -> Box<dyn Body> {
        let blocks = vec![NonNull::dangling(); self.count];
        Box::new(Batches { heap, layout: self.layout, blocks, order: shuffled(self.count) })
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
