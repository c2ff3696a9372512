//! What a connection knows of itself, for its user: [`TcpInfo`].

use super::congestion::CongestionControl;
use super::fsm::State;
use super::tcb::{Flags, Tcb};
use crate::time::Duration;

/// The state of a connection (`TCP_INFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// Where it stands.
    pub state: State,
    /// Bytes of data in a full segment that we send.
    pub mss: u16,
    /// The smoothed round trip, once one was measured.
    pub round_trip: Option<Duration>,
    /// How long is waited for an acknowledgement.
    pub retransmission_timeout: Duration,
    /// Bytes that may be in flight, for the sake of the path.
    pub congestion_window: u32,
    /// Bytes that may be in flight, for the sake of the peer.
    pub send_window: u32,
    /// Bytes that the peer may send.
    pub receive_window: u64,
    /// Bytes that were written and not acknowledged.
    pub unacknowledged: u64,
    /// Bytes that came and were not read.
    pub unread: u64,
    /// Bytes that the peer has acknowledged.
    pub delivered: u64,
    /// Bytes that came in order.
    pub received: u64,
    /// Whether both sides have timestamps.
    pub timestamps: bool,
    /// Whether both sides have SACK.
    pub sack: bool,
    /// By how many bits the peer's window and ours are shifted, if they are.
    pub scales: Option<(u8, u8)>,
}

impl<C: CongestionControl> Tcb<C> {
    /// What it knows of itself.
    pub(crate) fn info(&self) -> TcpInfo {
        let (sender, receiver) = (&self.sender, &self.receiver);
        let readable = receiver.readable();
        TcpInfo {
            state: self.state,
            mss: self.full(0),
            round_trip: self.recovery.smoothed_rtt(),
            retransmission_timeout: self.recovery.rto(),
            congestion_window: self.recovery.congestion_window(),
            send_window: sender.window,
            receive_window: receiver.right.saturating_sub(receiver.nxt),
            unacknowledged: self.unacknowledged(),
            unread: readable.end.saturating_sub(readable.start),
            delivered: sender.una.clamp(1, sender.end) - 1,
            received: readable.end.saturating_sub(1),
            timestamps: self.flags.contains(Flags::CLOCKS),
            sack: self.flags.contains(Flags::SACK),
            scales: self.flags.contains(Flags::SCALING).then_some((sender.scale, receiver.scale)),
        }
    }
}
