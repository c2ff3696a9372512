//! The lock of every subject that has one by our choice: the same kind, so that only what stands behind it differs.

/// A spin lock: one compare-and-swap to take it, one store to release it.
pub(crate) type Spin = spin::mutex::SpinMutex<()>;

/// No lock: for the comparison with peers that have none.
#[derive(Debug)]
pub(crate) struct NoLock;

// SAFETY: it excludes nobody; every subject is used by one thread.
unsafe impl lock_api::RawMutex for NoLock {
    const INIT: Self = Self;

    type GuardMarker = lock_api::GuardNoSend;

    #[inline]
    fn lock(&self) {}

    #[inline]
    fn try_lock(&self) -> bool {
        true
    }

    #[inline]
    unsafe fn unlock(&self) {}
}
