//! The kernel's spin lock: who waits for it serves the requests of other CPUs meanwhile.
//!
//! Its users mask interrupts before they take it. If they only waited, the holder could wait for ever for one of them: a change
//! of the page tables ends when every CPU has acknowledged it.

use core::sync::atomic::{AtomicBool, Ordering};

use lock_api::{GuardNoSend, RawMutex};

use crate::smp;

/// The lock.
#[derive(Debug)]
pub(crate) struct KernelLock(AtomicBool);

// SAFETY: whoever changes the word from false to true has the lock alone until he sets it back; both order memory.
unsafe impl RawMutex for KernelLock {
    const INIT: Self = Self(AtomicBool::new(false));

    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            while self.0.load(Ordering::Relaxed) {
                smp::wait();
            }
        }
    }

    fn try_lock(&self) -> bool {
        self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}
