//! The floor of what loses no bit that an MMU sets: one locked instruction for each leaf.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::floor::{Floor, WRITABLE};
use crate::paging::{Leaf, Tables};

/// The tables of [`Floor`], edited atomically.
pub(super) struct Atomic(Floor);

impl Atomic {
    /// The entries, as a CPU beside us would have them.
    fn entries(&mut self) -> impl Iterator<Item = &AtomicUsize> {
        // SAFETY: aligned, and borrowed for as long as the atomic.
        self.0.entries().map(|entry| unsafe { AtomicUsize::from_ptr(entry) })
    }
}

impl Tables for Atomic {
    fn new() -> Self {
        Self(Floor::new())
    }

    fn map(&mut self, leaf: Leaf) {
        self.0.map(leaf);
    }

    fn unmap(&mut self, leaf: Leaf) {
        self.entries().for_each(|entry| {
            entry.swap(0, Ordering::AcqRel);
        });
        self.0.unmap(leaf);
    }

    fn protect(&mut self, _: Leaf, writable: bool) {
        for entry in self.entries() {
            if writable {
                entry.fetch_or(WRITABLE, Ordering::AcqRel);
            } else {
                entry.fetch_and(!WRITABLE, Ordering::AcqRel);
            }
        }
    }

    #[inline]
    fn translate(&self, address: usize) -> Option<usize> {
        self.0.translate(address)
    }
}
