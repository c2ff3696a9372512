//! What can go wrong before there is an allocator.

use core::alloc::Layout;
use core::fmt;

use crate::types::FrameRange;

/// Why a region was not taken into account. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionError {
    /// There is no frame in it.
    Empty(FrameRange),
    /// It has a frame in common with a region of the set.
    Overlap {
        /// The region in the set.
        existing: FrameRange,
        /// The region that was to be added.
        added: FrameRange,
    },
    /// The lent slice has no room for one more region.
    Full {
        /// Regions for which there is room.
        capacity: usize,
    },
    /// The bytes reach past the last physical address, or their frames past the last frame number.
    Wraps {
        /// The first byte.
        start: u64,
        /// Number of bytes.
        bytes: u64,
    },
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(range) => write!(f, "region {range} is empty"),
            Self::Overlap { existing, added } => write!(f, "region {added} overlaps region {existing}"),
            Self::Full { capacity } => write!(f, "more than {capacity} regions"),
            Self::Wraps { start, bytes } => write!(f, "{bytes:#x} bytes at {start:#x} wrap around"),
        }
    }
}

impl core::error::Error for RegionError {}

/// Why boot memory was not allocated. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootError {
    /// No free region below the limit has room.
    NoMemory(Layout),
    /// A layout of 0 bytes.
    BadRequest(Layout),
    /// The allocation would cut a region in two, or add one to the used, and a lent slice has no room for it.
    Full {
        /// Regions for which there is room.
        capacity: usize,
    },
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory(layout) => {
                write!(f, "no boot memory for {} bytes aligned to {}", layout.size(), layout.align())
            }
            Self::BadRequest(layout) => write!(f, "boot memory of {} bytes", layout.size()),
            Self::Full { capacity } => write!(f, "boot memory is in more than {capacity} regions"),
        }
    }
}

impl core::error::Error for BootError {}
