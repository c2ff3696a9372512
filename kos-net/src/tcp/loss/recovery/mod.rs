//! The sender's loss recovery: [`Recovery`].
//!
//! Source: RFC 6298 section 5 (timer), RFC 5681 section 3.2, RFC 6675 section 5, RFC 6582, RFC 3042.

use core::ops::Range;

use super::rtt::Rtt;
use super::scoreboard::Scoreboard;
use super::{LossConfig, NEVER, Sent, after, since};
use crate::tcp::congestion::{AckSample, CongestionControl, LossEvent};
use crate::time::{Duration, Instant};

/// What an arriving segment acknowledges. Ranges that are not inside what is outstanding are ignored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ack<'a> {
    /// The acknowledgement number as a place: the first byte the peer does not have in order.
    pub(crate) una: u64,
    /// The SACK blocks, without a leading D-SACK.
    pub(crate) sacked: &'a [Range<u64>],
    /// What the peer received twice (RFC 2883).
    pub(crate) dsack: Option<Range<u64>>,
    /// The round trip by the timestamp it echoes (RFC 7323).
    pub(crate) rtt: Option<Duration>,
    /// It moved the right edge of the peer's window: then it is no duplicate.
    pub(crate) window_changed: bool,
    /// It carries data, a SYN or a FIN: then it is no duplicate either.
    pub(crate) carries_data: bool,
}

/// What an acknowledgement did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AckOutcome {
    /// Bytes acknowledged in order for the first time: the send ring may forget them.
    pub(crate) newly_acked: u32,
    /// Bytes acknowledged out of order for the first time.
    pub(crate) newly_sacked: u32,
    /// A repair turned out to have been needless; the window from before it is back.
    pub(crate) undone: bool,
}

/// What the timer that ran out asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LossTimeout {
    /// It was early, or there is nothing to do.
    Nothing,
    /// Something is lost now: send on, as the allowance permits.
    Resend,
    /// Send one segment whatever the allowance says: new data if the peer's window has room, else
    /// [`Recovery::probe`] (RFC 8985 section 7.3).
    Probe,
    /// The retransmission timeout, for the `retries`th time in a row: send [`Recovery::next_resend`], one segment.
    Rto { retries: u8 },
}

/// What the connection does about loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Fast recovery, until `recover` is acknowledged.
    Fast,
    /// After a retransmission timeout, until `recover` is acknowledged.
    Timeout,
}

/// Loss recovery of one connection.
#[derive(Debug)]
pub(crate) struct Recovery<C> {
    board: Scoreboard,
    rtt: Rtt,
    congestion: C,
    /// When the retransmission timer runs out.
    rto_at: Instant,
    /// When something was sent last.
    last_sent: Instant,
    /// `nxt` when the running repair began.
    recover: u64,
    mss: u32,
    initial_segments: u8,
    retries: u8,
    duplicates: u8,
    sack: bool,
    phase: Phase,
}

/// Acknowledgements without progress that mean loss ("DupThresh").
const DUPLICATES: u8 = 3;

impl<C: CongestionControl> Recovery<C> {
    /// Of a connection that is about to send its SYN, at place 0.
    pub(crate) fn new(config: &LossConfig) -> Self {
        let mut congestion = C::default();
        congestion.start(1, 1);
        Self {
            board: Scoreboard::new(),
            rtt: Rtt::new(config),
            congestion,
            rto_at: NEVER,
            last_sent: Instant::from_ticks(0),
            recover: 0,
            mss: 1,
            initial_segments: u8::try_from(config.initial_segments).unwrap_or(u8::MAX).max(1),
            retries: 0,
            duplicates: 0,
            sack: false,
            phase: Phase::Open,
        }
    }

    /// The handshake is done, its acknowledgement noted: segments carry `mss` bytes; `sack`: the peer tells what it holds.
    pub(crate) fn start(&mut self, mss: u16, sack: bool) {
        (self.mss, self.sack) = (u32::from(mss).max(1), sack);
        self.congestion.start(self.mss, self.initial_window());
    }

    /// The path takes less now (RFC 1191): segments of `mss` bytes.
    pub(crate) fn set_mss(&mut self, mss: u16) {
        self.mss = u32::from(mss).max(1);
        self.congestion.start(self.mss, self.congestion.cwnd());
    }

    /// Notes that `range` of the stream goes out now; SYN and FIN count one byte each.
    /// `sent` is the storage of the records, always the same, with at least one.
    pub(crate) fn on_sent(&mut self, now: Instant, sent: &mut [Sent], range: Range<u64>) {
        if self.board.outstanding() == 0 {
            let idle = since(now, self.last_sent);
            if self.board.nxt() > 1 && idle > self.rtt.timeout(0) {
                self.congestion.on_idle(idle, self.initial_window());
            }
        }
        self.board.sent(sent, now, range);
        self.last_sent = now;
        if self.rto_at == NEVER {
            self.rto_at = after(now, self.rto());
        }
    }

