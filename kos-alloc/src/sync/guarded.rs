//! A lock without an environment of its own: [`Guarded`].
//!
//! Invariant: as for [`Locked`](super::Locked): the data is touched only while both the interrupt guard and the lock are
//! held, and the lock is released before the mask.

use crate::ports::Env;

/// `T` behind the kernel's lock, on cache lines of its own.
#[repr(align(64))]
pub(crate) struct Guarded<E: Env, T>(lock_api::Mutex<E::Lock, T>);

impl<E: Env, T> Guarded<E, T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(lock_api::Mutex::new(value))
    }

    /// Runs `work` on the value with interrupts masked and the lock held. Must not be nested.
    #[inline]
    pub(crate) fn with<R>(&self, env: &E, work: impl FnOnce(&mut T) -> R) -> R {
        let _masked = env.irq_save();
        let mut guard = self.0.lock();
        work(&mut guard)
    }

    /// As [`with`](Self::with), if nobody has the lock: does not wait.
    pub(crate) fn try_with<R>(&self, env: &E, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let _masked = env.irq_save();
        let mut guard = self.0.try_lock()?;
        Some(work(&mut guard))
    }
}
