//! The log's entries, and everything that is done by them: the only file that writes or follows an entry.
//!
//! Invariant: an entry between the base of a transaction and the end of its log is true. A block or frames in it were
//! handed out by this heap, nobody but the transaction frees them, and a value that is to be dropped is in its block; what
//! is to be freed by the commit was promised to be the transaction's from then on. An entry that was acted upon is no
//! longer between base and end, or says [`Undo::Nothing`].

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::mem::needs_drop;
use core::ptr::NonNull;

use super::error::{Refused, RefusedFree};
use super::savepoint::Savepoint;
use crate::error::AllocError;
use crate::ports::{BlockAlloc, FrameAlloc};
use crate::types::{FrameRange, FrameRequest};

/// One entry of a transaction's log: five words. An array of them is what
/// [`Transaction::begin_in`](super::Transaction::begin_in) borrows.
#[derive(Clone, Copy)]
pub struct LogEntry {
    /// Counts the entries of a transaction, so that an entry is known from another that took its slot later.
    stamp: usize,
    undo: Undo,
}

impl LogEntry {
    /// An entry that says nothing.
    pub const EMPTY: Self = Self { stamp: 0, undo: Undo::Nothing };
}

impl Default for LogEntry {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Debug for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.undo {
            Undo::Nothing => f.write_str("nothing"),
            Undo::Block { block, layout, .. } => write!(f, "free {block:?} ({} bytes)", layout.size()),
            Undo::Frames(range) => write!(f, "free {range:?}"),
            Undo::Deferred { block, layout } => {
                write!(f, "at commit free {block:?} ({} bytes)", layout.size())
            }
            Undo::DeferredFrames(range) => write!(f, "at commit free {range:?}"),
        }
    }
}

/// What an entry asks for.
#[derive(Clone, Copy)]
enum Undo {
    /// The slot is claimed and not yet filled, or what it was filled with left the transaction.
    Nothing,
    /// On rollback, drop the value if there is one to drop, and free the block.
    Block { block: NonNull<u8>, layout: Layout, value: Option<DropValue> },
    /// On rollback, free the frames.
    Frames(FrameRange),
    /// On commit, free the block.
    Deferred { block: NonNull<u8>, layout: Layout },
    /// On commit, free the frames.
    DeferredFrames(FrameRange),
}

/// Drops the value in a block, whose type it remembers.
type DropValue = unsafe fn(NonNull<u8>);

/// How far a log is filled.
#[derive(Debug)]
pub struct Cursor {
    /// Entries in use, counted from the first slot.
    used: Cell<usize>,
    /// Entries ever written.
    stamps: Cell<usize>,
    /// Whether there ever was a free to be done by the commit.
    defers: Cell<bool>,
}

impl Cursor {
    /// Of a log without an entry.
    pub(super) const fn start() -> Self {
        Self { used: Cell::new(0), stamps: Cell::new(0), defers: Cell::new(false) }
    }

    /// Entries in use.
    pub(super) const fn used(&self) -> usize {
        self.used.get()
    }
}

/// A heap and the log of a transaction on it, whichever way the log is kept. Both stay together for as long as the
/// transaction lives.
pub(super) struct Journal<'j, A> {
    heap: &'j A,
    slots: &'j [Cell<LogEntry>],
    cursor: &'j Cursor,
}

impl<'j, A: BlockAlloc> Journal<'j, A> {
    pub(super) const fn new(heap: &'j A, slots: &'j [Cell<LogEntry>], cursor: &'j Cursor) -> Self {
        Self { heap, slots, cursor }
    }

    /// A block that goes back on rollback, and its slot.
    #[inline]
    pub(super) fn allocate(&self, layout: Layout) -> Result<(NonNull<u8>, &'j Cell<LogEntry>), AllocError> {
        let claim = self.claim()?;
        let block = self.heap.allocate(layout).inspect_err(|_| claim.withdraw())?;
        Ok((block, claim.fill(Undo::Block { block, layout, value: None })))
    }

    /// Frames that go back on rollback.
    pub(super) fn allocate_frames(&self, request: &FrameRequest) -> Result<FrameRange, AllocError> {
        let claim = self.claim()?;
        let range = self.heap.frames().allocate(request).inspect_err(|_| claim.withdraw())?;
        claim.fill(Undo::Frames(range));
        Ok(range)
    }

    /// A block with what `make` makes in it. On rollback the value is dropped and the block goes back.
    pub(super) fn allocate_value<T>(
        &self,
        make: impl FnOnce() -> T,
    ) -> Result<(NonNull<T>, &'j Cell<LogEntry>), AllocError> {
        let layout = Layout::new::<T>();
        let (block, slot) = self.allocate(layout)?;
        let (value, made) = (block.cast::<T>(), make());
        // SAFETY: the block was handed out for the layout of `T`, and is the transaction's alone.
        unsafe { value.write(made) };
        if needs_drop::<T>() {
            let undo = Undo::Block { block, layout, value: Some(drop_value::<T>) };
            slot.set(LogEntry { undo, ..slot.get() });
        }
        Ok((value, slot))
    }

