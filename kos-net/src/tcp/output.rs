//! A segment goes: [`Tcb::transmit`], [`Outgoing`]; the answer to a segment of no connection: [`reset_for`].
//!
//! Source: RFC 9293 section 3.10.7.1; the options are those of Linux.

use core::ops::Range;

use super::clock::{NEVER, after, backed_off};
use super::congestion::CongestionControl;
use super::fsm::State;
use super::plan::Plan;
use super::tcb::{Buffers, End, Flags, Push, Tcb};
use crate::time::Instant;
use crate::wire::{SackBlocks, SeqNumber, TcpFlags, TcpOptions, TcpSegment};

/// A segment that is to be sent; all but ports, checksum and the bytes of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// The place of its first byte, or of SYN.
    pub(crate) sequence: SeqNumber,
    /// The place of the next byte that is wanted.
    pub(crate) acknowledgement: SeqNumber,
    /// The flags.
    pub(crate) flags: TcpFlags,
    /// The window, scaled.
    pub(crate) window: u16,
    /// The options.
    pub(crate) options: TcpOptions,
    /// The places of its data in the send ring.
    pub(crate) data: Range<u64>,
    /// The most data in one segment: what is longer is to be split.
    pub(crate) segment: u16,
}

/// The answer to a segment that belongs to no connection; none to a reset (RFC 9293 section 3.10.7.1).
pub(crate) fn reset_for(segment: &TcpSegment<'_>) -> Option<Outgoing> {
    let header = segment.header;
    if header.flags().contains(TcpFlags::RST) {
        return None;
    }
    let answered = header.flags().contains(TcpFlags::ACK);
    let (sequence, acknowledgement, flags) = if answered {
        (header.acknowledgement(), SeqNumber(0), TcpFlags::RST)
    } else {
        let all = header.sequence().plus(segment.sequence_length());
        (SeqNumber(0), all, TcpFlags::RST | TcpFlags::ACK)
    };
    let options = TcpOptions::default();
    Some(Outgoing { sequence, acknowledgement, flags, window: 0, options, data: 0..0, segment: 0 })
}

impl<C: CongestionControl> Tcb<C> {
    /// The next segment, with at most `limit` bytes of data or one segment; none if there is nothing to send now. What it says
    /// counts as sent.
    pub(crate) fn transmit(
        &mut self,
        now: Instant,
        buffers: &mut Buffers<'_>,
        limit: u32,
    ) -> Option<Outgoing> {
        let plan = self.plan(now, buffers.sent, limit);
        let outgoing = match plan {
            None => None,
            Some(Plan::Reset) => Some(self.send_reset(now)),
            Some(Plan::Syn) => Some(self.send_syn(now, buffers)),
            Some(Plan::Data(range)) => Some(self.send_data(now, range, buffers)),
            Some(Plan::Ask) => Some(self.send_empty(now, self.sender.una.saturating_sub(1), buffers)),
            Some(Plan::Ack) => Some(self.send_empty(now, self.sender.place_of_ack(), buffers)),
        };
        self.push = Push::No;
        self.watch_window(now);
        outgoing
    }

    /// Whether [`transmit`](Self::transmit) has something to say.
    pub(crate) fn has_to_send(&self, now: Instant, buffers: &Buffers<'_>) -> bool {
        self.plan(now, buffers.sent, 0).is_some()
    }

    fn send_reset(&mut self, now: Instant) -> Outgoing {
        self.flags.remove(Flags::RESET_DUE);
        self.end.get_or_insert(End::Closed);
        let mut outgoing = self.outgoing(now, self.sender.place_of_ack());
        outgoing.flags = if self.receiver.nxt > 0 { TcpFlags::RST | TcpFlags::ACK } else { TcpFlags::RST };
        outgoing
    }

