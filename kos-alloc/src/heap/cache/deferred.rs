//! Frees that could not be finished: [`Deferred`].
//!
//! A non-maskable interrupt may have interrupted who holds the lock that a free needs, so it cannot wait. It leaves the
//! block here, sealed as every free one, and whoever next comes to do something slow takes it home. Room for a few is enough:
//! such a caller frees little, and most of it goes into its CPU's magazine.
//!
//! Invariant: what one caller puts in, one caller takes out.

use core::ptr::{self, NonNull};

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::sync::{Bug, seeded};

/// Blocks that it has room for.
const ROOM: usize = 64;

/// A bag of free blocks, without a lock.
#[derive(Debug)]
pub(crate) struct Deferred {
    /// At least the number of blocks in the bag.
    waiting: AtomicUsize,
    blocks: [AtomicPtr<u8>; ROOM],
}

impl Deferred {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { waiting: AtomicUsize::new(0), blocks: [const { AtomicPtr::new(ptr::null_mut()) }; ROOM] }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        let blocks = core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut()));
        Self { waiting: AtomicUsize::new(0), blocks }
    }

    /// Puts `block` in; false if there is no room.
    pub(crate) fn put(&self, block: NonNull<u8>) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let put = self.blocks.iter().any(|place| {
            place
                .compare_exchange(ptr::null_mut(), block.as_ptr(), Ordering::Release, Ordering::Relaxed)
                .is_ok()
        });
        if !put {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        put
    }

    /// Takes a block out.
    pub(crate) fn take(&self) -> Option<NonNull<u8>> {
        if self.is_empty() {
            return None;
        }
        let block = self.blocks.iter().find_map(Self::take_from)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(block)
    }

    fn take_from(place: &AtomicPtr<u8>) -> Option<NonNull<u8>> {
        if seeded(Bug::TakenInTwoSteps) {
            let block = NonNull::new(place.load(Ordering::Acquire));
            place.store(ptr::null_mut(), Ordering::Relaxed);
            return block;
        }
        NonNull::new(place.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// What is in it now.
    pub(crate) fn iter(&self) -> impl Iterator<Item = NonNull<u8>> {
        self.blocks.iter().filter_map(|place| NonNull::new(place.load(Ordering::Relaxed)))
    }
}
