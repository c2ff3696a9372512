//! How fast is one allocation whose block is freed at once? The best case of every heap: all is in the first cache.

use core::alloc::Layout;
use core::hint::black_box;

use super::{Heap, Workload, layout, subjects};
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// The question for blocks of `bytes`.
pub(crate) fn question(name: &'static str, bytes: usize) -> Question {
    Question {
        name,
        what: format!("Allocate {bytes} bytes and free them at once, nothing else allocated."),
        operation: "allocation and free",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: subjects(Pair { bytes }),
    }
}

#[derive(Clone, Copy)]
struct Pair {
    bytes: usize,
}

impl Workload for Pair {
    fn body<H: Heap>(self, heap: H) -> Box<dyn Body> {
        Box::new(Pairs { heap, layout: layout(self.bytes) })
    }
}

struct Pairs<H> {
    heap: H,
    layout: Layout,
}

impl<H: Heap> Body for Pairs<H> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let block = black_box(must(self.heap.allocate(black_box(self.layout))));
            // SAFETY: allocated above with this layout.
            unsafe { self.heap.free(block, self.layout) };
        }
    }
}
