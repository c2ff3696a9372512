//! An allocator that refuses the k-th allocation, and counts what is live; for each thread by itself.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

std::thread_local! {
    /// Whether allocations count.
    static ARMED: Cell<bool> = const { Cell::new(false) };
    /// The one that is refused.
    static AT: Cell<u64> = const { Cell::new(u64::MAX) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes that are allocated.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

struct Refusing;

fn refused() -> bool {
    if !ARMED.get() {
        return false;
    }
    let count = COUNT.get();
    COUNT.set(count + 1);
    count == AT.get()
}

fn add(bytes: isize) {
    LIVE.set(LIVE.get() + bytes);
}

// SAFETY: refuses, or passes on.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refused() {
            return core::ptr::null_mut();
        }
        add(layout.size().cast_signed());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        add(-layout.size().cast_signed());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static REFUSING: Refusing = Refusing;

/// From now on allocation `at` of those in [`armed`] is refused.
pub(crate) fn refuse(at: u64) {
    AT.set(at);
    COUNT.set(0);
}

/// How many there were since.
pub(crate) fn count() -> u64 {
    COUNT.get()
}

/// Bytes that this thread has, and has not freed.
pub(crate) fn live() -> isize {
    LIVE.get()
}

fn with<R>(armed: bool, work: impl FnOnce() -> R) -> R {
    let before = ARMED.replace(armed);
    let result = work();
    ARMED.set(before);
    result
}

/// Allocations of `work` count.
pub(crate) fn armed<R>(work: impl FnOnce() -> R) -> R {
    with(true, work)
}

/// Those of `work` do not: it plays a device.
pub(crate) fn quiet<R>(work: impl FnOnce() -> R) -> R {
    with(false, work)
}
