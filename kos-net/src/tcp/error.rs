//! How a connection ends other than by closing: [`TcpFailure`].

use core::fmt;

/// What a router or the peer's host said of a packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// There is no way to the network.
    Network,
    /// The host does not answer.
    Host,
    /// The host does not know the protocol.
    Protocol,
    /// Nobody listens there.
    Port,
    /// A filter refuses it.
    Prohibited,
    /// It was under way too long.
    Expired,
}

/// Why a connection is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TcpFailure {
    /// The peer refused it.
    Refused,
    /// The peer reset it.
    Reset,
    /// The peer did not answer.
    TimedOut,
    /// The network said that the peer cannot be reached.
    Unreachable(Unreachable),
    /// Its user threw it away.
    Aborted,
}

impl fmt::Display for TcpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Reset => f.write_str("connection reset by peer"),
            Self::TimedOut => f.write_str("connection timed out"),
            Self::Unreachable(what) => write!(f, "peer cannot be reached: {what:?}"),
            Self::Aborted => f.write_str("connection aborted"),
        }
    }
}

impl core::error::Error for TcpFailure {}
