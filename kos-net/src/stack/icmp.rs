//! ICMP for both families: echoes, pings, errors that came, errors that go.
//!
//! Source: RFC 1122 section 3.2.2, RFC 4443 section 2.4: no error about an error, about what went to several, about later pieces.

use core::net::IpAddr;

use super::input::{Arrival, Cast, Taken, why};
use super::{Packet, Pass};
use crate::dev::Meta;
use crate::drop_reason::DropReason;
use crate::error::NetworkError;
use crate::ip::Quote;
use crate::ports::{Frame, NetDevice};
use crate::sock::{Envelope, Kind, Readiness, Socket, Storage};
use crate::wire::{
    Checksum, Echo, FRAGMENTATION_NEEDED, Icmpv4Message, Icmpv6Message, IpProtocol, Ipv4Header, Ipv6Header,
    Problem,
};
use zerocopy::FromBytes;

/// The most bytes of an error (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4), less its headers.
const QUOTE_V4: usize = 576 - 28;
const QUOTE_V6: usize = 1280 - 48;
/// Room for any error.
const ERROR: usize = QUOTE_V6 + 8;

/// What an error says of a packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Complaint<'a> {
    pub(crate) error: NetworkError,
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) protocol: IpProtocol,
    /// What is quoted of its payload.
    pub(crate) payload: &'a [u8],
}

