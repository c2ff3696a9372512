//! A value that is written once and then read without a lock: [`Once`].
//!
//! Invariant, on which the unsafe code rests: the value is written by the one caller who moved the state from `EMPTY` to
//! `CLAIMED`, before he moves it to `PUBLISHED`; it is read only after that.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering};

const EMPTY: usize = 0;
const CLAIMED: usize = 1;
const PUBLISHED: usize = 2;

/// A value that is there from some moment on, and never changes.
pub(super) struct Once<T> {
    state: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is moved in from one thread and then shared between all.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T: Copy> Once<T> {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self { state: AtomicUsize::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// The value, if it is there.
    pub(super) fn get(&self) -> Option<&T> {
        if self.state.load(Ordering::Acquire) != PUBLISHED {
            return None;
        }
        // SAFETY: it was published, so nobody writes any more, and the references are shared.
        let value = unsafe { &*self.value.get() };
        // SAFETY: it was written before it was published.
        Some(unsafe { value.assume_init_ref() })
    }

    /// Makes `value` the value; false if somebody else was first.
    pub(super) fn set(&self, value: T) -> bool {
        if self.state.compare_exchange(EMPTY, CLAIMED, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: one claim is granted, and nobody reads before the value is published.
        unsafe { self.value.get().write(MaybeUninit::new(value)) };
        self.state.store(PUBLISHED, Ordering::Release);
        true
    }
}
