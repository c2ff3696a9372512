//! What can go wrong: one enum an operation, each variant with its evidence.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use crate::types::{CpuIndex, FrameRange, Pfn};

/// Why frames were not allocated. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// No free run is large enough, or none of it is aligned as asked.
    NoMemory {
        /// Frames asked for.
        requested: usize,
        /// Frames of the largest run that one request could have got.
        largest_free: usize,
    },
    /// A count of 0, or an alignment that is not a power of two.
    BadRequest {
        /// Frames asked for.
        count: usize,
        /// Alignment asked for, in frames.
        align: usize,
    },
    /// The source may not grow any further.
    LimitReached {
        /// Frames that it may have at most.
        max: usize,
    },
    /// The exact frames asked for are not all managed by this allocator.
    NotManaged(FrameRange),
    /// Some of the exact frames asked for are in use.
    InUse(FrameRange),
    /// The allocator was not initialised yet.
    NotReady,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory { requested, largest_free } => {
                write!(f, "no memory: {requested} frames asked, largest free run is {largest_free}")
            }
            Self::BadRequest { count, align } => write!(f, "bad request: {count} frames aligned to {align}"),
            Self::LimitReached { max } => write!(f, "the limit of {max} frames is reached"),
            Self::NotManaged(range) => write!(f, "frames {range} are not managed here"),
            Self::InUse(range) => write!(f, "frames {range} are in use"),
            Self::NotReady => f.write_str("the frame allocator is not initialised"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Why a block was not allocated. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocError {
    /// There is not enough memory.
    NoMemory {
        /// Bytes asked for.
        requested: usize,
        /// Bytes of the largest block that the frame source could have given.
        largest_free: usize,
    },
    /// No heap could ever serve this: a size or an alignment beyond what frames can be counted in or the direct map
    /// keeps.
    BadRequest {
        /// Bytes asked for.
        size: usize,
        /// Alignment asked for, in bytes.
        align: usize,
    },
    /// The heap may not grow any further.
    LimitReached {
        /// Bytes that it may have at most.
        max: usize,
    },
    /// The log of the transaction has no room for one more entry. Nothing was allocated.
    LogFull {
        /// Entries that it has room for.
        capacity: usize,
    },
    /// The frames of a transaction or a reservation were not allocated.
    Frames(FrameError),
    /// The caller interrupted a critical section, or must not wait for the lock that this needs.
    WouldBlock,
    /// The heap was not initialised yet.
    NotReady,
}

impl From<FrameError> for AllocError {
    fn from(error: FrameError) -> Self {
        Self::Frames(error)
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory { requested, largest_free } => {
                write!(f, "no memory: {requested} bytes asked, largest free block has {largest_free}")
            }
            Self::BadRequest { size, align } => {
                write!(f, "impossible request: {size} bytes aligned to {align}")
            }
            Self::LimitReached { max } => write!(f, "the limit of {max} bytes is reached"),
            Self::LogFull { capacity } => write!(f, "the log is full: {capacity} entries"),
            Self::Frames(error) => error.fmt(f),
            Self::WouldBlock => f.write_str("this would have to wait for a lock"),
            Self::NotReady => f.write_str("the heap is not initialised"),
        }
    }
}

impl core::error::Error for AllocError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Frames(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a heap was not initialised. It holds no frame and may be initialised again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitError {
    /// It is initialised already.
    AlreadyInitialised,
    /// The frame source has no frames at all.
    NoFrames,
    /// The direct map does not reach every frame that the source may hand out.
    NotMapped {
        /// The frames that the source may hand out.
        span: FrameRange,
        /// The frames that are mapped.
        mapped: FrameRange,
    },
    /// The direct map moves frames by a distance that is not a multiple of the largest slab, so natural alignment would
    /// be lost.
    Skewed {
        /// Alignment in bytes that the map keeps.
        keeps: usize,
        /// Alignment in bytes that is needed.
        needed: usize,
    },
    /// The frames of the heap's page map could not be had.
    Frames(FrameError),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInitialised => f.write_str("the heap is initialised already"),
            Self::NoFrames => f.write_str("the frame source has no frames"),
            Self::NotMapped { span, mapped } => {
                write!(f, "the direct map has frames {mapped}, the frame source may hand out {span}")
            }
            Self::Skewed { keeps, needed } => {
                write!(f, "the direct map keeps an alignment of {keeps} bytes, {needed} are needed")
            }
            Self::Frames(error) => write!(f, "no frames for the page map: {error}"),
        }
    }
}

impl core::error::Error for InitError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Frames(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a block was not resized. The old block is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReallocError {
    /// The new block could not be had.
    Allocate(AllocError),
    /// The old block is none, or not of the layout given.
    Free(FreeError<NonNull<u8>>),
}

impl fmt::Display for ReallocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocate(error) => error.fmt(f),
            Self::Free(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReallocError {}

/// Why something was not freed; it holds what was handed in. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FreeError<H> {
    /// It is free already.
    DoubleFree(H),
    /// It was never handed out by this allocator.
    NotManaged(H),
    /// It points into a block, not at its start.
    Interior {
        /// What was handed in.
        at: H,
        /// The block in which it lies.
        block: H,
    },
    /// The block has another size or alignment than the layout says.
    WrongSize {
        /// What was handed in.
        at: H,
        /// Bytes that the caller's layout needs.
        given: usize,
        /// Bytes that the block has.
        actual: usize,
    },
    /// The block can only be freed with its layout: its size and alignment are not recorded.
    LayoutRequired(H),
    /// The allocator's own metadata of this block is damaged.
    Corrupt(H),
    /// The caller must not wait for the lock that this needs.
    WouldBlock(H),
    /// The allocator was not initialised yet.
    NotReady(H),
}

impl<H: fmt::Debug> fmt::Display for FreeError<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DoubleFree(h) => write!(f, "double free of {h:?}"),
            Self::NotManaged(h) => write!(f, "{h:?} was not allocated here"),
            Self::Interior { at, block } => write!(f, "{at:?} points into the block at {block:?}"),
            Self::WrongSize { at, given, actual } => {
                write!(f, "{at:?} freed with a layout of {given} bytes, it has {actual}")
            }
            Self::LayoutRequired(h) => write!(f, "{h:?} can only be freed with its layout"),
            Self::WouldBlock(h) => write!(f, "to free {h:?} would have to wait for a lock"),
            Self::Corrupt(h) => write!(f, "the metadata of {h:?} is damaged"),
            Self::NotReady(h) => write!(f, "free of {h:?} before initialisation"),
        }
    }
}

impl<H: fmt::Debug> core::error::Error for FreeError<H> {}

/// A wrong free that came through an interface that cannot return an error, as told to
/// [`Env::violation`](crate::Env::violation).
#[derive(Clone, Copy, Debug)]
pub struct Violation {
    /// What was wrong.
    pub error: FreeError<NonNull<u8>>,
    /// The layout that the caller gave.
    pub layout: Layout,
    /// The CPU on which it happened, if it has a number.
    pub cpu: Option<CpuIndex>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        match self.cpu {
            Some(cpu) => write!(f, " on cpu {}", cpu.0),
            None => Ok(()),
        }
    }
}

/// An invariant that `check()` found broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Corruption {
    /// The invariant, as a sentence.
    pub what: &'static str,
    /// The frame at which it was seen.
    pub frame: Pfn,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt at frame {}: {}", self.frame, self.what)
    }
}

impl core::error::Error for Corruption {}
