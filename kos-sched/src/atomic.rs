//! The atomics of every lock-free part of this crate, in one place, so that loom and shuttle can take theirs. None is wider
//! than 32 bits or a pointer: 32-bit machines have no more.
#![allow(unused_imports, reason = "which of them a build uses depends on its features")]

#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::hint::spin_loop as spin;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::thread::yield_now as spin;
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
#[cfg(shuttle)]
pub(crate) use shuttle::thread::yield_now as spin;

/// A `const fn`; under loom, whose atomics have no constant constructor, a plain one.
#[allow(unused_macros, reason = "which parts a build has depends on its features")]
macro_rules! const_fn {
    ($(#[$meta:meta])* $visibility:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        $visibility const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])*
        $visibility fn $($rest)*
    };
}
#[allow(unused_imports, reason = "which parts a build has depends on its features")]
pub(crate) use const_fn;
