//! What a check says: [`Problem`], [`FsckReport`], [`FsckError`].

use core::error::Error;
use core::fmt;

use super::super::layout::MountError;
use crate::error::{DeviceError, FsError};

/// The eight and three letters of an entry, in code page 437.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShortName(pub [u8; 11]);

impl fmt::Display for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.trim_ascii_end().escape_ascii())
    }
}

impl fmt::Debug for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Something wrong with a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The volume says that it was not unmounted.
    InUse,
    /// A sector of the table is not the same in all copies.
    TablesDiffer {
        /// Which, from the start of the table.
        sector: u64,
    },
    /// A chain goes on where it cannot.
    BrokenChain {
        /// Whose.
        name: ShortName,
        /// Its last good cluster.
        cluster: u32,
    },
    /// A file whose first cluster another one has, or that is none.
    NoChain {
        /// Whose.
        name: ShortName,
        /// The cluster.
        cluster: u32,
    },
    /// A file has more bytes than its chain.
    ShortChain {
        /// Whose.
        name: ShortName,
        /// Its size.
        size: u32,
        /// How many bytes there can be.
        most: u32,
    },
    /// A chain goes on behind its file's last byte.
    LongChain {
        /// Whose.
        name: ShortName,
        /// The cluster that should be the last.
        cluster: u32,
    },
    /// `.` or `..` names another directory.
    WrongDots {
        /// The first cluster of the directory that they stand in.
        directory: u32,
    },
    /// Parts of a long name that belong to no file.
    OrphanName {
        /// The first cluster of the directory; 0 for the root of FAT12 and FAT16.
        directory: u32,
        /// How many.
        slots: u32,
    },
    /// Clusters that are taken but belong to nobody.
    LostClusters {
        /// How many.
        clusters: u32,
    },
    /// The free count is another one.
    FreeCount {
        /// What it says.
        stored: u32,
        /// What there is.
        counted: u32,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("the volume was not unmounted"),
            Self::TablesDiffer { sector } => {
                write!(f, "sector {sector} of the table differs between its copies")
            }
            Self::BrokenChain { name, cluster } => {
                write!(f, "{name}: the chain breaks after cluster {cluster}")
            }
            Self::NoChain { name, cluster } => {
                write!(f, "{name}: its first cluster {cluster} is none, or another file's")
            }
            Self::ShortChain { name, size, most } => {
                write!(f, "{name}: {size} bytes in a chain for {most}")
            }
            Self::LongChain { name, cluster } => {
                write!(f, "{name}: the chain goes on after cluster {cluster}")
            }
            Self::WrongDots { directory } => {
                write!(f, "`.` or `..` of the directory at cluster {directory} names another one")
            }
            Self::OrphanName { directory, slots } => {
                write!(f, "{slots} parts of no name in the directory at cluster {directory}")
            }
            Self::LostClusters { clusters } => write!(f, "{clusters} clusters belong to nobody"),
            Self::FreeCount { stored, counted } => write!(f, "the free count is {stored}, not {counted}"),
        }
    }
}

/// What a check found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Problems in all.
    pub problems: u32,
    /// Of these, mended.
    pub repaired: u32,
    /// Files that are no directories.
    pub files: u32,
    /// Directories, the root among them.
    pub directories: u32,
    /// Clusters that are free now.
    pub free: u32,
}

impl FsckReport {
    /// Problems that are still there.
    pub const fn left(&self) -> u32 {
        self.problems - self.repaired
    }
}

/// Why a volume could not be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FsckError {
    /// It is none, or cannot be read as one.
    Mount(MountError),
    /// The device failed.
    Device(DeviceError),
    /// The root directory begins nowhere.
    NoRoot,
    /// The kernel has no memory.
    NoMemory,
}

impl fmt::Display for FsckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mount(error) => write!(f, "{error}"),
            Self::Device(error) => write!(f, "{error}"),
            Self::NoRoot => f.write_str("the root directory begins nowhere"),
            Self::NoMemory => f.write_str("the kernel has no memory"),
        }
    }
}

impl Error for FsckError {}

impl From<MountError> for FsckError {
    fn from(error: MountError) -> Self {
        Self::Mount(error)
    }
}

impl From<DeviceError> for FsckError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl From<FsError> for FsckError {
    fn from(error: FsError) -> Self {
        match error {
            FsError::Device(error) => Self::Device(error),
            FsError::NoMemory => Self::NoMemory,
            _ => Self::NoRoot,
        }
    }
}

impl From<alloc::collections::TryReserveError> for FsckError {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self::NoMemory
    }
}
