//! All or nothing: [`Transaction`].

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::boxed::TxBox;
use super::error::{Refused, SavepointError};
use super::journal::Journal;
use super::log::{Inline, Lent, Log, LogEntry, Nested};
use super::savepoint::Savepoint;
use crate::error::AllocError;
use crate::ports::BlockAlloc;
use crate::types::{FrameRange, FrameRequest};

/// Allocations that come about together or not at all.
///
/// What was allocated through it is undone when it is dropped, the last first; after [`commit`](Self::commit) it stays.
/// The log is `L`: [`Inline`] in the transaction, [`Lent`], or, [`Nested`], a parent's. It allocates nothing, and its slot
/// is claimed before each allocation, so that nothing can be allocated that could not be undone.
///
/// Everything but the allocations and frees themselves is a few instructions; a transaction may live wherever its heap may
/// be used, in interrupt handlers too. It stays with the thread that began it. Forgotten instead of dropped, it leaks.
///
/// A block of a running transaction is not to be freed by anybody else.
#[must_use = "dropping a transaction rolls it back"]
pub struct Transaction<'a, A: BlockAlloc, L: Log = Lent<'static>> {
    heap: &'a A,
    log: L,
    /// Entries below it are not this transaction's.
    base: usize,
    /// Invariant: values are dropped when the transaction is, so what they borrow must live for all of `'a`, and `'a` must
    /// not be taken for a shorter one on the way.
    scope: PhantomData<Cell<&'a ()>>,
}

impl<'a, A: BlockAlloc> Transaction<'a, A> {
    /// Begins a transaction on `heap` whose log of `N` entries is part of it.
    #[inline]
    pub const fn begin<const N: usize>(heap: &'a A) -> Transaction<'a, A, Inline<N>> {
        Transaction { heap, log: Inline::new(), base: 0, scope: PhantomData }
    }

    /// Begins a transaction on `heap` whose log is `entries`, whatever they hold.
    #[inline]
    pub const fn begin_in<'l>(heap: &'a A, entries: &'l mut [LogEntry]) -> Transaction<'a, A, Lent<'l>> {
        Transaction { heap, log: Lent::new(entries), base: 0, scope: PhantomData }
    }
}

