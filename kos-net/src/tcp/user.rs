//! What the user of a connection does: [`Tcb::send`], [`Tcb::receive`], [`Tcb::close`] and the rest; what the network says of it.
//!
//! Source: RFC 9293 section 3.9.1; RFC 5927 for errors of ICMP.

use super::config::TcpSettings;
use super::congestion::CongestionControl;
use super::error::{TcpFailure, Unreachable};
use super::fsm::{self, Actions, Event, State};
use super::input::Change;
use super::loss::Sent;
use super::ring;
use super::tcb::{End, Flags, LEAST_MSS, Tcb};
use crate::time::Instant;
use crate::wire::SeqNumber;

impl<C: CongestionControl> Tcb<C> {
    /// Lets `write` put bytes into the free part of `ring`, as far as it is in one piece; it says how many. None if nothing may
    /// be sent any more.
    pub(crate) fn send<R>(
        &mut self,
        ring: &mut [u8],
        write: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> Option<R> {
        if !self.may_write() {
            return None;
        }
        self.sender.rewind();
        let room = self.sender.writable(ring.len());
        let free = ring::free(ring, self.sender.base, &room);
        let most = free.len();
        let (count, result) = write(free);
        self.sender.end += u64::try_from(count.min(most)).unwrap_or(0);
        Some(result)
    }

    /// Lets `read` see the bytes that came, as far as they are in one piece; it says how many it took.
    pub(crate) fn receive<R>(
        &mut self,
        now: Instant,
        ring: &mut [u8],
        read: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> R {
        let held = self.receiver.readable();
        let bytes = ring::free(ring, self.receiver.base, &held);
        let most = bytes.len();
        let (count, result) = read(bytes);
        self.receiver.consume(count.min(most));
        if self.is_open_for_data() && self.receiver.opened(ring.len(), self.receive_mss()) {
            self.acks.at_once(now);
        }
        result
    }

    /// The place that lies at the front of the send ring.
    pub(crate) const fn ring_base(&self) -> u64 {
        self.sender.base
    }

    /// Bytes that can be read.
    pub(crate) fn readable(&self) -> usize {
        ring::length(&self.receiver.readable())
    }

    /// Bytes that can be written into a ring of `capacity` bytes.
    pub(crate) fn writable(&self, capacity: usize) -> usize {
        if self.may_write() { ring::length(&self.sender.writable(capacity)) } else { 0 }
    }

    /// Bytes that were written and are not acknowledged.
    pub(crate) fn unacknowledged(&self) -> u64 {
        self.sender.end - self.sender.una.clamp(1, self.sender.end)
    }

    /// Whether the user may write.
    pub(crate) fn may_write(&self) -> bool {
        let open =
            matches!(self.state, State::SynSent | State::SynReceived | State::Established | State::CloseWait);
        open && !self.sender.finishing
    }

    /// Whether the peer's stream has ended and all of it was read.
    pub(crate) fn is_drained(&self) -> bool {
        self.receiver.finished() && self.receiver.readable().is_empty()
    }

    fn is_open_for_data(&self) -> bool {
        matches!(self.state, State::Established | State::FinWait1 | State::FinWait2)
    }

    /// The user sends no more; what it wrote still goes. Until the connection stands, FIN is owed: RFC 9293 section 3.10.4 lets it wait
    /// while data does, and before the peer's SYN throws the data away and says so to each who wrote; here nobody waits to be told.
    /// A connection that nobody has any more, and on which nothing was said, is not made.
    pub(crate) fn shutdown_write(&mut self, now: Instant) {
        let wanted = !self.flags.contains(Flags::ORPHAN) || self.unacknowledged() > 0;
        if matches!(self.state, State::SynSent | State::SynReceived) && wanted {
            self.sender.finishing = true;
            return;
        }
        let (state, _) = fsm::step(self.state, Event::Finish);
        self.sender.finishing |= state != self.state && state != State::Closed;
        self.enter(now, state);
    }

    /// The user wants no more of it: what it wrote still goes, unless it left something unread (RFC 9293 section 3.6.1).
    pub(crate) fn close(&mut self, now: Instant) {
        self.flags.insert(Flags::ORPHAN);
        if self.chosen.settings().reset_on_close || self.readable() > 0 {
            self.abort(now);
        } else {
            self.shutdown_write(now);
            self.await_peer(now);
        }
    }

    /// The user throws it away; the peer is told.
    pub(crate) fn abort(&mut self, now: Instant) {
        self.abort_as(now, TcpFailure::Aborted);
    }

    pub(super) fn abort_as(&mut self, now: Instant, failure: TcpFailure) {
        let (_, actions) = fsm::step(self.state, Event::Abort);
        self.flags.set(Flags::RESET_DUE, actions.contains(Actions::RESET));
        self.flags.remove(Flags::ASK_DUE);
        self.fail(now, failure);
    }

    /// What the user may choose.
    pub(crate) const fn settings(&self) -> TcpSettings {
        self.chosen.settings()
    }

    /// Chooses; what a cork held back goes when it is pulled.
    pub(crate) fn set(&mut self, settings: TcpSettings) {
        self.chosen = settings.into();
    }

    /// An error of ICMP quotes a segment of ours at `quoted`. It counts only if that is in flight (RFC 5927 section 4); once the
    /// connection stands it is only remembered.
    pub(crate) fn on_icmp(&mut self, now: Instant, quoted: SeqNumber, error: Unreachable) -> Change {
        if !self.is_in_flight(quoted) {
            return Change::empty();
        }
        if self.sender.una > 0 {
            self.soft = Some(error);
            return Change::empty();
        }
        self.fail(now, TcpFailure::Unreachable(error));
        Change::ENDED
    }

    /// Whether the place `quoted` is sent and not acknowledged.
    pub(crate) fn is_in_flight(&self, quoted: SeqNumber) -> bool {
        let place = self.sender.origin.offset(self.sender.una, quoted);
        place.is_some_and(|place| (self.sender.una..self.sender.nxt).contains(&place))
    }

    /// The path takes segments with at most `mss` bytes of data, without any options. It only ever takes less: who says that it
    /// takes more may lie, and the next connection finds out.
    /// What is under way in larger segments was not passed on, and goes again at once.
    pub(crate) fn set_path_mss(&mut self, mss: u16, sent: &mut [Sent]) {
        let before = self.full(0);
        self.path_mss = mss.clamp(LEAST_MSS, self.path_mss);
        if self.sender.una > 0 && self.full(0) != before {
            self.recovery.set_mss(self.full(0), sent);
        }
    }

    /// How it ended, whatever is still to be said.
    pub(crate) const fn ending(&self) -> Option<End> {
        self.end
    }
}
