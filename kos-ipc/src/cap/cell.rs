//! What a capability can be revoked by: [`Cell`], [`Stamp`].
//!
//! A capability that may revoke owns a cell, and what is made of it is under that cell: it carries the cell's number and the epoch
//! that the cell had then, its stamp. It can be used while the cell still has that epoch. So a revoke is one addition, however
//! many copies there are and wherever they are.
//!
//! Of what is made, that which may revoke in its turn owns a cell of its own, a child of the one it is under. Those are
//! what a [`Revocation`](super::Revocation) walks: it kills them for good, from above.
//!
//! Invariants:
//! 1. A cell has a reference of its owner, of each capability under it, of each child, and of each walk that begins at it. It
//!    is free when it has none; so no stamp names a cell that was used again.
//! 2. An epoch only grows, until [`DEAD`], which no stamp has. A dead cell stays dead and gets no child.
//! 3. Links are written and read by who holds the lock of the table. Children stand in the order of their birth, and `born` is the
//!    epoch that the parent had then. At most [`MAX_DEPTH`] cells stand below each other.

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Bug, const_fn, seeded};

/// Cells that stand below each other, at most: what bounds a step of a walk.
pub const MAX_DEPTH: usize = 8;

/// No cell.
pub(super) const NONE: u32 = u32::MAX;
/// The epoch of a cell under which nothing can be used any more.
pub(super) const DEAD: u32 = u32::MAX;
/// References from which on a cell is never free again: some were forgotten, so the rest cannot be counted.
const FOR_EVER: u32 = 1 << 31;

/// Under which cell a capability is, and since which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) cell: u32,
    pub(super) epoch: u32,
}

impl Stamp {
    /// Under none: it cannot be revoked.
    pub(super) const FREE: Self = Self { cell: NONE, epoch: 0 };

    pub(super) const fn word(self) -> u64 {
        (self.cell as u64) << 32 | self.epoch as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "takes the word apart")]
    pub(super) const fn of(word: u64) -> Self {
        Self { cell: (word >> 32) as u32, epoch: word as u32 }
    }
}

/// A place for what a capability can be revoked by, lent to [`Cells`](super::Cells).
#[derive(Debug)]
pub struct Cell {
    epoch: AtomicU32,
    refs: AtomicU32,
    pub(super) links: Links,
}

/// For the holder of the table's lock.
#[derive(Debug)]
pub(super) struct Links {
    /// Of a free cell: the next free one.
    pub(super) parent: AtomicU32,
    pub(super) born: AtomicU32,
    pub(super) depth: AtomicU32,
    pub(super) oldest: AtomicU32,
    pub(super) newest: AtomicU32,
    pub(super) older: AtomicU32,
    pub(super) newer: AtomicU32,
    /// The quota that pays.
    pub(super) payer: AtomicU32,
}

impl Cell {
    const_fn! {
        /// Free.
        #[must_use]
        pub fn new() -> Self {
            let links = Links {
                parent: AtomicU32::new(NONE),
                born: AtomicU32::new(0),
                depth: AtomicU32::new(0),
                oldest: AtomicU32::new(NONE),
                newest: AtomicU32::new(NONE),
                older: AtomicU32::new(NONE),
                newer: AtomicU32::new(NONE),
                payer: AtomicU32::new(NONE),
            };
            Self { epoch: AtomicU32::new(0), refs: AtomicU32::new(0), links }
        }
    }

    #[inline]
    pub(super) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Begins its use with one reference, its owner's. For the holder of the lock, who has it from the list of free ones.
    pub(super) fn begin(&self) {
        self.epoch.store(0, Ordering::Relaxed);
        self.refs.store(1, Ordering::Relaxed);
    }

    /// Revokes what is under it. An epoch that was the last leaves it dead.
    pub(super) fn advance(&self) {
        if seeded(Bug::RevokeInTwoSteps) {
            let epoch = self.epoch.load(Ordering::Relaxed);
            return self.epoch.store(epoch.saturating_add(1), Ordering::Release);
        }
        _ = self.epoch.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |epoch| epoch.checked_add(1));
    }

    pub(super) fn kill(&self) {
        // A swap, not a store: one more of the additions that this meets.
        self.epoch.swap(DEAD, Ordering::AcqRel);
    }

    /// One more reference. The caller has one, so it is not free.
    pub(super) fn retain(&self) {
        if self.refs.fetch_add(1, Ordering::Relaxed) >= FOR_EVER {
            self.refs.store(FOR_EVER, Ordering::Relaxed);
        }
    }

    /// Gives up a reference; true if it was the last.
    pub(super) fn release(&self) -> bool {
        let before = self.refs.fetch_sub(1, Ordering::AcqRel);
        if before >= FOR_EVER {
            self.refs.store(FOR_EVER, Ordering::Relaxed);
        }
        before == 1
    }

    pub(super) fn refs(&self) -> u32 {
        self.refs.load(Ordering::Relaxed)
    }

    /// Starts at `epoch`, so that tests see the last.
    #[cfg(test)]
    pub(crate) fn set_epoch(&self, epoch: u32) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::new()
    }
}
