//! How much of its memory can a heap hand out? Not a time: objects are allocated until the first refusal.

use core::ptr::NonNull;
use std::io::{self, Write};

use super::{Heap, Workload, layout, subjects};
use crate::harness::memory::{ARENA_BYTES, Random};
use crate::harness::question::Body;
use crate::harness::report::{self, Style};

/// For the command line.
pub(crate) const NAME: &str = "heap-efficiency";

const HEADINGS: [&str; 3] = ["subject", "efficiency", "not alike"];

/// Prints the bytes that were asked for when the heap first refused, divided by all bytes that it has.
pub(crate) fn print(out: &mut dyn Write, style: Style) -> io::Result<()> {
    let what = format!(
        "Objects of 8 to 4096 bytes (each doubling as likely as the next) are allocated from {} MiB until the first \
         refusal. Bytes asked for by bytes of the arena and of books outside it.",
        ARENA_BYTES >> 20
    );
    report::print_heading(out, style, NAME, &what)?;
    writeln!(out)?;
    let mut rows = Vec::new();
    // mimalloc and the host's malloc have no arena to fill.
    for subject in subjects(Fill).iter().filter(|subject| !subject.note.contains("memory of the OS")) {
        let mut body = (subject.make)();
        body.run(1);
        let share = body.finding().unwrap_or(0.0);
        rows.push([subject.name.clone(), format!("{share:.3}"), subject.note.to_owned()]);
    }
    report::print_table(out, style, HEADINGS, &rows)
}

#[derive(Clone, Copy)]
struct Fill;

impl Workload for Fill {
    fn body<H: Heap>(self, heap: H) -> Box<dyn Body> {
        Box::new(Filled { heap, objects: Vec::new(), asked: 0 })
    }
}

struct Filled<H> {
    heap: H,
    objects: Vec<NonNull<u8>>,
    asked: usize,
}

impl<H: Heap> Body for Filled<H> {
    fn run(&mut self, _: usize) {
        let mut random = Random::new(0xeff1);
        loop {
            let base = 8 << random.below(9);
            let size = base + random.below(base + 1);
            let Some(object) = self.heap.allocate(layout(size)) else { break };
            self.objects.push(object);
            self.asked += size;
        }
    }

    fn finding(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let share = self.asked as f64 / (ARENA_BYTES + self.heap.books_outside()) as f64;
        Some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::Fill;
    use crate::harness::question::Body;
    use crate::heap::{Heap, Workload};

    struct Half(usize);

    impl Heap for Half {
        fn new() -> Self {
            Self(0)
        }

        fn allocate(&mut self, layout: core::alloc::Layout) -> Option<core::ptr::NonNull<u8>> {
            self.0 += layout.size();
            (self.0 <= crate::harness::memory::ARENA_BYTES / 2).then(core::ptr::NonNull::dangling)
        }

        unsafe fn free(&mut self, _: core::ptr::NonNull<u8>, _: core::alloc::Layout) {}
    }

    #[test]
    fn a_heap_that_gives_half_of_it_is_half_efficient() {
        let mut body: Box<dyn Body> = Fill.body(Half::new());
        body.run(1);
        let share = body.finding().unwrap();
        assert!((0.499..=0.5).contains(&share), "{share}");
    }
}
