//! ARP and neighbour discovery, between the wire and [`Neighbours`](crate::link::neighbour::Neighbours).
//!
//! Source: RFC 826, RFC 5227; RFC 4861 section 7.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::IntoBytes;

use super::input::{Arrival, Cast, Taken, solicited_node};
use super::{Packet, Pass};
use crate::dev::Meta;
use crate::drop_reason::DropReason;
use crate::link::neighbour::{Action, Hop};
use crate::ports::{Frame, NetDevice};
use crate::sock::Storage;
use crate::wire::ndp::{NdpMessage, NdpOption, NdpOptions, NeighborFlags};
use crate::wire::{ArpOperation, ArpPacket, EtherType, Icmpv6Message, IpProtocol, MacAddr};

/// The hop limit of what must not have passed a router.
const LINK_ONLY: u8 = 255;

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    const fn hop(&self, address: IpAddr) -> Hop {
        Hop { interface: self.interface.id, address }
    }

    pub(super) fn arp_in(&mut self, payload: &[u8]) -> Result<Taken, DropReason> {
        let (packet, operation) = ArpPacket::parse(payload).map_err(|_| DropReason::BadArp)?;
        let (sender, target) = (packet.sender_ip(), packet.target_ip());
        if sender.is_multicast() || sender.is_broadcast() || !packet.sender.is_unicast() {
            return Err(DropReason::BadArp);
        }
        let ours = self.core.is_ours(Some(self.interface.id.0), target.into());
        let (now, hop) = (self.core.now, self.hop(sender.into()));
        let Some(neighbours) = &mut self.interface.neighbours else { return Err(DropReason::BadArp) };
        match operation {
            ArpOperation::Reply if ours => {
                let flags = NeighborFlags::SOLICITED | NeighborFlags::OVERRIDE;
                let _router = neighbours.on_advertisement(now, hop, Some(packet.sender), flags);
            }
            // Somebody tells all that it has the address.
            ArpOperation::Reply => {
                let _router =
                    neighbours.on_advertisement(now, hop, Some(packet.sender), NeighborFlags::OVERRIDE);
            }
            ArpOperation::Request => neighbours.on_solicitation(now, hop, packet.sender),
        }
        if ours && operation == ArpOperation::Request {
            let us = (self.interface.mac, target);
            let reply = ArpPacket::new(ArpOperation::Reply, us, (packet.sender, sender));
            self.emit_link(packet.sender, EtherType::ARP, reply.as_bytes());
        }
        if ours { Ok(Taken::Consumed) } else { Err(DropReason::OtherHost) }
    }

    pub(super) fn ndp_in(
        &mut self,
        arrival: &Arrival<'_>,
        message: &NdpMessage<'_>,
    ) -> Result<Taken, DropReason> {
        let IpAddr::V6(from) = arrival.from else { return Err(DropReason::NotFromLink) };
        if arrival.hop_limit != LINK_ONLY || arrival.cut || self.interface.neighbours.is_none() {
            return Err(DropReason::NotFromLink);
        }
        match *message {
            NdpMessage::NeighborSolicitation { target, options } => {
                self.solicited(from, arrival, target, options)
            }
            NdpMessage::NeighborAdvertisement { flags, target, options } => {
                if arrival.cast != Cast::One && flags.contains(NeighborFlags::SOLICITED) {
                    return Err(DropReason::BadTransport);
                }
                let mac = options.iter().find_map(|option| match option {
                    NdpOption::Target(mac) => Some(mac),
                    _ => None,
                });
                self.dispute(target);
                let (now, hop) = (self.core.now, self.hop(target.into()));
                let neighbours = self.interface.neighbours.as_mut();
                if neighbours.is_some_and(|all| all.on_advertisement(now, hop, mac, flags)) {
                    self.lose_router(target.into());
                }
                Ok(Taken::Consumed)
            }
            NdpMessage::RouterAdvertisement(router) => {
                let now = self.core.now;
                let slaac = self.interface.slaac.as_mut().ok_or(DropReason::Unsolicited)?;
                slaac.on_advertisement(now, from, &router);
                Ok(Taken::Consumed)
            }
            _ => Err(DropReason::Unsolicited),
        }
    }

    fn solicited(
        &mut self,
        from: Ipv6Addr,
        arrival: &Arrival<'_>,
        target: Ipv6Addr,
        options: NdpOptions<'_>,
    ) -> Result<Taken, DropReason> {
        if from.is_unspecified() && self.dispute(target) {
            return Ok(Taken::Consumed);
        }
        if !self.core.is_ours(Some(self.interface.id.0), target.into()) {
            return Err(DropReason::OtherHost);
        }
        let source = options.iter().find_map(|option| match option {
            NdpOption::Source(mac) => Some(mac),
            _ => None,
        });
        let (now, hop) = (self.core.now, self.hop(from.into()));
        if from.is_unspecified() && (source.is_some() || arrival.cast == Cast::One) {
            return Err(DropReason::BadTransport);
        }
        if let (Some(neighbours), Some(mac)) = (&mut self.interface.neighbours, source) {
            neighbours.on_solicitation(now, hop, mac);
        }
        self.advertise(target, if from.is_unspecified() { None } else { Some((from, source)) });
        Ok(Taken::Consumed)
    }

    /// Tells who asked, or all, that `target` is ours.
    fn advertise(&mut self, target: Ipv6Addr, asked: Option<(Ipv6Addr, Option<MacAddr>)>) {
        const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let (to, flags) = match asked {
            Some((to, _)) => (to, NeighborFlags::SOLICITED | NeighborFlags::OVERRIDE),
            None => (ALL_NODES, NeighborFlags::OVERRIDE),
        };
        let mut option = [0; 8];
        let length = NdpOption::Target(self.interface.mac).emit(&mut option).unwrap_or(0);
        let options = NdpOptions::new(option.get(..length).unwrap_or_default()).unwrap_or(NdpOptions::NONE);
        self.emit_ndp(target, to, NdpMessage::NeighborAdvertisement { flags, target, options });
    }

    /// Sends a message of neighbour discovery to a neighbour or group.
    pub(super) fn emit_ndp(&mut self, from: Ipv6Addr, to: Ipv6Addr, message: NdpMessage<'_>) {
        let mut bytes = [0; 64];
        let length = Icmpv6Message::Ndp(message).emit(from, to, &mut bytes).unwrap_or(0);
        let packet = Packet {
            from: from.into(),
            to: to.into(),
            next: to.into(),
            protocol: IpProtocol::ICMPV6,
            hop_limit: LINK_ONLY,
            cut: false,
            meta: Meta::default(),
        };
        self.emit_own(&packet, &[bytes.get(..length).unwrap_or_default()]);
    }

    /// Does what the neighbours' timers ask for, as long as there is room for frames.
    pub(super) fn run_neighbours(&mut self) {
        while self.has_room() {
            let now = self.core.now;
            let Some(action) = self.interface.neighbours.as_mut().and_then(|table| table.poll(now)) else {
                return;
            };
            match action {
                Action::Solicit { hop, to } => self.solicit(hop.address, to),
                Action::Send { hop, mac, frame } => {
                    let ether_type = if hop.address.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
                    self.address(frame, mac, ether_type);
                }
                Action::GiveUp { frame, .. } => {
                    self.core.stats.unsent.count(DropReason::NeighborUnreachable);
                    self.give_up(&frame);
                }
                Action::Lost { hop } => self.lose_router(hop.address),
            }
        }
    }

    /// Asks who has an address: the adapter that had it, or all.
    fn solicit(&mut self, address: IpAddr, to: Option<MacAddr>) {
        let Some(source) = self.core.source_on(self.interface.id.0, address) else { return };
        match (source, address) {
            (IpAddr::V4(source), IpAddr::V4(target)) => self.solicit_v4(source, target, to),
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                let mut option = [0; 8];
                let length = NdpOption::Source(self.interface.mac).emit(&mut option).unwrap_or(0);
                let options =
                    NdpOptions::new(option.get(..length).unwrap_or_default()).unwrap_or(NdpOptions::NONE);
                // A neighbour that is asked itself is one whose address is known: the packet finds its way.
                let group = if to.is_some() { target } else { solicited_node(target) };
                self.emit_ndp(source, group, NdpMessage::NeighborSolicitation { target, options });
            }
            _ => {}
        }
    }

    fn solicit_v4(&mut self, source: Ipv4Addr, target: Ipv4Addr, to: Option<MacAddr>) {
        let us = (self.interface.mac, source);
        let request = ArpPacket::new(ArpOperation::Request, us, (MacAddr::default(), target));
        self.emit_link(to.unwrap_or(MacAddr::BROADCAST), EtherType::ARP, request.as_bytes());
    }
}
