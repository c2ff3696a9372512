//! Errors of address spaces: one enum per kind of operation. Whatever the error, the space is as it was.

use core::error::Error;
use core::fmt;

use super::ports::Token;
use crate::addr::VirtAddr;
use crate::attrs::Flags;
use crate::error::{AttrError, CreateError, RangeError, WalkError};

/// Why the mappings of a space were not changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SpaceError {
    /// No byte, wraps, or not whole pages.
    Range(RangeError),
    /// The range is not where the space may have mappings.
    OutOfBounds {
        /// The first byte outside.
        at: VirtAddr,
    },
    /// The offset in the object is not a multiple of the page size, or the end of the mapping would be beyond 2^64.
    Offset {
        /// The offset.
        offset: u64,
    },
    /// Writable and executable at once, where the space forbids it; or more rights than the mapping can get.
    Denied {
        /// The first address for which this holds.
        at: VirtAddr,
        /// The rights that were asked for.
        rights: Flags,
    },
    /// The CPU cannot express the rights.
    Attr(AttrError),
    /// A mapping that shares writes shows an object: without one there is nobody to share with.
    NoObject,
    /// The space has no heap yet.
    NoHeap,
    /// Something is mapped in the range, or it is the gap below a stack.
    Occupied {
        /// The first such address.
        at: VirtAddr,
    },
    /// Part of the range is not mapped.
    Hole {
        /// The first such address.
        at: VirtAddr,
    },
    /// The range has parts of several mappings where one is needed.
    NotOneMapping {
        /// The first address of another one.
        at: VirtAddr,
    },
    /// Nowhere in the space is so much room.
    NoRoom {
        /// The bytes that were asked for.
        bytes: u64,
    },
    /// The space has as many mappings as it may have.
    TooManyMappings {
        /// The limit.
        limit: usize,
    },
    /// More bytes would be mapped than may be.
    TooManyBytes {
        /// The limit.
        limit: u64,
    },
    /// No frame for the list of mappings, for tables or for the object's list of spaces.
    OutOfFrames,
    /// A CPU did not answer a flush: the pages stay quarantined and the range reserved, to be unmapped again.
    Stuck,
    /// The table is damaged.
    Walk(WalkError),
}

/// Why an access cannot be: what the program gets for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FaultError<E> {
    /// No mapping is there: a segmentation fault.
    NoMapping,
    /// The mapping does not allow it: a segmentation fault.
    Denied,
    /// The object ends before: a bus error.
    BeyondObject,
    /// The pager filled a private page for a mapping that shares writes: a bus error.
    NotShareable,
    /// The pager failed: a bus error.
    Pager(E),
    /// No frame, for the page or for a table: the system is out of memory.
    OutOfFrames,
    /// The space has as many resident pages as it may have.
    OverLimit,
    /// A CPU did not answer a flush, now or when the page was unmapped.
    Stuck,
    /// The table is damaged.
    Walk(WalkError),
}

/// Why user memory was not copied to the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopyError<E> {
    /// Bytes that were copied.
    pub done: usize,
    /// The address that stopped it.
    pub at: VirtAddr,
    /// Why.
    pub cause: CopyCause<E>,
}

/// What stopped a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CopyCause<E> {
    /// The program itself would have got this.
    Fault(FaultError<E>),
    /// The page is on its way: wait for the token, then go on.
    Wait(Token),
    /// The number is not aligned.
    Misaligned,
    /// No end of the string within the buffer.
    TooLong,
}

/// Why there is no child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ForkError {
    /// The child's table could not be made.
    Create(CreateError),
    /// No frame for a table, a mapping or a copy; or a frame is shared as often as can be counted.
    OutOfFrames,
    /// A CPU did not answer a flush.
    Stuck,
    /// The table is damaged.
    Walk(WalkError),
}

/// Why a page was not pinned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PinError<E> {
    /// The program itself would have got this.
    Fault(FaultError<E>),
    /// The page is on its way.
    Wait(Token),
    /// The page is no counted memory, the frame of zeros or a device; or it is pinned as often as can be counted.
    NotPinnable,
}

