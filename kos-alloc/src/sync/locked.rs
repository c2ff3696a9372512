//! A lock that masks interrupts first: [`Locked`].
//!
//! Invariant: the data is touched only while both the interrupt guard and the lock are held, and the lock is released
//! before the mask.

use core::fmt;

use crate::ports::Env;

/// `T` behind the kernel's lock, taken with interrupts masked.
pub struct Locked<E: Env, T> {
    env: E,
    inner: lock_api::Mutex<E::Lock, T>,
}

impl<E: Env, T> Locked<E, T> {
    /// Wraps `value`.
    pub const fn new(env: E, value: T) -> Self {
        Self { env, inner: lock_api::Mutex::new(value) }
    }

    /// The environment.
    pub const fn env(&self) -> &E {
        &self.env
    }

    /// Runs `work` on the value with interrupts masked and the lock held. Takes what `work` takes; must not be nested.
    #[inline]
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let _masked = self.env.irq_save();
        let mut guard = self.inner.lock();
        work(&mut guard)
    }

    /// The value, without a lock: the caller has it for himself.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }
}

impl<E: Env, T> fmt::Debug for Locked<E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locked").finish_non_exhaustive()
    }
}
