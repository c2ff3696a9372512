//! What an acknowledgement does: [`Recovery::on_ack`].
//!
//! First the scoreboard and the round trip, then what a repair may have been needless, then what is lost, then the window.
//! Source: RFC 8985 sections 6.2 and 7.4, RFC 5682 section 3.1, RFC 3522, RFC 3708 for what D-SACK takes back, RFC 6582.

use core::ops::Range;

use super::{Flags, Phase, Recovery};
use crate::tcp::clock::{NEVER, after, since};
use crate::tcp::congestion::{AckSample, CongestionControl};
use crate::tcp::loss::Sent;
use crate::tcp::loss::prr::{Delivery, Prr};
use crate::tcp::loss::sent::State;
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

/// What the scoreboard learnt.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    acked: u32,
    sacked: u32,
    /// Bytes that were not known to have arrived.
    delivered: u32,
    rtt: Option<Duration>,
    /// Something called lost arrived without having been sent again.
    original: bool,
}

/// Acknowledgements without progress, or segments held, that mean loss ("DupThresh").
const DUPLICATES: u8 = 3;

impl<C: CongestionControl> Recovery<C> {
    /// Takes in what a segment from the peer acknowledges. The caller has dropped what acknowledges the unsent.
    pub(crate) fn on_ack(&mut self, now: Instant, sent: &mut [Sent], ack: &Ack<'_>) -> AckOutcome {
        // Nothing is under way, and nothing was sent in vain: there is nothing to learn.
        if self.board.outstanding() == 0 && ack.una == self.board.una() && ack.dsack.is_none() {
            return AckOutcome::default();
        }
        let (before, phase) = (self.flight(), self.phase);
        let limited = self.is_limited(before);
        let mut news = self.learn(now, sent, ack);
        if news.acked > 0 {
            self.on_progress(now, news.acked);
        } else if !self.has_sack() && self.is_duplicate(ack) {
            self.duplicates = self.duplicates.saturating_add(1);
            news.delivered = self.mss;
        }
        let undone = self.is_undone(ack, &news);
        if undone {
            self.undo(sent);
        }
        self.end_probe(now, ack, news.acked > 0);
        if self.phase != Phase::Open && self.board.una() >= self.recover {
            self.phase = Phase::Open;
            self.rack.on_repaired();
        }
        let lost = self.detect(now, sent, news.acked > 0);
        if phase != Phase::Fast && self.phase != Phase::Fast && news.acked > 0 {
            self.congestion.on_ack(&self.sample(now, &news, limited));
        }
        if self.phase == Phase::Fast && news.delivered > 0 {
            self.pace(news.delivered, news.acked > 0 && !lost);
        }
        self.arm_probe(now);
        AckOutcome { newly_acked: news.acked, newly_sacked: news.sacked, undone }
    }

    fn learn(&mut self, now: Instant, sent: &mut [Sent], ack: &Ack<'_>) -> News {
        let sack = self.has_sack();
        let Self { board, rack, rtt, .. } = self;
        let (una, held) = (board.una(), board.sacked());
        // An echo in a duplicate is that of the last segment in order: it says nothing.
        let echoed = ack.rtt.filter(|_| ack.una > una);
        let (mut latest, mut original) = (None, false);
        board.acknowledge(sent, ack.una, |record, end| {
            let took = since(now, record.time);
            let late = sack && record.state == State::Lost && !record.again;
            original |= late || (record.again && is_older(echoed, took));
            latest = latest.max((!record.again).then_some(record.time));
            rack.arrived(now, record, end, rtt, echoed);
        });
        let kept = board.sacked();
        for range in ack.sacked {
            board.sack(sent, range, |record, end| {
                original |= record.state == State::Lost && !record.again;
                latest = latest.max((!record.again).then_some(record.time));
                rack.arrived(now, record, end, rtt, None);
            });
        }
        let acked = u32::try_from(board.una().saturating_sub(una)).unwrap_or(u32::MAX);
        let sacked = board.sacked().saturating_sub(kept);
        let delivered = acked.saturating_sub(held.saturating_sub(kept)).saturating_add(sacked);
        let measured = latest.map(|time| since(now, time)).or(echoed);
        if let Some(measured) = measured {
            rtt.sample(now, measured);
        }
        News { acked, sacked, delivered, rtt: measured, original }
    }

    /// RFC 6298 sections 5.2 and 5.3.
    fn on_progress(&mut self, now: Instant, acked: u32) {
        if self.board.una() == u64::from(acked) {
            self.syn_retries = self.retries;
        }
        self.retries = 0;
        let arrived = u8::try_from(acked / self.mss).unwrap_or(u8::MAX).max(1);
        let repairs = self.phase == Phase::Fast;
        self.duplicates = if repairs { self.duplicates.saturating_sub(arrived - 1) } else { 0 };
        let outstanding = self.board.outstanding() > 0;
        self.rto_at = if outstanding { after(now, self.rto()) } else { NEVER };
    }

    /// RFC 5681 section 2.
    fn is_duplicate(&self, ack: &Ack<'_>) -> bool {
        let same = ack.una == self.board.una() && self.board.outstanding() > 0;
        same && !ack.window_changed && !ack.carries_data
    }

