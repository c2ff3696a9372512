//! What a file system answers when it cannot: [`FsError`]. Errors of one operation of the VFS stand beside that operation.

use core::error::Error;
use core::fmt;

use crate::errno::Errno;

/// What went wrong in a device. The device's fault, never the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// A request failed.
    Failed {
        /// The first sector of the request.
        sector: u64,
    },
    /// A flush failed: what the device took before may not be durable.
    NotFlushed,
    /// Sectors that the device does not have.
    OutOfRange {
        /// The first sector of the request.
        sector: u64,
        /// How many it has.
        sectors: u64,
    },
    /// A buffer that is no whole number of sectors.
    Unaligned {
        /// Its bytes.
        length: usize,
    },
    /// The device has no room for what was written, though it has the sectors: it promised more than it holds.
    NoSpace {
        /// The first sector of the request.
        sector: u64,
    },
    /// The device takes no writes.
    ReadOnly,
    /// The device is gone.
    Gone,
}

impl DeviceError {
    /// What a system call answers.
    pub const fn errno(self) -> Errno {
        match self {
            Self::Failed { .. } | Self::NotFlushed | Self::OutOfRange { .. } => Errno::EIO,
            Self::Unaligned { .. } => Errno::EINVAL,
            Self::NoSpace { .. } => Errno::ENOSPC,
            Self::ReadOnly => Errno::EROFS,
            Self::Gone => Errno::ENODEV,
        }
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { sector } => write!(f, "the device failed at sector {sector}"),
            Self::NotFlushed => f.write_str("the device could not make durable what it took"),
            Self::OutOfRange { sector, sectors } => {
                write!(f, "sector {sector} of a device that ends at {sectors}")
            }
            Self::Unaligned { length } => {
                write!(f, "a buffer of {length} bytes is no whole number of sectors")
            }
            Self::NoSpace { sector } => write!(f, "the device has no room for sector {sector}"),
            Self::ReadOnly => f.write_str("the device takes no writes"),
            Self::Gone => f.write_str("the device is gone"),
        }
    }
}

impl Error for DeviceError {}

/// Why a file system did not do what it was asked for. After any of them it is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FsError {
    /// No file has that number and generation any more.
    Stale,
    /// The name is there already.
    Exists,
    /// The name is not there.
    NotFound,
    /// Not a directory.
    NotDirectory,
    /// A directory, where none may be.
    IsDirectory,
    /// A directory that still has names.
    NotEmpty,
    /// The file has no extended attribute of that name.
    NoAttribute,
    /// The file system cannot hold that name.
    BadName,
    /// It cannot do that at all.
    Unsupported,
    /// A file that is larger than it can hold.
    TooLarge {
        /// The most bytes.
        limit: u64,
    },
    /// More names for one file than it can count.
    TooManyLinks {
        /// The most.
        limit: u32,
    },
    /// It is full.
    NoSpace,
    /// The kernel has no memory.
    NoMemory,
    /// It was mounted read-only, or has become so.
    ReadOnly,
    /// What is on the device is not what was written there.
    Corrupt {
        /// Which block.
        block: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The device failed.
    Device(DeviceError),
}

impl FsError {
    /// What a system call answers.
    pub const fn errno(self) -> Errno {
        match self {
            Self::Stale => Errno::ESTALE,
            Self::Exists => Errno::EEXIST,
            Self::NotFound => Errno::ENOENT,
            Self::NotDirectory => Errno::ENOTDIR,
            Self::IsDirectory => Errno::EISDIR,
            Self::NotEmpty => Errno::ENOTEMPTY,
            Self::NoAttribute => Errno::ENODATA,
            Self::BadName => Errno::EINVAL,
            Self::Unsupported => Errno::EOPNOTSUPP,
            Self::TooLarge { .. } => Errno::EFBIG,
            Self::TooManyLinks { .. } => Errno::EMLINK,
            Self::NoSpace => Errno::ENOSPC,
            Self::NoMemory => Errno::ENOMEM,
            Self::ReadOnly => Errno::EROFS,
            Self::Corrupt { .. } => Errno::EUCLEAN,
            Self::Device(error) => error.errno(),
        }
    }
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("no such file any more"),
            Self::TooLarge { limit } => write!(f, "a file may have {limit} bytes"),
            Self::TooManyLinks { limit } => write!(f, "a file may have {limit} names"),
            Self::NoMemory => f.write_str("the kernel has no memory"),
            Self::Corrupt { block, what } => write!(f, "block {block} is damaged: {what}"),
            Self::Device(error) => write!(f, "{error}"),
            Self::Exists
            | Self::NotFound
            | Self::NotDirectory
            | Self::IsDirectory
            | Self::NotEmpty
            | Self::NoAttribute
            | Self::BadName
            | Self::Unsupported
            | Self::NoSpace
            | Self::ReadOnly => f.write_str(self.errno().meaning()),
        }
    }
}

impl Error for FsError {}

impl From<DeviceError> for FsError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

/// Memory for a table or a buffer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoMemory;

impl From<alloc::collections::TryReserveError> for NoMemory {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self
    }
}

impl From<hashbrown::TryReserveError> for NoMemory {
    fn from(_: hashbrown::TryReserveError) -> Self {
        Self
    }
}

impl From<NoMemory> for FsError {
    fn from(NoMemory: NoMemory) -> Self {
        Self::NoMemory
    }
}

impl From<alloc::collections::TryReserveError> for FsError {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self::NoMemory
    }
}
