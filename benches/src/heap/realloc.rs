//! What does a growing vector pay? Several grow in turn, so that none has free memory behind it by luck.

use core::hint::black_box;
use core::ptr::NonNull;

use super::{Heap, Workload, layout, subjects};
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// Vectors that grow in turn.
const VECTORS: usize = 8;

/// Each starts with so many bytes, …
const FIRST: usize = 16;

/// … and doubles so often: to 64 KiB.
const DOUBLINGS: usize = 12;

/// The question.
pub(crate) fn question() -> Question {
    Question {
        name: "heap-realloc",
        what: format!(
            "{VECTORS} buffers grow in turn from {FIRST} bytes by doubling, {DOUBLINGS} times, then all are freed."
        ),
        operation: "reallocation",
        operations: VECTORS * DOUBLINGS,
        shape: Shape::Repeated { counted: 8 },
        subjects: subjects(Growth),
    }
}

#[derive(Clone, Copy)]
struct Growth;

impl Workload for Growth {
    fn body<H: Heap>(self, heap: H) -> Box<dyn Body> {
        Box::new(Growing { heap, buffers: [NonNull::dangling(); VECTORS] })
    }
}

struct Growing<H> {
    heap: H,
    buffers: [NonNull<u8>; VECTORS],
}

impl<H: Heap> Growing<H> {
    fn double(&mut self, from: usize) {
        for buffer in &mut self.buffers {
            // SAFETY: the buffer is alive and has the layout of `from` bytes.
            *buffer = black_box(must(unsafe { self.heap.reallocate(*buffer, layout(from), 2 * from) }));
        }
    }
}

impl<H: Heap> Body for Growing<H> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            for buffer in &mut self.buffers {
                *buffer = must(self.heap.allocate(layout(FIRST)));
            }
            (0..DOUBLINGS).for_each(|doubling| self.double(FIRST << doubling));
            for buffer in self.buffers {
                // SAFETY: the buffer is alive and has grown to this layout.
                unsafe { self.heap.free(buffer, layout(FIRST << DOUBLINGS)) };
            }
        }
    }
}
