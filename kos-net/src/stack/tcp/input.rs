//! Segments on their way in.

use core::net::{IpAddr, SocketAddr};

use crate::drop_reason::DropReason;
use crate::error::NetworkError;
use crate::link::neighbour::Hop;
use crate::ports::{Frame, NetDevice};
use crate::sock::demux::Flow;
use crate::sock::list::NONE;
use crate::sock::{Connection, Readiness, Socket, Storage};
use crate::stack::{Arrival, Cast, Complaint, Pass, Taken, why};
use crate::tcp::Unreachable;
use crate::tcp::input::Change;
use crate::tcp::listener::{Place, Rules, SynRecord, Verdict};
use crate::tcp::output::reset_for;
use crate::tcp::tcb::Tcb;
use crate::tcp::time_wait;
use crate::wire::{SeqNumber, TcpSegment};

/// Both ends of a segment's connection: ours and the peer's.
type Ends = (SocketAddr, SocketAddr);

/// The connection that the last segment came for, of which the rest of the stack has not heard yet: the next one is mostly for it too.
#[derive(Debug)]
pub(in crate::stack) struct Recent {
    index: u32,
    ends: Ends,
    change: Change,
    progress: bool,
}

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    pub(in crate::stack) fn tcp_in(&mut self, arrival: &Arrival<'_>) -> Result<Taken, DropReason> {
        if arrival.cast != Cast::One || arrival.from.is_unspecified() {
            return Err(DropReason::NotUnicast);
        }
        let segment = TcpSegment::parse(arrival.payload, arrival.from, arrival.to, arrival.checked);
        let segment = segment.map_err(|error| why(&error))?;
        let local = (arrival.to, segment.header.destination.get());
        let remote = (arrival.from, segment.header.source.get());
        let ends = (local.into(), remote.into());
        if let Some(recent) = self.recent.as_ref().filter(|recent| recent.ends == ends) {
            return self.connection_in(recent.index, ends, &segment);
        }
        self.finish_recent();
        if let Some(index) = self.core.find_connection(local, remote) {
            return self.connection_in(index, ends, &segment);
        }
        match self.core.sockets.find_rest(local, remote) {
            Some(index) => self.rest_in(index, ends, &segment),
            None => self.stranger_in(ends, &segment, None),
        }
    }

    fn connection_in(
        &mut self,
        index: u32,
        ends: Ends,
        segment: &TcpSegment<'_>,
    ) -> Result<Taken, DropReason> {
        let now = self.core.now;
        let Some(connection) = self.core.connection(index) else { return Err(DropReason::NoSocket) };
        let (tcb, mut buffers) = connection.split();
        let input = tcb.on_segment(now, segment, &mut buffers);
        if input.challenge {
            let jitter = &mut self.core.jitter;
            let random = || (jitter.next() >> 32) as u32;
            if self.core.challenges.permit(now, random)
                && let Some(connection) = self.core.connection(index)
            {
                connection.tcb.challenge(now);
            }
        }
        let ended = input.change.contains(Change::ENDED);
        let recent =
            self.recent.get_or_insert(Recent { index, ends, change: Change::empty(), progress: false });
        recent.change |= input.change;
        recent.progress |= input.progress;
        if ended || input.reset {
            self.finish_recent();
        }
        if input.reset {
            self.reset(ends, segment);
        }
        match input.dropped {
            Some(reason) => Err(reason),
            None if segment.data.is_empty() => Ok(Taken::Consumed),
            None => Ok(Taken::Delivered),
        }
    }

    /// Does what follows from the segments that came for one connection in a row, once for all of them.
    pub(in crate::stack) fn finish_recent(&mut self) {
        let Some(recent) = self.recent.take() else { return };
        if recent.progress && self.interface.neighbours.is_some() {
            self.confirm(recent.ends);
        }
        self.core.tell_change(recent.index, recent.change);
        self.core.settle(recent.index);
    }

    /// The neighbour towards a peer is there: what was sent over it was acknowledged.
    fn confirm(&mut self, (local, remote): Ends) {
        let Some(way) = self.core.way(local.ip(), remote.ip()) else { return };
        let hop = Hop { interface: self.interface.id, address: way.next };
        if let Some(neighbours) =
            self.interface.neighbours.as_mut().filter(|_| way.interface == hop.interface.0)
        {
            neighbours.confirm(self.core.now, hop);
        }
    }

    fn rest_in(&mut self, index: u32, ends: Ends, segment: &TcpSegment<'_>) -> Result<Taken, DropReason> {
        let now = self.core.now;
        let Some(rest) = self.core.sockets.rest_mut(index) else { return Err(DropReason::NoSocket) };
        match rest.on_segment(now, segment) {
            time_wait::Verdict::Drop(reason) => Err(reason),
            time_wait::Verdict::Answer(outgoing) => {
                self.answer_segment(ends, &outgoing);
                Ok(Taken::Consumed)
            }
            time_wait::Verdict::Reopen(initial) => {
                self.core.sockets.forget_rest(index);
                self.stranger_in(ends, segment, Some(initial))
            }
        }
    }

    /// A segment of no connection: for a listener, or nobody. What it opens begins with `initial`, if there is one.
    fn stranger_in(
        &mut self,
        (local, remote): Ends,
        segment: &TcpSegment<'_>,
        initial: Option<SeqNumber>,
    ) -> Result<Taken, DropReason> {
        let Some(index) = self.core.find_listener((local.ip(), local.port())) else {
            self.reset((local, remote), segment);
            return Err(DropReason::NoSocket);
        };
        let core = &mut *self.core;
        let place = Place {
            local,
            remote,
            mss: core.segment_on(self.interface.id.0, local.is_ipv4()),
            capacity: core.config.limits.receive_bytes,
            initial,
        };
        let rules = Rules { config: &core.config.tcp, secret: &core.secret };
        let Some(Socket::Listening(listening)) = core.sockets.at_mut(index) else {
            return Err(DropReason::NoSocket);
        };
        let verdict =
            listening.listener.on_segment(core.now, &rules, &place, segment, listening.records.as_mut());
        let deadline = listening.listener.deadline();
        core.sockets.arm(index, deadline);
        match verdict {
            Verdict::Drop(reason) => Err(reason),
            Verdict::Answer(outgoing) => {
                self.answer_segment((local, remote), &outgoing);
                Ok(Taken::Consumed)
            }
            Verdict::Reset => {
                self.reset((local, remote), segment);
                Err(DropReason::BadAcknowledgement)
            }
            Verdict::Accept(record) => self.accept_in(index, &place, &record, segment),
        }
    }

    /// A handshake is done: a connection waits to be accepted. Without memory for it, its peer tries again.
    fn accept_in(
        &mut self,
        listener: u32,
        place: &Place,
        record: &SynRecord,
        segment: &TcpSegment<'_>,
    ) -> Result<Taken, DropReason> {
        let core = &mut *self.core;
        let ends = (place.local, place.remote);
        let Some(index) = core.make_accepted(listener, ends, record) else {
            let rules = Rules { config: &core.config.tcp, secret: &core.secret };
            if let Some(Socket::Listening(listening)) = core.sockets.at_mut(listener) {
                let records = listening.records.as_mut();
                listening.listener.refused(core.now, &rules, place, record, records);
                let deadline = listening.listener.deadline();
                core.sockets.arm(listener, deadline);
            }
            return Err(DropReason::BacklogFull);
        };
        core.sockets.tell(listener, Readiness::READABLE);
        self.connection_in(index, ends, segment)
    }

    /// Answers a segment that cannot be with a reset.
    fn reset(&mut self, ends: Ends, segment: &TcpSegment<'_>) {
        if let Some(outgoing) = reset_for(segment) {
            self.answer_segment(ends, &outgoing);
        }
    }

    /// What the network says of a segment of ours. It counts only if that is under way (RFC 5927).
    pub(in crate::stack) fn tcp_complaint(&mut self, complaint: &Complaint<'_>) -> Result<Taken, DropReason> {
        self.finish_recent();
        let Some(&[a, b, c, d, e, f, g, h]) = complaint.payload.first_chunk::<8>() else {
            return Err(DropReason::BadTransport);
        };
        let local = (complaint.from, u16::from_be_bytes([a, b]));
        let remote = (complaint.to, u16::from_be_bytes([c, d]));
        let quoted = SeqNumber(u32::from_be_bytes([e, f, g, h]));
        let index = self.core.find_connection(local, remote).ok_or(DropReason::Unsolicited)?;
        let now = self.core.now;
        let connection = self.core.connection(index).ok_or(DropReason::Unsolicited)?;
        if !connection.tcb.is_in_flight(quoted) {
            return Err(DropReason::Unsolicited);
        }
        let error = match complaint.error {
            NetworkError::TooBig { mtu } => {
                connection.tcb.set_path_mss(segment_of(mtu, complaint.to), connection.memory.sent.as_mut());
                self.core.settle(index);
                return Ok(Taken::Consumed);
            }
            NetworkError::Refused => Unreachable::Port,
            NetworkError::Unreachable => Unreachable::Host,
            NetworkError::Prohibited => Unreachable::Prohibited,
        };
        let change = connection.tcb.on_icmp(now, quoted, error);
        self.core.tell_change(index, change);
        self.core.settle(index);
        Ok(Taken::Consumed)
    }
}

