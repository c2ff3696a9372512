//! The log: entries, and where they are kept — in the transaction, in a slice that it was lent, or in its parent's.
//!
//! Invariant: the slots below [`Cursor::used`] hold entries; what lies above was perhaps never written, so that beginning a
//! transaction takes the same few instructions however long its log is. Slots and cursor are always seen together, as a
//! [`View`] of one log.

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use crate::error::AllocError;
use crate::types::FrameRange;

/// One entry of a transaction's log: five words. An array of them is what
/// [`Transaction::begin_in`](super::Transaction::begin_in) borrows.
#[derive(Clone, Copy)]
pub struct LogEntry {
    /// Counts the entries of a transaction, so that an entry is known from another that took its slot later.
    pub(super) stamp: usize,
    pub(super) undo: Undo,
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

/// What an entry asks for. Only `journal` makes one that asks for something.
#[derive(Clone, Copy)]
pub(super) enum Undo {
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
pub(super) type DropValue = unsafe fn(NonNull<u8>);

/// A place for a log: [`Inline`], [`Lent`] or [`Nested`]. None of them ever allocates.
pub trait Log: sealed::Storage {}

pub(super) mod sealed {
    /// What a log is to its transaction.
    pub trait Storage {
        /// Whether the log is a parent's, who goes on with it after a commit.
        const NESTED: bool;

        /// The log.
        fn view(&self) -> super::View<'_>;
    }
}

/// `N` entries inside the transaction, on the stack of who began it: 40 bytes each on 64-bit machines.
pub struct Inline<const N: usize> {
    slots: [Slot; N],
    cursor: Cursor,
}

impl<const N: usize> Inline<N> {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { slots: [const { Slot::unused() }; N], cursor: Cursor::start() }
    }
}

impl<const N: usize> Log for Inline<N> {}

impl<const N: usize> sealed::Storage for Inline<N> {
    const NESTED: bool = false;

    #[inline]
    fn view(&self) -> View<'_> {
        View { slots: &self.slots, cursor: &self.cursor }
    }
}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inline<{N}>")
    }
}

/// Entries that somebody lent.
pub struct Lent<'l> {
    slots: &'l [Slot],
    cursor: Cursor,
}

impl<'l> Lent<'l> {
    #[inline]
    pub(super) const fn new(entries: &'l mut [LogEntry]) -> Self {
        Self { slots: Slot::slice_of(entries), cursor: Cursor::start() }
    }
}

impl Log for Lent<'_> {}

impl sealed::Storage for Lent<'_> {
    const NESTED: bool = false;

    #[inline]
    fn view(&self) -> View<'_> {
        View { slots: self.slots, cursor: &self.cursor }
    }
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lent({})", self.slots.len())
    }
}

/// The log of the parent, whom it keeps from being used meanwhile.
pub struct Nested<'p>(View<'p>);

impl<'p> Nested<'p> {
    #[inline]
    pub(super) fn new(parent: &'p mut impl Log) -> Self {
        Self(parent.view())
    }
}

impl Log for Nested<'_> {}

impl sealed::Storage for Nested<'_> {
    const NESTED: bool = true;

    #[inline]
    fn view(&self) -> View<'_> {
        self.0
    }
}

impl fmt::Debug for Nested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nested")
    }
}

/// Room for an entry. Only whole entries are ever written to it.
#[repr(transparent)]
struct Slot(Cell<MaybeUninit<LogEntry>>);

impl Slot {
    const fn unused() -> Self {
        Self(Cell::new(MaybeUninit::uninit()))
    }

    const fn slice_of(entries: &mut [LogEntry]) -> &[Self] {
        let slots = ptr::from_mut(entries) as *const [Self];
        // SAFETY: a slot has the layout of an entry. The entries are borrowed exclusively, so they may be changed through
        // cells; and as only whole entries are written, the lender finds entries afterwards.
        unsafe { &*slots }
    }
}

/// How far a log is filled.
#[derive(Debug)]
struct Cursor {
    /// Slots in use, counted from the first.
    used: Cell<usize>,
    /// Entries ever written.
    stamps: Cell<usize>,
    /// Whether there ever was a free to be done by the commit.
    defers: Cell<bool>,
}

impl Cursor {
    const fn start() -> Self {
        Self { used: Cell::new(0), stamps: Cell::new(0), defers: Cell::new(false) }
    }
}

/// A log, wherever it is kept.
#[derive(Clone, Copy)]
pub struct View<'v> {
    slots: &'v [Slot],
    cursor: &'v Cursor,
}

impl<'v> View<'v> {
    /// Entries in use.
    #[inline]
    pub(super) const fn used(self) -> usize {
        self.cursor.used.get()
    }

    /// Entries for which there is room in all.
    pub(super) const fn capacity(self) -> usize {
        self.slots.len()
    }

    /// The entry in slot number `index`, if it is in use.
    #[inline]
    pub(super) fn entry(self, index: usize) -> Option<LogEntry> {
        let slot = self.slots.get(index).filter(|_| index < self.used())?;
        // SAFETY: the slot is in use, so an entry was written to it.
        Some(unsafe { slot.0.get().assume_init() })
    }

    /// Takes the last entry out of the log, if it is not below `base`.
    #[inline]
    pub(super) fn pop(self, base: usize) -> Option<Undo> {
        let last = self.used().checked_sub(1).filter(|last| *last >= base)?;
        let entry = self.entry(last);
        self.cursor.used.set(last);
        entry.map(|entry| entry.undo)
    }

    /// The next slot. Until it is filled its entry says nothing.
    #[inline]
    pub(super) fn claim(self) -> Result<Claim<'v>, AllocError> {
        let (index, stamp) = (self.used(), self.cursor.stamps.get() + 1);
        let slot = self.slots.get(index).ok_or(AllocError::LogFull { capacity: self.capacity() })?;
        let claim = Claim { slot, stamp };
        claim.fill(Undo::Nothing);
        self.cursor.used.set(index + 1);
        self.cursor.stamps.set(stamp);
        Ok(claim)
    }

    /// Gives a slot back for which there is nothing. One that is no longer the last stays behind and says nothing.
    #[cold]
    pub(super) fn withdraw(self, claim: Claim<'v>) {
        let last = self.used().wrapping_sub(1);
        if self.slots.get(last).is_some_and(|slot| ptr::eq(slot, claim.slot)) {
            self.cursor.used.set(last);
        }
    }

    /// Remembers that the commit has something to do.
    pub(super) fn set_defers(self) {
        self.cursor.defers.set(true);
    }

    /// Whether the commit may have something to do.
    #[inline]
    pub(super) const fn defers(self) -> bool {
        self.cursor.defers.get()
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.used()).filter_map(|index| self.entry(index))).finish()
    }
}

/// A slot that is in use, and the stamp of its entry.
#[derive(Clone, Copy)]
pub(super) struct Claim<'v> {
    slot: &'v Slot,
    stamp: usize,
}

impl Claim<'_> {
    /// Writes the entry.
    #[inline]
    pub(super) fn fill(self, undo: Undo) {
        self.slot.0.set(MaybeUninit::new(LogEntry { stamp: self.stamp, undo }));
    }
}