    /// Whether the running repair was for nothing: originals still arrive after a timeout, or the peer had all that went again.
    fn is_undone(&mut self, ack: &Ack<'_>, news: &News) -> bool {
        let arrives = self.phase == Phase::Timeout && self.flags.contains(Flags::DOUBTFUL) && news.original;
        let Some(twice) = &ack.dsack else { return arrives };
        let (una, nxt) = (self.board.una(), self.board.nxt());
        self.rack.on_duplicate(una, nxt);
        if twice.end > self.recover || self.repaired == 0 {
            return arrives;
        }
        let bytes = u32::try_from(twice.end.saturating_sub(twice.start)).unwrap_or(u32::MAX);
        self.repaired = self.repaired.saturating_sub(bytes);
        arrives || (self.repaired == 0 && self.flags.contains(Flags::UNDOABLE))
    }

    /// The probe of the tail was answered: if it repaired a loss, the window has to know (RFC 8985 section 7.4.2).
    fn end_probe(&mut self, now: Instant, ack: &Ack<'_>, progress: bool) {
        let una = self.board.una();
        if self.probe_end == 0 || una < self.probe_end {
            return;
        }
        let again = self.flags.contains(Flags::PROBE_AGAIN);
        let needless = ack.dsack.as_ref().is_some_and(|twice| twice.end == self.probe_end);
        // A D-SACK or a duplicate may follow and say that the probe was needless.
        if again && !needless && una == self.probe_end && (progress || ack.window_changed || ack.carries_data)
        {
            return;
        }
        if again && !needless && una > self.probe_end {
            self.congestion.on_loss(&self.loss(now));
        }
        self.probe_end = 0;
    }

    /// Finds what is lost, and begins a repair if something is. Whether anything new was.
    pub(super) fn detect(&mut self, now: Instant, sent: &mut [Sent], progress: bool) -> bool {
        let marked = if self.has_sack() {
            self.detect_by_time(now, sent)
        } else {
            let repairs = self.phase == Phase::Fast && progress;
            let enough = self.phase == Phase::Open && self.duplicates >= DUPLICATES;
            (repairs || enough) && self.mark_first(sent)
        };
        if marked && self.phase == Phase::Open {
            self.repair(now);
        }
        marked
    }

    fn detect_by_time(&mut self, now: Instant, sent: &mut [Sent]) -> bool {
        let Self { board, rack, rtt, .. } = self;
        let sure =
            self.phase != Phase::Open || board.sacked() > self.mss.saturating_mul(u32::from(DUPLICATES - 1));
        let window = rack.window(rtt, sure);
        let mut longest = Duration::from_ticks(0);
        let marked = board.mark(sent, |record, range| match rack.remaining(now, record, range.end, window) {
            Some(left) if left.is_zero() => Some(true),
            Some(left) => {
                longest = longest.max(left);
                Some(false)
            }
            // What follows was first sent later still.
            None => record.again.then_some(false),
        });
        if !longest.is_zero() {
            self.flags.insert(Flags::REORDER);
            self.soon_at = after(now, longest);
        } else if self.flags.contains(Flags::REORDER) {
            self.flags.remove(Flags::REORDER);
            self.soon_at = NEVER;
        }
        marked > 0
    }

    /// The first segment outstanding is lost (RFC 6582 section 3.2).
    fn mark_first(&mut self, sent: &mut [Sent]) -> bool {
        let una = self.board.una();
        self.board.mark(sent, |_, range| (range.start == una).then_some(true)) > 0
    }

    fn repair(&mut self, now: Instant) {
        let loss = self.loss(now);
        self.congestion.on_loss(&loss);
        let held = self.board.sacked();
        self.prr = Prr::new(self.board.outstanding().saturating_sub(held).max(self.mss));
        (self.phase, self.recover, self.repaired) = (Phase::Fast, self.board.nxt(), 0);
        self.flags.insert(Flags::UNDOABLE);
        self.pace(0, false);
    }

    /// Allows what the repair may send after so much was delivered.
    pub(super) fn pace(&mut self, delivered: u32, safe: bool) {
        let delivery = Delivery { delivered, flight: self.flight(), safe };
        self.allowed = self.prr.on_ack(delivery, self.congestion.cwnd(), self.mss);
    }

    fn sample(&self, now: Instant, news: &News, limited: bool) -> AckSample {
        AckSample {
            now,
            acked: news.delivered,
            una: self.board.una(),
            nxt: self.board.nxt(),
            rtt: news.rtt,
            smoothed_rtt: self.smoothed_rtt().unwrap_or(self.rto()),
            limited,
        }
    }

    /// Whether the window, and not the application, held the sender back (RFC 7661).
    fn is_limited(&self, flight: u32) -> bool {
        let cwnd = self.congestion.cwnd();
        if cwnd < self.congestion.ssthresh() {
            return flight.saturating_mul(2) > cwnd;
        }
        flight.saturating_add(self.mss.saturating_mul(2)) > cwnd
    }
}

/// Whether the echo is of a sending before the last, which was `took` ago. Timestamps count in milliseconds.
fn is_older(echoed: Option<Duration>, took: Duration) -> bool {
    let clock = Duration::from_ticks(2_000_000);
    echoed.is_some_and(|echoed| echoed > took.saturating_add(clock))
}
