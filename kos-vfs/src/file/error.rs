//! [`FileError`]: why a file was not opened, read or written.

use core::error::Error;
use core::fmt;

use crate::call::DirError;
use crate::errno::Errno;
use crate::error::FsError;
use crate::perm::Denied;
use crate::walk::ResolveError;

/// Why an open file, or the way to one, refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileError {
    /// The path leads nowhere.
    Resolve(ResolveError),
    /// The file could not be made.
    Create(DirError),
    /// He may not.
    Denied(Denied),
    /// What the file system said.
    Fs(FsError),
    /// No such descriptor, or not open for that.
    BadDescriptor,
    /// All descriptors of the process are in use.
    NoDescriptor,
    /// All open files of the system are in use.
    TableFull,
    /// No memory for a table of descriptors.
    NoMemory,
    /// Flags, offsets or lengths that mean nothing.
    Invalid,
    /// It is a directory.
    IsDirectory,
    /// It is none.
    NotDirectory,
    /// It is a symlink, and none was to be followed.
    IsLink,
    /// The mount takes no changes.
    ReadOnly,
    /// The mount opens no devices.
    NoDevices,
    /// A pipe, socket or device behind which there is nobody.
    NobodyThere,
    /// What is behind a pipe, socket or device said so.
    Special(Errno),
    /// It has no position.
    NoPosition,
    /// Beyond the largest file that the file system or the process may have.
    TooLarge {
        /// That size.
        limit: u64,
    },
    /// No data, or no hole, from there on.
    NothingThere,
    /// A directory entry that does not fit.
    TooSmall,
    /// The file can do no such thing.
    Unsupported,
}

impl FileError {
    /// What a system call answers.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Resolve(error) => error.errno(),
            Self::Create(error) => error.errno(),
            Self::Denied(denied) => denied.errno(),
            Self::Fs(error) => error.errno(),
            Self::BadDescriptor => Errno::EBADF,
            Self::NoDescriptor => Errno::EMFILE,
            Self::TableFull => Errno::ENFILE,
            Self::NoMemory => Errno::ENOMEM,
            Self::Invalid | Self::TooSmall => Errno::EINVAL,
            Self::IsDirectory => Errno::EISDIR,
            Self::NotDirectory => Errno::ENOTDIR,
            Self::IsLink => Errno::ELOOP,
            Self::ReadOnly => Errno::EROFS,
            Self::NoDevices => Errno::EACCES,
            Self::NobodyThere | Self::NothingThere => Errno::ENXIO,
            Self::Special(errno) => *errno,
            Self::NoPosition => Errno::ESPIPE,
            Self::TooLarge { .. } => Errno::EFBIG,
            Self::Unsupported => Errno::EOPNOTSUPP,
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "{error}"),
            Self::Create(error) => write!(f, "{error}"),
            Self::Denied(denied) => write!(f, "{denied}"),
            Self::Fs(error) => write!(f, "{error}"),
            Self::TooLarge { limit } => write!(f, "a file may have {limit} bytes here"),
            Self::NoDevices => f.write_str("devices are not opened on this mount"),
            Self::NobodyThere => f.write_str("nobody serves this node"),
            Self::NothingThere => f.write_str("nothing of that kind from there on"),
            _ => f.write_str(self.errno().meaning()),
        }
    }
}

impl Error for FileError {}

impl From<ResolveError> for FileError {
    fn from(error: ResolveError) -> Self {
        Self::Resolve(error)
    }
}

impl From<DirError> for FileError {
    fn from(error: DirError) -> Self {
        match error {
            DirError::Resolve(error) => Self::Resolve(error),
            other => Self::Create(other),
        }
    }
}

impl From<FsError> for FileError {
    fn from(error: FsError) -> Self {
        Self::Fs(error)
    }
}

impl From<Denied> for FileError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// What [`embedded_io`] is told; the whole cause is in the error itself.
impl embedded_io::Error for FileError {
    fn kind(&self) -> embedded_io::ErrorKind {
        use embedded_io::ErrorKind;
        match self.errno() {
            Errno::ENOENT => ErrorKind::NotFound,
            Errno::EACCES | Errno::EPERM | Errno::EROFS => ErrorKind::PermissionDenied,
            Errno::EEXIST => ErrorKind::AlreadyExists,
            Errno::EINVAL | Errno::EBADF | Errno::EISDIR => ErrorKind::InvalidInput,
            Errno::ENOMEM => ErrorKind::OutOfMemory,
            Errno::EOPNOTSUPP => ErrorKind::Unsupported,
            _ => ErrorKind::Other,
        }
    }
}
