//! The ways to make eight blocks or none.

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use kos_alloc::txn::{Log, LogEntry};
use kos_alloc::{AllocError, Transaction};

use super::{Blocks, Heap, SIZES, layout};
use crate::harness::must;

/// One way.
pub(super) trait Way: Sized + 'static {
    /// What is not alike.
    const NOTE: &str = "";

    fn new() -> Self;

    /// All blocks.
    fn commit(&mut self, heap: &Heap) -> Option<Blocks>;

    /// All but the last, which is found not to be wanted; then none.
    fn roll_back(&mut self, heap: &Heap);
}

/// Steps that are done when the unit fails.
const DONE: usize = SIZES.len() - 1;

/// A transaction whose log is inside.
pub(super) struct Inline;

impl Way for Inline {
    fn new() -> Self {
        Self
    }

    fn commit(&mut self, heap: &Heap) -> Option<Blocks> {
        let tx = heap.begin::<8>();
        let blocks = all(&tx)?;
        tx.commit();
        Some(blocks)
    }

    fn roll_back(&mut self, heap: &Heap) {
        must(fail(&heap.begin::<8>()).err());
    }
}

/// A transaction with a log that is used again and again.
pub(super) struct Lent([LogEntry; 8]);

impl Way for Lent {
    fn new() -> Self {
        Self([LogEntry::EMPTY; 8])
    }

    fn commit(&mut self, heap: &Heap) -> Option<Blocks> {
        let tx = heap.begin_in(&mut self.0);
        let blocks = all(&tx)?;
        tx.commit();
        Some(blocks)
    }

    fn roll_back(&mut self, heap: &Heap) {
        must(fail(&heap.begin_in(&mut self.0)).err());
    }
}

/// Half of the steps in a nested transaction.
pub(super) struct Nested;

impl Way for Nested {
    fn new() -> Self {
        Self
    }

    fn commit(&mut self, heap: &Heap) -> Option<Blocks> {
        let mut tx = heap.begin::<8>();
        let mut blocks = [NonNull::dangling(); SIZES.len()];
        let (first, second) = blocks.split_at_mut(SIZES.len() / 2);
        fill(&tx, first, 0).ok()?;
        let nested = tx.nested();
        fill(&nested, second, SIZES.len() / 2).ok()?;
        nested.commit();
        tx.commit();
        Some(blocks)
    }

    fn roll_back(&mut self, heap: &Heap) {
        let mut tx = heap.begin::<8>();
        let mut blocks = [NonNull::dangling(); DONE];
        let (first, second) = blocks.split_at_mut(DONE / 2);
        must(fill(&tx, first, 0).ok());
        let nested = tx.nested();
        must(fill(&nested, second, DONE / 2).ok());
        black_box(&blocks);
    }
}

/// Everything is reserved first; in the failing story nothing is taken.
pub(super) struct Reserved;

impl Way for Reserved {
    const NOTE: &str = "one block more, for its list";

    fn new() -> Self {
        Self
    }

    fn commit(&mut self, heap: &Heap) -> Option<Blocks> {
        let lines: [(Layout, usize); SIZES.len()] = core::array::from_fn(|step| (layout(step), 1));
        let mut reserved = heap.reserve(&lines, &[]).ok()?;
        let mut blocks = [NonNull::dangling(); SIZES.len()];
        for (block, (layout, _)) in blocks.iter_mut().zip(lines) {
            *block = black_box(reserved.take(layout).ok()?);
        }
        Some(blocks)
    }

    fn roll_back(&mut self, heap: &Heap) {
        let lines: [(Layout, usize); DONE] = core::array::from_fn(|step| (layout(step), 1));
        drop(black_box(must(heap.reserve(&lines, &[]).ok())));
    }
}

/// An array of what was done and a loop that undoes it: what the ladder of labels is in C.
pub(super) struct ByHand;

impl ByHand {
    fn undo(heap: &Heap, blocks: &[NonNull<u8>]) {
        for (step, block) in blocks.iter().enumerate().rev() {
            // SAFETY: allocated with this layout, and used by nobody.
            must(unsafe { heap.free(*block, layout(step)) }.ok());
        }
    }
}

impl Way for ByHand {
    fn new() -> Self {
        Self
    }

    fn commit(&mut self, heap: &Heap) -> Option<Blocks> {
        let mut blocks = [NonNull::dangling(); SIZES.len()];
        for step in 0..SIZES.len() {
            let Ok(block) = heap.allocate(black_box(layout(step))) else {
                Self::undo(heap, blocks.get(..step)?);
                return None;
            };
            *blocks.get_mut(step)? = black_box(block);
        }
        Some(blocks)
    }

    fn roll_back(&mut self, heap: &Heap) {
        let mut blocks = [NonNull::dangling(); DONE];
        for (step, block) in blocks.iter_mut().enumerate() {
            *block = black_box(must(heap.allocate(black_box(layout(step))).ok()));
        }
        Self::undo(heap, &blocks);
    }
}

/// Who does not look: the floor.
pub(super) struct NoUndo;

impl Way for NoUndo {
    const NOTE: &str = "leaks when a step fails";

    fn new() -> Self {
        Self
    }

    fn commit(&mut self, heap: &Heap) -> Option<Blocks> {
        let mut blocks = [NonNull::dangling(); SIZES.len()];
        for (step, block) in blocks.iter_mut().enumerate() {
            *block = black_box(heap.allocate(black_box(layout(step))).ok()?);
        }
        Some(blocks)
    }

    fn roll_back(&mut self, _: &Heap) {}
}

fn all<L: Log>(tx: &Transaction<'_, Heap, L>) -> Option<Blocks> {
    let mut blocks = [NonNull::dangling(); SIZES.len()];
    fill(tx, &mut blocks, 0).ok()?;
    Some(blocks)
}

/// The steps of a unit whose last one fails.
fn fail<L: Log>(tx: &Transaction<'_, Heap, L>) -> Result<(), AllocError> {
    let mut blocks = [NonNull::dangling(); DONE];
    fill(tx, &mut blocks, 0)?;
    black_box(&blocks);
    Err(AllocError::WouldBlock)
}

fn fill<L: Log>(
    tx: &Transaction<'_, Heap, L>,
    blocks: &mut [NonNull<u8>],
    first: usize,
) -> Result<(), AllocError> {
    for (step, block) in blocks.iter_mut().enumerate() {
        *block = black_box(tx.allocate(black_box(layout(first + step)))?);
    }
    Ok(())
}
