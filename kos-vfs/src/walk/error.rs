//! [`ResolveError`]: where a path could not be followed, and why.

use core::error::Error;
use core::fmt;

use crate::errno::Errno;
use crate::error::FsError;
use crate::name::NameError;
use crate::perm::Denied;

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveFault {
    /// The path has no bytes.
    EmptyPath,
    /// The path has more than 4095 bytes.
    TooLong,
    /// The path has a NUL.
    Nul,
    /// There is no such name.
    NotFound,
    /// Names were looked for in something else than a directory, or a directory was asked for.
    NotDirectory,
    /// The component is no name.
    Name(NameError),
    /// A directory on the way may not be searched.
    Denied(Denied),
    /// More than 40 symlinks, or one where none is followed.
    Loop,
    /// Left the directory or the mount that it must stay in.
    Outside,
    /// Something moved while `..` was followed under [`ResolveFlags::BENEATH`](super::ResolveFlags): try again.
    Moved,
    /// Not in memory, and only that was allowed.
    NotCached,
    /// Flags that exclude each other.
    Flags,
    /// A directory of this name is above itself, or has another name, too: the file system is damaged.
    SecondName,
    /// Every slot of the name cache is in use, or no memory for a long path.
    NoMemory,
    /// What the file system said.
    Fs(FsError),
}

/// A path that leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolveError {
    /// Why.
    pub fault: ResolveFault,
    /// Which component of the path it was, from 0; of one in a symlink, the component that led there.
    pub component: u32,
}

impl ResolveError {
    /// What a system call answers.
    pub const fn errno(&self) -> Errno {
        match self.fault {
            ResolveFault::EmptyPath | ResolveFault::NotFound => Errno::ENOENT,
            ResolveFault::TooLong => Errno::ENAMETOOLONG,
            ResolveFault::Nul | ResolveFault::Flags => Errno::EINVAL,
            ResolveFault::NotDirectory => Errno::ENOTDIR,
            ResolveFault::Name(error) => error.errno(),
            ResolveFault::Denied(denied) => denied.errno(),
            ResolveFault::Loop => Errno::ELOOP,
            ResolveFault::Outside => Errno::EXDEV,
            ResolveFault::Moved | ResolveFault::NotCached => Errno::EAGAIN,
            ResolveFault::SecondName => Errno::EUCLEAN,
            ResolveFault::NoMemory => Errno::ENOMEM,
            ResolveFault::Fs(error) => error.errno(),
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "component {} of the path: ", self.component)?;
        match self.fault {
            ResolveFault::EmptyPath => f.write_str("the path is empty"),
            ResolveFault::TooLong => f.write_str("the path is too long"),
            ResolveFault::Nul => f.write_str("the path has a NUL"),
            ResolveFault::Name(error) => write!(f, "{error}"),
            ResolveFault::Denied(denied) => write!(f, "{denied}"),
            ResolveFault::Fs(error) => write!(f, "{error}"),
            ResolveFault::NotCached => f.write_str("not in memory"),
            ResolveFault::Moved => f.write_str("something moved meanwhile"),
            ResolveFault::SecondName => f.write_str("a directory that has another name, too"),
            _ => f.write_str(self.errno().meaning()),
        }
    }
}

impl Error for ResolveError {}
