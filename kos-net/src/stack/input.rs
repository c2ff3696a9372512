//! Frames on their way in, down to the protocol that wants them. Each ends as [`Taken`] or under one [`DropReason`].
//!
//! Source: RFC 1122 section 3.2, RFC 7126 (source routes), RFC 8200 section 4. The strong host model: an address counts on its own
//! interface only.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Pass;
use crate::dev::{FrameChecksum, Medium};
use crate::drop_reason::DropReason;
use crate::ip::martian::is_martian_source;
use crate::ports::{Frame, NetDevice};
use crate::sock::{Kind, Storage};
use crate::wire::{
    ChainError, EtherType, EthernetFrame, IpProtocol, Ipv4Packet, Ipv6Chain, Ipv6Packet, ParseError,
};

/// What became of a frame that was not dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Its data reached a socket.
    Delivered,
    /// The stack itself had a use for it.
    Consumed,
}

/// To how many a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    One,
    Group,
    All,
}

/// A whole payload of IP, and what its headers said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) protocol: IpProtocol,
    pub(crate) hop_limit: u8,
    pub(crate) cast: Cast,
    /// Whether the device has looked at the sum of the upper layer.
    pub(crate) checked: bool,
    /// Whether it came in pieces.
    pub(crate) cut: bool,
    /// The packet from its header on, as an error quotes it.
    pub(crate) packet: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// What the link said of a packet.
