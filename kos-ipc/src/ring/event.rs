//! When a sleeping consumer wants to be woken: [`Event`].
//!
//! The consumer writes the index that it waits for, then looks at the tail; the producer writes the tail, then looks at the
//! index. The `SeqCst` fence between, on both sides, lets at least one of them see the other.

use super::index;
use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::sync::{Bug, const_fn, seeded};

/// The index whose coming wakes the consumer.
#[derive(Debug)]
pub(super) struct Event(AtomicUsize);

impl Event {
    const_fn! {
        pub(super) fn new() -> Self {
            Self(AtomicUsize::new(0))
        }
    }

    /// Wants to be woken when `index` has come. The consumer looks at the tail after this.
    pub(super) fn arm(&self, index: usize) {
        self.0.store(index, Ordering::Relaxed);
        if !seeded(Bug::ArmUnfenced) {
            fence(Ordering::SeqCst);
        }
    }

    /// Whether the consumer waits for one of the indices from `old` to `new`. The producer wrote the tail before this.
    pub(super) fn is_due(&self, old: usize, new: usize) -> bool {
        if !seeded(Bug::DueUnfenced) {
            fence(Ordering::SeqCst);
        }
        index::passed(self.0.load(Ordering::Relaxed), old, new)
    }
}
