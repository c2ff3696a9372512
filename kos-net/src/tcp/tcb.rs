//! One connection: [`Tcb`].
//!
//! It has no buffers, no clock and no addresses: each call gets the time and the lent [`Buffers`], always the same ones. It
//! speaks through [`Tcb::transmit`], which says the next segment until there is none, and [`Tcb::deadline`].
//! How it is used: [`input`](super::input), [`output`](super::output), [`timers`](super::timers), [`user`](super::user).
//! Source: RFC 9293.

use super::ack_policy::Acks;
use super::clock::NEVER;
use super::config::{Chosen, TcpConfig};
use super::congestion::CongestionControl;
use super::error::{TcpFailure, Unreachable};
use super::fsm::State;
use super::listener::SynRecord;
use super::loss::{Recovery, Sent};
use super::receiver::{Gap, Receiver, scale_for};
use super::sender::Sender;
use super::timestamps::Timestamps;
use crate::time::{Duration, Instant};
use crate::wire::SeqNumber;

/// What a segment of a peer that does not say carries (RFC 9293 section 3.7.1).
pub(super) const DEFAULT_MSS: u16 = 536;
/// The least that a peer may ask for: small segments cost us more than them (CVE-2019-11479).
pub(super) const LEAST_MSS: u16 = 48;

/// The storage of a connection, lent with each call. Each must keep its contents and length.
#[derive(Debug)]
pub(crate) struct Buffers<'a> {
    /// Bytes that were written and are not acknowledged.
    pub(crate) send: &'a mut [u8],
    /// Bytes that came and were not read.
    pub(crate) receive: &'a mut [u8],
    /// What is in flight.
    pub(crate) sent: &'a mut [Sent],
    /// What came out of order; without any, all of it is refused.
    pub(crate) gaps: &'a mut [Gap],
}

/// How a connection begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// Our initial sequence number.
    pub(crate) initial: SeqNumber,
    /// Added to our clock in timestamps.
    pub(crate) clock_offset: u32,
    /// The data of the largest segment that the path and our interface carry, without any options.
    pub(crate) mss: u16,
    /// Bytes of the receive ring.
    pub(crate) capacity: usize,
}

bitflags::bitflags! {
    /// What is true of a connection.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Flags: u8 {
        /// Both sides have timestamps; before the handshake, we offer them.
        const CLOCKS = 1 << 0;
        /// Both sides have SACK; before the handshake, we offer it.
        const SACK = 1 << 1;
        /// Both sides scale; before the handshake, we offer it.
        const SCALING = 1 << 2;
        /// Its user has closed it.
        const ORPHAN = 1 << 3;
        /// A reset is to be sent, and then nothing.
        const RESET_DUE = 1 << 4;
        /// An empty segment is to be sent that the peer must answer.
        const ASK_DUE = 1 << 5;
    }
}

/// One segment goes out whatever the windows say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// None.
    No,
    /// The last was perhaps lost (RFC 8985).
    Tail,
    /// The first was lost.
    Timeout,
    /// The window is too small, and has been for long.
    Window,
}

/// The limits of the configuration that a connection needs later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) syn_retries: u8,
    pub(super) retries: u8,
    pub(super) orphan_retries: u8,
    delayed_ack_ms: u16,
    answer_ms: u16,
    orphan_ms: u32,
}

impl Limits {
    fn new(config: &TcpConfig) -> Self {
        let long = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let short = |time: Duration| u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
        Self {
            syn_retries: config.syn_retries,
            retries: config.retries,
            orphan_retries: config.orphan_retries,
            delayed_ack_ms: short(config.delayed_ack),
            answer_ms: short(config.answer_interval),
            orphan_ms: long(config.orphan_timeout),
        }
    }

    pub(super) fn delayed_ack(&self) -> Duration {
        Duration::from_millis(self.delayed_ack_ms.into())
    }

    pub(super) fn answer_interval(&self) -> Duration {
        Duration::from_millis(self.answer_ms.into())
    }

    pub(super) fn orphan_timeout(&self) -> Duration {
        Duration::from_millis(self.orphan_ms.into())
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides closed, nothing is left.
    Closed,
    /// Both sides closed; the pair of addresses must rest (see [`time_wait`](super::time_wait)).
    TimeWait,
    /// It broke.
    Failed(TcpFailure),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Tcb<C> {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) acks: Acks,
    pub(super) clocks: Timestamps,
    pub(super) recovery: Recovery<C>,
    /// The place that we acknowledged last.
    pub(super) acked: u64,
    /// When a segment came last.
    pub(super) heard: Instant,
    /// Since when something is under way, or waits for the window, without progress.
    pub(super) stalled: Instant,
    /// When the peer is asked for its window.
    pub(super) probe_at: Instant,
    /// When it is given up, though nothing is missing.
    pub(super) close_at: Instant,
    /// From when on a segment that is not wanted is answered.
    pub(super) answer_from: Instant,
    pub(super) chosen: Chosen,
    pub(super) limits: Limits,
    /// How it ended, or is about to.
    pub(super) end: Option<End>,
    /// What the network said, which counts if the connection is given up.
    pub(super) soft: Option<Unreachable>,
    pub(super) peer_mss: u16,
    pub(super) path_mss: u16,
    pub(super) state: State,
    pub(super) flags: Flags,
    pub(super) push: Push,
    /// Probes of the window without its opening.
    pub(super) probes: u8,
    /// Tries since a segment came.
    pub(super) unheard: u8,
    /// Questions of keep-alive since a segment came.
    pub(super) questions: u8,
}

impl<C: CongestionControl> Tcb<C> {
    fn new(now: Instant, config: &TcpConfig, opening: &Opening) -> Self {
        let mut flags = Flags::empty();
        flags.set(Flags::CLOCKS, config.timestamps);
        flags.set(Flags::SACK, config.sack);
        flags.set(Flags::SCALING, config.window_scaling);
        let scale = if config.window_scaling { scale_for(opening.capacity) } else { 0 };
        Self {
            sender: Sender::new(opening.initial),
            receiver: Receiver::before_syn(scale),
            acks: Acks::new(),
            clocks: Timestamps::new(now, opening.clock_offset, 0),
            recovery: Recovery::new(&config.loss),
            acked: 0,
            heard: now,
            stalled: now,
            probe_at: NEVER,
            close_at: NEVER,
            answer_from: Instant::from_ticks(0),
            chosen: config.settings.into(),
            limits: Limits::new(config),
            end: None,
            soft: None,
            peer_mss: DEFAULT_MSS,
            path_mss: opening.mss.max(LEAST_MSS),
            state: State::SynSent,
            flags,
            push: Push::No,
            probes: 0,
            unheard: 0,
            questions: 0,
        }
    }

