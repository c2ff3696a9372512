//! Values in blocks: [`TxBox`] inside a transaction, [`BlockBox`] outside.
//!
//! Invariant: of a value in a block there is one owner. It is the log as long as its entry names the value; a `TxBox` only
//! borrows the transaction. [`TxBox::keep`] empties the entry and thereby makes a `BlockBox` the owner.
//!
//! The types forbid what would break it. While a `TxBox` lives, its transaction is borrowed: it can neither be committed nor
//! rolled back, nor can anybody else reach the value. It is invariant in `T`: the transaction may drop the value after the
//! box is gone, so nothing shorter-lived may be put in its place.

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::journal::release;
use super::log::Claim;
use crate::ports::BlockAlloc;

/// A value that belongs to a running transaction, as of [`Transaction::new_box`](super::Transaction::new_box).
///
/// Dropping the box does not drop the value. A rollback does; a commit leaves it to who holds a [pointer](Self::pointer)
/// to it, or owns it since [`keep`](Self::keep).
pub struct TxBox<'t, 'a, A: BlockAlloc, T> {
    heap: &'a A,
    value: NonNull<T>,
    claim: Claim<'t>,
    borrows: PhantomData<&'t mut T>,
}

impl<'t, 'a, A: BlockAlloc, T> TxBox<'t, 'a, A, T> {
    /// Borrows `value`, which the entry in this slot owns.
    pub(super) const fn new(heap: &'a A, value: NonNull<T>, claim: Claim<'t>) -> Self {
        Self { heap, value, claim, borrows: PhantomData }
    }

    /// Where the value is: there it stays, and after a commit it is the holder's of this pointer. After a rollback the
    /// pointer dangles.
    #[must_use]
    pub const fn pointer(&self) -> NonNull<T> {
        self.value
    }

    /// Takes the value out of the transaction, to hand it over with the commit: from here on the box that comes back owns
    /// it, and frees it if a later step fails. The entry's slot in the log is not used again.
    #[must_use = "dropping the box frees the value"]
    pub fn keep(self) -> BlockBox<'a, A, T> {
        release(self.claim);
        BlockBox { heap: self.heap, value: self.value, owns: PhantomData }
    }
}

impl<A: BlockAlloc, T> Deref for TxBox<'_, '_, A, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value lives while the transaction is borrowed, and this box alone gives out references to it.
        unsafe { self.value.as_ref() }
    }
}

impl<A: BlockAlloc, T> DerefMut for TxBox<'_, '_, A, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the box is borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<A: BlockAlloc, T: fmt::Debug> fmt::Debug for TxBox<'_, '_, A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A value in a block of `A`, owned: dropped and freed with the box.
///
/// What [`TxBox::keep`] hands over. A kernel that links its objects by pointers takes them from [`into_raw`](Self::into_raw)
/// and ends them by [`from_raw`](Self::from_raw).
pub struct BlockBox<'a, A: BlockAlloc, T> {
    heap: &'a A,
    value: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: the box owns the value alone, and the heap may be shared.
unsafe impl<A: BlockAlloc, T: Send> Send for BlockBox<'_, A, T> {}
// SAFETY: a shared box gives out shared references to the value only.
unsafe impl<A: BlockAlloc, T: Sync> Sync for BlockBox<'_, A, T> {}

impl<'a, A: BlockAlloc, T> BlockBox<'a, A, T> {
    /// The value's address. The caller owns the value and its block from here on.
    #[must_use = "the value is leaked unless somebody holds the pointer"]
    pub fn into_raw(self) -> NonNull<T> {
        ManuallyDrop::new(self).value
    }

    /// The box of a value whose address came from [`into_raw`](Self::into_raw), or from a [`TxBox::pointer`] whose
    /// transaction was committed.
    ///
    /// # Safety
    ///
    /// The value is in a live block of `heap`, which has the layout of `T`. The caller owns both and hands them over: there
    /// is no other box of them.
    pub const unsafe fn from_raw(heap: &'a A, value: NonNull<T>) -> Self {
        Self { heap, value, owns: PhantomData }
    }
}

impl<A: BlockAlloc, T> Deref for BlockBox<'_, A, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the box owns the value, which lives as long as the box.
        unsafe { self.value.as_ref() }
    }
}

impl<A: BlockAlloc, T> DerefMut for BlockBox<'_, A, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the box is borrowed exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<A: BlockAlloc, T> Drop for BlockBox<'_, A, T> {
    /// A block that the heap refuses to take is leaked.
    fn drop(&mut self) {
        // SAFETY: the box owns the value and is being dropped.
        unsafe { self.value.drop_in_place() };
        // SAFETY: the box owns the block, which was allocated for the layout of `T`.
        let _ = unsafe { self.heap.free(self.value.cast(), Layout::new::<T>()) };
    }
}

impl<A: BlockAlloc, T: fmt::Debug> fmt::Debug for BlockBox<'_, A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
