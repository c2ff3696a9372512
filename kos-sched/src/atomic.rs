//! The atomics of every lock-free part of this crate, in one place, so that loom can take theirs. None is wider than 32 bits
//! or a pointer: 32-bit machines have no more.
#![allow(unused_imports, reason = "which of them a build uses depends on its features")]

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
