//! The sender's loss recovery: [`Recovery`]. What it does with acknowledgements is in [`ack`], with time in [`timer`].
//!
//! Source: RFC 6298 section 5, RFC 5681 section 4.1, RFC 6928.

mod ack;
#[cfg(test)]
mod tests;
mod timer;

use core::ops::Range;

pub(crate) use ack::Ack;
pub(crate) use timer::LossTimeout;

use super::prr::Prr;
use super::rack::Rack;
use super::rtt::Rtt;
use super::scoreboard::Scoreboard;
use super::{LossConfig, Sent};
use crate::tcp::clock::{NEVER, after, since};
use crate::tcp::congestion::{CongestionControl, LossEvent};
use crate::time::{Duration, Instant};

/// What the connection does about loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing.
    Open,
    /// It repairs, until `recover` is acknowledged: as much goes out as [`Prr`] says.
    Fast,
    /// It starts anew after a retransmission timeout, until `recover` is acknowledged.
    Timeout,
}

bitflags::bitflags! {
    #[derive(Clone, Copy, Debug)]
    struct Flags: u8 {
        /// The peer tells what it holds out of order.
        const SACK = 1 << 0;
        /// The timer before the retransmission timer is one for reordering, else for a probe.
        const REORDER = 1 << 1;
        /// A probe is due: the next segment is it.
        const PROBING = 1 << 2;
        /// The probe was data sent before.
        const PROBE_AGAIN = 1 << 3;
        /// The timeout can still turn out to have been none.
        const DOUBTFUL = 1 << 4;
        /// The reduction can be taken back when all of the repair turns out needless.
        const UNDOABLE = 1 << 5;
    }
}

/// Loss recovery of one connection.
#[derive(Debug)]
pub(crate) struct Recovery<C> {
    board: Scoreboard,
    rtt: Rtt,
    rack: Rack,
    congestion: C,
    /// When the retransmission timer runs out.
    rto_at: Instant,
    /// When the timer before it runs out.
    soon_at: Instant,
    /// When something was sent last.
    last_sent: Instant,
    /// `nxt` when the running repair, or the last, began.
    recover: u64,
    /// Where the probe under way ends; 0: there is none.
    probe_end: u64,
    prr: Prr,
    /// Bytes that may go out while phase is `Fast`.
    allowed: u32,
    /// Bytes sent again in this repair that the peer has not called needless.
    repaired: u32,
    mss: u32,
    initial_segments: u8,
    retries: u8,
    /// Timeouts of the SYN.
    syn_retries: u8,
    duplicates: u8,
    phase: Phase,
    flags: Flags,
}

impl<C: CongestionControl> Recovery<C> {
    /// Of a connection that is about to send its SYN, at place 0.
    pub(crate) fn new(config: &LossConfig) -> Self {
        let mut congestion = C::default();
        congestion.start(1, 1);
        Self {
            board: Scoreboard::new(),
            rtt: Rtt::new(config),
            rack: Rack::new(),
            congestion,
            rto_at: NEVER,
            soon_at: NEVER,
            last_sent: Instant::from_ticks(0),
            recover: 0,
            probe_end: 0,
            prr: Prr::default(),
            allowed: 0,
            repaired: 0,
            mss: 1,
            initial_segments: u8::try_from(config.initial_segments).unwrap_or(u8::MAX).max(1),
            retries: 0,
            syn_retries: 0,
            duplicates: 0,
            phase: Phase::Open,
            flags: Flags::empty(),
        }
    }

    /// The handshake is done, its acknowledgement noted: segments carry `mss` bytes; `sack`: the peer tells what it holds.
    pub(crate) fn start(&mut self, mss: u16, sack: bool) {
        self.mss = u32::from(mss).max(1);
        self.flags.set(Flags::SACK, sack);
        if self.syn_retries > 0 {
            self.rtt.distrust();
        }
        // RFC 6928 section 2: who lost more than one SYN begins with one segment.
        let window = if self.syn_retries > 1 { self.mss } else { self.initial_window() };
        self.congestion.start(self.mss, window);
    }

