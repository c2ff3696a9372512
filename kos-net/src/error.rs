//! Why calls fail: one type for each operation. They keep apart what the caller, the network and our limits are to blame for.

use core::fmt;
use core::net::IpAddr;

use crate::ports::EntropyError;
use crate::sock::{NoBuffers, NoSlots};
use crate::tcp::TcpFailure;

/// What the network said of something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NetworkError {
    /// Nobody listens there.
    Refused,
    /// The host does not answer, or there is no way to it.
    Unreachable,
    /// A filter refuses it.
    Prohibited,
    /// It is larger than the path.
    TooBig {
        /// The most bytes of a packet.
        mtu: u16,
    },
}

/// Why a stack is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There are no random bytes to make keys of.
    Entropy,
    /// A packet that travels no hop.
    NoHops,
    /// A queue or ring of no bytes.
    NoQueueBytes,
    /// There is no memory for a batch of frames.
    NoBatch,
}

/// Why an interface is not added or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterfaceError {
    /// There is no such interface.
    NoInterface,
    /// Its MTU is less than IP demands (68).
    MtuTooSmall {
        /// What it is.
        mtu: u16,
    },
    /// Its address belongs to several.
    NotUnicast,
    /// The table is full.
    TableFull,
    /// There is no memory for its neighbours.
    NoNeighbours,
    /// There is no memory for its batch of frames.
    NoBatch,
    /// An address has not so many bits.
    BadPrefix {
        /// How many.
        length: u8,
    },
    /// It has no link with stations, whose routers could tell anything.
    NoStations,
    /// It is on no link of the interface.
    GatewayOffLink(IpAddr),
    /// There are no random bytes.
    Entropy,
}

/// Why a socket is not opened, bound or connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindError {
    /// It is closed, or of another kind.
    BadSocket,
    /// Somebody listens there.
    InUse,
    /// It is no address of ours.
    NotOurs,
    /// There is no route to it.
    NoRoute,
    /// It is not a place that can be connected to.
    BadRemote,
    /// All ports are taken.
    NoPorts,
    /// There is no room for one more socket.
    NoSlots,
    /// There is no memory for its queues.
    NoBuffers,
    /// There are no random bytes.
    Entropy,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// It is closed, or of another kind.
    BadSocket,
    /// To whom? It is not connected.
    NoRemote,
    /// There is no route.
    NoRoute,
    /// The queue is full at the moment.
    Full,
    /// It never fits.
    TooLong {
        /// The most bytes.
        most: usize,
    },
    /// What the network said of something sent before.
    Network(NetworkError),
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// It is closed, or of another kind.
    BadSocket,
    /// There is nothing at the moment.
    Empty,
    /// What the network said of something sent before.
    Network(NetworkError),
}

/// Why nothing is written to or read from a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// It is closed, or no connection.
    BadSocket,
    /// There is no room, or nothing there, at the moment.
    NotNow,
    /// All was read, or no more may be written.
    Finished,
    /// It is broken.
    Failed(TcpFailure),
}

/// Why no connection is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptError {
    /// It is closed, or does not listen.
    BadSocket,
    /// Nobody waits at the moment.
    Empty,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSocket => f.write_str("no such connection"),
            Self::NotNow => f.write_str("not at the moment"),
            Self::Finished => f.write_str("the stream has ended"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSocket => "no such listener",
            Self::Empty => "nobody waits",
        })
    }
}

impl core::error::Error for StreamError {}
impl core::error::Error for AcceptError {}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Prohibited => f.write_str("prohibited"),
            Self::TooBig { mtu } => write!(f, "larger than the path's {mtu} bytes"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entropy => "no random bytes for keys",
            Self::NoHops => "a hop limit of 0",
            Self::NoQueueBytes => "queues of 0 bytes",
            Self::NoBatch => "no memory for a batch of frames",
        })
    }
}

impl fmt::Display for InterfaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterface => f.write_str("no such interface"),
            Self::MtuTooSmall { mtu } => write!(f, "an MTU of {mtu}"),
            Self::NotUnicast => f.write_str("an address of several hosts"),
            Self::TableFull => f.write_str("the table is full"),
            Self::NoNeighbours => f.write_str("no memory for neighbours"),
            Self::BadPrefix { length } => write!(f, "no address has a network of {length} bits"),
            Self::GatewayOffLink(gateway) => write!(f, "gateway {gateway} is not on the link"),
            Self::NoStations => f.write_str("no link with stations"),
            Self::NoBatch => f.write_str("no memory for a batch of frames"),
            Self::Entropy => f.write_str("no random bytes"),
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSocket => "no such socket",
            Self::InUse => "address in use",
            Self::NotOurs => "no address of this host",
            Self::NoRoute => "no route",
            Self::BadRemote => "not to be connected to",
            Self::NoPorts => "all ports are taken",
            Self::NoSlots => "no room for one more socket",
            Self::NoBuffers => "no memory for queues",
            Self::Entropy => "no random bytes",
        })
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSocket => f.write_str("no such socket"),
            Self::NoRemote => f.write_str("not connected"),
            Self::NoRoute => f.write_str("no route"),
            Self::Full => f.write_str("the queue is full"),
            Self::TooLong { most } => write!(f, "longer than {most} bytes"),
            Self::Network(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSocket => f.write_str("no such socket"),
            Self::Empty => f.write_str("nothing there"),
            Self::Network(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NetworkError {}
impl core::error::Error for ConfigError {}
impl core::error::Error for InterfaceError {}
impl core::error::Error for BindError {}
impl core::error::Error for SendError {}
impl core::error::Error for ReceiveError {}

impl From<NoSlots> for BindError {
    fn from(_: NoSlots) -> Self {
        Self::NoSlots
    }
}

impl From<NoBuffers> for BindError {
    fn from(_: NoBuffers) -> Self {
        Self::NoBuffers
    }
}

impl From<EntropyError> for BindError {
    fn from(_: EntropyError) -> Self {
        Self::Entropy
    }
}
