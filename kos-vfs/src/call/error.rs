//! Errors of operations on paths: [`DirError`] (names), [`AttrError`] (attributes), [`MountError`] (mounts).

use core::error::Error;
use core::fmt;

use crate::errno::Errno;
use crate::error::FsError;
use crate::perm::Denied;
use crate::walk::ResolveError;

macro_rules! path_error {
    ($name:ident) => {
        impl Error for $name {}

        impl From<ResolveError> for $name {
            fn from(error: ResolveError) -> Self {
                Self::Resolve(error)
            }
        }

        impl From<Denied> for $name {
            fn from(denied: Denied) -> Self {
                Self::Denied(denied)
            }
        }

        impl From<FsError> for $name {
            fn from(error: FsError) -> Self {
                Self::Fs(error)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Resolve(error) => write!(f, "{error}"),
                    Self::Denied(denied) => write!(f, "{denied}"),
                    Self::Fs(error) => write!(f, "{error}"),
                    other => f.write_str(other.errno().meaning()),
                }
            }
        }
    };
}

/// Why a name was not made, removed or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirError {
    /// A path leads nowhere.
    Resolve(ResolveError),
    /// He may not.
    Denied(Denied),
    /// What the file system said.
    Fs(FsError),
    /// The name is there.
    Exists,
    /// The name is not there, or its directory was removed.
    NotFound,
    /// A path that ends in `/` or `..` where a name of a file is needed.
    IsDirectory,
    /// Something else than a directory where one is needed.
    NotDirectory,
    /// A directory that is not empty, or that holds the other one.
    NotEmpty,
    /// A mount point, a root, or `.` and `..` in a rename.
    Busy,
    /// The mount takes no changes.
    ReadOnly,
    /// The two ends are on different mounts.
    OtherMount,
    /// A directory would come into itself.
    IntoItself,
    /// `.` where a name is needed, a kind of file that cannot be made, or flags that exclude each other.
    Invalid,
    /// Directories have one name.
    LinkToDirectory,
    /// The target of a symlink is too long.
    TargetTooLong,
    /// The file system has no links, or no files of that kind.
    Unsupported,
    /// Nobody makes regular files on this file system.
    MakesNoFiles,
}

impl DirError {
    /// What a system call answers.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Resolve(error) => error.errno(),
            Self::Denied(denied) => denied.errno(),
            // So Linux answers where a file system lacks the operation.
            Self::Fs(FsError::Unsupported) => Errno::EPERM,
            Self::Fs(error) => error.errno(),
            Self::Exists => Errno::EEXIST,
            Self::NotFound => Errno::ENOENT,
            Self::IsDirectory => Errno::EISDIR,
            Self::NotDirectory => Errno::ENOTDIR,
            Self::NotEmpty => Errno::ENOTEMPTY,
            Self::Busy => Errno::EBUSY,
            Self::ReadOnly => Errno::EROFS,
            Self::OtherMount => Errno::EXDEV,
            Self::IntoItself | Self::Invalid => Errno::EINVAL,
            Self::LinkToDirectory | Self::Unsupported => Errno::EPERM,
            Self::TargetTooLong => Errno::ENAMETOOLONG,
            // So Linux answers where only the kernel makes files, as in `/proc`.
            Self::MakesNoFiles => Errno::EACCES,
        }
    }
}

path_error!(DirError);

/// Why attributes were not read or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttrError {
    /// The path leads nowhere.
    Resolve(ResolveError),
    /// He may not.
    Denied(Denied),
    /// What the file system said.
    Fs(FsError),
    /// The mount takes no changes.
    ReadOnly,
    /// The mount runs nothing.
    NoExec,
    /// A value or a kind of file that the operation has no use for.
    Invalid,
    /// A directory, where bytes are needed.
    IsDirectory,
    /// The file or its file system has no such thing: symlinks no mode, others no extended attributes or not that namespace.
    Unsupported,
    /// The file system has no place for that owner or mode.
    NotStored,
    /// Only files and directories have extended attributes of users.
    UserAttribute,
    /// The name of an extended attribute is empty or has more than 255 bytes.
    AttributeName {
        /// How many it has.
        length: usize,
    },
    /// The value of an extended attribute has more than 65536 bytes, or its file has more names than a list may have.
    AttributeSize {
        /// How many bytes.
        length: usize,
    },
    /// The room for a value or a list is too small.
    Room {
        /// How many bytes it takes.
        needed: usize,
    },
    /// Beyond the largest file that the file system or the process may have.
    TooLarge {
        /// That size.
        limit: u64,
    },
}

impl AttrError {
    /// What a system call answers.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Resolve(error) => error.errno(),
            Self::Denied(denied) => denied.errno(),
            Self::Fs(error) => error.errno(),
            Self::ReadOnly => Errno::EROFS,
            Self::NoExec => Errno::EACCES,
            Self::Invalid => Errno::EINVAL,
            Self::IsDirectory => Errno::EISDIR,
            Self::Unsupported => Errno::EOPNOTSUPP,
            Self::NotStored => Errno::EPERM,
            Self::UserAttribute => Errno::EPERM,
            Self::AttributeName { .. } | Self::Room { .. } => Errno::ERANGE,
            Self::AttributeSize { .. } => Errno::E2BIG,
            Self::TooLarge { .. } => Errno::EFBIG,
        }
    }
}

path_error!(AttrError);

/// Why nothing was mounted or unmounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountError {
    /// A path leads nowhere.
    Resolve(ResolveError),
    /// He may not.
    Denied(Denied),
    /// What the file system said.
    Fs(FsError),
    /// Not a directory, or one end is one and the other is not.
    NotDirectory,
    /// Not the root of a mount, or the root of the namespace; or a directory is to stand on another file, or the other way round.
    NotMount,
    /// In another namespace, or where no way leads.
    Elsewhere,
    /// On the mount of the root itself.
    OnRoot,
    /// Files are open on it, processes stand on it, or other mounts do.
    Busy {
        /// How many places and open files.
        users: u32,
        /// How many mounts.
        mounts: u32,
    },
    /// Files are open for writing.
    Writers {
        /// How many.
        files: u32,
    },
    /// The mount would come into itself.
    IntoItself,
    /// A table is full, or there is no memory.
    TableFull,
    /// The directory was removed.
    Removed,
}

impl MountError {
    /// What a system call answers.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Resolve(error) => error.errno(),
            Self::Denied(denied) => denied.errno(),
            Self::Fs(error) => error.errno(),
            Self::NotDirectory => Errno::ENOTDIR,
            Self::NotMount | Self::Elsewhere => Errno::EINVAL,
            Self::Busy { .. } | Self::Writers { .. } | Self::OnRoot => Errno::EBUSY,
            Self::IntoItself => Errno::ELOOP,
            Self::TableFull => Errno::ENOSPC,
            Self::Removed => Errno::ENOENT,
        }
    }
}

path_error!(MountError);
