//! Why a signal was not sent, taken or provided for.

use core::error::Error;
use core::fmt;

use super::number::Signal;
use super::records::NoRecord;
use crate::error::WaitError;
use crate::policy::Refused;
use crate::quota::QuotaError;

/// Why a signal was not sent. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Every record of the process is in use (EAGAIN).
    Full,
    /// The process may queue no more (EAGAIN).
    Quota(QuotaError),
    /// There is no such thread any more (ESRCH).
    NoThread,
    /// Refused by the policy (EPERM).
    Refused(Refused),
}

impl From<NoRecord> for SendError {
    fn from(none: NoRecord) -> Self {
        match none {
            NoRecord::Full => Self::Full,
            NoRecord::Quota(error) => Self::Quota(error),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("no record is free"),
            Self::Quota(error) => error.fmt(f),
            Self::NoThread => f.write_str("no such thread"),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl Error for SendError {}

/// Why a wait for a signal ended without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AwaitError {
    /// None of them is there (EAGAIN).
    WouldBlock,
    /// The time had passed (EAGAIN), or another signal came (EINTR).
    Wait(WaitError),
}

impl fmt::Display for AwaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("no such signal is pending"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl Error for AwaitError {}

/// KILL and STOP do what they do (EINVAL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unchangeable(pub Signal);

impl fmt::Display for Unchangeable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nobody may handle, ignore or block {}", self.0)
    }
}

impl Error for Unchangeable {}

/// Every place for a thread of the process is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoThreadSlot;

impl fmt::Display for NoThreadSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no place for another thread")
    }
}

impl Error for NoThreadSlot {}
