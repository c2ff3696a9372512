//! The body of each fuzz target.

use alloc::vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::wire::dhcp::{DhcpCode, DhcpMessage, routes};
use crate::wire::dns::DnsMessage;
use crate::wire::igmp::IgmpMessage;
use crate::wire::{
    ArpPacket, EtherType, EthernetFrame, Icmpv4Message, Icmpv6Message, IpProtocol, Ipv4Packet, Ipv6Chain,
    Ipv6Packet, TcpOptions, TcpSegment, UdpDatagram,
};

/// Reads a frame down to the last format, sums unchecked, and reads what it writes of the messages once more.
///
/// # Panics
/// If a message comes back other than it went out.
pub fn wire(frame: &[u8]) {
    let Ok(frame) = EthernetFrame::parse(frame) else { return };
    match frame.ether_type {
        EtherType::ARP => drop(ArpPacket::parse(frame.payload)),
        EtherType::IPV4 => v4(frame.payload),
        EtherType::IPV6 => v6(frame.payload),
        _ => {}
    }
}

fn v4(packet: &[u8]) {
    let Ok(packet) = Ipv4Packet::parse(packet) else { return };
    let options = packet.options().count();
    assert!(options <= 40, "{options} options in 40 bytes");
    let (from, to) = (packet.header.source().into(), packet.header.destination().into());
    match packet.header.protocol() {
        IpProtocol::ICMP => {
            let Ok(message) = Icmpv4Message::parse(packet.payload, true) else { return };
            let mut out = vec![0; packet.payload.len() + 8];
            let length = message.emit(&mut out).unwrap_or(0);
            assert_eq!(Icmpv4Message::parse(out.get(..length).unwrap_or_default(), false), Ok(message));
        }
        IpProtocol::IGMP => drop(IgmpMessage::parse(packet.payload)),
        protocol => transport(protocol, packet.payload, from, to),
    }
}

fn v6(packet: &[u8]) {
    let Ok(packet) = Ipv6Packet::parse(packet) else { return };
    let Ok(chain) = Ipv6Chain::follow(&packet) else { return };
    assert_eq!(chain.offset + chain.payload.len(), 40 + packet.payload.len(), "the payload is the rest");
    let (from, to) = (packet.header.source(), packet.header.destination());
    match chain.protocol {
        IpProtocol::ICMPV6 => icmpv6(chain.payload, from, to),
        protocol => transport(protocol, chain.payload, from.into(), to.into()),
    }
}

fn icmpv6(bytes: &[u8], from: Ipv6Addr, to: Ipv6Addr) {
    let Ok(message) = Icmpv6Message::parse(bytes, from, to, true) else { return };
    if let Icmpv6Message::Ndp(_) | Icmpv6Message::EchoRequest(_) = message {
        let mut out = vec![0; bytes.len()];
        let length = message.emit(from, to, &mut out).unwrap_or(0);
        let again = Icmpv6Message::parse(out.get(..length).unwrap_or_default(), from, to, false);
        assert_eq!(again, Ok(message));
    }
}

fn transport(protocol: IpProtocol, bytes: &[u8], from: IpAddr, to: IpAddr) {
    match protocol {
        IpProtocol::TCP => {
            let Ok(segment) = TcpSegment::parse(bytes, from, to, true) else { return };
            let mut out = [0; 40];
            let options = TcpOptions::parse(segment.options);
            let length = options.emit(&mut out).unwrap_or(0);
            assert_eq!(TcpOptions::parse(out.get(..length).unwrap_or_default()).mss, options.mss);
        }
        IpProtocol::UDP => {
            let Ok(datagram) = UdpDatagram::parse(bytes, from, to, true) else { return };
            dns(datagram.data);
            dhcp(datagram.data);
        }
        _ => {}
    }
}

/// Reads a message of DNS to its end.
///
/// # Panics
/// If a name is longer than names are, or there are more records than bytes.
pub fn dns(bytes: &[u8]) {
    let Ok(message) = DnsMessage::parse(bytes) else { return };
    if let Ok((name, ..)) = message.question() {
        let length: usize = name.labels().map(|label| label.len() + 1).sum();
        assert!(length < 255, "a name of {length} bytes");
    }
    let records = message.records().count();
    assert!(records <= bytes.len(), "{records} records in {} bytes", bytes.len());
}

/// Reads a message of DHCP to its end.
///
/// # Panics
/// If an option that was put together is shorter than its first piece.
pub fn dhcp(bytes: &[u8]) {
    let Ok(message) = DhcpMessage::parse(bytes) else { return };
    let mut out = vec![0; bytes.len()];
    for option in message.options() {
        let whole = message.gather(option.code, &mut out);
        assert!(whole.is_some_and(|whole| whole.len() >= option.data.len()), "{option:?} lost bytes");
    }
    let _routes = message.option(DhcpCode::ROUTES).map_or(0, |data| routes(data).count());
}

/// Fragments of few datagrams, four bytes each, to the machine that puts them together and to a naive one.
///
/// # Panics
/// If the two do not agree, or an invariant does not hold.
pub fn reassembly(steps: &[u8]) {
    crate::ip::reassembly::model::run(steps);
}

/// Sends, acknowledges, loses and finds again what `data` says, on the scoreboard of TCP and byte by byte.
///
/// # Panics
/// If they differ.
pub fn scoreboard(data: &[u8]) {
    crate::tcp::loss::model::run(data);
}
