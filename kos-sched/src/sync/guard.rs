//! What holds a lock: [`Guard`].

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

/// A lock that a guard releases.
pub trait Release {
    /// Releases it. Called once for each guard, by the task that has the lock.
    fn release(&self);
}

/// Exclusive access to what a lock guards; dropping it releases the lock. Belongs to the task that took the lock.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct Guard<'l, L: Release, T: ?Sized> {
    lock: &'l L,
    data: &'l UnsafeCell<T>,
    /// Not `Send`: the owner releases.
    _owner: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out shared references to the data only.
#[expect(unsafe_code, reason = "the raw pointer marks the guard as not `Send`")]
unsafe impl<L: Release + Sync, T: ?Sized + Sync> Sync for Guard<'_, L, T> {}

impl<'l, L: Release, T: ?Sized> Guard<'l, L, T> {
    /// # Safety
    /// The caller has just got `lock`, which excludes every other guard of `data` until it is released.
    #[expect(unsafe_code, reason = "whoever makes a guard answers for the lock")]
    pub(super) const unsafe fn new(lock: &'l L, data: &'l UnsafeCell<T>) -> Self {
        Self { lock, data, _owner: PhantomData }
    }

    pub(super) const fn lock(guard: &Self) -> &'l L {
        guard.lock
    }
}

impl<L: Release, T: ?Sized> Deref for Guard<'_, L, T> {
    type Target = T;

    #[expect(unsafe_code, reason = "reaches what the lock guards")]
    fn deref(&self) -> &T {
        // SAFETY: the lock excludes every other guard (see `new`), and this one is borrowed.
        unsafe { &*self.data.get() }
    }
}

impl<L: Release, T: ?Sized> DerefMut for Guard<'_, L, T> {
    #[expect(unsafe_code, reason = "reaches what the lock guards")]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock excludes every other guard (see `new`), and this one is borrowed mutably.
        unsafe { &mut *self.data.get() }
    }
}

impl<L: Release, T: ?Sized> Drop for Guard<'_, L, T> {
    fn drop(&mut self) {
        self.lock.release();
    }
}

impl<L: Release, T: ?Sized + fmt::Debug> fmt::Debug for Guard<'_, L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
