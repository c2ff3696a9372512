//! A lock that masks interrupts first: [`Lock`].
//!
//! Invariant: the value is touched only while both the interrupt mask and the lock are held, and the lock is released before
//! the mask. Locks of this crate are nested in two places only: a transfer between two spaces takes theirs in the order of their
//! addresses; wait sets take theirs in the order nesting, slot, observers (up the chain), hub.

use core::fmt;

use crate::ports::Env;
#[cfg(not(any(loom, shuttle)))]
use crate::ports::IrqGuard;
#[cfg(any(loom, shuttle))]
use crate::sync::const_fn;
#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(shuttle)]
use shuttle::sync::Mutex;

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

    /// Runs `work` on the value with interrupts masked and the lock held.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let _masked = E::Irq::save();
        let mut guard = self.inner.lock();
        work(&mut guard)
    }
}

#[cfg(any(loom, shuttle))]
impl<E: Env, T> Lock<E, T> {
    const_fn! {
        pub(crate) fn new(value: T) -> Self {
            Self { inner: Mutex::new(value), _env: core::marker::PhantomData }
        }
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        #[expect(clippy::unwrap_used, reason = "a poisoned lock has ended the model already")]
        let mut guard = self.inner.lock().unwrap();
        work(&mut guard)
    }
}

impl<E: Env, T> fmt::Debug for Lock<E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}