/// An invariant that [`Space::check`](super::Space::check) found broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SpaceCorruption {
    /// The table below.
    Table(crate::error::Corruption),
    /// The list of mappings is out of order, or two neighbours could be one.
    Mappings,
    /// A page is mapped where no mapping is, or allows more than its mapping.
    StrayPage {
        /// Where.
        at: VirtAddr,
    },
    /// A private page is writable though somebody shares its frame.
    SharedWritable {
        /// Where.
        at: VirtAddr,
    },
    /// A counter is not what a recount finds.
    Miscounted {
        /// The name of the counter.
        counter: &'static str,
        /// The counter.
        counted: u64,
        /// The recount.
        found: u64,
    },
}

impl fmt::Display for SpaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(cause) => cause.fmt(f),
            Self::OutOfBounds { at } => write!(f, "{at} is outside of the space"),
            Self::Offset { offset } => write!(f, "an object cannot be mapped from offset {offset:#x}"),
            Self::Denied { at, rights } => write!(f, "rights {rights:?} are not allowed at {at}"),
            Self::Attr(cause) => cause.fmt(f),
            Self::NoObject => f.write_str("a shared mapping without an object"),
            Self::NoHeap => f.write_str("the space has no heap"),
            Self::Occupied { at } => write!(f, "something is mapped at {at}"),
            Self::Hole { at } => write!(f, "nothing is mapped at {at}"),
            Self::NotOneMapping { at } => write!(f, "another mapping begins at {at}"),
            Self::NoRoom { bytes } => write!(f, "no room for {bytes} bytes"),
            Self::TooManyMappings { limit } => write!(f, "more than {limit} mappings"),
            Self::TooManyBytes { limit } => write!(f, "more than {limit} bytes"),
            Self::OutOfFrames => f.write_str("out of frames"),
            Self::Stuck => f.write_str("a CPU does not answer a flush"),
            Self::Walk(cause) => cause.fmt(f),
        }
    }
}

impl<E: fmt::Display> fmt::Display for FaultError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMapping => f.write_str("nothing is mapped"),
            Self::Denied => f.write_str("the mapping does not allow it"),
            Self::BeyondObject => f.write_str("beyond the end of the object"),
            Self::NotShareable => f.write_str("the pager has no frame to share"),
            Self::Pager(cause) => cause.fmt(f),
            Self::OutOfFrames => f.write_str("out of frames"),
            Self::OverLimit => f.write_str("too many resident pages"),
            Self::Stuck => f.write_str("a CPU does not answer a flush"),
            Self::Walk(cause) => cause.fmt(f),
        }
    }
}

impl<E: fmt::Display> fmt::Display for CopyCause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(cause) => cause.fmt(f),
            Self::Wait(Token(token)) => write!(f, "the page is awaited by token {token}"),
            Self::Misaligned => f.write_str("not aligned"),
            Self::TooLong => f.write_str("the string does not end"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for CopyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped at {} after {} bytes: {}", self.at, self.done, self.cause)
    }
}

impl fmt::Display for ForkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(cause) => cause.fmt(f),
            Self::OutOfFrames => f.write_str("out of frames"),
            Self::Stuck => f.write_str("a CPU does not answer a flush"),
            Self::Walk(cause) => cause.fmt(f),
        }
    }
}

impl<E: fmt::Display> fmt::Display for PinError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(cause) => cause.fmt(f),
            Self::Wait(Token(token)) => write!(f, "the page is awaited by token {token}"),
            Self::NotPinnable => f.write_str("not memory that can be pinned"),
        }
    }
}

impl fmt::Display for SpaceCorruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(cause) => cause.fmt(f),
            Self::Mappings => f.write_str("the list of mappings is damaged"),
            Self::StrayPage { at } => write!(f, "the page at {at} is more than its mapping"),
            Self::SharedWritable { at } => write!(f, "the page at {at} is writable and shared"),
            Self::Miscounted { counter, counted, found } => {
                write!(f, "{counter} says {counted}, a recount finds {found}")
            }
        }
    }
}

impl Error for SpaceError {}
impl Error for ForkError {}
impl Error for SpaceCorruption {}
impl<E: Error> Error for FaultError<E> {}
impl<E: Error> Error for CopyError<E> {}
impl<E: Error> Error for PinError<E> {}
