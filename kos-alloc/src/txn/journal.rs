//! What the entries of a log mean, and everything that is done by them: the only file that makes or follows an entry.
//!
//! Invariant: an entry between the base of a transaction and the end of its log is true. A block or frames in it were
//! handed out by this heap, nobody but the transaction frees them, and a value that is to be dropped is in its block; what
//! is to be freed by the commit was promised to be the transaction's from then on. An entry that was acted upon is no
//! longer between base and end, or says [`Undo::Nothing`].

use core::alloc::Layout;
use core::mem::needs_drop;
use core::ptr::NonNull;

use super::error::{Refused, RefusedFree};
use super::log::{Claim, Undo, View};
use super::savepoint::Savepoint;
use crate::error::AllocError;
use crate::ports::{BlockAlloc, FrameAlloc};
use crate::types::{FrameRange, FrameRequest};

/// A heap and the log of a transaction on it, whichever way the log is kept. Both stay together for as long as the
/// transaction lives.
pub(super) struct Journal<'j, A> {
    pub(super) heap: &'j A,
    pub(super) log: View<'j>,
}

impl<'j, A: BlockAlloc> Journal<'j, A> {
    /// A block that goes back on rollback, and its slot.
    #[inline]
    pub(super) fn allocate(&self, layout: Layout) -> Result<(NonNull<u8>, Claim<'j>), AllocError> {
        let claim = self.log.claim()?;
        let block = self.heap.allocate(layout).inspect_err(|_| self.log.withdraw(claim))?;
        claim.fill(Undo::Block { block, layout, value: None });
        Ok((block, claim))
    }

    /// Frames that go back on rollback.
    pub(super) fn allocate_frames(&self, request: &FrameRequest) -> Result<FrameRange, AllocError> {
        let claim = self.log.claim()?;
        let range = self.heap.frames().allocate(request).inspect_err(|_| self.log.withdraw(claim))?;
        claim.fill(Undo::Frames(range));
        Ok(range)
    }

    /// A block with what `make` makes in it. On rollback the value is dropped and the block goes back.
    pub(super) fn allocate_value<T>(
        &self,
        make: impl FnOnce() -> T,
    ) -> Result<(NonNull<T>, Claim<'j>), AllocError> {
        let layout = Layout::new::<T>();
        let (block, claim) = self.allocate(layout)?;
        let (value, made) = (block.cast::<T>(), make());
        // SAFETY: the block was handed out for the layout of `T`, and is the transaction's alone.
        unsafe { value.write(made) };
        if needs_drop::<T>() {
            claim.fill(Undo::Block { block, layout, value: Some(drop_value::<T>) });
        }
        Ok((value, claim))
    }

    /// Lets the commit free a block; a rollback leaves it.
    ///
    /// # Safety
    ///
    /// The block is one of this heap with this layout. From the commit on it is the transaction's alone.
    pub(super) unsafe fn defer_free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), AllocError> {
        self.log.claim()?.fill(Undo::Deferred { block, layout });
        self.log.set_defers();
        Ok(())
    }

    /// Lets the commit free frames; a rollback leaves them.
    ///
    /// # Safety
    ///
    /// The frames are of this heap's source. From the commit on they are the transaction's alone.
    pub(super) unsafe fn defer_free_frames(&self, range: FrameRange) -> Result<(), AllocError> {
        self.log.claim()?.fill(Undo::DeferredFrames(range));
        self.log.set_defers();
        Ok(())
    }

    /// Undoes every entry from `base` on, the last one first.
    pub(super) fn roll_back(&self, base: usize) -> Result<(), Refused> {
        let mut refused = None;
        while let Some(undo) = self.log.pop(base) {
            self.undo(undo).unwrap_or_else(|free| Refused::note(&mut refused, free));
        }
        refused.map_or(Ok(()), Err)
    }

    /// Does every deferred free from `base` on, the first one first.
    #[inline]
    pub(super) fn settle(&self, base: usize) -> Option<Refused> {
        if self.log.defers() { self.free_all_deferred(base) } else { None }
    }

    #[cold]
    fn free_all_deferred(&self, base: usize) -> Option<Refused> {
        let mut refused = None;
        for entry in (base..self.log.used()).filter_map(|index| self.log.entry(index)) {
            self.free_deferred(entry.undo).unwrap_or_else(|free| Refused::note(&mut refused, free));
        }
        refused
    }

    /// Where the log stands.
    pub(super) fn savepoint(&self) -> Savepoint {
        Savepoint { entries: self.log.used(), stamp: self.stamp_below(self.log.used()) }
    }

    /// Whether everything that was in the log at `savepoint` still is.
    pub(super) fn reaches(&self, savepoint: Savepoint) -> bool {
        savepoint.entries <= self.log.used() && self.stamp_below(savepoint.entries) == savepoint.stamp
    }

    /// The stamp of the last of the first `entries` entries; 0 if there is none.
    fn stamp_below(&self, entries: usize) -> usize {
        let last = entries.checked_sub(1).and_then(|last| self.log.entry(last));
        last.map_or(0, |entry| entry.stamp)
    }

    fn undo(&self, undo: Undo) -> Result<(), RefusedFree> {
        match undo {
            Undo::Block { block, layout, value } => {
                if let Some(drop_value) = value {
                    // SAFETY: the value is in its block and is dropped nowhere else, says the entry, which is out of the
                    // log.
                    unsafe { drop_value(block) };
                }
                self.free(block, layout)
            }
            Undo::Frames(range) => self.free_frames(range),
            Undo::Nothing | Undo::Deferred { .. } | Undo::DeferredFrames(_) => Ok(()),
        }
    }

    /// Does what the entry has for the commit. The entry stays in the log, which is not looked at again.
    fn free_deferred(&self, undo: Undo) -> Result<(), RefusedFree> {
        match undo {
            Undo::Deferred { block, layout } => self.free(block, layout),
            Undo::DeferredFrames(range) => self.free_frames(range),
            Undo::Nothing | Undo::Block { .. } | Undo::Frames(_) => Ok(()),
        }
    }

    fn free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), RefusedFree> {
        // SAFETY: an entry named the block, so it is the transaction's alone; that entry is gone.
        unsafe { self.heap.free(block, layout) }.map_err(RefusedFree::Block)
    }

    fn free_frames(&self, range: FrameRange) -> Result<(), RefusedFree> {
        // SAFETY: an entry named the frames, so they are the transaction's alone; that entry is gone.
        unsafe { self.heap.frames().free(range) }.map_err(RefusedFree::Frames)
    }
}

/// Takes what the entry in a slot speaks of out of the transaction.
pub(super) fn release(claim: Claim<'_>) {
    claim.fill(Undo::Nothing);
}

/// # Safety
///
/// There is a `T` in the block, nobody refers to it, and it is dropped nowhere else.
unsafe fn drop_value<T>(block: NonNull<u8>) {
    // SAFETY: the caller's promise.
    unsafe { block.cast::<T>().drop_in_place() };
}
