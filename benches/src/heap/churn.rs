//! What does a kernel pay in the long run? Many live objects of mixed sizes, each in turn replaced by another size.

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use super::{Heap, Workload, layout, subjects};
use crate::harness::memory::Random;
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// Objects alive at any time.
const LIVE: usize = 10_000;

/// Replacements until the sequence starts again.
const SEQUENCE: usize = 1 << 16;

/// The question.
pub(crate) fn question() -> Question {
    Question {
        name: "heap-churn",
        what: format!(
            "{LIVE} live objects of 8 B to 2 KiB (each doubling as likely as the next); free one at random, allocate \
             one of another size."
        ),
        operation: "free and allocation",
        operations: 1,
        shape: Shape::Repeated { counted: 4000 },
        subjects: subjects(Churn),
    }
}

#[derive(Clone, Copy)]
struct Churn;

impl Workload for Churn {
    fn body<H: Heap>(self, mut heap: H) -> Box<dyn Body> {
        let mut random = Random::new(0xc0de);
        let objects = (0..LIVE).map(|_| {
            let layout = size(&mut random);
            (must(heap.allocate(layout)), layout)
        });
        let objects = objects.collect();
        let replacements = (0..SEQUENCE).map(|_| (random.below(LIVE), size(&mut random))).collect();
        Box::new(Churned { heap, objects, replacements, next: 0 })
    }
}

/// A size from 8 to 2048 bytes; each of the eight doublings is as likely as the next.
fn size(random: &mut Random) -> Layout {
    let base = 8 << random.below(8);
    layout(base + random.below(base + 1))
}

struct Churned<H> {
    heap: H,
    objects: Vec<(NonNull<u8>, Layout)>,
    replacements: Vec<(usize, Layout)>,
    next: usize,
}

impl<H: Heap> Body for Churned<H> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let (index, new) = *must(self.replacements.get(self.next % SEQUENCE));
            self.next += 1;
            let object = must(self.objects.get_mut(index));
            let (block, old) = *object;
            // SAFETY: the object is alive and was allocated with this layout.
            unsafe { self.heap.free(block, old) };
            *object = (black_box(must(self.heap.allocate(new))), new);
        }
    }
}
