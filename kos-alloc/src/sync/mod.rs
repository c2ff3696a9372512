//! What is shared between CPUs: locks that mask interrupts, and values that are published once.
//!
//! | item | what it is |
//! |---|---|
//! | [`Locked`] | a value, the kernel's lock, and the environment that masks |
//! | [`Guarded`] | the same with the environment lent: for the many locks of one owner |
//! | [`Once`] | a value that is written once and then read without a lock |
//! | [`seeded()`] | bugs for the models to find |
//! | [`atomic`] | the atomics of every lock-free part: the processor's, or loom's |

#[expect(unsafe_code, reason = "hands out references to a value that is written once")]
mod once;
mod publication;

pub(crate) mod atomic;
mod guarded;
mod locked;
mod seeded;

pub(crate) use guarded::Guarded;
pub use locked::Locked;
pub(crate) use once::Once;
pub(crate) use publication::Publication;

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
#[cfg(all(test, loom))]
pub(crate) use seeded::seed;
pub(crate) use seeded::{Bug, seeded};
