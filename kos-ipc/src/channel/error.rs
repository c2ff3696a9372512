//! Why a message was not sent, received, or answered.

use core::error::Error;
use core::fmt;

use crate::cap::CapError;
use crate::error::WaitError;
use crate::policy::Refused;
use crate::quota::QuotaError;

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendReason {
    /// No room now, or somebody waits for it; of a call, room or a place for the answer.
    Full,
    /// More bytes than a message may have here.
    TooBig {
        /// How many.
        len: usize,
        /// How many it may have.
        max: usize,
    },
    /// More capabilities than a message may have here.
    TooManyCaps {
        /// How many.
        caps: usize,
        /// How many it may have.
        max: usize,
    },
    /// Refused by the policy.
    Refused(Refused),
    /// An end of a channel would lie in its own queue, or channels in each other in a circle; see [`Levels`](super::Levels).
    Cycle,
    /// A capability, or a channel, of another order than this channel's.
    Foreign,
    /// Nobody waits for that answer.
    Stale,
    /// This end is closed.
    Closed,
    /// The wait for room ended; [`WaitError::PeerClosed`]: nobody will read it.
    Wait(WaitError),
}

impl fmt::Display for SendReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("no room now"),
            Self::TooBig { len, max } => write!(f, "{len} bytes where {max} may be"),
            Self::TooManyCaps { caps, max } => write!(f, "{caps} capabilities where {max} may be"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Cycle => f.write_str("channels would lie in each other"),
            Self::Foreign => f.write_str("a capability of another order"),
            Self::Stale => f.write_str("nobody waits for that answer"),
            Self::Closed => f.write_str("this end is closed"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

/// A message that was not sent. Its capabilities come back; its bytes were only lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendError<C> {
    /// Why.
    pub reason: SendReason,
    /// The capabilities.
    pub message: C,
}

impl<C> fmt::Display for SendError<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<C: fmt::Debug> Error for SendError<C> {}

/// Why a call has no answer. But for [`Unsent`](Self::Unsent) the other side may have acted on it, or may do so later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError<C> {
    /// It was not sent.
    Unsent(SendError<C>),
    /// The wait for the answer ended. One that comes later is stale.
    Wait(WaitError),
}

impl<C> fmt::Display for CallError<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(error) => write!(f, "not sent: {error}"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl<C: fmt::Debug> Error for CallError<C> {}

/// Why no message was received. One that is there stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// None is queued.
    WouldBlock,
    /// The first takes more room than the receiver has.
    TooShort {
        /// Its bytes.
        len: usize,
        /// Its capabilities.
        caps: usize,
    },
    /// Its capabilities find no place in the receiver's space.
    Cap(CapError),
    /// Refused by the policy.
    Refused(Refused),
    /// This end is closed.
    Closed,
    /// The wait ended without one; [`WaitError::PeerClosed`]: all were read, and nobody sends any more.
    Wait(WaitError),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("no message is queued"),
            Self::TooShort { len, caps } => write!(f, "a message of {len} bytes and {caps} capabilities"),
            Self::Cap(error) => error.fmt(f),
            Self::Refused(refused) => refused.fmt(f),
            Self::Closed => f.write_str("this end is closed"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl Error for ReceiveError {}

/// Why there is no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// The longest message, or the one with most capabilities, would not fit into the lent memory of each side; or it is longer
    /// than a channel carries.
    TooLarge,
    /// The low water is not below the high water, or that is beyond the lent memory.
    Water,
    /// The quota is used up.
    Quota(QuotaError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the largest message does not fit"),
            Self::Water => f.write_str("low and high water are no marks of that memory"),
            Self::Quota(error) => error.fmt(f),
        }
    }
}

impl Error for CreateError {}
