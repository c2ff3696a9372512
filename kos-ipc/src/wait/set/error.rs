//! Why something is not watched, or a wait at a set ended: [`WatchError`], [`WaitSetError`].

use core::error::Error;
use core::fmt;
use core::ops::Deref;
use core::pin::Pin;

use super::WatchId;
use crate::error::WaitError;
use crate::policy::Refused;
use crate::quota::QuotaError;

/// Why a source is not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchReason {
    /// No slot is free (ENOSPC).
    Full,
    /// The quota of the set is used up.
    Quota(QuotaError),
    /// The source is this set, or a set that watches it, through others maybe (ELOOP).
    Cycle,
    /// More than five sets would watch each other in a chain (ELOOP).
    TooDeep,
    /// The source is a set that is watched already.
    Watched,
    /// The source is a set that shares no [`Nesting`](super::Nesting) with this one.
    Foreign,
    /// Refused by the policy.
    Refused(Refused),
}

impl fmt::Display for WatchReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("no slot is free"),
            Self::Quota(error) => error.fmt(f),
            Self::Cycle => f.write_str("a wait set would watch itself"),
            Self::TooDeep => f.write_str("too many wait sets would watch each other"),
            Self::Watched => f.write_str("a wait set that is watched already"),
            Self::Foreign => f.write_str("a wait set of another nesting"),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl Error for WatchReason {}

/// Why a source is not watched; its handle comes back. Nothing has changed.
pub struct WatchError<H> {
    /// Why.
    pub reason: WatchReason,
    /// The handle.
    pub source: Pin<H>,
}

impl<H: Deref> fmt::Debug for WatchError<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<H: Deref> fmt::Display for WatchError<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<H: Deref> Error for WatchError<H> {}

/// Why there are no events, or a registration is not changed. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitSetError {
    /// The registration was taken off (ENOENT).
    Stale(WatchId),
    /// There is no room for an event (EINVAL).
    NoRoom,
    /// Nothing is ready.
    WouldBlock,
    /// Refused by the policy.
    Refused(Refused),
    /// The wait ended before.
    Wait(WaitError),
}

impl fmt::Display for WaitSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(id) => write!(f, "slot {} has no generation {} any more", id.slot, id.generation),
            Self::NoRoom => f.write_str("no room for an event"),
            Self::WouldBlock => f.write_str("nothing is ready"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl Error for WaitSetError {}
