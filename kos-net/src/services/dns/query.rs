//! A question on its way: [`Query`]; and what users see of it.

use core::fmt;
use core::net::SocketAddr;

use super::answer::Answer;
use super::cache::Name;
use crate::ports::EntropyError;
use crate::time::Instant;
use crate::wire::dns::{DnsCode, DnsType, QueryError};

/// A question that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueryId {
    pub(super) index: u8,
    pub(super) generation: u32,
}

/// How a question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// As a datagram from this port.
    Udp {
        /// Random; whoever sends binds it for this question.
        port: u16,
    },
    /// Over a connection; before the message stand two bytes with its length, in both directions.
    Tcp,
}

/// A message to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsTransmit {
    /// Which question it is.
    pub query: QueryId,
    /// To whom.
    pub to: SocketAddr,
    /// How.
    pub over: Over,
    /// How many bytes were written.
    pub length: usize,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsError {
    /// There is no such name.
    NoSuchName,
    /// There is such a name, without records of this kind.
    NoRecords,
    /// The servers could not or would not answer; how the last of them put it.
    Failed(DnsCode),
    /// No server answered.
    TimedOut,
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("no such name"),
            Self::NoRecords => f.write_str("no records of this kind"),
            Self::Failed(code) => write!(f, "the name server failed with code {}", code.0),
            Self::TimedOut => f.write_str("no name server answered"),
        }
    }
}

impl core::error::Error for DnsError {}

/// Why a question was not put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// There can be no such name.
    Name(QueryError),
    /// This kind of record is not asked for.
    Kind(DnsType),
    /// As many questions are on their way as there may be.
    Full,
    /// There is nobody to ask.
    NoServers,
    /// No random bytes.
    Entropy(EntropyError),
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Kind(kind) => write!(f, "records of kind {} are not asked for", kind.0),
            Self::Full => f.write_str("too many questions"),
            Self::NoServers => f.write_str("no name servers"),
            Self::Entropy(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ResolveError {}

/// Why a message changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsDrop {
    /// It is no answer.
    Malformed,
    /// Nothing was asked of this server from this port.
    NotAsked,
    /// It has another identifier or question: it is late, or forged.
    Mismatch,
}

impl fmt::Display for DnsDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "no answer",
            Self::NotAsked => "nothing was asked of this server",
            Self::Mismatch => "the answer to another question",
        })
    }
}

impl core::error::Error for DnsDrop {}

/// How a question stands.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put it on")]
pub(super) enum State {
    /// To be sent.
    Ready,
    /// Sent; until then it may be answered.
    Sent(Instant),
    /// Over; the answer waits to be fetched.
    Done(Result<Answer, DnsError>),
}

/// A question.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) name: Name,
    pub(super) kind: DnsType,
    pub(super) state: State,
    /// How often it was sent.
    pub(super) tries: u8,
    pub(super) tcp: bool,
    /// Some servers know no EDNS.
    pub(super) edns: bool,
    pub(super) failure: DnsError,
    pub(super) secret: Secret,
}

/// What an answer must repeat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Secret {
    pub(super) identifier: u16,
    pub(super) port: u16,
    /// For each letter, in turn, whether it is large.
    pub(super) case: [u8; 32],
}

impl Secret {
    pub(super) fn of(random: &[u8; 36]) -> Self {
        let ([a, b, c, d], case) = match random.split_first_chunk::<4>() {
            Some((first, rest)) => (*first, rest),
            None => ([0; 4], &[][..]),
        };
        let mut secret = Self {
            identifier: u16::from_be_bytes([a, b]),
            port: 49_152 | (u16::from_be_bytes([c, d]) & 0x3fff),
            case: [0; 32],
        };
        secret.case.iter_mut().zip(case).for_each(|(to, from)| *to = *from);
        secret
    }

    /// `name` in the case of this secret.
    pub(super) fn cased(&self, name: &Name) -> Name {
        let mut cased = name.clone();
        for (index, byte) in cased.iter_mut().enumerate() {
            if self.case.get(index / 8).is_some_and(|bits| bits >> (index % 8) & 1 == 1) {
                byte.make_ascii_uppercase();
            }
        }
        cased
    }
}