#[derive(Clone, Copy, Debug)]
struct Link {
    checked: bool,
    /// It was not for us alone.
    group: bool,
}

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    /// Takes a frame, and counts what became of it.
    pub(super) fn input(&mut self, frame: &F) {
        self.core.stats.frames_in += 1;
        self.core.stats.bytes_in += frame.bytes().len() as u64;
        match self.link_in(frame) {
            Ok(Taken::Delivered) => self.core.stats.delivered += 1,
            Ok(Taken::Consumed) => self.core.stats.consumed += 1,
            Err(reason) => self.core.stats.dropped.count(reason),
        }
    }

    fn link_in(&mut self, frame: &F) -> Result<Taken, DropReason> {
        let checked = frame.meta().checksum != FrameChecksum::Whole;
        let link = Link { checked, group: false };
        match self.interface.capabilities.medium {
            Medium::Ip => match frame.bytes().first().map(|first| first >> 4) {
                Some(4) => self.v4_in(frame.bytes(), link),
                Some(6) => self.v6_in(frame.bytes(), link),
                _ => Err(DropReason::BadIpHeader),
            },
            Medium::Ethernet => self.ethernet_in(frame.bytes(), link),
        }
    }

    fn ethernet_in(&mut self, bytes: &[u8], link: Link) -> Result<Taken, DropReason> {
        let frame = EthernetFrame::parse(bytes).map_err(|_| DropReason::BadFrame)?;
        let destination = frame.header.destination;
        if destination != self.interface.mac && !destination.is_multicast() {
            return Err(DropReason::OtherStation);
        }
        // VLAN 0 is a priority, nothing else.
        if frame.tags.into_iter().flatten().any(|tag| tag.id() != 0) {
            return Err(DropReason::OtherVlan);
        }
        let link = Link { group: destination.is_multicast(), ..link };
        match frame.ether_type {
            EtherType::ARP => self.arp_in(frame.payload),
            EtherType::IPV4 => self.v4_in(frame.payload, link),
            EtherType::IPV6 => self.v6_in(frame.payload, link),
            _ => Err(DropReason::UnknownEtherType),
        }
    }

    fn v4_in(&mut self, bytes: &[u8], link: Link) -> Result<Taken, DropReason> {
        let packet = Ipv4Packet::parse(bytes).map_err(|_| DropReason::BadIpHeader)?;
        for option in packet.options() {
            if option.map_err(|_| DropReason::BadIpHeader)?.is_source_route() {
                return Err(DropReason::SourceRoute);
            }
        }
        let (from, to) = (packet.header.source(), packet.header.destination());
        let cast = self.cast_v4(from, to, link)?;
        let place = packet.header.place();
        let arrival = Arrival {
            from: from.into(),
            to: to.into(),
            protocol: packet.header.protocol(),
            hop_limit: packet.header.time_to_live,
            cast,
            checked: link.checked,
            cut: false,
            packet: bytes.get(..packet.header.total_length.get().into()).unwrap_or(bytes),
            payload: packet.payload,
        };
        let number = packet.header.identification.get().into();
        if place.is_whole() { self.transport_in(&arrival) } else { self.piece_in(&arrival, number, place, 6) }
    }

    /// Whether a packet is for us, and for how many others.
    fn cast_v4(&self, from: Ipv4Addr, to: Ipv4Addr, link: Link) -> Result<Cast, DropReason> {
        let (id, back) = (self.interface.id.0, self.interface.is_loopback() && !to.is_unspecified());
        let [first, ..] = from.octets();
        // 0.0.0.0/8 is no source but of who has no address, and is answered by nobody here.
        let mut martian = first == 0 || first >= 224;
        let mut alien = from.is_loopback() || to.is_loopback();
        let (mut ours, mut all) = (false, to.is_broadcast());
        for own in &self.core.addresses {
            let IpAddr::V4(address) = own.address else { continue };
            let here = own.interface == id;
            let broadcast = own.broadcast().filter(|_| here);
            ours |= address == to && (here || back);
            all |= broadcast == Some(to);
            martian |= broadcast == Some(from);
            alien |= address == from;
        }
        if martian || (alien && !self.interface.is_loopback()) {
            return Err(DropReason::MartianSource);
        }
        let cast = if all {
            Cast::All
        } else if to.is_multicast() && self.interface.groups.listens(to.into()) {
            Cast::Group
        } else if ours {
            Cast::One
        } else {
            return Err(DropReason::OtherHost);
        };
        if cast == Cast::One && link.group {
            return Err(DropReason::NotUnicast);
        }
        Ok(cast)
    }

    /// On which interface `to` must be ours: where packets come back to their sender, on any.
    fn here(&self, to: IpAddr) -> Option<u8> {
        let back = self.interface.is_loopback() && !to.is_unspecified();
        (!back).then_some(self.interface.id.0)
    }

    /// Whether a packet cannot come from `from` by this interface: it is ours, or of the inside of a host.
    fn is_alien(&self, from: IpAddr, inside: bool) -> bool {
        !self.interface.is_loopback() && (inside || self.core.is_ours(None, from))
    }

    fn v6_in(&mut self, bytes: &[u8], link: Link) -> Result<Taken, DropReason> {
        let packet = Ipv6Packet::parse(bytes).map_err(|_| DropReason::BadIpHeader)?;
        let (from, to) = (packet.header.source(), packet.header.destination());
        let cast = self.cast_v6(from, to, link)?;
        let whole = bytes.get(..40 + packet.payload.len()).unwrap_or(bytes);
        let arrival = |protocol, payload| Arrival {
            from: from.into(),
            to: to.into(),
            protocol,
            hop_limit: packet.header.hop_limit,
            cast,
            checked: link.checked,
            cut: false,
            packet: whole,
            payload,
        };
        match Ipv6Chain::follow(&packet) {
            Ok(chain) => {
                let cut = chain.fragment.is_some();
                let arrival = Arrival { cut, ..arrival(chain.protocol, chain.payload) };
                match chain.fragment.filter(|fragment| !fragment.place().is_whole()) {
                    Some(fragment) => {
                        // The field stands 6 bytes before the payload.
                        let place_at = u32::try_from(chain.offset.saturating_sub(6)).unwrap_or(0);
                        self.piece_in(&arrival, fragment.identification.get(), fragment.place(), place_at)
                    }
                    None => self.transport_in(&arrival),
                }
            }
            Err(ChainError::Problem { kind, pointer, even_multicast }) => {
                let arrival = arrival(IpProtocol::NO_NEXT, &[]);
                self.answer_problem(&arrival, kind, pointer, even_multicast);
                Err(DropReason::UnknownOption)
            }
            Err(ChainError::Drop) => Err(DropReason::UnknownOption),
            Err(_) => Err(DropReason::BadIpHeader),
        }
    }

    fn cast_v6(&self, from: Ipv6Addr, to: Ipv6Addr, link: Link) -> Result<Cast, DropReason> {
        let inside = from.is_loopback() || to.is_loopback();
        // A mapped address is none on a wire (RFC 4942, section 2.2).
        let mapped = from.to_ipv4_mapped().is_some() || to.to_ipv4_mapped().is_some();
        if from.is_multicast() || mapped || self.is_alien(from.into(), inside) {
            return Err(DropReason::MartianSource);
        }
        if to.is_multicast() {
            return if self.listens_to(to) { Ok(Cast::Group) } else { Err(DropReason::OtherHost) };
        }
        if !self.core.is_ours(self.here(to.into()), to.into()) {
            return Err(DropReason::OtherHost);
        }
        if link.group {
            return Err(DropReason::NotUnicast);
        }
        Ok(Cast::One)
    }

    /// Whether we are of that group on this link: that of an address of ours is heard even if it found no room.
    fn listens_to(&self, group: Ipv6Addr) -> bool {
        let own = self.core.addresses.iter().filter(|own| own.interface == self.interface.id.0);
        let mut own = own.filter_map(|own| match own.address {
            IpAddr::V6(address) => Some(solicited_node(address)),
            IpAddr::V4(_) => None,
        });
        self.interface.groups.listens(group.into()) || own.any(|own| own == group) || self.tries(group)
    }

    /// Hands a whole payload to its protocol.
    pub(super) fn transport_in(&mut self, arrival: &Arrival<'_>) -> Result<Taken, DropReason> {
        // Only who asks whether an address is free has none, and does so by neighbour discovery.
        let asks =
            arrival.from == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && arrival.protocol == IpProtocol::ICMPV6;
        if is_martian_source(arrival.from, true) && !asks {
            return Err(DropReason::MartianSource);
        }
        let raw = self.core.raw_sockets > 0 && self.raw_in(arrival);
        let taken = self.protocol_in(arrival, raw);
        if raw { Ok(Taken::Delivered) } else { taken }
    }

    /// Shows a payload to the raw socket that wants it; whether one took it.
    fn raw_in(&mut self, arrival: &Arrival<'_>) -> bool {
        let (remote, local) = ((arrival.from, 0), (arrival.to, 0));
        let found = self.core.find_datagrams(Kind::Raw(arrival.protocol), remote, local);
        found.is_some_and(|index| self.deliver(index, arrival, 0, arrival.payload).is_ok())
    }

    fn protocol_in(&mut self, arrival: &Arrival<'_>, raw: bool) -> Result<Taken, DropReason> {
        match arrival.protocol {
            IpProtocol::UDP => self.udp_in(arrival),
            IpProtocol::TCP => self.tcp_in(arrival),
            IpProtocol::ICMP | IpProtocol::ICMPV6 => self.icmp_in(arrival),
            IpProtocol::IGMP if arrival.to.is_ipv4() => self.igmp_in(arrival),
            _ if raw => Ok(Taken::Delivered),
            _ => {
                self.answer_unknown_protocol(arrival);
                Err(DropReason::UnknownProtocol)
            }
        }
    }
}

/// The group in which the neighbours of an address ask for it (RFC 4291, section 2.7.1).
pub(super) const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, (b as u16) << 8 | c as u16)
}

/// Why a message of an upper layer is not used.
pub(crate) const fn why(error: &ParseError) -> DropReason {
    match error {
        ParseError::BadChecksum => DropReason::BadChecksum,
        _ => DropReason::BadTransport,
    }
}
