//! Transactions: what does it cost that several allocations come about together or not at all?
//!
//! No peer has transactions. Subjects are four ways to make the same objects on the same heap: a transaction, a reservation,
//! undo by hand as kernels write it, and no undo at all, which is the floor. The differences are the price.

mod ways;

use core::alloc::Layout;
use core::ptr::NonNull;

use kos_alloc::{Frames, KernelHeap, Mode};

use self::ways::{ByHand, Inline, Lent, Nested, NoUndo, Reserved, Way};
use crate::harness::memory::{ARENA_BYTES, Arena};
use crate::harness::must;
use crate::harness::question::{Body, Promise, Question, Shape, Subject};
use crate::kos::{self, Host};
use crate::lock::Spin;

/// The heap of every subject.
type Heap = KernelHeap<Host<Spin>, Frames<Host<Spin>>>;

/// Steps of one unit of work: what a process is made of, from a capability to a stack.
const SIZES: [usize; 8] = [32, 64, 96, 192, 320, 512, 1024, 4096];

/// The blocks of one unit.
type Blocks = [NonNull<u8>; SIZES.len()];

/// All eight come about, then they are freed.
pub(crate) fn commit() -> Question {
    let what = "Allocate 8 blocks of 32 B to 4 KiB that come about together or not at all; then free them.";
    question("txn-commit", what, Story::Commit)
}

/// The last one cannot be had: the seven before it go back.
pub(crate) fn rollback() -> Question {
    let what = "Allocate 7 blocks of 32 B to 1 KiB; the eighth step fails, and they go back.";
    question("txn-rollback", what, Story::Rollback)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Story {
    Commit,
    Rollback,
}

fn question(name: &'static str, what: &str, story: Story) -> Question {
    let mut subjects = vec![
        subject::<Inline>("kos-alloc Transaction, inline log", story),
        subject::<Lent>("kos-alloc Transaction, lent log", story),
        subject::<Nested>("kos-alloc Transaction, half of it nested", story),
        subject::<Reserved>("kos-alloc Reservation, taken and freed", story),
        subject::<ByHand>("undo by hand, the same heap", story),
    ];
    if story == Story::Commit {
        subjects.push(subject::<NoUndo>("no undo, the same heap", story));
    }
    Question {
        name,
        what: what.to_owned(),
        operation: "unit of 8 steps",
        operations: 1,
        shape: Shape::Repeated { counted: 200 },
        subjects,
    }
}

fn subject<W: Way>(name: &str, story: Story) -> Subject {
    let make = Box::new(move || {
        let arena = Arena::touched(ARENA_BYTES);
        let (heap, _) = kos::heap(&arena, Mode::Hybrid);
        Box::new(Units::<W> { heap, story, way: W::new(), _arena: arena }) as Box<dyn Body>
    });
    Subject { name: name.to_owned(), promise: Promise::Shared, note: W::NOTE, counted: true, make }
}

struct Units<W> {
    heap: Heap,
    story: Story,
    way: W,
    _arena: Arena,
}

impl<W: Way> Body for Units<W> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.story {
                Story::Commit => free(&self.heap, must(self.way.commit(&self.heap))),
                Story::Rollback => self.way.roll_back(&self.heap),
            }
        }
    }

    fn verify(&mut self) {
        assert_eq!(self.heap.stats().live_blocks(), 0, "blocks were lost");
    }
}

fn layout(step: usize) -> Layout {
    crate::heap::layout(SIZES.get(step).copied().unwrap_or(0))
}

/// What the kernel does when the objects end: the same in all subjects.
fn free(heap: &Heap, blocks: Blocks) {
    for (step, block) in blocks.into_iter().enumerate() {
        // SAFETY: allocated with this layout, and used by nobody.
        must(unsafe { heap.free(block, layout(step)) }.ok());
    }
}
