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
    /// Memory cannot be added before the allocator is initialised.
    NotReady,
    /// Memory to add lies in two zones, or in none.
    OutsideZone(FrameRange),
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
            Self::NotReady => f.write_str("the frame allocator is not initialised"),
            Self::OutsideZone(range) => write!(f, "region {range} does not lie in one zone"),
        }
    }
}

impl core::error::Error for InitError {}

/// Why memory was not added. Nothing changed, and the storage is still the caller's.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAdded<'m> {
    /// What is wrong: as for a new allocator of all the frames.
    pub reason: InitError,
    /// What was lent.
    pub storage: &'m mut [u64],
}

impl fmt::Display for NotAdded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory was added: {}", self.reason)
    }
}

impl core::error::Error for NotAdded<'_> {}

/// Why frames were not reserved. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReserveError {
    /// Not all frames of the range are managed, or it has none.
    NotManaged(FrameRange),
    /// Some of the frames are in use.
    InUse(FrameRange),
    /// The range lies within a region, and the lent storage has no room for one region more.
    Storage {
        /// Words needed.
        needed: usize,
        /// Words given.
        given: usize,
    },
    /// The allocator was not initialised yet.
    NotReady,
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotManaged(range) => write!(f, "frames {range} are not managed here"),
            Self::InUse(range) => write!(f, "frames {range} are in use"),
            Self::Storage { needed, given } => {
                write!(f, "one region more needs {needed} words of storage, {given} were given")
            }
            Self::NotReady => f.write_str("the frame allocator is not initialised"),
        }
    }
}

impl core::error::Error for ReserveError {}

/// The second initialisation of something that is initialised once; it holds what was handed in. The first stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInitialised<T>(pub T);

impl<T> fmt::Display for AlreadyInitialised<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the frame allocator is initialised already")
    }
}

impl<T: fmt::Debug> core::error::Error for AlreadyInitialised<T> {}
