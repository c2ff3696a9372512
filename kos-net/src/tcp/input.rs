//! A segment comes: [`Tcb::on_segment`].
//!
//! First where it lies and what it acknowledges; then [`fsm::step`] says what that means; then the parts are used: SYN, the
//! acknowledgement and window, data, FIN. Source: RFC 9293 section 3.10.7, RFC 5961, RFC 7323 section 5.

use core::ops::Range;

use super::arrived::Arrived;
use super::clock::{after, since};
use super::congestion::CongestionControl;
use super::error::TcpFailure;
use super::fsm::{self, Actions, Answer, Arrival, Event, Place, State};
use super::loss::Ack;
use super::receiver::Receiver;
use super::tcb::{Buffers, DEFAULT_MSS, End, Flags, LEAST_MSS, Tcb};
use crate::DropReason;
use crate::time::Instant;
use crate::wire::{MAX_SACK_BLOCKS, SackBlock, TcpSegment};

bitflags::bitflags! {
    /// What has become different for the user of a connection.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Change: u8 {
        /// The handshake is done.
        const CONNECTED = 1 << 0;
        /// There is more to read.
        const READABLE = 1 << 1;
        /// There is more room to write.
        const WRITABLE = 1 << 2;
        /// The peer sends no more.
        const PEER_FINISHED = 1 << 3;
        /// It is over: see [`Tcb::end`].
        const ENDED = 1 << 4;
    }
}

/// What a segment did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    /// What the user is told.
    pub(crate) change: Change,
    /// Why the segment was not used.
    pub(crate) dropped: Option<DropReason>,
    /// A challenge is to be sent by [`Tcb::challenge`], if the limit of all connections permits.
    pub(crate) challenge: bool,
    /// The segment is to be answered with [`reset_for`](super::output::reset_for).
    pub(crate) reset: bool,
    /// The peer got what we sent: it can be reached.
    pub(crate) progress: bool,
}

/// A segment in the places of this connection.
struct Seen {
    arrival: Arrival,
    /// Where it begins; none before the peer's SYN.
    start: Option<u64>,
    /// What it acknowledges.
    ack: u64,
    old_clock: bool,
}

impl<C: CongestionControl> Tcb<C> {
    /// Takes a segment of this connection, whose checksum is right.
    pub(crate) fn on_segment(
        &mut self,
        now: Instant,
        segment: &TcpSegment<'_>,
        buffers: &mut Buffers<'_>,
    ) -> Input {
        let arrived = Arrived::new(segment);
        let seen = self.see(now, &arrived);
        let before = self.state;
        let (state, actions) = fsm::step(before, Event::Segment(seen.arrival));
        let mut input = self.refuse(now, &arrived, &seen, actions);
        if actions.contains(Actions::PEER_RESET) {
            self.on_reset(now, before);
        }
        if actions.contains(Actions::TAKE_SYN) {
            self.take_syn(now, &arrived, buffers);
        }
        self.enter(now, state);
        if state == State::Established && self.sender.finishing {
            // Owed since before it stood.
            self.shutdown_write(now);
        }
        if actions.contains(Actions::ACK) || (state == State::SynReceived && before == State::SynSent) {
            self.acks.at_once(now);
        }
        if actions.contains(Actions::TAKE_ACK) {
            self.on_life(now);
            self.take_ack(now, &arrived, &seen, buffers, &mut input);
        }
        if actions.contains(Actions::TAKE_DATA) {
            self.take_data(now, &arrived, &seen, buffers, &mut input);
        }
        if self.end.is_some() {
            input.change |= Change::ENDED;
        }
        input
    }

    /// One more challenge is permitted (RFC 5961 section 7).
    pub(crate) fn challenge(&mut self, now: Instant) {
        self.acks.at_once(now);
    }

    /// Where the segment lies, and what it acknowledges.
    fn see(&self, now: Instant, arrived: &Arrived<'_>) -> Seen {
        let (answer, ack) = self.sender.judge(arrived.ack);
        let start = self.receiver.origin.offset(self.receiver.nxt, arrived.sequence);
        let (syn, rst) = (arrived.syn(), arrived.rst());
        let clock = arrived.options.timestamps.filter(|_| self.flags.contains(Flags::CLOCKS) && !rst);
        let old_clock =
            self.state != State::SynSent && clock.is_some_and(|clock| self.clocks.is_old(now, clock.value));
        let place = if old_clock { Place::Outside } else { self.place(start, arrived) };
        Seen { arrival: Arrival { place, answer, syn, rst }, start, ack, old_clock }
    }

