//! File locks: of a process (POSIX), of an open file (OFD), and whole files (`flock`).
//!
//! Key types: [`LockRequest`], [`LockRange`], [`LockWait`], [`HeldLock`]. The two kinds of record locks exclude each other;
//! `flock` stands for itself. Locks of a process belong to its [`FdTable`](crate::FdTable) and go when any descriptor of the file
//! is closed there; the others go with the last handle of the open file. A child has none of its parent's process locks.
//!
//! There is no thread in here: who waits gives a [`Waker`](core::task::Waker) to [`FdTable::poll_lock`](crate::FdTable::poll_lock)
//! and sleeps until it is called; then he polls again, or drops his [`LockWait`] to give up. With threads, the waker unparks one
//! (`alloc::task::Wake` makes it); under an executor it is the task's.
//!
//! Source: POSIX.1-2024 `fcntl`; Linux `fcntl(2)`, `flock(2)`, `fs/locks.c`.

mod error;
#[cfg(test)]
mod model;
mod process;
pub(crate) mod table;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod wait;

pub use error::LockError;
pub use wait::LockWait;

/// Who else may have a lock on the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Who shares it too (`F_RDLCK`, `LOCK_SH`).
    Shared,
    /// Nobody (`F_WRLCK`, `LOCK_EX`).
    Exclusive,
}

/// Whose a lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockScope {
    /// The process's (`F_SETLK`).
    Process,
    /// The open file's (`F_OFD_SETLK`).
    OpenFile,
    /// The open file's, apart from the other two and always on the whole file (`flock`).
    Flock,
}

/// Bytes of a file, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockRange {
    pub(crate) start: u64,
    /// The last one.
    pub(crate) last: u64,
}

const OFFSET_MAX: u64 = i64::MAX.cast_unsigned();

impl LockRange {
    /// Every byte that a file can ever have.
    pub const WHOLE: Self = Self { start: 0, last: OFFSET_MAX };

    /// `length` bytes from `start` on; 0: all from there on; below 0: that many before `start`.
    ///
    /// # Errors
    /// [`LockError::Range`] before the first byte, [`LockError::Overflow`] behind the last that can be.
    pub fn new(start: i64, length: i64) -> Result<Self, LockError> {
        let first = if length < 0 { start.checked_add(length).ok_or(LockError::Range)? } else { start };
        let first = u64::try_from(first).map_err(|_| LockError::Range)?;
        let last = match length {
            0 => Some(OFFSET_MAX),
            1.. => first.checked_add(length.cast_unsigned() - 1).filter(|&last| last <= OFFSET_MAX),
            _ => u64::try_from(start - 1).ok(),
        };
        Ok(Self { start: first, last: last.ok_or(LockError::Overflow)? })
    }

    /// The first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// How many bytes; 0: to the end of the file, wherever that comes to be.
    pub const fn length(self) -> u64 {
        if self.last == OFFSET_MAX { 0 } else { self.last - self.start + 1 }
    }

    const fn overlaps(self, other: Self) -> bool {
        self.start <= other.last && other.start <= self.last
    }

    /// Whether the two make one range.
    const fn touches(self, other: Self) -> bool {
        self.start <= other.last.saturating_add(1) && other.start <= self.last.saturating_add(1)
    }
}

/// A lock to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockRequest {
    /// Whose it shall be.
    pub scope: LockScope,
    /// Who else may have one.
    pub kind: LockKind,
    /// On what.
    pub range: LockRange,
}

impl LockRequest {
    /// A lock on some bytes.
    pub const fn record(scope: LockScope, kind: LockKind, range: LockRange) -> Self {
        Self { scope, kind, range }
    }

    /// A lock on the whole file, as `flock` takes.
    pub const fn flock(kind: LockKind) -> Self {
        Self { scope: LockScope::Flock, kind, range: LockRange::WHOLE }
    }
}

/// A lock that stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// Its kind.
    pub kind: LockKind,
    /// Its bytes.
    pub range: LockRange,
    /// The process ([`FdTable::lock_owner`](crate::FdTable::lock_owner)) that has it; `None`: an open file.
    pub process: Option<u64>,
}
