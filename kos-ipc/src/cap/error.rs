//! Why a capability cannot be used: [`CapError`].

use core::error::Error;
use core::fmt;

use super::rights::Rights;
use crate::quota::QuotaError;

/// Why a capability cannot be used, or made. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapError {
    /// No number of this space: there is no such slot.
    Malformed,
    /// It was closed, or never there.
    Stale {
        /// Its slot.
        slot: u32,
        /// The generation that the number names.
        generation: u32,
    },
    /// It is of another kind than was wanted.
    WrongKind {
        /// The kind wanted.
        expected: u8,
        /// The kind found.
        found: u8,
    },
    /// Its holder may not do that. These rights are missing.
    MissingRights(Rights),
    /// It has a badge already, and badges are not changed.
    Badged(u64),
    /// It was revoked. It stays in its slot, of no use, until it is closed.
    Revoked,
    /// As many lookups hold it as can be counted: some guard was forgotten again and again.
    Pinned,
    /// The space takes no new capabilities any more.
    Sealed,
    /// No slot is free.
    Full,
    /// No cell is free for what may revoke.
    NoCell,
    /// So many that may revoke stand below each other already: [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// The quota of the space is used up.
    Quota(QuotaError),
    /// Its space shares no cells with this one.
    Foreign,
}

impl fmt::Display for CapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("no capability of this space"),
            Self::Stale { slot, generation } => {
                write!(f, "slot {slot} has no generation {generation} any more")
            }
            Self::WrongKind { expected, found } => write!(f, "of kind {found}, where {expected} is wanted"),
            Self::MissingRights(rights) => write!(f, "missing rights {rights:?}"),
            Self::Badged(badge) => write!(f, "has the badge {badge} already"),
            Self::Revoked => f.write_str("was revoked"),
            Self::NoCell => f.write_str("no revocation cell is free"),
            Self::TooDeep => f.write_str("too many that may revoke below each other"),
            Self::Quota(error) => error.fmt(f),
            Self::Foreign => f.write_str("of a space with other cells"),
            Self::Pinned => f.write_str("held by too many lookups"),
            Self::Sealed => f.write_str("the space is sealed"),
            Self::Full => f.write_str("no slot is free"),
        }
    }
}

impl Error for CapError {}

/// Why an object was not put into a space; it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsertError<O> {
    /// Why.
    pub reason: CapError,
    /// The object.
    pub object: O,
}

impl<O> fmt::Display for InsertError<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<O: fmt::Debug> Error for InsertError<O> {}
