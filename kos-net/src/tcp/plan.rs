//! What goes out next: [`Plan`], decided without changing anything.
//!
//! In this order: a reset; the SYN; what was lost; new data, as the window, Nagle, cork and the silly window permit; a question
//! to the peer; a bare acknowledgement. Source: RFC 9293 sections 3.7.4, 3.8.6.2.1; Nagle as Minshall changed it.

use core::ops::Range;

use super::congestion::CongestionControl;
use super::fsm::State;
use super::loss::Sent;
use super::tcb::{Flags, Push, Tcb};
use crate::time::Instant;

/// The next segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// The connection is thrown away.
    Reset,
    /// A SYN, or SYN-ACK.
    Syn,
    /// These places, for the first time or again.
    Data(Range<u64>),
    /// An empty segment that is not wanted, so that the peer answers.
    Ask,
    /// An acknowledgement.
    Ack,
}

impl<C: CongestionControl> Tcb<C> {
    /// What goes out next, with at most `limit` bytes of data, or one segment.
    pub(super) fn plan(&self, now: Instant, sent: &[Sent], limit: u32) -> Option<Plan> {
        if self.flags.contains(Flags::RESET_DUE) {
            return Some(Plan::Reset);
        }
        if self.state == State::Closed {
            return None;
        }
        if self.sender.una == 0 {
            return self.plan_handshake(now, sent);
        }
        self.plan_again(sent)
            .or_else(|| self.plan_new(limit))
            .or_else(|| self.plan_tail(sent))
            .map(Plan::Data)
            .or_else(|| self.flags.contains(Flags::ASK_DUE).then_some(Plan::Ask))
            .or_else(|| self.acks.is_due(now).then_some(Plan::Ack))
    }

    /// Bytes of data that the next segment has at most if up to `limit` may go at once, and those of a full one. Cheaper than to
    /// plan: it is asked for room.
    pub(crate) fn largest_next(&self, limit: usize) -> (usize, usize) {
        let full = usize::from(self.full(self.sack_room()));
        let unsent = usize::try_from(self.sender.end.saturating_sub(self.sender.nxt)).unwrap_or(usize::MAX);
        // What is in flight may go again, a segment at a time.
        let again = if self.sender.in_flight() > 0 { full } else { 0 };
        let allowed = usize::try_from(self.recovery.allowance()).unwrap_or(usize::MAX).max(full);
        let open = usize::try_from(self.sender.usable()).unwrap_or(usize::MAX).max(full);
        (unsent.min(limit.max(full)).min(allowed).min(open).max(again), full)
    }

    fn plan_handshake(&self, now: Instant, sent: &[Sent]) -> Option<Plan> {
        let first = self.sender.nxt == 0;
        let answer = self.state != State::SynSent && self.acks.is_due(now);
        (first || answer || self.recovery.next_resend(sent).is_some()).then_some(Plan::Syn)
    }

    /// What was lost, up to one segment. Beyond the peer's window nothing goes again but the first, when its time ran out: that
    /// is the probe of a window that was taken back.
    fn plan_again(&self, sent: &[Sent]) -> Option<Range<u64>> {
        let lost = self.recovery.next_resend(sent)?;
        let edge = self.sender.una + u64::from(self.sender.window);
        let first = lost.start == self.sender.una && self.push == Push::Timeout;
        let end = lost.end.min(self.segment_end(lost.start));
        let end = if first { end } else { end.min(edge) };
        let fits = first || self.has_allowance(end.saturating_sub(lost.start));
        (lost.start < end && fits).then_some(lost.start..end)
    }

    /// New data: full segments; or all there is, if none that was not full is in flight; or half the largest window.
    fn plan_new(&self, limit: u32) -> Option<Range<u64>> {
        let start = self.sender.nxt;
        if !self.sender.has_unsent() || self.push == Push::Timeout {
            return None;
        }
        let full = u64::from(self.full(self.sack_room()));
        let left = self.sender.end.saturating_sub(start);
        let open = left.min(self.sender.usable());
        let pushed = matches!(self.push, Push::Tail | Push::Window);
        let wanted = if pushed { open.min(full) } else { self.whole(open, full, limit)? };
        if !pushed && !self.may_send(wanted, left, full) {
            return None;
        }
        let end = start + wanted;
        let fin = end == self.sender.end && self.sender.finishing && self.sender.usable() > wanted;
        let range = start..end + u64::from(fin);
        (range.start < range.end).then_some(range)
    }

    /// How much of `open` bytes goes in one unit: all if it is less than a segment, else whole segments that the congestion
    /// window has room for.
    fn whole(&self, open: u64, full: u64, limit: u32) -> Option<u64> {
        let allowance = u64::from(self.recovery.allowance());
        if open < full {
            return self.has_allowance(open).then_some(open);
        }
        if !self.has_allowance(full) {
            return None;
        }
        let most = open.min(allowance.max(full)).min(u64::from(limit).max(full));
        Some(most - most % full.max(1))
    }

    fn has_allowance(&self, bytes: u64) -> bool {
        bytes <= self.recovery.allowance().into() || self.recovery.flight() == 0
    }

    /// Whether a segment of `bytes` may go, when `left` are waiting.
    fn may_send(&self, bytes: u64, left: u64, full: u64) -> bool {
        if bytes >= full && bytes > 0 {
            return true;
        }
        if bytes == left && self.sender.finishing {
            return true;
        }
        if self.chosen.settings().cork || bytes == 0 {
            return false;
        }
        if bytes == left {
            return self.chosen.settings().no_delay || self.sender.small <= self.sender.una;
        }
        bytes >= u64::from(self.sender.largest / 2)
    }

    /// The last segment once more, to find out whether it was lost (RFC 8985 section 7.3).
    fn plan_tail(&self, sent: &[Sent]) -> Option<Range<u64>> {
        let tail = if self.push == Push::Tail { self.recovery.probe(sent)? } else { return None };
        Some(tail.start..tail.end.min(self.segment_end(tail.start)))
    }

    /// Where a full segment from `start` on ends, with the FIN if that is next.
    fn segment_end(&self, start: u64) -> u64 {
        let end = start.saturating_add(u64::from(self.full(self.sack_room())));
        if self.sender.fin_sent() && end >= self.sender.end { self.sender.end + 1 } else { end }
    }

    /// Bytes that blocks of SACK take in the next segment.
    pub(super) fn sack_room(&self) -> usize {
        if !self.flags.contains(Flags::SACK) || !self.receiver.has_to_report() {
            return 0;
        }
        let most = if self.flags.contains(Flags::CLOCKS) { 3 } else { 4 };
        4 + 8 * self.receiver.reports().min(most)
    }
}
