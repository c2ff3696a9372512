//! A lock that masks interrupts first: [`Guarded`].
//!
//! Invariant: the value is touched only while both the interrupt mask and the lock are held, and the lock is released before
//! the mask.

use core::fmt;

use lock_api::RawMutex;

use crate::ports::CriticalSection;

/// `T` behind the kernel's lock.
pub(crate) struct Guarded<L, T>(lock_api::Mutex<L, T>);

impl<L: RawMutex, T> Guarded<L, T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(lock_api::Mutex::new(value))
    }

    /// Runs `work` on the value with interrupts masked and the lock held. Must not be nested.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        section: &impl CriticalSection<Lock = L>,
        work: impl FnOnce(&mut T) -> R,
    ) -> R {
        let _masked = section.irq_save();
        let mut guard = self.0.lock();
        work(&mut guard)
    }
}

impl<L, T> fmt::Debug for Guarded<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}