    /// Lets the commit free a block; a rollback leaves it.
    ///
    /// # Safety
    ///
    /// The block is one of this heap with this layout. From the commit on it is the transaction's alone.
    pub(super) unsafe fn defer_free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), AllocError> {
        self.claim()?.fill(Undo::Deferred { block, layout });
        self.cursor.defers.set(true);
        Ok(())
    }

    /// Lets the commit free frames; a rollback leaves them.
    ///
    /// # Safety
    ///
    /// The frames are of this heap's source. From the commit on they are the transaction's alone.
    pub(super) unsafe fn defer_free_frames(&self, range: FrameRange) -> Result<(), AllocError> {
        self.claim()?.fill(Undo::DeferredFrames(range));
        self.cursor.defers.set(true);
        Ok(())
    }

    /// Undoes every entry from `base` on, the last one first.
    pub(super) fn roll_back(&self, base: usize) -> Result<(), Refused> {
        let mut refused = None;
        while let Some(undo) = self.pop(base) {
            self.undo(undo).unwrap_or_else(|free| Refused::note(&mut refused, free));
        }
        refused.map_or(Ok(()), Err)
    }

    /// Does every deferred free from `base` on, the first one first.
    #[inline]
    pub(super) fn settle(&self, base: usize) -> Option<Refused> {
        if self.cursor.defers.get() { self.free_all_deferred(base) } else { None }
    }

    #[cold]
    fn free_all_deferred(&self, base: usize) -> Option<Refused> {
        let mut refused = None;
        for slot in self.slots.get(base..self.cursor.used()).unwrap_or_default() {
            self.free_deferred(slot).unwrap_or_else(|free| Refused::note(&mut refused, free));
        }
        refused
    }

    /// Where the log stands.
    pub(super) fn savepoint(&self) -> Savepoint {
        Savepoint { entries: self.cursor.used(), stamp: self.stamp_below(self.cursor.used()) }
    }

    /// Whether everything that was in the log at `savepoint` still is.
    pub(super) fn reaches(&self, savepoint: Savepoint) -> bool {
        savepoint.entries <= self.cursor.used() && self.stamp_below(savepoint.entries) == savepoint.stamp
    }

    /// The stamp of the last of the first `entries` entries; 0 if there is none.
    fn stamp_below(&self, entries: usize) -> usize {
        let last = entries.checked_sub(1).and_then(|last| self.slots.get(last));
        last.map_or(0, |slot| slot.get().stamp)
    }

    /// The next slot. Until it is filled its entry says nothing.
    #[inline]
    fn claim(&self) -> Result<Claim<'j>, AllocError> {
        let (index, stamp) = (self.cursor.used(), self.cursor.stamps.get() + 1);
        let full = AllocError::LogFull { capacity: self.slots.len() };
        let slot = self.slots.get(index).ok_or(full)?;
        slot.set(LogEntry { stamp, undo: Undo::Nothing });
        self.cursor.used.set(index + 1);
        self.cursor.stamps.set(stamp);
        Ok(Claim { slot, cursor: self.cursor, index, stamp })
    }

    /// The last entry, if it is not below `base`. It is out of the log before anybody acts on it.
    fn pop(&self, base: usize) -> Option<Undo> {
        let last = self.cursor.used().checked_sub(1).filter(|last| *last >= base)?;
        self.cursor.used.set(last);
        self.slots.get(last).map(|slot| slot.get().undo)
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

    fn free_deferred(&self, slot: &Cell<LogEntry>) -> Result<(), RefusedFree> {
        match slot.get().undo {
            Undo::Deferred { block, layout } => {
                forget_entry(slot);
                self.free(block, layout)
            }
            Undo::DeferredFrames(range) => {
                forget_entry(slot);
                self.free_frames(range)
            }
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

/// Takes what the entry in `slot` speaks of out of the transaction.
pub(super) fn forget_entry(slot: &Cell<LogEntry>) {
    slot.set(LogEntry { undo: Undo::Nothing, ..slot.get() });
}

/// # Safety
///
/// There is a `T` in the block, nobody refers to it, and it is dropped nowhere else.
unsafe fn drop_value<T>(block: NonNull<u8>) {
    // SAFETY: the caller's promise.
    unsafe { block.cast::<T>().drop_in_place() };
}

/// A slot that was taken before the allocation that it is for.
struct Claim<'j> {
    slot: &'j Cell<LogEntry>,
    cursor: &'j Cursor,
    index: usize,
    stamp: usize,
}

impl<'j> Claim<'j> {
    #[inline]
    fn fill(self, undo: Undo) -> &'j Cell<LogEntry> {
        self.slot.set(LogEntry { stamp: self.stamp, undo });
        self.slot
    }

    /// Gives the slot back; one that is no longer the last stays behind and says nothing.
    #[cold]
    fn withdraw(&self) {
        if self.cursor.used() == self.index + 1 {
            self.cursor.used.set(self.index);
        }
    }
}
