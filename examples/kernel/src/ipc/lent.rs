//! A value over memory that it has to itself: what kos-ipc lends from, behind a counted pointer.
//!
//! Invariant: the storage is a live box, written through `value` alone, and freed after it.
#![expect(unsafe_code, reason = "the value borrows what lies beside it")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;

/// `T` over a slice of `S`.
pub(crate) struct Lent<T, S> {
    value: ManuallyDrop<T>,
    storage: NonNull<[S]>,
}

// SAFETY: the storage is reached through the value alone, so it goes and is shared where that does.
unsafe impl<T: Send, S: Send> Send for Lent<T, S> {}
// SAFETY: as above.
unsafe impl<T: Sync, S: Send> Sync for Lent<T, S> {}

impl<T, S: 'static> Lent<T, S> {
    /// Makes `count` places, and the value over them; `None` without memory, or if `make` refuses.
    ///
    /// # Safety
    /// Nothing that a `&T` gives out and that outlives that reference borrows the places, nor does what `make` returns beside `T`.
    pub(super) unsafe fn new(
        count: usize,
        place: impl FnMut() -> S,
        make: impl FnOnce(&'static mut [S]) -> Option<T>,
    ) -> Option<Self> {
        let mut places = Vec::new();
        places.try_reserve_exact(count).ok()?;
        places.resize_with(count, place);
        let storage = NonNull::from(Box::leak(places.into_boxed_slice()));
        // SAFETY: just leaked, and nobody else has it until it is freed, below or when the value is gone.
        let lent = unsafe { &mut *storage.as_ptr() };
        match make(lent) {
            Some(value) => Some(Self { value: ManuallyDrop::new(value), storage }),
            None => {
                // SAFETY: leaked above; by the caller's promise nothing borrows it, as there is no value.
                drop(unsafe { Box::from_raw(storage.as_ptr()) });
                None
            }
        }
    }
}

impl<T, S> Deref for Lent<T, S> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T, S> Drop for Lent<T, S> {
    fn drop(&mut self) {
        // SAFETY: dropped here only, once.
        unsafe { ManuallyDrop::drop(&mut self.value) };
        // SAFETY: a leaked box by the invariant; what borrowed it is gone.
        drop(unsafe { Box::from_raw(self.storage.as_ptr()) });
    }
}

impl<T: fmt::Debug, S> fmt::Debug for Lent<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
