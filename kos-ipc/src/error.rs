//! What can go wrong, one enum per operation. Display is one lower-case clause.

use core::error::Error;
use core::fmt;

/// Why a wait ended without what it waited for. The order is that of precedence: of causes that meet, the greatest counts, and
/// what was waited for comes before all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum WaitError {
    /// The time had passed.
    TimedOut = 2,
    /// A signal is pending, or the thread is to die.
    Interrupted,
    /// Somebody ended this wait.
    Cancelled,
    /// The authority on which it rested is gone.
    Revoked,
    /// The other side is gone.
    PeerClosed,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "the time had passed",
            Self::Interrupted => "the wait was interrupted",
            Self::Cancelled => "the wait was cancelled",
            Self::Revoked => "the authority was revoked",
            Self::PeerClosed => "the other side is closed",
        })
    }
}

impl Error for WaitError {}

/// An invariant that does not hold: a bug, or memory that was overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// Which.
    pub what: &'static str,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt: {}", self.what)
    }
}

impl Error for Corruption {}
