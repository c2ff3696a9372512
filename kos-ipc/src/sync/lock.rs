//! A lock that masks interrupts first: [`Lock`], and what holds it: [`Guard`].
//!
//! Invariant: the value is touched only while both the interrupt mask and the lock are held, and the lock is released before
//! the mask. Locks of this crate are nested in two places only: a transfer between two spaces takes theirs in the order of their
//! addresses; wait sets take theirs in the order nesting, slot, observers (up the chain), hub.

use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::ports::Env;
#[cfg(not(any(loom, shuttle)))]
use crate::ports::IrqGuard;
#[cfg(any(loom, shuttle))]
use crate::sync::const_fn;
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(shuttle)]
use shuttle::sync::{Mutex, MutexGuard};

/// `T` behind the kernel's lock; under loom and shuttle behind theirs, of which loom's cannot be a constant.
pub(crate) struct Lock<E: Env, T> {
    #[cfg(not(any(loom, shuttle)))]
    inner: lock_api::Mutex<E::Lock, T>,
    #[cfg(any(loom, shuttle))]
    inner: Mutex<T>,
    #[cfg(any(loom, shuttle))]
    _env: core::marker::PhantomData<fn() -> E>,
}

#[cfg(not(any(loom, shuttle)))]
impl<E: Env, T> Lock<E, T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { inner: lock_api::Mutex::new(value) }
    }

    /// Masks interrupts and takes the lock.
    #[inline]
    pub(crate) fn hold(&self) -> Guard<'_, E, T> {
        let masked = E::Irq::save();
        Guard { inner: self.inner.lock(), _masked: masked }
    }
}

#[cfg(any(loom, shuttle))]
impl<E: Env, T> Lock<E, T> {
    const_fn! {
        pub(crate) fn new(value: T) -> Self {
            Self { inner: Mutex::new(value), _env: core::marker::PhantomData }
        }
    }

    pub(crate) fn hold(&self) -> Guard<'_, E, T> {
        #[expect(clippy::unwrap_used, reason = "a poisoned lock has ended the model already")]
        let inner = self.inner.lock().unwrap();
        Guard { inner, _env: core::marker::PhantomData }
    }
}

/// The lock is held, and interrupts are masked.
pub(crate) struct Guard<'l, E: Env, T> {
    /// Released first.
    #[cfg(not(any(loom, shuttle)))]
    inner: lock_api::MutexGuard<'l, E::Lock, T>,
    #[cfg(not(any(loom, shuttle)))]
    _masked: E::Irq,
    #[cfg(any(loom, shuttle))]
    inner: MutexGuard<'l, T>,
    #[cfg(any(loom, shuttle))]
    _env: core::marker::PhantomData<fn() -> E>,
}

impl<E: Env, T> Lock<E, T> {
    /// Runs `work` on the value with interrupts masked and the lock held.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut guard = self.hold();
        work(&mut guard)
    }
}

impl<E: Env, T> Deref for Guard<'_, E, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<E: Env, T> DerefMut for Guard<'_, E, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<E: Env, T> fmt::Debug for Guard<'_, E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl<E: Env, T> fmt::Debug for Lock<E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}
