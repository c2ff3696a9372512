//! Why a frame allocator was not set up.

use core::fmt;

use crate::types::FrameRange;

/// Why a frame allocator could not be made of these regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitError {
    /// Two usable regions have a frame in common.
    Overlap {
        /// The region that comes first in the list.
        existing: FrameRange,
        /// The one that comes later.
        added: FrameRange,
    },
    /// The lent storage is too small.
    Storage {
        /// Words needed.
        needed: usize,
        /// Words given.
        given: usize,
    },
    /// The bits for so many frames cannot be counted.
    TooLarge,
    /// No frame is usable.
    NoFrames,
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap { existing, added } => write!(f, "region {added} overlaps region {existing}"),
            Self::Storage { needed, given } => {
                write!(f, "the frame tables need {needed} words of storage, {given} were given")
            }
            Self::TooLarge => f.write_str("more frames than can be counted"),
            Self::NoFrames => f.write_str("no frame is usable"),
        }
    }
}

impl core::error::Error for InitError {}

/// The second initialisation of something that is initialised once; it holds what was handed in. The first stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInitialised<T>(pub T);

impl<T> fmt::Display for AlreadyInitialised<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the frame allocator is initialised already")
    }
}

impl<T: fmt::Debug> core::error::Error for AlreadyInitialised<T> {}
