//! What rules ask of a frame: [`Packet`].
//!
//! Invariant: what is [`None`] could not be seen, though it may be there. Formats are those of kos-net; only their fixed headers are
//! read, for a first fragment has no whole segment, and sums are the stack's to check.

use core::net::IpAddr;

use kos_net::dev::Medium;
use kos_net::wire::{
    EtherType, EthernetFrame, FragmentPlace, IpProtocol, Ipv4Packet, Ipv6Chain, Ipv6Packet, TcpFlags,
    TcpHeader, UdpHeader,
};
use zerocopy::FromBytes;

/// A packet of IP as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub from: IpAddr,
    /// For whom it is.
    pub to: IpAddr,
    /// What it carries.
    pub protocol: Option<IpProtocol>,
    /// Of TCP and UDP, the ports of sender and receiver.
    pub ports: Option<[u16; 2]>,
    /// The flags of TCP.
    pub flags: Option<TcpFlags>,
}

impl Packet {
    /// Reads a frame; [`None`] if it is no packet of IP, or its header is none: such a frame the stack drops, or it is ARP.
    #[must_use]
    pub fn read(medium: Medium, frame: &[u8]) -> Option<Self> {
        let (kind, bytes) = match medium {
            Medium::Ip => match frame.first()? >> 4 {
                4 => (EtherType::IPV4, frame),
                6 => (EtherType::IPV6, frame),
                _ => return None,
            },
            Medium::Ethernet => {
                let frame = EthernetFrame::parse(frame).ok()?;
                (frame.ether_type, frame.payload)
            }
        };
        match kind {
            EtherType::IPV4 => Self::v4(&Ipv4Packet::parse(bytes).ok()?),
            EtherType::IPV6 => Self::v6(&Ipv6Packet::parse(bytes).ok()?),
            _ => None,
        }
    }

    fn v4(packet: &Ipv4Packet<'_>) -> Option<Self> {
        let header = packet.header;
        let bare = Self::bare(header.source().into(), header.destination().into());
        Some(bare.carries(header.protocol(), header.place(), packet.payload))
    }

    fn v6(packet: &Ipv6Packet<'_>) -> Option<Self> {
        let bare = Self::bare(packet.header.source().into(), packet.header.destination().into());
        // The stack may answer a packet whose headers lead nowhere.
        let Ok(chain) = Ipv6Chain::follow(packet) else { return Some(bare) };
        let place = chain.fragment.map_or(FragmentPlace::WHOLE, |fragment| fragment.place());
        Some(match chain.protocol {
            // Headers go on behind that of the fragment: what they lead to is seen when all of it is together.
            IpProtocol::HOP_BY_HOP | IpProtocol::DESTINATION | IpProtocol::ROUTING | IpProtocol::FRAGMENT => {
                bare
            }
            protocol => bare.carries(protocol, place, chain.payload),
        })
    }

    const fn bare(from: IpAddr, to: IpAddr) -> Self {
        Self { from, to, protocol: None, ports: None, flags: None }
    }

    fn carries(self, protocol: IpProtocol, place: FragmentPlace, payload: &[u8]) -> Self {
        let known = Self { protocol: Some(protocol), ..self };
        match protocol {
            IpProtocol::TCP | IpProtocol::UDP if place.offset > 0 => known,
            IpProtocol::TCP => TcpHeader::ref_from_prefix(payload).map_or(known, |(header, _)| Self {
                ports: Some([header.source.get(), header.destination.get()]),
                flags: Some(header.flags()),
                ..known
            }),
            IpProtocol::UDP => UdpHeader::ref_from_prefix(payload).map_or(known, |(header, _)| Self {
                ports: Some([header.source.get(), header.destination.get()]),
                ..known
            }),
            _ => known,
        }
    }
}
