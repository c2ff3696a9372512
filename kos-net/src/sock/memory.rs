//! What the memory of sockets is made of: [`Memory`].

use core::fmt::Debug;

use crate::tcp::congestion::CongestionControl;
use crate::tcp::{Gap, Sent, SynRecord};

/// The memory of queues and records, and how connections control congestion. The defaults have no room.
pub trait Memory {
    /// The bytes of one queue.
    type Bytes: AsRef<[u8]> + AsMut<[u8]> + Default + Debug;
    /// What one connection has in flight, a record for a segment.
    type Sent: AsRef<[Sent]> + AsMut<[Sent]> + Default + Debug;
    /// What came to one connection out of order, a record for a range.
    type Gaps: AsRef<[Gap]> + AsMut<[Gap]> + Default + Debug;
    /// The handshakes that one listener has begun.
    type Records: AsRef<[Option<SynRecord>]> + AsMut<[Option<SynRecord>]> + Default + Debug;
    /// How much a connection may have in flight.
    type Congestion: CongestionControl + Debug;
}

/// What one connection lives in.
#[derive(Debug)]
pub struct TcpMemory<M: Memory + ?Sized> {
    /// Bytes that were written and are not acknowledged.
    pub send: M::Bytes,
    /// Bytes that came and were not read.
    pub receive: M::Bytes,
    /// What is in flight.
    pub sent: M::Sent,
    /// What came out of order.
    pub gaps: M::Gaps,
}
