//! [`PayloadCell`]: what the integrator keeps with a task, its stack and registers for instance.
//!
//! A cell is filled and emptied by whoever has the slot alone: the spawner before the task starts, the one reaper after it is a
//! zombie. In between it is only lent, and only to a CPU that runs the task or is switching from or to it.

use core::cell::UnsafeCell;
use core::fmt;

/// The cell.
pub(super) struct PayloadCell<P>(UnsafeCell<Option<P>>);

// SAFETY: `put` and `take` move a `P` between threads (`P: Send`), `get` shares one (`P: Sync`); their callers keep them apart.
unsafe impl<P: Send + Sync> Sync for PayloadCell<P> {}

impl<P> PayloadCell<P> {
    /// Empty.
    pub(super) const fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Fills it.
    ///
    /// # Safety
    /// Nobody else uses the cell during the call.
    pub(super) unsafe fn put(&self, payload: P) {
        // SAFETY: the caller has the cell alone.
        unsafe { *self.0.get() = Some(payload) };
    }

    /// Empties it.
    ///
    /// # Safety
    /// Nobody else uses the cell during the call.
    pub(super) unsafe fn take(&self) -> Option<P> {
        // SAFETY: the caller has the cell alone.
        let cell = unsafe { &mut *self.0.get() };
        cell.take()
    }

    /// Lends what is in it.
    ///
    /// # Safety
    /// Nobody fills or empties the cell as long as the reference lives.
    pub(super) unsafe fn get(&self) -> Option<&P> {
        // SAFETY: as the caller says, there are only shared references.
        let cell = unsafe { &*self.0.get() };
        cell.as_ref()
    }
}

impl<P> fmt::Debug for PayloadCell<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadCell")
    }
}