/// What a destination that is not reached is told as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Port,
    Protocol,
}

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    pub(super) fn icmp_in(&mut self, arrival: &Arrival<'_>) -> Result<Taken, DropReason> {
        match (arrival.from, arrival.to, arrival.protocol) {
            (IpAddr::V4(_), IpAddr::V4(_), IpProtocol::ICMP) => self.icmpv4_in(arrival),
            (IpAddr::V6(from), IpAddr::V6(to), IpProtocol::ICMPV6) => {
                let message = Icmpv6Message::parse(arrival.payload, from, to, arrival.checked);
                self.icmpv6_in(arrival, &message.map_err(|error| why(&error))?)
            }
            _ => Err(DropReason::UnknownProtocol),
        }
    }

    fn icmpv4_in(&mut self, arrival: &Arrival<'_>) -> Result<Taken, DropReason> {
        let message = Icmpv4Message::parse(arrival.payload, arrival.checked).map_err(|error| why(&error))?;
        let (error, quoted) = match message {
            Icmpv4Message::EchoRequest(echo) => return self.answer_echo(arrival, echo),
            Icmpv4Message::EchoReply(echo) => return self.ping_in(arrival, echo),
            Icmpv4Message::Unreachable { code: FRAGMENTATION_NEEDED, mtu, quoted } => {
                (NetworkError::TooBig { mtu }, quoted)
            }
            Icmpv4Message::Unreachable { code: 2 | 3, quoted, .. } => (NetworkError::Refused, quoted),
            Icmpv4Message::Unreachable { code: 9 | 10 | 13, quoted, .. } => {
                (NetworkError::Prohibited, quoted)
            }
            Icmpv4Message::Unreachable { quoted, .. } => (NetworkError::Unreachable, quoted),
            Icmpv4Message::TimeExceeded { quoted, .. } => (NetworkError::Unreachable, quoted),
            _ => return Err(DropReason::Unsolicited),
        };
        let (header, rest) = Ipv4Header::ref_from_prefix(quoted).map_err(|_| DropReason::BadTransport)?;
        let options = header.length().saturating_sub(size_of::<Ipv4Header>());
        let taken = self.complain(&Complaint {
            error,
            from: header.source().into(),
            to: header.destination().into(),
            protocol: header.protocol(),
            payload: rest.get(options..).unwrap_or_default(),
        });
        self.learn_path(taken.is_ok(), error, Quote::parse_v4(quoted));
        taken
    }

    /// A path is narrower than was known, if the socket whose packet was quoted has `confirmed` that it sent it.
    fn learn_path(&mut self, confirmed: bool, error: NetworkError, quote: Option<Quote<'_>>) {
        let believed = quote.and_then(|quote| quote.believe(|_| confirmed));
        if let (NetworkError::TooBig { mtu }, Some(packet)) = (error, believed) {
            let _lower = self.core.paths.learn(self.core.now, packet, mtu.into());
        }
    }

    fn icmpv6_in(&mut self, arrival: &Arrival<'_>, message: &Icmpv6Message<'_>) -> Result<Taken, DropReason> {
        let (error, quoted) = match *message {
            Icmpv6Message::EchoRequest(echo) => return self.answer_echo(arrival, echo),
            Icmpv6Message::EchoReply(echo) => return self.ping_in(arrival, echo),
            Icmpv6Message::Ndp(message) => return self.ndp_in(arrival, &message),
            Icmpv6Message::Mld(message) => return self.mld_in(arrival, &message),
            Icmpv6Message::TooBig { mtu, quoted } => {
                (NetworkError::TooBig { mtu: u16::try_from(mtu).unwrap_or(u16::MAX) }, quoted)
            }
            Icmpv6Message::Unreachable { code: 4, quoted } => (NetworkError::Refused, quoted),
            Icmpv6Message::Unreachable { code: 1 | 5 | 6, quoted } => (NetworkError::Prohibited, quoted),
            Icmpv6Message::Unreachable { quoted, .. } => (NetworkError::Unreachable, quoted),
            Icmpv6Message::TimeExceeded { quoted, .. } => (NetworkError::Unreachable, quoted),
            Icmpv6Message::ParameterProblem { code: 1, quoted, .. } => (NetworkError::Refused, quoted),
            _ => return Err(DropReason::Unsolicited),
        };
        // Ours have no extension headers, or one of a fragment, about which nothing is to be done.
        let (header, payload) = Ipv6Header::ref_from_prefix(quoted).map_err(|_| DropReason::BadTransport)?;
        let (from, to) = (header.source().into(), header.destination().into());
        let taken = self.complain(&Complaint { error, from, to, protocol: header.next_header(), payload });
        self.learn_path(taken.is_ok(), error, Quote::parse_v6(quoted));
        taken
    }

    /// Tells a socket what became of its packet. Only one that may have sent it hears of it.
    fn complain(&mut self, complaint: &Complaint<'_>) -> Result<Taken, DropReason> {
        if !self.core.is_ours(None, complaint.from) {
            return Err(DropReason::Unsolicited);
        }
        match complaint.protocol {
            IpProtocol::UDP => self.udp_complaint(complaint),
            IpProtocol::TCP => self.tcp_complaint(complaint),
            IpProtocol::ICMP | IpProtocol::ICMPV6 => self.ping_complaint(complaint),
            _ => Err(DropReason::Unsolicited),
        }
    }

    /// A frame that waited for a neighbour in vain: its socket hears that the host is unreachable.
    pub(super) fn give_up(&mut self, frame: &F) {
        let packet = frame.bytes().get(14..).unwrap_or_default();
        let error = NetworkError::Unreachable;
        // Who sent it may be gone, or not care.
        let _taken = match packet.first().map(|first| first >> 4) {
            Some(4) => Ipv4Header::ref_from_prefix(packet).map(|(header, payload)| {
                let (from, to) = (header.source().into(), header.destination().into());
                self.complain(&Complaint { error, from, to, protocol: header.protocol(), payload })
            }),
            _ => return self.give_up_v6(packet),
        };
    }

    fn give_up_v6(&mut self, packet: &[u8]) {
        let Ok((header, payload)) = Ipv6Header::ref_from_prefix(packet) else { return };
        let (from, to) = (header.source().into(), header.destination().into());
        let error = NetworkError::Unreachable;
        // Who sent it may be gone, or not care.
        let _taken = self.complain(&Complaint { error, from, to, protocol: header.next_header(), payload });
    }

    fn answer_echo(&mut self, arrival: &Arrival<'_>, echo: Echo<'_>) -> Result<Taken, DropReason> {
        // An echo to all would make one packet many (RFC 1122, section 3.2.2.6).
        if arrival.cast == Cast::All || arrival.from.is_unspecified() {
            return Err(DropReason::NotUnicast);
        }
        let to = arrival.from;
        let from = if arrival.cast == Cast::One { arrival.to } else { self.core.unspecified_like(to) };
        let way = self.core.way(from, to).filter(|way| way.interface == self.interface.id.0);
        let way = way.ok_or(DropReason::NoRoute)?;
        let echo_reply = echo_header(way.source, to, &echo, false);
        let packet = self.packet(way.source, to, way.next, arrival.protocol);
        self.emit_own(&packet, &[&echo_reply, echo.data]);
        Ok(Taken::Consumed)
    }

    /// A packet of the stack with what is usual.
    pub(crate) const fn packet(
        &self,
        from: IpAddr,
        to: IpAddr,
        next: IpAddr,
        protocol: IpProtocol,
    ) -> Packet {
        Packet {
            from,
            to,
            next,
            protocol,
            hop_limit: self.core.config.ip.hop_limit,
            cut: true,
            meta: NO_META,
        }
    }

    fn ping_in(&mut self, arrival: &Arrival<'_>, echo: Echo<'_>) -> Result<Taken, DropReason> {
        let (remote, local) = ((arrival.from, 0), (arrival.to, echo.identifier));
        let index = self.core.find_datagrams(Kind::Ping, remote, local).ok_or(DropReason::Unsolicited)?;
        self.deliver(index, arrival, echo.sequence, echo.data)
    }

    /// Puts data in the queue of a socket.
    pub(crate) fn deliver(
        &mut self,
        index: u32,
        arrival: &Arrival<'_>,
        port: u16,
        data: &[u8],
    ) -> Result<Taken, DropReason> {
        let envelope = Envelope {
            remote: arrival.from,
            port,
            local: arrival.to,
            interface: self.interface.id.0,
            hop_limit: arrival.hop_limit,
        };
        let Some(Socket::Datagrams(socket)) = self.core.sockets.at_mut(index) else {
            return Err(DropReason::NoSocket);
        };
        if !socket.push_incoming(&envelope, &[data]) {
            return Err(DropReason::SocketQueueFull);
        }
        self.core.sockets.tell(index, Readiness::READABLE);
        Ok(Taken::Delivered)
    }

    fn ping_complaint(&mut self, complaint: &Complaint<'_>) -> Result<Taken, DropReason> {
        let Some((&[_, _, _, _, high, low, ..], _)) = complaint.payload.split_first_chunk::<8>() else {
            return Err(DropReason::BadTransport);
        };
        let local = (complaint.from, u16::from_be_bytes([high, low]));
        let index =
            self.core.find_datagrams(Kind::Ping, (complaint.to, 0), local).ok_or(DropReason::Unsolicited)?;
        self.core.fail_datagrams(index, complaint.error);
        Ok(Taken::Consumed)
    }

    /// Tells the sender of a packet that nobody here reads it.
    pub(crate) fn refuse(&mut self, arrival: &Arrival<'_>, refusal: Refusal) {
        let quoted = arrival.packet;
        match (arrival.from, refusal) {
            (IpAddr::V4(_), refusal) => {
                let code = if let Refusal::Port = refusal { 3 } else { 2 };
                let quoted = quoted.get(..QUOTE_V4).unwrap_or(quoted);
                let message = Icmpv4Message::Unreachable { code, mtu: 0, quoted };
                self.answer(arrival, |_, _, out| message.emit(out).unwrap_or(0));
            }
            (IpAddr::V6(_), Refusal::Port) => {
                let quoted = quoted.get(..QUOTE_V6).unwrap_or(quoted);
                self.answer_v6(arrival, &Icmpv6Message::Unreachable { code: 4, quoted });
            }
            (IpAddr::V6(_), Refusal::Protocol) => self.answer_problem(arrival, Problem::Header, 6, false),
        }
    }

    pub(super) fn answer_unknown_protocol(&mut self, arrival: &Arrival<'_>) {
        if arrival.protocol != IpProtocol::NO_NEXT {
            self.refuse(arrival, Refusal::Protocol);
        }
    }

    pub(super) fn answer_problem(
        &mut self,
        arrival: &Arrival<'_>,
        kind: Problem,
        pointer: u32,
        even_group: bool,
    ) {
        let quoted = arrival.packet.get(..QUOTE_V6).unwrap_or(arrival.packet);
        let arrival = if even_group { &Arrival { cast: Cast::One, ..*arrival } } else { arrival };
        self.answer_v6(arrival, &Icmpv6Message::problem(kind, pointer, quoted));
    }

    /// Tells the sender of a datagram in pieces that some of them did not come.
    pub(super) fn answer_time_exceeded(&mut self, arrival: &Arrival<'_>) {
        const IN_PIECES: u8 = 1;
        let quote = |most| arrival.packet.get(..most).unwrap_or(arrival.packet);
        if arrival.from.is_ipv4() {
            let message = Icmpv4Message::TimeExceeded { code: IN_PIECES, quoted: quote(QUOTE_V4) };
            self.answer(arrival, |_, _, out| message.emit(out).unwrap_or(0));
        } else {
            self.answer_v6(
                arrival,
                &Icmpv6Message::TimeExceeded { code: IN_PIECES, quoted: quote(QUOTE_V6) },
            );
        }
    }

    fn answer_v6(&mut self, arrival: &Arrival<'_>, message: &Icmpv6Message<'_>) {
        self.answer(arrival, |from, to, out| match (from, to) {
            (IpAddr::V6(from), IpAddr::V6(to)) => message.emit(from, to, out).unwrap_or(0),
            _ => 0,
        });
    }

    /// Answers a packet that went to us alone with an error that `write` writes.
    fn answer(&mut self, arrival: &Arrival<'_>, write: impl FnOnce(IpAddr, IpAddr, &mut [u8]) -> usize) {
        if arrival.cast != Cast::One || arrival.from.is_unspecified() {
            return;
        }
        let from =
            if arrival.to.is_multicast() { self.core.unspecified_like(arrival.from) } else { arrival.to };
        let Some(way) = self.core.way(from, arrival.from).filter(|way| way.interface == self.interface.id.0)
        else {
            return;
        };
        if !self.core.icmp_limit.allow(self.core.now, arrival.from) {
            self.core.stats.unsent.count(DropReason::RateLimited);
            return;
        }
        let mut out = [0; ERROR];
        let length = write(way.source, arrival.from, &mut out);
        let protocol = if arrival.from.is_ipv4() { IpProtocol::ICMP } else { IpProtocol::ICMPV6 };
        let packet = self.packet(way.source, arrival.from, way.next, protocol);
        self.core.stats.icmp_errors_out += 1;
        self.emit_own(&packet, &[out.get(..length).unwrap_or_default()]);
    }
}

/// [`Meta::default`], for constants.
pub(crate) const NO_META: Meta =
    Meta { checksum: crate::dev::FrameChecksum::Whole, gso: None, hash: None, stamp_ns: None };

/// The first 8 bytes of an echo with their checksum; its data follow.
pub(crate) fn echo_header(from: IpAddr, to: IpAddr, echo: &Echo<'_>, request: bool) -> [u8; 8] {
    let kind = match (from.is_ipv4(), request) {
        (true, true) => 8,
        (true, false) => 0,
        (false, true) => 128,
        (false, false) => 129,
    };
    let ([a, b], [c, d]) = (echo.identifier.to_be_bytes(), echo.sequence.to_be_bytes());
    let header = [kind, 0, 0, 0, a, b, c, d];
    let length = u32::try_from(header.len() + echo.data.len()).unwrap_or(u32::MAX);
    let sum = match from {
        IpAddr::V4(_) => Checksum::new(),
        IpAddr::V6(_) => Checksum::of_pseudo_header(from, to, IpProtocol::ICMPV6, length),
    };
    let [high, low] = sum.and(&header).and(echo.data).finish().to_be_bytes();
    [kind, 0, high, low, a, b, c, d]
}
