//! [`LockError`].

use core::error::Error;
use core::fmt;

use super::HeldLock;
use crate::errno::Errno;

/// Why a lock was not taken, released or looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockError {
    /// No such descriptor, or not open for that: a shared lock needs one for reading, an exclusive one for writing.
    BadDescriptor,
    /// Another has a lock there.
    WouldBlock(HeldLock),
    /// Those who stand in the way wait, in the end, for the caller.
    Deadlock,
    /// All locks of the system are in use, or there are too many waiters.
    TableFull,
    /// Bytes before the first.
    Range,
    /// Bytes behind the last that a file can have.
    Overflow,
}

impl LockError {
    /// What a system call answers.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::BadDescriptor => Errno::EBADF,
            Self::WouldBlock(_) => Errno::EAGAIN,
            Self::Deadlock => Errno::EDEADLK,
            Self::TableFull => Errno::ENOLCK,
            Self::Range => Errno::EINVAL,
            Self::Overflow => Errno::EOVERFLOW,
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock(held) => {
                write!(f, "bytes {} to {} are locked ({:?})", held.range.start, held.range.last, held.kind)
            }
            other => f.write_str(other.errno().meaning()),
        }
    }
}

impl Error for LockError {}
