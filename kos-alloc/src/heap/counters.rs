//! The counters that no size class has: rare ones, each an atomic of its own. [`Counters`].

use crate::error::{AllocError, FreeError};
use crate::heap::stats::{FailedStats, LargeStats, RefusedStats};
use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::sync::const_fn;

/// A counter without an order to anything else.
#[derive(Debug)]
pub(super) struct Counter(AtomicUsize);

impl Counter {
    const_fn! {
        pub(super) fn new() -> Self {
            Self(AtomicUsize::new(0))
        }
    }

    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds; says the sum.
    pub(super) fn add(&self, count: usize) -> usize {
        self.0.fetch_add(count, Ordering::Relaxed).wrapping_add(count)
    }

    /// Adds, unless the sum would be above `most`; says whether it did.
    pub(super) fn add_up_to(&self, count: usize, most: usize) -> bool {
        let sum = |now: usize| now.checked_add(count).filter(|sum| *sum <= most);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok()
    }

    pub(super) fn subtract(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    fn raise_to(&self, count: usize) {
        self.0.fetch_max(count, Ordering::Relaxed);
    }
}

/// A change to a large block, under way as long as it lives.
#[derive(Debug)]
pub(super) struct LargeChange<'a>(&'a Counters);

impl Drop for LargeChange<'_> {
    fn drop(&mut self) {
        self.0.large_ended.0.fetch_add(1, Ordering::Release);
    }
}

/// What the heap counts outside its size classes.
#[derive(Debug)]
pub(super) struct Counters {
    /// Bytes that the live large blocks were asked with; wraps.
    pub(super) requested: Counter,
    large_blocks: Counter,
    large_frames: Counter,
    large_begun: Counter,
    large_ended: Counter,
    pub(super) cache_frames: Counter,
    pub(super) lost_frames: Counter,
    held: Counter,
    held_peak: Counter,
    failed: Failed,
    refused: Refused,
}

impl Counters {
    const_fn! {
        pub(super) fn new() -> Self {
            Self {
                requested: Counter::new(),
                large_blocks: Counter::new(),
                large_frames: Counter::new(),
                large_begun: Counter::new(),
                large_ended: Counter::new(),
                cache_frames: Counter::new(),
                lost_frames: Counter::new(),
                held: Counter::new(),
                held_peak: Counter::new(),
                failed: Failed::new(),
                refused: Refused::new(),
            }
        }
    }

    /// Enters frames that the heap got.
    pub(super) fn hold(&self, frames: usize) {
        self.held_peak.raise_to(self.held.add(frames));
    }

    /// Enters frames that the heap gave up.
    pub(super) fn give_up(&self, frames: usize) {
        self.held.subtract(frames);
    }

    /// Frames that the heap has, and the most that it ever had.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.held.get(), self.held_peak.get())
    }

    /// Enters a block of `frames` frames for `size` bytes.
    pub(super) fn enter_large(&self, frames: usize, size: usize) {
        self.large_blocks.add(1);
        self.large_frames.add(frames);
        self.requested.add(size);
    }

    /// Enters that a block of `old` frames now has `new`.
    pub(super) fn resize_large(&self, old: usize, new: usize) {
        self.large_frames.add(new.wrapping_sub(old));
    }

    pub(super) fn leave_large(&self, frames: usize, size: usize) {
        self.large_blocks.subtract(1);
        self.large_frames.subtract(frames);
        self.requested.subtract(size);
    }

    /// To be had before the page map of large blocks changes, and kept until it and the counters are as they should be.
    pub(super) fn change_large(&self) -> LargeChange<'_> {
        self.large_begun.0.fetch_add(1, Ordering::Relaxed);
        // Who sees the change sees that it has begun.
        fence(Ordering::Release);
        LargeChange(self)
    }

    /// The number of changes so far, unless one is under way. Who finds the same number before and after reading page map
    /// and counters of large blocks has read what belongs together.
    pub(super) fn large_settled(&self) -> Option<usize> {
        fence(Ordering::Acquire);
        let begun = self.large_begun.get();
        let settled = begun == self.large_ended.get();
        fence(Ordering::Acquire);
        settled.then_some(begun)
    }

    pub(super) fn large(&self) -> LargeStats {
        LargeStats { blocks: self.large_blocks.get(), frames: self.large_frames.get() }
    }

    pub(super) fn count_failed(&self, error: &AllocError) {
        self.failed.of(error).add(1);
    }

    pub(super) fn count_refused<H>(&self, error: &FreeError<H>) {
        self.refused.of(error).add(1);
    }

    pub(super) fn failed(&self) -> FailedStats {
        self.failed.read()
    }

    pub(super) fn refused(&self) -> RefusedStats {
        self.refused.read()
    }
}

/// A counter for each variant of an error, and the snapshot of them.
macro_rules! reasons {
    ($name:ident => $stats:ident, $error:ty $(, $handle:ident)?; $($field:ident: $pattern:pat,)*) => {
        #[derive(Debug)]
        struct $name { $($field: Counter,)* }

        impl $name {
            const_fn! {
                fn new() -> Self {
                    Self { $($field: Counter::new(),)* }
                }
            }

            fn of$(<$handle>)?(&self, error: &$error) -> &Counter {
                match error { $($pattern => &self.$field,)* }
            }

            fn read(&self) -> $stats {
                $stats { $($field: self.$field.get(),)* }
            }
        }
    };
}

reasons! { Failed => FailedStats, AllocError;
    no_memory: AllocError::NoMemory { .. } | AllocError::Frames(_),
    bad_request: AllocError::BadRequest { .. },
    limit_reached: AllocError::LimitReached { .. },
    log_full: AllocError::LogFull { .. },
    would_block: AllocError::WouldBlock,
    not_ready: AllocError::NotReady,
}

reasons! { Refused => RefusedStats, FreeError<H>, H;
    double_free: FreeError::DoubleFree(_),
    not_managed: FreeError::NotManaged(_),
    interior: FreeError::Interior { .. },
    wrong_size: FreeError::WrongSize { .. },
    layout_required: FreeError::LayoutRequired(_),
    corrupt: FreeError::Corrupt(_),
    would_block: FreeError::WouldBlock(_),
    not_ready: FreeError::NotReady(_),
}
