//! A lock and an interrupt mask that panic where a kernel would hang: [`HostLock`], [`HostMask`].

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::ports::IrqGuard;

std::thread_local! {
    static MASKED: Cell<u32> = const { Cell::new(0) };
}

/// The interrupt mask of a host thread: a count.
#[derive(Debug)]
pub struct HostMask(u32);

impl HostMask {
    /// Whether this thread has interrupts masked.
    #[must_use]
    pub fn is_masked() -> bool {
        MASKED.get() > 0
    }
}

impl IrqGuard for HostMask {
    fn save() -> Self {
        MASKED.set(MASKED.get() + 1);
        Self(MASKED.get())
    }
}

impl Drop for HostMask {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(MASKED.get(), self.0, "interrupt guards dropped out of order");
        }
        MASKED.set(self.0 - 1);
    }
}

/// A lock that spins, and wants interrupts masked.
#[derive(Debug)]
pub struct HostLock(AtomicBool);

// SAFETY: one thread at a time finds false and puts true there.
#[expect(unsafe_code, reason = "implements a lock")]
unsafe impl lock_api::RawMutex for HostLock {
    const INIT: Self = Self(AtomicBool::new(false));

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            thread::yield_now();
        }
    }

    fn try_lock(&self) -> bool {
        assert!(HostMask::is_masked(), "locked with interrupts enabled");
        !self.0.swap(true, Ordering::Acquire)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}