    /// The path takes less now (RFC 1191 section 6.4): segments of `mss` bytes. Larger ones are lost, though not to congestion.
    pub(crate) fn set_mss(&mut self, mss: u16, sent: &mut [Sent]) {
        self.mss = u32::from(mss).max(1);
        self.congestion.start(self.mss, self.congestion.cwnd());
        let large = |_: &Sent, range: Range<u64>| Some(range.end - range.start > u64::from(mss));
        if self.board.mark(sent, large) > 0 && self.phase == Phase::Open {
            (self.phase, self.recover, self.repaired) = (Phase::Timeout, self.board.nxt(), 0);
            self.flags.remove(Flags::DOUBTFUL | Flags::UNDOABLE);
        }
    }

    /// Notes that `range` of the stream goes out now; SYN and FIN count one byte each.
    /// `sent` is the storage of the records, always the same, with at least one.
    pub(crate) fn on_sent(&mut self, now: Instant, sent: &mut [Sent], range: Range<u64>) {
        let again = range.start < self.board.nxt();
        let idle = since(now, self.last_sent);
        if self.board.outstanding() == 0 && self.board.nxt() > 1 && idle > self.rtt.timeout(0) {
            self.congestion.on_idle(idle, self.initial_window());
        }
        let bytes = u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(u32::MAX);
        if self.phase == Phase::Fast {
            self.allowed = self.allowed.saturating_sub(bytes);
            self.prr.on_sent(bytes);
        }
        if again && self.phase != Phase::Open {
            self.repaired = self.repaired.saturating_add(bytes);
        }
        let first = range.start <= self.board.una();
        self.board.sent(sent, now, range);
        self.last_sent = now;
        if self.rto_at == NEVER || (again && first) {
            self.rto_at = after(now, self.rto());
        }
        if self.flags.contains(Flags::PROBING) {
            self.flags.remove(Flags::PROBING);
            self.flags.set(Flags::PROBE_AGAIN, again);
            self.probe_end = self.board.nxt();
        } else if !again {
            self.arm_probe(now);
        }
    }

    /// The oldest bytes that are to be sent again, if any; send as much of them as fits a segment.
    pub(crate) fn next_resend(&self, sent: &[Sent]) -> Option<Range<u64>> {
        self.board.first_lost(sent)
    }

    /// What a probe sends if there is no new data that may go: the last segment outstanding.
    pub(crate) fn probe(&self, _sent: &[Sent]) -> Option<Range<u64>> {
        let (una, nxt) = (self.board.una(), self.board.nxt());
        (una < nxt).then(|| nxt.saturating_sub(u64::from(self.mss)).max(una)..nxt)
    }

    /// Bytes that may go out now, new ones or lost ones.
    pub(crate) fn allowance(&self) -> u32 {
        match self.phase {
            Phase::Fast => self.allowed,
            Phase::Open | Phase::Timeout => self.congestion.cwnd().saturating_sub(self.flight()),
        }
    }

    /// The retransmission timeout as it stands, doublings included.
    pub(crate) fn rto(&self) -> Duration {
        self.rtt.timeout(self.retries)
    }

    /// The greatest timeout.
    pub(crate) fn longest(&self) -> Duration {
        self.rtt.longest()
    }

    /// The smoothed round trip, once one was measured.
    pub(crate) fn smoothed_rtt(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    /// Bytes that may be in flight.
    pub(crate) fn congestion_window(&self) -> u32 {
        self.congestion.cwnd()
    }

    /// Bytes believed to be on the way. Without SACK a duplicate acknowledgement stands for one segment that arrived.
    pub(crate) fn flight(&self) -> u32 {
        let arrived = if self.has_sack() { 0 } else { u32::from(self.duplicates).saturating_mul(self.mss) };
        self.board.flying().saturating_sub(arrived)
    }

    fn has_sack(&self) -> bool {
        self.flags.contains(Flags::SACK)
    }

    /// What a policy is told of a loss. What the peer holds out of order counts too (FlightSize in RFC 5681).
    fn loss(&self, now: Instant) -> LossEvent {
        let flight = self.board.outstanding().min(self.congestion.cwnd());
        LossEvent { now, flight, again: self.retries > 0 }
    }

    /// All that was called lost had arrived, or will: the window of before is back.
    fn undo(&mut self, sent: &mut [Sent]) {
        self.congestion.on_undo();
        self.board.unmark(sent);
        self.flags.remove(Flags::DOUBTFUL | Flags::UNDOABLE);
        (self.phase, self.retries, self.repaired) = (Phase::Open, 0, 0);
    }

    fn initial_window(&self) -> u32 {
        self.mss.saturating_mul(u32::from(self.initial_segments))
    }
}
