//! [`HostEnv`] and [`TestClock`]: locks and a clock for tests.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::attr::Timestamp;
use crate::ports::{Env, WallClock};

/// Locks that yield the processor while they wait, and a clock that is set by hand.
#[derive(Debug)]
pub struct HostEnv;

impl Env for HostEnv {
    type Lock = spin::mutex::Mutex<(), spin::Yield>;
    type RwLock = spin::rwlock::RwLock<(), spin::Yield>;
    type Clock = TestClock;
}

/// A clock that is set by hand, and goes on by a nanosecond each time it is read. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    /// A clock that shows `nanos` since 1970.
    pub fn at(nanos: u64) -> Self {
        let clock = Self::default();
        clock.set(nanos);
        clock
    }

    /// Sets it to `nanos` since 1970.
    pub fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl WallClock for TestClock {
    fn now(&self) -> Timestamp {
        let nanos = self.0.fetch_add(1, Ordering::Relaxed);
        let seconds = (nanos / 1_000_000_000).cast_signed();
        Timestamp::new(seconds, (nanos % 1_000_000_000) as u32).unwrap_or(Timestamp::EPOCH)
    }
}
