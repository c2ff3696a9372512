//! A heap for little memory, in constant time: [`SimpleHeap`] behind the kernel's lock, and [`Tiny`] without one.
//!
//! | file | what |
//! |---|---|
//! | `simple` | `SimpleHeap`, and `GlobalAlloc` |
//! | `ranges` | `Tiny`: several lent ranges |
//! | `chunk` | one of them: rlsf's lists, the checks of every free |
//! | `live` | which addresses are live blocks |
//! | `place` | how a range is cut into head, map and pool |
//!
//! The type parameters: a range, and so a block, is at most a granule (four words) times 2^`DOUBLINGS`; each doubling is
//! cut into `STEPS` lists, a power of two up to 16, so that a search passes over blocks that are up to 1/`STEPS` larger
//! than asked. Each range pays a pointer a list: 8 × 4 suit 4 KiB, 16 × 8 a few megabytes.
//!
//! Source: Masmano, Ripoll, Crespo, Real, "TLSF: a New Dynamic Memory Allocator for Real-Time Systems", ECRTS 2004.

#[expect(unsafe_code, reason = "hands live blocks alone to rlsf, and writes its head into lent memory")]
mod chunk;
#[expect(unsafe_code, reason = "its words lie in lent memory")]
mod live;
#[expect(unsafe_code, reason = "cuts lent memory")]
mod place;
#[expect(unsafe_code, reason = "follows the list of chunks, which is the heap's own")]
mod ranges;
#[expect(
    unsafe_code,
    reason = "the faces whose callers promise something, and the copying and zeroing they do"
)]
mod simple;
#[cfg(test)]
#[expect(unsafe_code, reason = "lends memory, and frees blocks, rightly and wrongly")]
mod tests;

use core::fmt;

pub use self::ranges::{Prepared, Tiny};
pub use self::simple::SimpleHeap;
#[cfg(any(feature = "compat-linked-list", feature = "compat-buddy-system"))]
pub(crate) use self::{live::LiveMap, place::Place};

/// Why a range was not taken. The heap is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LendError {
    /// It has no room for its own books and one block.
    TooSmall {
        /// Bytes of the range.
        given: usize,
        /// Bytes that would do.
        needed: usize,
    },
    /// It is longer than the lists can describe: lend it in pieces, or give the heap more `DOUBLINGS`.
    TooLarge {
        /// Bytes of the range.
        given: usize,
        /// Bytes that would do.
        max: usize,
    },
}

impl fmt::Display for LendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { given, needed } => {
                write!(f, "a range of {given} bytes, at least {needed} needed")
            }
            Self::TooLarge { given, max } => {
                write!(f, "a range of {given} bytes, at most {max} can be managed")
            }
        }
    }
}

impl core::error::Error for LendError {}

/// The counters of a [`Tiny`], of one moment. Bytes, where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TinyStats {
    /// Number of lent ranges.
    pub chunks: usize,
    /// What was lent.
    pub lent: usize,
    /// Number of live blocks.
    pub live_blocks: usize,
    /// What live blocks have, which is at least what was asked.
    pub live: usize,
    /// The highest `live` so far.
    pub peak: usize,
    /// Number of allocations that failed.
    pub failed: usize,
    /// Number of frees that were refused.
    pub refused: usize,
}

impl fmt::Display for TinyStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chunks, lent, live_blocks, live, peak, failed, refused } = self;
        write!(f, "{live} of {lent} bytes in {live_blocks} blocks of {chunks} chunks, peak {peak}")?;
        write!(f, ", {failed} allocations failed, {refused} frees refused")
    }
}