    /// RFC 9293, section 3.10.7.4, first check. What begins with the next wanted byte is looked at even if the window is shut.
    fn place(&self, start: Option<u64>, arrived: &Arrived<'_>) -> Place {
        let (nxt, right) = (self.receiver.nxt, self.receiver.right);
        let Some(start) = start else { return Place::Outside };
        let end = start + u64::from(arrived.length);
        match start {
            0 if arrived.syn() && nxt == 1 => Place::First,
            start if start == nxt => Place::Next,
            start if start > nxt && start <= right => Place::Inside,
            start if start < nxt && end > nxt => Place::Inside,
            _ => Place::Outside,
        }
    }

    /// What is answered but not used, and why.
    fn refuse(&mut self, now: Instant, arrived: &Arrived<'_>, seen: &Seen, actions: Actions) -> Input {
        let mut input = Input {
            challenge: actions.contains(Actions::CHALLENGE),
            reset: actions.contains(Actions::RESET),
            ..Input::default()
        };
        let used = Actions::TAKE_ACK | Actions::TAKE_SYN | Actions::PEER_RESET | Actions::ACK;
        if actions.intersects(used) {
            return input;
        }
        if actions.contains(Actions::ANSWER) && (arrived.length > 0 || self.may_answer(now)) {
            self.acks.at_once(now);
        }
        input.dropped = Some(match (seen.arrival, seen.old_clock) {
            (_, true) => DropReason::StaleTimestamp,
            (Arrival { rst: true, place: Place::Inside, .. } | Arrival { syn: true, rst: false, .. }, _) => {
                DropReason::Challenged
            }
            (Arrival { place: Place::Outside | Place::First, .. }, _) if self.state != State::SynSent => {
                DropReason::OutOfWindow
            }
            (Arrival { answer: Answer::Nothing | Answer::New, .. }, _) => DropReason::BadState,
            _ => DropReason::BadAcknowledgement,
        });
        input
    }

    /// Whether an empty segment that is not wanted may be answered now: two sides that disagree must not talk for ever.
    fn may_answer(&mut self, now: Instant) -> bool {
        let interval = self.limits.answer_interval();
        let may = now >= self.answer_from;
        if may {
            self.answer_from = after(now, interval);
        }
        may
    }

    fn on_reset(&mut self, now: Instant, before: State) {
        match before {
            State::SynSent | State::SynReceived => self.fail(now, TcpFailure::Refused),
            State::Closing | State::LastAck | State::TimeWait => self.end = Some(End::Closed),
            _ => self.fail(now, TcpFailure::Reset),
        }
        self.acks.sent();
    }

    /// The peer lives.
    fn on_life(&mut self, now: Instant) {
        if since(now, self.heard) > self.recovery.rto() {
            self.acks.quicken();
        }
        self.heard = now;
        (self.unheard, self.questions) = (0, 0);
    }

    /// The peer's SYN answers or crosses ours, which said a window of at most 65 535 bytes.
    fn take_syn(&mut self, now: Instant, arrived: &Arrived<'_>, buffers: &Buffers<'_>) {
        let options = &arrived.options;
        self.flags.set(Flags::CLOCKS, self.flags.contains(Flags::CLOCKS) && options.timestamps.is_some());
        self.flags.set(Flags::SACK, self.flags.contains(Flags::SACK) && options.sack_permitted);
        self.flags.set(Flags::SCALING, self.flags.contains(Flags::SCALING) && options.window_scale.is_some());
        let scaling = self.flags.contains(Flags::SCALING);
        self.sender.scale = options.window_scale.filter(|_| scaling).unwrap_or(0);
        self.peer_mss = options.mss.unwrap_or(DEFAULT_MSS).max(LEAST_MSS);
        let scale = if scaling { self.receiver.scale } else { 0 };
        self.receiver = Receiver::new(arrived.sequence, scale);
        self.receiver.window(buffers.receive.len(), self.path_mss, 0);
        if let Some(clock) = options.timestamps {
            self.clocks = super::timestamps::Timestamps::new(now, self.clocks.offset(), clock.value);
        }
        self.sender.take_window(0, self.sender.una, arrived.window.into());
    }

