//! Why an archive cannot be read ([`ArchiveError`]) or unpacked ([`UnpackError`]), and at which byte of it.

use core::error::Error;
use core::fmt;

use crate::attr::FileType;
use crate::call::{AttrError, DirError};
use crate::errno::Errno;
use crate::file::FileError;
use crate::name::NameError;
use crate::walk::ResolveError;

/// What is wrong in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// No entry starts here: another format, a compressed archive, or junk between two.
    Magic {
        /// What stands here.
        found: [u8; 6],
    },
    /// A number is no hexadecimal one.
    Digit {
        /// What stands here.
        found: u8,
    },
    /// The input ends in an entry.
    Truncated {
        /// How many bytes the archive has at least.
        needs: u64,
    },
    /// The input ends before the entry `TRAILER!!!`, so perhaps too early.
    NoTrailer,
    /// A name of no bytes, or of more than a path may have.
    NameSize {
        /// How many, its NUL among them.
        found: u32,
    },
    /// A name does not end with its only NUL.
    NotTerminated,
    /// A component of a name that cannot be one.
    Name(NameError),
    /// A name that starts at the root.
    Absolute,
    /// A name that leads up.
    DotDot,
    /// A mode that says no kind of file.
    Mode {
        /// The mode.
        found: u32,
    },
    /// A symlink to nothing, to more than a path may have, or to a path with a NUL.
    Target,
    /// The bytes of a file do not add up.
    Sum {
        /// What the entry says.
        stored: u32,
        /// What its bytes say.
        found: u32,
    },
}

/// Why an archive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveError {
    /// At which of its bytes.
    pub offset: u64,
    /// What is wrong there.
    pub fault: ArchiveFault,
}

impl fmt::Display for ArchiveFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { found } => write!(f, "no entry starts with \"{}\"", found.escape_ascii()),
            Self::Digit { found } => write!(f, "{found:#04x} is no hexadecimal digit"),
            Self::Truncated { needs } => write!(f, "the archive is cut: it has {needs} bytes at least"),
            Self::NoTrailer => f.write_str("the archive ends without a trailer"),
            Self::NameSize { found } => write!(f, "a name of {found} bytes"),
            Self::NotTerminated => f.write_str("a name that does not end with its only NUL"),
            Self::Name(error) => write!(f, "{error}"),
            Self::Absolute => f.write_str("an absolute name"),
            Self::DotDot => f.write_str("a name with `..`"),
            Self::Mode { found } => write!(f, "mode {found:#o} says no kind of file"),
            Self::Target => f.write_str("a symlink to what is no path"),
            Self::Sum { stored, found } => write!(f, "bytes with sum {found:#x} where {stored:#x} is right"),
        }
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.fault)
    }
}

impl Error for ArchiveError {}

/// Why an archive was not unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnpackFault {
    /// It cannot be read; nothing was unpacked.
    Archive(ArchiveFault),
    /// The directory of an entry is not there, or cannot be used.
    Resolve(ResolveError),
    /// A name was not made.
    Name(DirError),
    /// A file was not opened or written.
    File(FileError),
    /// Owner, mode or time were not set.
    Attr(AttrError),
    /// The top of the archive is a directory, and this is its entry.
    TopIsDirectory {
        /// What the entry says.
        found: FileType,
    },
    /// No memory to remember hard links; nothing was unpacked.
    NoMemory,
}

impl UnpackFault {
    /// What a system call answers.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Archive(_) | Self::TopIsDirectory { .. } => Errno::EINVAL,
            Self::Resolve(error) => error.errno(),
            Self::Name(error) => error.errno(),
            Self::File(error) => error.errno(),
            Self::Attr(error) => error.errno(),
            Self::NoMemory => Errno::ENOMEM,
        }
    }
}

impl From<ResolveError> for UnpackFault {
    fn from(error: ResolveError) -> Self {
        Self::Resolve(error)
    }
}

impl From<DirError> for UnpackFault {
    fn from(error: DirError) -> Self {
        Self::Name(error)
    }
}

impl From<FileError> for UnpackFault {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<AttrError> for UnpackFault {
    fn from(error: AttrError) -> Self {
        Self::Attr(error)
    }
}

impl fmt::Display for UnpackFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(fault) => write!(f, "{fault}"),
            Self::Resolve(error) => write!(f, "{error}"),
            Self::Name(error) => write!(f, "{error}"),
            Self::File(error) => write!(f, "{error}"),
            Self::Attr(error) => write!(f, "{error}"),
            Self::TopIsDirectory { .. } => f.write_str("the top of the archive must be a directory"),
            Self::NoMemory => f.write_str(Errno::ENOMEM.meaning()),
        }
    }
}

/// Why an archive was not unpacked, or not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackError {
    /// At which of its bytes: a fault's own place, else where the entry starts.
    pub offset: u64,
    /// What is wrong.
    pub fault: UnpackFault,
}

impl From<ArchiveError> for UnpackError {
    fn from(error: ArchiveError) -> Self {
        Self { offset: error.offset, fault: UnpackFault::Archive(error.fault) }
    }
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.fault)
    }
}

impl Error for UnpackError {}