impl<'a, A: BlockAlloc, L: Log> Transaction<'a, A, L> {
    /// A block as of [`BlockAlloc::allocate`]; it goes back on rollback.
    ///
    /// # Errors
    ///
    /// [`AllocError::LogFull`], and what the heap says. Nothing is allocated then, and the transaction goes on.
    #[inline]
    pub fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.journal().allocate(layout).map(|(block, _)| block)
    }

    /// Frames of the heap's [source](BlockAlloc::frames); they go back on rollback.
    ///
    /// # Errors
    ///
    /// [`AllocError::LogFull`], or [`AllocError::Frames`] with what the source says. Nothing is allocated then, and the
    /// transaction goes on.
    #[inline]
    pub fn allocate_frames(&self, request: &FrameRequest) -> Result<FrameRange, AllocError> {
        self.journal().allocate_frames(request)
    }

    /// A block with `value` in it. On rollback the value is dropped and the block goes back; on commit both stay, and
    /// whoever has [kept](TxBox::keep) the box or holds a pointer to it owns them.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate); the value is dropped then. To have none to drop, use
    /// [`new_box_with`](Self::new_box_with).
    #[inline]
    pub fn new_box<T: 'a>(&self, value: T) -> Result<TxBox<'_, 'a, A, T>, AllocError> {
        self.new_box_with(|| value)
    }

    /// As [`new_box`](Self::new_box) with what `make` returns; it is called when there is a block for it. What `make`
    /// itself does with the transaction is younger than the box, thus undone before the value is dropped.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate); `make` was not called then.
    #[inline]
    pub fn new_box_with<T: 'a>(&self, make: impl FnOnce() -> T) -> Result<TxBox<'_, 'a, A, T>, AllocError> {
        let (value, claim) = self.journal().allocate_value(make)?;
        Ok(TxBox::new(self.heap, value, claim))
    }

    /// Frees a block when the (outermost) transaction commits; a rollback leaves it as it is. So the old state stays whole
    /// until the new one stands.
    ///
    /// # Errors
    ///
    /// [`AllocError::LogFull`]; the block stays the caller's.
    ///
    /// # Safety
    ///
    /// The block is live in this heap, has this layout, and is not one of this transaction. When the transaction commits,
    /// the caller owns it and nobody uses it any more.
    #[inline]
    #[expect(unsafe_code, reason = "the caller promises what the commit will rely on")]
    pub unsafe fn defer_free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), AllocError> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.journal().defer_free(block, layout) }
    }

    /// As [`defer_free`](Self::defer_free) for frames.
    ///
    /// # Errors
    ///
    /// [`AllocError::LogFull`]; the frames stay the caller's.
    ///
    /// # Safety
    ///
    /// The frames are allocated from the heap's source, and not by this transaction. When the transaction commits, the
    /// caller owns them and nobody uses them any more.
    #[inline]
    #[expect(unsafe_code, reason = "the caller promises what the commit will rely on")]
    pub unsafe fn defer_free_frames(&self, range: FrameRange) -> Result<(), AllocError> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.journal().defer_free_frames(range) }
    }

    /// Entries for which the log still has room.
    #[must_use]
    pub fn room(&self) -> usize {
        self.log.view().capacity() - self.log.view().used()
    }

    /// Remembers this moment, for [`rollback_to`](Self::rollback_to). Takes no room in the log.
    #[inline]
    #[must_use]
    pub fn savepoint(&self) -> Savepoint {
        self.journal().savepoint()
    }

    /// Undoes what was done since `savepoint`, which stays good. The transaction goes on. Boxes are not borrowed across
    /// this, not even older ones; their values stay.
    ///
    /// # Errors
    ///
    /// [`SavepointError::Stale`] if an earlier savepoint was returned to since, and then nothing is undone;
    /// [`SavepointError::Refused`] if all was undone but some frees that the heap refused.
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<(), SavepointError> {
        let journal = self.journal();
        if savepoint.entries < self.base || !journal.reaches(savepoint) {
            return Err(SavepointError::Stale);
        }
        journal.roll_back(savepoint.entries).map_err(SavepointError::Refused)
    }

    /// Begins a transaction inside this one, with the rest of its log. Its commit makes what it did part of this one; its
    /// rollback leaves this one as it was. Meanwhile this one cannot be used.
    #[inline]
    pub fn nested(&mut self) -> Transaction<'a, A, Nested<'_>> {
        let base = self.log.view().used();
        Transaction { heap: self.heap, log: Nested::new(&mut self.log), base, scope: PhantomData }
    }

    /// Everything stays. Cannot fail: nothing is allocated. The deferred frees are done now, oldest first; those of a
    /// nested transaction when the outermost one commits. Returns what the heap refused of them, which is leaked.
    #[inline]
    pub fn commit(mut self) -> Option<Refused> {
        let refused = if L::NESTED { None } else { self.journal().settle(self.base) };
        self.base = self.log.view().used();
        refused
    }

    /// Undoes everything, youngest first, as dropping the transaction does, and says whether that succeeded.
    ///
    /// # Errors
    ///
    /// [`Refused`]: frees that the heap refused. All else was undone.
    #[inline]
    pub fn rollback(self) -> Result<(), Refused> {
        self.journal().roll_back(self.base)
    }

    #[inline]
    fn journal(&self) -> Journal<'_, A> {
        Journal { heap: self.heap, log: self.log.view() }
    }
}

impl<A: BlockAlloc, L: Log> Drop for Transaction<'_, A, L> {
    /// Rolls back. Blocks that the heap refuses to take are leaked without a word: use
    /// [`rollback`](Transaction::rollback) to hear of them.
    fn drop(&mut self) {
        let _ = self.journal().roll_back(self.base);
    }
}

impl<A: BlockAlloc, L: Log> fmt::Debug for Transaction<'_, A, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log.view();
        f.debug_list().entries((self.base..log.used()).filter_map(|index| log.entry(index))).finish()
    }
}
