//! Numbers that CPUs count: [`Counter`] without a lock, [`Locked64`] under one.

use crate::atomic::{AtomicU32, AtomicUsize, Ordering, const_fn};
use crate::time::Duration;

/// Counts events. Wraps where a word is 32 bits wide.
#[derive(Debug)]
pub(super) struct Counter(AtomicUsize);

impl Counter {
    const_fn! {
        /// Nothing counted.
        pub(super) fn new() -> Self {
            Self(AtomicUsize::new(0))
        }
    }

    #[inline]
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed) as u64
    }
}

/// A length of time that is read and written under the lock of its task's queue. Atomic only in its halves, since machines of
/// 32 bits have no more; without the lock it may be torn, and nothing worse.
#[derive(Debug)]
pub(super) struct Locked64([AtomicU32; 2]);

impl Locked64 {
    const_fn! {
        /// Zero.
        pub(super) fn new() -> Self {
            Self([AtomicU32::new(0), AtomicU32::new(0)])
        }
    }

    #[inline]
    pub(super) fn get(&self) -> u64 {
        let [low, high] = &self.0;
        u64::from(low.load(Ordering::Relaxed)) | u64::from(high.load(Ordering::Relaxed)) << 32
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    pub(super) fn set(&self, value: u64) {
        let [low, high] = &self.0;
        low.store(value as u32, Ordering::Relaxed);
        high.store((value >> 32) as u32, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn add(&self, more: Duration) {
        self.set(self.get().saturating_add(more.as_ticks()));
    }
}
