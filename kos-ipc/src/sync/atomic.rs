//! The atomics of every lock-free part of this crate, in one place, so that loom and shuttle can take theirs and small machines those of
//! `portable-atomic`.
//!
//! On a machine without 64-bit atomics, or without compare-and-swap, the final binary must pick the feature `critical-section`
//! of `portable-atomic`: its other fall-back is a lock that an interrupt handler can find taken.
#![allow(unused_imports, reason = "which of them a build uses depends on its parts")]

#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::hint::spin_loop as spin;
#[cfg(all(not(any(loom, shuttle)), target_has_atomic = "64", target_has_atomic = "ptr"))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::sync::atomic::{Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(loom)]
pub(crate) use loom::thread::yield_now as spin;
#[cfg(all(not(any(loom, shuttle)), not(all(target_has_atomic = "64", target_has_atomic = "ptr"))))]
pub(crate) use portable_atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(shuttle)]
pub(crate) use shuttle::thread::yield_now as spin;