    fn take_ack(
        &mut self,
        now: Instant,
        arrived: &Arrived<'_>,
        seen: &Seen,
        buffers: &mut Buffers<'_>,
        input: &mut Input,
    ) {
        let start = if arrived.syn() { 0 } else { seen.start.unwrap_or(0) };
        let clock = arrived.options.timestamps.filter(|_| self.flags.contains(Flags::CLOCKS));
        if let Some(clock) = clock.filter(|_| start <= self.acked) {
            self.clocks.learn(now, clock.value);
        }
        if seen.ack < self.sender.una {
            return;
        }
        let before = self.sender.una;
        self.sender.una = seen.ack;
        let shift = if arrived.syn() { 0 } else { self.sender.scale };
        let window_changed = self.sender.take_window(start, seen.ack, u32::from(arrived.window) << shift);
        let (sacked, dsack) = self.blocks(before, seen.ack, arrived.options.sack.as_slice());
        let (sacked, count) = sacked;
        let ack = Ack {
            una: seen.ack,
            sacked: sacked.get(..count).unwrap_or_default(),
            dsack,
            rtt: clock.and_then(|clock| self.clocks.round_trip(now, clock.echo)),
            window_changed,
            carries_data: arrived.length > 0,
        };
        self.recovery.on_ack(now, buffers.sent, &ack);
        if before == 0 && seen.ack > 0 {
            self.recovery.start(self.full(0), self.flags.contains(Flags::SACK));
            input.change |= Change::CONNECTED | Change::WRITABLE;
        }
        if seen.ack > before {
            (self.stalled, self.soft, input.progress) = (now, None, true);
            input.change |= Change::WRITABLE;
        }
        if self.sender.usable() > 0 || !self.sender.has_unsent() {
            self.stop_probing(now);
        }
    }

    /// The SACK blocks as places, and the duplicate that the first may report (RFC 2883). What cannot be is left out.
    #[expect(clippy::type_complexity, reason = "an array and how much of it counts, used once")]
    fn blocks(
        &self,
        una: u64,
        ack: u64,
        blocks: &[SackBlock],
    ) -> (([Range<u64>; MAX_SACK_BLOCKS], usize), Option<Range<u64>>) {
        let mut sacked: [Range<u64>; MAX_SACK_BLOCKS] = Default::default();
        let (mut count, mut dsack) = (0, None);
        if !self.flags.contains(Flags::SACK) {
            return ((sacked, 0), None);
        }
        let place = |block: &SackBlock| {
            let start = self.sender.origin.offset(una, block.start)?;
            let end = self.sender.origin.offset(una, block.end)?;
            (start < end && end <= self.sender.nxt).then_some(start..end)
        };
        let around = blocks.get(1).and_then(place);
        for (at, block) in blocks.iter().enumerate() {
            let Some(range) = place(block) else { continue };
            let within = around.as_ref().is_some_and(|w| w.start <= range.start && range.end <= w.end);
            if at == 0 && (range.end <= ack || within) {
                dsack = Some(range);
            } else if let Some(slot) = sacked.get_mut(count).filter(|_| range.start > ack) {
                *slot = range;
                count += 1;
            }
        }
        ((sacked, count), dsack)
    }

    fn take_data(
        &mut self,
        now: Instant,
        arrived: &Arrived<'_>,
        seen: &Seen,
        buffers: &mut Buffers<'_>,
        input: &mut Input,
    ) {
        let start = if arrived.syn() { 1 } else { seen.start.unwrap_or(0) };
        if arrived.data.is_empty() && !arrived.fin() {
            return;
        }
        if self.flags.contains(Flags::ORPHAN) && !arrived.data.is_empty() {
            // Nobody will read it, and the peer must know (RFC 9293 section 3.6.1).
            self.abort_as(now, TcpFailure::Aborted);
            return;
        }
        let window = self.receiver.right.saturating_sub(self.receiver.nxt);
        let taken = self.receiver.take(start, arrived.data, arrived.fin(), buffers.receive, buffers.gaps);
        if taken.in_order > 0 {
            // What is larger than a segment was put together on its way.
            let (full, delay) = (self.receiver.largest.min(self.path_mss), self.limits.delayed_ack());
            self.acks.data(now, taken.in_order, full, window, delay);
            input.change |= Change::READABLE;
        }
        if taken.urgent {
            self.acks.at_once(now);
        }
        if taken.refused {
            input.dropped = Some(DropReason::OutOfOrderFull);
        }
        if taken.finished {
            let (state, _) = fsm::step(self.state, Event::PeerFinished);
            self.acks.at_once(now);
            self.enter(now, state);
            input.change |= Change::READABLE | Change::PEER_FINISHED;
        }
    }
}
