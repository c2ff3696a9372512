//! How calls end: [`CallError`], [`SendError`], [`ReplyError`], [`LeaseError`].

use core::error::Error;
use core::fmt;

use crate::error::WaitError;
use crate::policy::Refused;
use crate::ports::Fault;

/// Why a message was not received by anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendReason {
    /// As many calls are under way as there are slots.
    Full,
    /// Refused by the policy.
    Refused(Refused),
    /// More leases than a call may have.
    TooManyLeases {
        /// How many.
        asked: usize,
    },
    /// The server waits for the caller, or for somebody who does.
    Deadlock,
    /// The wait ended before.
    Wait(WaitError),
}

impl fmt::Display for SendReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("too many calls are under way"),
            Self::Refused(refused) => refused.fmt(f),
            Self::TooManyLeases { asked } => write!(f, "{asked} leases in a call"),
            Self::Deadlock => f.write_str("the server waits for the caller"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

/// A message that nobody received; it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendError<M> {
    /// Why.
    pub reason: SendReason,
    /// The message.
    pub message: M,
}

/// Why a call has no answer. But for [`Unsent`](Self::Unsent) the server may have acted on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError<M> {
    /// Nobody received it.
    Unsent(SendError<M>),
    /// The server dropped the right to answer.
    ReplyDropped,
    /// The wait for the answer ended. The token is stale.
    Wait(WaitError),
}

impl<M> CallError<M> {
    pub(super) const fn unsent(reason: SendReason, message: M) -> Self {
        Self::Unsent(SendError { reason, message })
    }
}

impl<M> fmt::Display for CallError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(error) => write!(f, "not sent: {}", error.reason),
            Self::ReplyDropped => f.write_str("the server does not answer"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl<M: fmt::Debug> Error for CallError<M> {}

/// Why no call was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// None is queued.
    WouldBlock,
    /// Refused by the policy.
    Refused(Refused),
    /// The wait ended without one.
    Wait(WaitError),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("no call is queued"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl Error for ReceiveError {}

/// The caller is not there any more; the answer comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyError<M> {
    /// The answer.
    pub message: M,
}

impl<M> fmt::Display for ReplyError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the caller waits no longer")
    }
}

impl<M: fmt::Debug> Error for ReplyError<M> {}

/// Why lent memory was not read, or not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseError {
    /// The call has no such lease.
    NoLease,
    /// It was lent for reading only, or for writing only.
    WrongAccess,
    /// Not all of it lies in what was lent.
    OutOfRange,
    /// The caller waits no longer.
    Stale,
    /// The caller's memory is not there.
    Fault(Fault),
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLease => f.write_str("nothing was lent under that number"),
            Self::WrongAccess => f.write_str("not lent for that"),
            Self::OutOfRange => f.write_str("beyond what was lent"),
            Self::Stale => f.write_str("the caller waits no longer"),
            Self::Fault(fault) => write!(f, "the caller has no memory at {:#x}", fault.at),
        }
    }
}

impl Error for LeaseError {}
