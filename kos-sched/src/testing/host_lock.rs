//! [`HostLock`]: a spinning lock that notices a deadlock.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Turns after which a lock counts as lost. Each gives the CPU away, so this is many seconds.
const PATIENCE: u32 = 20_000_000;

std::thread_local! {
    static HELD: Cell<u32> = const { Cell::new(0) };
    static MOST: Cell<u32> = const { Cell::new(0) };
}

/// The lock. It knows how many of its kind a thread holds.
#[derive(Debug)]
pub struct HostLock(AtomicBool);

impl HostLock {
    /// The most that this thread has held at once since the last time it asked.
    #[must_use]
    pub fn most_held() -> u32 {
        MOST.replace(HELD.get())
    }

    fn taken() {
        HELD.set(HELD.get() + 1);
        MOST.set(MOST.get().max(HELD.get()));
    }
}

#[expect(unsafe_code, reason = "the contract of `RawMutex`")]
// SAFETY: whoever changes the flag to true has the lock, one at a time, until he changes it back.
unsafe impl lock_api::RawMutex for HostLock {
    const INIT: Self = Self(AtomicBool::new(false));

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        for _ in 0..PATIENCE {
            if self.try_lock() {
                return;
            }
            std::thread::yield_now();
        }
        #[expect(clippy::panic, reason = "a test that hangs tells nothing")]
        {
            panic!("deadlock");
        }
    }

    fn try_lock(&self) -> bool {
        let taken = !self.0.swap(true, Ordering::Acquire);
        if taken {
            Self::taken();
        }
        taken
    }

    unsafe fn unlock(&self) {
        HELD.set(HELD.get().saturating_sub(1));
        self.0.store(false, Ordering::Release);
    }
}
