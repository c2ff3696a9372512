//! The body of each fuzz target: parsers and services here, whole stacks in `stacks`.

mod stacks;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

pub use stacks::{stack_rx, two_stacks};

use crate::services::dhcp::{DhcpClient, DhcpConfig};
use crate::services::dns::{DnsClient, Over};
use crate::services::http::{Event, Limits, Response, ServerConnection, Status};
use crate::testing::fakes::SeededEntropy;
use crate::time::Instant;
use crate::wire::dhcp::{DhcpCode, DhcpMessage, routes};
use crate::wire::dns::{DnsMessage, DnsType};
use crate::wire::igmp::IgmpMessage;
use crate::wire::{
    ArpPacket, EtherType, EthernetFrame, Icmpv4Message, Icmpv6Message, IpProtocol, Ipv4Packet, Ipv6Chain,
    Ipv6Packet, MacAddr, TcpOptions, TcpSegment, UdpDatagram,
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
    resolve(bytes);
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
    lease(bytes);
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

/// A server of HTTP: whatever bytes come, and however they are cut, the same requests are heard.
///
/// # Panics
/// If where the bytes were cut made a difference.
pub fn http(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    assert_eq!(heard(&[bytes]), heard(&[first, second]), "cut after {cut}");
}

/// What a server of HTTP hears in these pieces.
fn heard(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let (now, limits) = (Instant::from_ticks(0), Limits { body: 512, ..Limits::default() });
    let mut server = ServerConnection::new(now, [0; 512], limits);
    let (mut requests, mut body, mut pending) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        pending.extend_from_slice(piece);
        loop {
            let (taken, event) = server.on_bytes(now, &pending);
            let last = taken == 0 && event == Event::More;
            let status = match event {
                Event::Request(request) => {
                    requests.push(format!(
                        "{} {} {:?}",
                        request.method.name(),
                        request.path,
                        request.framing
                    ));
                    None
                }
                Event::Body(data) => {
                    body.extend_from_slice(data);
                    None
                }
                Event::End => Some(Status::OK),
                Event::Refused(status) => Some(status),
                Event::More => None,
            };
            if let Some(status) = status {
                requests.push(format!("{}", status.0));
                let written = server.respond(now, &Response::new(status, "", 0), &mut [0; 256]);
                assert!(written.is_ok_and(|written| written > 0), "no answer");
            }
            pending.drain(..taken);
            if last {
                break;
            }
        }
    }
    (requests, body)
}

/// Asks a server for an address, and takes `bytes` for its answers, again and again: twice the offer, twice the rest.
#[expect(clippy::indexing_slicing, reason = "the length is looked at, that of a message out is 300 at least")]
fn lease(bytes: &[u8]) {
    let config = DhcpConfig { mac: MacAddr([2; 6]), previous: None, host_name: b"" };
    let (mut now, mut entropy) = (Instant::from_ticks(0), SeededEntropy::new(1));
    let mut client = DhcpClient::new(now, config);
    let mut message = bytes.to_vec();
    for _ in 0..4 {
        let (mut out, mut sent) = ([0; 600], 0);
        while let Ok(Some(_)) = client.poll(now, &mut entropy, &mut out) {
            sent += 1;
            assert!(sent < 5, "it does not stop talking");
        }
        if message.len() >= 34 {
            message[0] = 2;
            message[4..8].copy_from_slice(&out[4..8]);
            message[28..34].fill(2);
        }
        let _dropped = client.on_message(now, &message);
        now = client.poll_at().map_or(now, |due| due.max(now));
    }
}

/// Asks for a name, and takes `bytes` for the answer, with the question and the identifier made right.
#[expect(clippy::indexing_slicing, reason = "a question has a header")]
fn resolve(bytes: &[u8]) {
    let (now, server) = (Instant::from_ticks(0), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let mut client = DnsClient::<1, 1>::new();
    client.set_servers([SocketAddr::new(server, 53)]);
    let mut out = [0; 320];
    let Ok(query) = client.resolve(now, "a.b", DnsType::A) else { return };
    let Ok(Some(sent)) = client.poll(now, &mut SeededEntropy::new(1), &mut out) else { return };
    let Over::Udp { port } = sent.over else { return };
    let mut answer = [&out[..21], bytes].concat();
    answer[2] = 0x80;
    answer[6..12].iter_mut().zip(bytes).for_each(|(to, from)| *to = *from & 7);
    answer[6] = 0;
    if client.on_message(now, sent.to, port, &answer).is_ok() {
        let _result = client.answer(query);
    }
}
