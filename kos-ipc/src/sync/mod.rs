//! What is shared between CPUs: a lock that masks interrupts, atomics, cells.
//!
//! | item | what it is |
//! |---|---|
//! | [`Lock`] | a value behind the kernel's lock, taken with interrupts masked |
//! | [`atomic`] | the atomics of every lock-free part: the processor's, those of `portable-atomic`, or loom's and shuttle's |
//! | [`UnsafeCell`] | a cell whose accesses loom watches |
//! | [`seeded()`] | bugs for the models to find |

pub(crate) mod atomic;
mod cell;
mod lock;
mod seeded;

pub(crate) use cell::UnsafeCell;
pub(crate) use lock::{Guard, Lock};
#[cfg(all(test, any(loom, shuttle)))]
pub(crate) use seeded::seed;
pub(crate) use seeded::{Bug, seeded};

/// A `const fn`; under loom, whose atomics have no constant constructor, a plain one.
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
pub(crate) use const_fn;