    /// A connection whose SYN goes out next.
    pub(crate) fn connect(now: Instant, config: &TcpConfig, opening: &Opening) -> Self {
        Self::new(now, config, opening)
    }

    /// A connection whose handshake a listener has done. Its last segment is to be given to
    /// [`on_segment`](Tcb::on_segment) next.
    pub(crate) fn accepted(now: Instant, config: &TcpConfig, record: &SynRecord, sent: &mut [Sent]) -> Self {
        let (initial, clock_offset, mss) = (record.initial, record.clock_offset, record.path_mss);
        let mut tcb = Self::new(now, config, &Opening { initial, clock_offset, mss, capacity: 0 });
        tcb.flags.set(Flags::CLOCKS, record.clock.is_some());
        tcb.flags.set(Flags::SACK, record.sack);
        tcb.flags.set(Flags::SCALING, record.scales.is_some());
        let (theirs, ours) = record.scales.unwrap_or((0, 0));
        tcb.receiver = Receiver::new(record.peer_initial, ours);
        tcb.receiver.right += u64::from(record.offered);
        tcb.acked = 1;
        (tcb.sender.scale, tcb.sender.nxt, tcb.peer_mss) = (theirs, 1, record.peer_mss);
        tcb.sender.take_window(0, 0, record.window.into());
        tcb.clocks = Timestamps::new(now, clock_offset, record.clock.unwrap_or(0));
        tcb.state = State::SynReceived;
        tcb.recovery.on_sent(record.began, sent, 0..1);
        if record.tries > 0 {
            tcb.recovery.on_sent(record.began, sent, 0..1);
        }
        tcb
    }

    /// Where it stands.
    pub(crate) const fn state(&self) -> State {
        self.state
    }

    /// How it ended, once nothing is left to be sent.
    pub(crate) fn end(&self) -> Option<End> {
        let speaks = self.flags.contains(Flags::RESET_DUE) || self.acks.deadline().is_some();
        self.end.filter(|_| !speaks)
    }

    /// Bytes of data in a full segment, beside `options` bytes that only some segments have.
    pub(super) fn full(&self, options: usize) -> u16 {
        let clocks = if self.flags.contains(Flags::CLOCKS) { 12 } else { 0 };
        let taken = u16::try_from(options + clocks).unwrap_or(u16::MAX);
        self.peer_mss.min(self.path_mss).max(LEAST_MSS).saturating_sub(taken)
    }

    /// Goes to `state`; what a state needs when it is entered is done here alone.
    pub(super) fn enter(&mut self, now: Instant, state: State) {
        if self.state == state {
            return;
        }
        let before = core::mem::replace(&mut self.state, state);
        match state {
            State::TimeWait => self.end = Some(End::TimeWait),
            State::Closed if self.end.is_none() => {
                self.end = Some(End::Closed);
            }
            State::FinWait2 => self.await_peer(now),
            _ => {}
        }
        if before == State::SynReceived || state == State::Closed {
            self.probe_at = NEVER;
        }
    }

    /// Nobody will read what the peer still sends: it gets a while to close.
    pub(super) fn await_peer(&mut self, now: Instant) {
        if self.flags.contains(Flags::ORPHAN) && self.state == State::FinWait2 {
            self.close_at = super::clock::after(now, self.limits.orphan_timeout());
        }
    }

    /// It breaks with `failure`; nothing is told to the peer.
    pub(super) fn fail(&mut self, now: Instant, failure: TcpFailure) {
        self.end.get_or_insert(End::Failed(failure));
        self.acks.sent();
        self.enter(now, State::Closed);
    }

    /// Whether what it says of itself is possible; `buffers` are those of each call.
    pub(crate) fn check(&self, buffers: &Buffers<'_>) -> bool {
        let capacity = u64::try_from(buffers.send.len()).unwrap_or(u64::MAX);
        let s = &self.sender;
        let ordered = s.una <= s.nxt && s.nxt <= s.last() && s.end <= s.una.max(1).saturating_add(capacity);
        ordered && (self.receiver.nxt == 0 || self.receiver.is_sound(buffers.receive, buffers.gaps))
    }
}
