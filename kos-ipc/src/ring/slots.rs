//! Borrowed memory as places for items: [`Slot`], [`Slots`].
//!
//! Invariant, on which the unsafe code rests: `slots` has as many slots as `shape` has places.

use core::fmt;
use core::mem::MaybeUninit;

use super::CapacityError;
use super::index::Shape;
use crate::sync::{UnsafeCell, const_fn};

/// A place for one item: what a ring is made of.
#[repr(transparent)]
pub struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: an item is moved in by one thread and out by one other, never shared: who may touch a slot is said by indices.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    const_fn! {
        /// Nothing in it.
        #[must_use]
        pub fn new() -> Self {
            Self(UnsafeCell::new(MaybeUninit::uninit()))
        }
    }

    /// # Safety
    /// The caller alone may touch the slot, and nothing is in it.
    #[inline]
    pub(super) unsafe fn put(&self, item: T) {
        self.0.with_mut(|slot| {
            // SAFETY: nobody else touches it: the caller's promise.
            unsafe { slot.write(MaybeUninit::new(item)) }
        });
    }

    /// # Safety
    /// The caller alone may touch the slot, and an item is in it, which it takes.
    #[inline]
    pub(super) unsafe fn take(&self) -> T {
        let item = self.0.with_mut(|slot| {
            // SAFETY: nobody else touches it: the caller's promise.
            unsafe { slot.read() }
        });
        // SAFETY: an item was in it: the caller's promise.
        unsafe { item.assume_init() }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

/// The slots of a ring, by index.
pub(super) struct Slots<'s, T> {
    slots: &'s [Slot<T>],
    shape: Shape,
}

impl<T> Clone for Slots<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slots<'_, T> {}

impl<'s, T> Slots<'s, T> {
    pub(super) fn new(slots: &'s mut [Slot<T>]) -> Result<Self, CapacityError> {
        let shape = Shape::new(slots.len()).ok_or(CapacityError { len: slots.len() })?;
        Ok(Self { slots, shape })
    }

    #[inline]
    pub(super) const fn shape(&self) -> Shape {
        self.shape
    }

    #[inline]
    pub(super) fn slot(&self, index: usize) -> &'s Slot<T> {
        // SAFETY: a place is below the capacity, which is the number of slots (the invariant).
        unsafe { self.slots.get_unchecked(self.shape.place(index)) }
    }
}

impl<T: Copy> Slots<'_, T> {
    /// Copies `items` to the places from `index` on.
    ///
    /// # Safety
    /// There are at most as many as places, and the caller alone may touch theirs.
    #[cfg(not(loom))]
    #[inline]
    pub(super) unsafe fn copy_in(&self, index: usize, items: &[T]) {
        let (first, rest) = items.split_at(self.before_wrap(index, items.len()));
        // SAFETY: `first` ends with the last slot at most, and the caller alone may touch these.
        unsafe { self.pointer(index).copy_from_nonoverlapping(first.as_ptr(), first.len()) };
        // SAFETY: `rest` begins at the first slot; items are at most as many as slots.
        unsafe { self.pointer(0).copy_from_nonoverlapping(rest.as_ptr(), rest.len()) };
    }

    /// Copies the places from `index` on to `items`.
    ///
    /// # Safety
    /// There are at most as many as places, items are in all of theirs, and the caller alone may touch them.
    #[cfg(not(loom))]
    #[inline]
    pub(super) unsafe fn copy_out(&self, index: usize, items: &mut [T]) {
        let middle = self.before_wrap(index, items.len());
        let (first, rest) = items.split_at_mut(middle);
        // SAFETY: as for `copy_in`, and there are items in the slots.
        unsafe { self.pointer(index).copy_to_nonoverlapping(first.as_mut_ptr(), first.len()) };
        // SAFETY: as above.
        unsafe { self.pointer(0).copy_to_nonoverlapping(rest.as_mut_ptr(), rest.len()) };
    }

    /// How many of `count` places from `index` on come before the end of the memory.
    #[cfg(not(loom))]
    #[inline]
    fn before_wrap(&self, index: usize, count: usize) -> usize {
        count.min(self.shape.capacity() - self.shape.place(index))
    }

    /// Where the item of `index` is. A slot is nothing but a cell with the item.
    #[cfg(not(loom))]
    #[inline]
    fn pointer(&self, index: usize) -> *mut T {
        // SAFETY: a place is below the number of slots.
        let slot = unsafe { self.slots.as_ptr().add(self.shape.place(index)) };
        slot.cast_mut().cast()
    }

    /// As above, slot by slot: loom watches each.
    ///
    /// # Safety
    /// As above.
    #[cfg(loom)]
    pub(super) unsafe fn copy_in(&self, index: usize, items: &[T]) {
        for (at, &item) in items.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { self.slot(index.wrapping_add(at)).put(item) };
        }
    }

    /// As above.
    ///
    /// # Safety
    /// As above.
    #[cfg(loom)]
    pub(super) unsafe fn copy_out(&self, index: usize, items: &mut [T]) {
        for (at, item) in items.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *item = unsafe { self.slot(index.wrapping_add(at)).take() };
        }
    }
}

impl<T> fmt::Debug for Slots<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("capacity", &self.shape.capacity()).finish_non_exhaustive()
    }
}