    /// Takes in what a segment from the peer acknowledges. The caller has dropped what acknowledges the unsent.
    pub(crate) fn on_ack(&mut self, now: Instant, sent: &mut [Sent], ack: &Ack<'_>) -> AckOutcome {
        let flight = self.flight();
        let (una, held) = (self.board.una(), self.board.sacked());
        // The latest sending among what is acknowledged, if it went out only once (Karn).
        let mut sample = None;
        let mut newly = |record: Sent, _end: u64| {
            if !record.again {
                sample = sample.max(Some(record.time));
            }
        };
        self.board.acknowledge(sent, ack.una, &mut newly);
        let left = held.saturating_sub(self.board.sacked());
        let held = self.board.sacked();
        for range in ack.sacked {
            self.board.sack(sent, range, &mut newly);
        }
        let newly_acked = u32::try_from(self.board.una().saturating_sub(una)).unwrap_or(u32::MAX);
        let newly_sacked = self.board.sacked().saturating_sub(held);
        let rtt = sample.map(|time| since(now, time)).or(ack.rtt.filter(|_| newly_acked > 0));
        if let Some(rtt) = rtt {
            self.rtt.sample(now, rtt);
        }
        if newly_acked > 0 {
            self.on_progress(now);
        } else if newly_sacked > 0
            || !(ack.window_changed || ack.carries_data || self.board.outstanding() == 0)
        {
            self.duplicates = self.duplicates.saturating_add(1);
        }
        let acked = newly_acked.saturating_sub(left).saturating_add(newly_sacked);
        if self.phase != Phase::Fast && newly_acked > 0 {
            let limited = self.is_limited(flight);
            self.congestion.on_ack(&AckSample {
                now,
                acked,
                una: self.board.una(),
                nxt: self.board.nxt(),
                rtt,
                smoothed_rtt: self.smoothed_rtt().unwrap_or(self.rto()),
                limited,
            });
        }
        self.detect(now, sent, flight, newly_acked > 0);
        AckOutcome { newly_acked, newly_sacked, undone: false }
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
        self.congestion.cwnd().saturating_sub(self.flight())
    }

    /// When [`Self::on_timer`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.rto_at != NEVER).then_some(self.rto_at)
    }

    /// Says what a deadline that has passed asks for. Called early it does nothing.
    pub(crate) fn on_timer(&mut self, now: Instant, sent: &mut [Sent]) -> LossTimeout {
        if now < self.rto_at || self.board.outstanding() == 0 {
            return LossTimeout::Nothing;
        }
        let again = self.retries > 0;
        self.congestion.on_rto(&LossEvent { now, flight: self.flight(), again });
        self.board.mark_all(sent, true);
        self.retries = self.retries.saturating_add(1);
        (self.phase, self.recover, self.duplicates) = (Phase::Timeout, self.board.nxt(), 0);
        self.rto_at = after(now, self.rto());
        LossTimeout::Rto { retries: self.retries }
    }

    /// The retransmission timeout as it stands, doublings included.
    pub(crate) fn rto(&self) -> Duration {
        self.rtt.timeout(self.retries)
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
        let arrived = if self.sack { 0 } else { u32::from(self.duplicates).saturating_mul(self.mss) };
        self.board.flying().saturating_sub(arrived)
    }

    /// RFC 6298 sections 5.2 and 5.3, and the end of a repair.
    fn on_progress(&mut self, now: Instant) {
        (self.retries, self.duplicates) = (0, 0);
        self.rto_at = if self.board.outstanding() == 0 { NEVER } else { after(now, self.rto()) };
        if self.phase != Phase::Open && self.board.una() >= self.recover {
            self.phase = Phase::Open;
        }
    }

    fn detect(&mut self, now: Instant, sent: &mut [Sent], flight: u32, progress: bool) {
        let enough = if self.sack {
            self.board.sacked() > self.mss.saturating_mul(u32::from(DUPLICATES - 1))
        } else {
            self.duplicates >= DUPLICATES
        };
        if self.phase == Phase::Open && enough {
            self.congestion.on_loss(&LossEvent { now, flight, again: false });
            (self.phase, self.recover) = (Phase::Fast, self.board.nxt());
            self.mark_first(sent);
        } else if self.phase == Phase::Fast && progress {
            self.mark_first(sent);
        }
    }

    /// The first segment outstanding is lost (RFC 6582 section 3.2).
    fn mark_first(&mut self, sent: &mut [Sent]) {
        let una = self.board.una();
        self.board.mark(sent, |_, range| (range.start == una).then_some(true));
    }

    /// Whether the window, and not the application, held the sender back (RFC 7661).
    fn is_limited(&self, flight: u32) -> bool {
        let cwnd = self.congestion.cwnd();
        if cwnd < self.congestion.ssthresh() {
            return flight.saturating_mul(2) > cwnd;
        }
        flight.saturating_add(self.mss.saturating_mul(2)) > cwnd
    }

    fn initial_window(&self) -> u32 {
        self.mss.saturating_mul(u32::from(self.initial_segments))
    }
}

#[cfg(test)]
mod tests;
