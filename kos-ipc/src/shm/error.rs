//! Why something was not done to a segment.

use core::error::Error;
use core::fmt;

use super::seal::Seals;
use super::slot::{MappingId, Unmap};
use crate::cap::{CapError, DirectoryError};
use crate::policy::Refused;
use crate::ports::SharedMemory;
use crate::quota::QuotaError;

/// Why there is no new segment. Nothing has changed. `M` is the error of the kernel's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError<M> {
    /// Of no bytes.
    Empty,
    /// Whole pages of so many bytes cannot be counted.
    TooLarge {
        /// How many were asked for.
        bytes: usize,
    },
    /// Refused by the policy.
    Refused(Refused),
    /// The quota is used up.
    Quota(QuotaError),
    /// The quota is not of the tree that the table charges.
    Foreign,
    /// No slot for a segment is free.
    Full,
    /// The kernel has no memory.
    Memory(M),
    /// The creator's space takes no capability.
    Cap(CapError),
    /// It gets no such name.
    Name(DirectoryError),
}

impl<M: fmt::Display> fmt::Display for CreateError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a segment of no bytes"),
            Self::TooLarge { bytes } => write!(f, "{bytes} bytes are too many"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Quota(error) => error.fmt(f),
            Self::Foreign => f.write_str("a quota of another tree"),
            Self::Full => f.write_str("no slot for a segment is free"),
            Self::Memory(error) => error.fmt(f),
            Self::Cap(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
        }
    }
}

impl<M: Error> Error for CreateError<M> {}

/// Why a segment was not mapped.
#[non_exhaustive]
pub enum MapError<S: SharedMemory> {
    /// The capability does not allow it.
    Cap(CapError),
    /// The capability is to no segment of this table.
    NoSegment,
    /// No access was asked for.
    NoAccess,
    /// Not whole pages of the segment.
    OutOfRange {
        /// The size of the segment in bytes.
        size: usize,
    },
    /// It is sealed against that.
    Sealed(Seals),
    /// Refused by the policy.
    Refused(Refused),
    /// No slot for a mapping is free.
    Full,
    /// The kernel did not map it.
    Memory(S::Error),
    /// The capability was revoked while the kernel mapped it: to be unmapped at once, and [told](super::Segments::unmapped).
    Revoked(Unmap<S>),
}

impl<S: SharedMemory> fmt::Display for MapError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cap(error) => error.fmt(f),
            Self::NoSegment => f.write_str("no segment of this table"),
            Self::NoAccess => f.write_str("no access asked for"),
            Self::OutOfRange { size } => write!(f, "not whole pages of the {size} bytes"),
            Self::Sealed(seals) => write!(f, "sealed: {seals:?}"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Full => f.write_str("no slot for a mapping is free"),
            Self::Memory(error) => error.fmt(f),
            Self::Revoked(_) => f.write_str("revoked while it was mapped"),
        }
    }
}

impl<S: SharedMemory> fmt::Debug for MapError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MapError({self})")
    }
}

impl<S: SharedMemory> Error for MapError<S> {}

/// Why a segment keeps its size. `M` is the error of the kernel's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResizeError<M> {
    /// To no bytes.
    Empty,
    /// Whole pages of so many bytes cannot be counted.
    TooLarge {
        /// How many were asked for.
        bytes: usize,
    },
    /// It is sealed against that.
    Sealed(Seals),
    /// It cannot shrink while it is mapped.
    Mapped {
        /// How often.
        count: usize,
    },
    /// Somebody else gives it another size just now.
    Busy,
    /// Refused by the policy.
    Refused(Refused),
    /// The quota is used up.
    Quota(QuotaError),
    /// The kernel refused.
    Memory(M),
}

impl<M: fmt::Display> fmt::Display for ResizeError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a segment of no bytes"),
            Self::TooLarge { bytes } => write!(f, "{bytes} bytes are too many"),
            Self::Sealed(seals) => write!(f, "sealed: {seals:?}"),
            Self::Mapped { count } => write!(f, "mapped {count} times"),
            Self::Busy => f.write_str("it is being resized"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Quota(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

impl<M: Error> Error for ResizeError<M> {}

/// Why a segment was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// Somebody has it mapped to be written to.
    MappedWritable {
        /// How often.
        count: usize,
    },
    /// It is getting another size just now.
    Busy,
    /// Refused by the policy.
    Refused(Refused),
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MappedWritable { count } => write!(f, "mapped writable {count} times"),
            Self::Busy => f.write_str("it is being resized"),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl Error for SealError {}

/// Nothing is mapped under that number: it was unmapped, or is just being, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleMapping(
    /// The number.
    pub MappingId,
);

impl fmt::Display for StaleMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is mapped as {:?}", self.0)
    }
}

impl Error for StaleMapping {}
