//! A frame source that grows in steps up to a limit: [`Growing`].
//!
//! | item | what it is |
//! |---|---|
//! | [`Config`] | initial, step and max, in frames |
//! | [`Storage`] | the lent books: [`Chunk`]s and a bit a frame |
//! | [`GrowthStats`] | chunks held, grown, shrunk |
//! | [`InitError`], [`InitFailed`] | why there is nothing to hand out |
//!
//! The books lie outside of the frames, which are never touched. Their price is a bit and a half a frame and 40 bytes a
//! chunk: a third of a page for 8 MiB in steps of 1 MiB.
//!
//! Invariants: a frame taken from `F` and not given back lies in one chunk, or is on its way to or from `F`; all of them
//! together are never more than `max`. `F` is called without the lock.

mod books;
mod chunk;
mod config;
mod error;
#[expect(unsafe_code, reason = "implements the port that promises unique frames")]
mod source;
mod stats;
#[cfg(test)]
#[expect(unsafe_code, reason = "frees frames, rightly and wrongly")]
mod tests;

pub use self::chunk::Chunk;
pub use self::config::{Config, Storage};
pub use self::error::{InitError, InitFailed};
pub use self::source::Growing;
pub use self::stats::GrowthStats;