    fn send_syn(&mut self, now: Instant, buffers: &mut Buffers<'_>) -> Outgoing {
        let answer = self.state != State::SynSent;
        let scale = self.receiver.scale;
        let mut outgoing = self.outgoing(now, 0);
        outgoing.flags = if answer { TcpFlags::SYN | TcpFlags::ACK } else { TcpFlags::SYN };
        outgoing.options.mss = Some(self.path_mss);
        outgoing.options.sack_permitted = self.flags.contains(Flags::SACK);
        outgoing.options.window_scale = self.flags.contains(Flags::SCALING).then_some(scale);
        let capacity = buffers.receive.len();
        outgoing.window = if answer {
            self.receiver.window(capacity, self.path_mss, 0)
        } else {
            outgoing.acknowledgement = SeqNumber(0);
            u16::try_from(capacity).unwrap_or(u16::MAX)
        };
        self.sender.nxt = self.sender.nxt.max(1);
        self.recovery.on_sent(now, buffers.sent, 0..1);
        self.told();
        outgoing
    }

    fn send_data(&mut self, now: Instant, range: Range<u64>, buffers: &mut Buffers<'_>) -> Outgoing {
        let full = self.full(self.sack_room());
        let mut outgoing = self.outgoing(now, range.start);
        let data = range.start..range.end.min(self.sender.end);
        if range.end > self.sender.end {
            outgoing.flags |= TcpFlags::FIN;
        }
        if data.end == self.sender.end && !data.is_empty() {
            outgoing.flags |= TcpFlags::PSH;
        }
        if range.end > self.sender.nxt {
            if self.sender.in_flight() == 0 {
                self.stalled = now;
            }
            if !(data.end - data.start).is_multiple_of(u64::from(full.max(1))) {
                self.sender.small = data.end;
            }
            self.sender.nxt = range.end;
            self.stop_probing(now);
        }
        (outgoing.data, outgoing.segment) = (data, full);
        self.recovery.on_sent(now, buffers.sent, range);
        self.acknowledge(&mut outgoing, buffers);
        outgoing
    }

    /// A segment without data, at place `at`.
    fn send_empty(&mut self, now: Instant, at: u64, buffers: &mut Buffers<'_>) -> Outgoing {
        let mut outgoing = self.outgoing(now, at);
        self.flags.remove(Flags::ASK_DUE);
        self.acknowledge(&mut outgoing, buffers);
        outgoing
    }

    /// The window and the blocks; the acknowledgement that was owed is paid.
    fn acknowledge(&mut self, outgoing: &mut Outgoing, buffers: &mut Buffers<'_>) {
        let scale = if self.flags.contains(Flags::SCALING) { self.receiver.scale } else { 0 };
        outgoing.window = self.receiver.window(buffers.receive.len(), self.receive_mss(), scale);
        if self.flags.contains(Flags::SACK) && self.receiver.has_to_report() {
            outgoing.options.sack = self.receiver.sack(buffers.gaps);
        }
        self.told();
    }

    fn told(&mut self) {
        self.acked = self.receiver.nxt;
        self.acks.sent();
    }

    /// A segment at place `at`, empty as yet.
    fn outgoing(&self, now: Instant, at: u64) -> Outgoing {
        let timestamps = self.flags.contains(Flags::CLOCKS).then(|| self.clocks.option(now));
        Outgoing {
            sequence: self.sender.origin.at(at),
            acknowledgement: self.receiver.origin.at(self.receiver.nxt),
            flags: TcpFlags::ACK,
            window: 0,
            options: TcpOptions { timestamps, sack: SackBlocks::default(), ..TcpOptions::default() },
            data: at..at,
            segment: 0,
        }
    }

    /// The step by which our window opens.
    pub(super) fn receive_mss(&self) -> u16 {
        self.path_mss
    }

    /// Something waits, nothing is in flight: then only a probe brings the news that the window has opened. To be called after whatever
    /// happened, also if [`transmit`](Self::transmit) is not.
    pub(crate) fn watch_window(&mut self, now: Instant) {
        let waits = self.sender.una > 0 && self.sender.has_unsent() && self.sender.in_flight() == 0;
        if !waits || self.state == State::Closed {
            self.probe_at = NEVER;
        } else if self.probe_at == NEVER {
            if self.probes == 0 {
                self.stalled = now;
            }
            let wait = backed_off(self.recovery.rto(), self.probes, self.recovery.longest());
            self.probe_at = after(now, wait);
        }
    }

    /// The window is open, or nothing waits for it.
    pub(super) fn stop_probing(&mut self, now: Instant) {
        if self.probe_at != NEVER || self.probes > 0 {
            (self.probe_at, self.probes, self.stalled) = (NEVER, 0, now);
        }
    }
}
