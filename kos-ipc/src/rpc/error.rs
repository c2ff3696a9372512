//! What is wrong with a request, and how a typed call ends.

use core::error::Error;
use core::fmt;

use crate::cap::Rights;
use crate::endpoint::CallError;

/// What is not as the protocol says. The server's code saw nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRequest {
    /// No operation has that number.
    Opcode {
        /// The number.
        found: u16,
    },
    /// Another version.
    Version {
        /// That of the server.
        expected: u16,
        /// That of the request.
        found: u16,
    },
    /// Not as long as what the operation takes.
    Length {
        /// Bytes that it takes.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Too few leases, or too many.
    LeaseCount {
        /// How many the operation wants.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// Memory that is lent for something else.
    LeaseAccess {
        /// Which lease.
        at: usize,
    },
    /// Too few capabilities, or too many.
    CapCount {
        /// How many the operation wants.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// A capability to something else.
    CapKind {
        /// Which.
        at: usize,
        /// The kind wanted.
        expected: u8,
        /// The kind found.
        found: u8,
    },
    /// A capability that allows too little.
    CapRights {
        /// Which.
        at: usize,
        /// What it does not allow.
        missing: Rights,
    },
    /// A capability that was revoked on the way, or is missing before another.
    CapRevoked {
        /// Which.
        at: usize,
    },
}

impl BadRequest {
    /// As the words of an answer.
    pub(crate) const fn words(self) -> [u64; 8] {
        let (code, at, a, b) = match self {
            Self::Opcode { found } => (1, 0, 0, found as u64),
            Self::Version { expected, found } => (2, 0, expected as u64, found as u64),
            Self::Length { expected, found } => (3, 0, expected as u64, found as u64),
            Self::LeaseCount { expected, found } => (4, 0, expected as u64, found as u64),
            Self::LeaseAccess { at } => (5, at as u64, 0, 0),
            Self::CapCount { expected, found } => (6, 0, expected as u64, found as u64),
            Self::CapKind { at, expected, found } => (7, at as u64, expected as u64, found as u64),
            Self::CapRights { at, missing } => (8, at as u64, 0, missing.bits() as u64),
            Self::CapRevoked { at } => (9, at as u64, 0, 0),
        };
        [code, at, a, b, 0, 0, 0, 0]
    }

    /// What the words of an answer say; a server may say anything.
    #[expect(clippy::cast_possible_truncation, reason = "as they were put there")]
    pub(crate) const fn of(words: &[u64; 8]) -> Option<Self> {
        let [code, at, a, b, ..] = *words;
        let (at, expected, found) = (at as usize, a as usize, b as usize);
        Some(match code {
            1 => Self::Opcode { found: b as u16 },
            2 => Self::Version { expected: a as u16, found: b as u16 },
            3 => Self::Length { expected, found },
            4 => Self::LeaseCount { expected, found },
            5 => Self::LeaseAccess { at },
            6 => Self::CapCount { expected, found },
            7 => Self::CapKind { at, expected: a as u8, found: b as u8 },
            8 => Self::CapRights { at, missing: Rights::from_bits_truncate(b as u32) },
            9 => Self::CapRevoked { at },
            _ => return None,
        })
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opcode { found } => write!(f, "no operation {found}"),
            Self::Version { expected, found } => write!(f, "version {found} where {expected} is wanted"),
            Self::Length { expected, found } => write!(f, "{found} bytes where {expected} are wanted"),
            Self::LeaseCount { expected, found } => write!(f, "{found} leases where {expected} are wanted"),
            Self::LeaseAccess { at } => write!(f, "lease {at} is not lent for that"),
            Self::CapCount { expected, found } => {
                write!(f, "{found} capabilities where {expected} are wanted")
            }
            Self::CapKind { at, expected, found } => {
                write!(f, "capability {at} is of kind {found}, where {expected} is wanted")
            }
            Self::CapRights { at, missing } => write!(f, "capability {at} does not allow {missing:?}"),
            Self::CapRevoked { at } => write!(f, "capability {at} was revoked"),
        }
    }
}

impl Error for BadRequest {}

/// A number by which a server says why it did not do what it was asked; the protocol's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure(pub u64);

/// Why a typed call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RpcError<M> {
    /// The call itself ended without one.
    Call(CallError<M>),
    /// It was not as the server's protocol says.
    BadRequest(BadRequest),
    /// The server did not do it.
    Failed(Failure),
    /// What the server answered is not what the protocol says.
    BadAnswer,
}

impl<M> fmt::Display for RpcError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::BadRequest(bad) => bad.fmt(f),
            Self::Failed(Failure(number)) => write!(f, "the server failed with {number}"),
            Self::BadAnswer => f.write_str("the answer is none of that protocol"),
        }
    }
}

impl<M: fmt::Debug> Error for RpcError<M> {}