/// Data of the largest segment on a path; never below what IP demands (RFC 1191, with Linux's floor; RFC 8201).
const fn segment_of(mtu: u16, to: IpAddr) -> u16 {
    let (floor, headers) = if to.is_ipv4() { (552, 40) } else { (1280, 60) };
    let mtu = if mtu < floor { floor } else { mtu };
    mtu - headers
}

impl<F, S: Storage<F>> crate::stack::Core<F, S> {
    /// A connection of a finished handshake, behind those that wait for `listener` to accept them.
    fn make_accepted(&mut self, listener: u32, (local, remote): Ends, record: &SynRecord) -> Option<u32> {
        let limits = self.config.limits;
        let owner = self.sockets.id_of(listener)?;
        let mut memory = self.sockets.storage.connection(limits.send_bytes, limits.receive_bytes).ok()?;
        let tcb = Tcb::accepted(self.now, &self.config.tcp, record, memory.sent.as_mut());
        let connection = Connection {
            tcb,
            local,
            remote,
            memory,
            listener: Some((owner.index, owner.generation)),
            next: NONE,
            orphan: false,
            found: true,
        };
        let index = self.add(Socket::Tcp(connection), &Flow::new(local, remote)).ok()?.index;
        let Some(Socket::Listening(listening)) = self.sockets.at_mut(listener) else { return None };
        let last = core::mem::replace(&mut listening.last, index);
        if listening.first == NONE {
            listening.first = index;
        }
        if let Some(before) = self.connection(last) {
            before.next = index;
        }
        Some(index)
    }
}
