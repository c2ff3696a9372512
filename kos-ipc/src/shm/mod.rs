//! Shared segments: memory that several address spaces map, by capabilities and under names.
//!
//! | item | what it is |
//! |---|---|
//! | [`Segments`] | the segments of a kernel and the ledger of what of them is mapped, over lent slots |
//! | [`Segment`] | a reference to one, for the kernel's [`Object`](crate::cap::Object): clones count |
//! | [`Seals`] | what is given up about one for good |
//! | [`MappingId`], [`Unmap`] | one mapping; what the kernel is to unmap, and then tells |
//! | [`Unmapping`] | a revoke that is under way, with the mappings that it takes back |
//! | [`SharedBytes`] | bytes that other domains write meanwhile: copied, never referred to |
//!
//! The memory is the kernel's ([`SharedMemory`]); so are the page tables. What is to be unmapped is data, an [`Unmap`] for who asked: no
//! callback. A segment lives while there is a reference to it, which a mapping is too. So a name that is unlinked takes no mapping away,
//! and the memory goes with the last of all: its charge is given back then, not before.
//!
//! A mapping is made of a capability and goes with what else is made of it: it carries the epoch of the capability's cell. It is in the
//! ledger before the kernel is asked, with a number that nobody knows until it is mapped.
//!
//! Locks: one for the table, held for constant time, in which nothing of the kernel's is called but `clone`. References are counted
//! without it.
//!
//! Sources: Linux's memfd and its seals; tock#1993 and #4371 for what a ledger must not do.

mod check;
mod create;
mod error;
mod ledger;
mod map;
mod seal;
mod segment;
mod slot;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_faults;
mod unmap;
mod view;

pub use create::Home;
pub use error::{CreateError, MapError, ResizeError, SealError, StaleMapping};
pub use map::SegmentObject;
pub use seal::Seals;
pub use segment::{Segment, SegmentCount};
pub use slot::{MappingId, MappingSlot, SegmentSlot, Unmap};
pub use unmap::{UnmapStep, Unmapping};
pub use view::{OutOfBounds, SharedBytes};

use core::fmt;

use crate::cap::Cells;
use crate::ports::{Env, SharedMemory};
use crate::sync::Lock;

use ledger::Ledger;

/// Memory lent to [`Segments`].
pub struct SegmentMemory<'m, S: SharedMemory> {
    /// One for each segment that is there at a time.
    pub segments: &'m mut [SegmentSlot<S>],
    /// As many: how many refer to each.
    pub counts: &'m mut [SegmentCount],
    /// One for each mapping at a time.
    pub mappings: &'m mut [MappingSlot<S>],
}

/// The shared segments of a kernel.
pub struct Segments<'m, E: Env, S: SharedMemory> {
    kernel: S,
    cells: &'m Cells<'m, E>,
    counts: &'m [SegmentCount],
    ledger: Lock<E, Ledger<'m, S>>,
}

impl<'m, E: Env, S: SharedMemory> Segments<'m, E, S> {
    /// None yet, in lent `memory`, of what `kernel` gives; charged to quotas of the tree of `cells`, by which capabilities to them are
    /// revoked. There are as many as there are both slots and counts.
    pub fn new(kernel: S, cells: &'m Cells<'m, E>, memory: SegmentMemory<'m, S>) -> Self {
        let SegmentMemory { segments, counts, mappings } = memory;
        let count = segments.len().min(counts.len());
        let segments = segments.get_mut(..count).unwrap_or_default();
        counts.iter_mut().for_each(|count| *count = SegmentCount::new());
        Self { kernel, cells, counts, ledger: Lock::new(Ledger::new(segments, mappings)) }
    }
}

impl<S: SharedMemory> fmt::Debug for SegmentMemory<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segments, mappings) = (self.segments.len(), self.mappings.len());
        f.debug_struct("SegmentMemory")
            .field("segments", &segments)
            .field("mappings", &mappings)
            .finish_non_exhaustive()
    }
}

impl<E: Env, S: SharedMemory> fmt::Debug for Segments<'_, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segments").field("segments", &self.counts.len()).finish_non_exhaustive()
    }
}
