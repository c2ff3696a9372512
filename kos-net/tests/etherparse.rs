//! Frames that `etherparse` builds are, byte for byte, those that are built here, and are read back alike.

#![cfg(test)]
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{PacketBuilder, PacketBuilderStep, SingleVlanHeader, TcpOptionElement, VlanId};
use kos_net::testing::cases;
use kos_net::wire::{
    Echo, EtherType, EthernetFrame, EthernetHeader, Icmpv4Message, Icmpv6Message, IpProtocol, Ipv4Header,
    Ipv4Packet, Ipv6Chain, Ipv6Header, Ipv6Packet, MAX_OPTIONS, MacAddr, SeqNumber, TcpFields, TcpFlags,
    TcpHeader, TcpOptions, TcpSegment, TcpTimestamps, UdpDatagram, UdpHeader, VlanTag,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use zerocopy::IntoBytes as _;
use zerocopy::network_endian::U16;

#[derive(Clone, Copy, Debug)]
enum Upper {
    Udp { source: u16, destination: u16 },
    Tcp { fields: TcpFields, options: TcpOptions },
    Ping { identifier: u16, sequence: u16 },
}

#[derive(Clone, Debug)]
struct Spec {
    macs: [MacAddr; 2],
    tags: Vec<u16>,
    addresses: [IpAddr; 2],
    hops: u8,
    upper: Upper,
    data: Vec<u8>,
}

fn any_addresses() -> impl Strategy<Value = [IpAddr; 2]> {
    let v4 = any::<[[u8; 4]; 2]>().prop_map(|pair| pair.map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))));
    let v6 = any::<[[u8; 16]; 2]>().prop_map(|pair| pair.map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes))));
    prop_oneof![v4, v6]
}

fn any_segment() -> impl Strategy<Value = Upper> {
    let flags = (0..=0xff_u16).prop_map(|bits| TcpFlags::from_bits_truncate(bits & !TcpFlags::URG.bits()));
    let ports = (1..=u16::MAX, 1..=u16::MAX);
    let clocks = (any::<u32>(), any::<u32>()).prop_map(|(value, echo)| TcpTimestamps { value, echo });
    let options =
        (any::<Option<u16>>(), prop::option::of(0..=14_u8), any::<bool>(), prop::option::of(clocks));
    let fields = (ports, any::<u32>(), any::<u32>(), flags, any::<u16>());
    (fields, options).prop_map(|((ports, sequence, acknowledgement, flags, window), options)| {
        let acknowledgement = if flags.contains(TcpFlags::ACK) { acknowledgement } else { 0 };
        let fields = TcpFields {
            source: ports.0,
            destination: ports.1,
            sequence: SeqNumber(sequence),
            acknowledgement: SeqNumber(acknowledgement),
            flags,
            window,
        };
        let (mss, window_scale, sack_permitted, timestamps) = options;
        let options = TcpOptions { mss, window_scale, sack_permitted, timestamps, ..TcpOptions::default() };
        Upper::Tcp { fields, options }
    })
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let ports = (any::<u16>(), 1..=u16::MAX);
    let upper = prop_oneof![
        ports.prop_map(|(source, destination)| Upper::Udp { source, destination }),
        any_segment(),
        any::<(u16, u16)>().prop_map(|(identifier, sequence)| Upper::Ping { identifier, sequence }),
    ];
    let macs = any::<[[u8; 6]; 2]>().prop_map(|macs| macs.map(MacAddr));
    let tags = prop::collection::vec(0..4096_u16, 0..=2);
    let data = prop::collection::vec(any::<u8>(), 0..1400);
    (macs, tags, any_addresses(), any::<u8>(), upper, data).prop_map(
        |(macs, tags, addresses, hops, upper, data)| Spec { macs, tags, addresses, hops, upper, data },
    )
}

/// As etherparse builds it.
fn theirs(spec: &Spec) -> Vec<u8> {
    let [from, to] = spec.macs.map(|mac| mac.0);
    let start = PacketBuilder::ethernet2(from, to);
    let id = |tag: u16| VlanId::try_new(tag).unwrap();
    let ip = match (spec.tags.as_slice(), spec.addresses) {
        ([], [IpAddr::V4(a), IpAddr::V4(b)]) => start.ipv4(a.octets(), b.octets(), spec.hops),
        ([], [IpAddr::V6(a), IpAddr::V6(b)]) => start.ipv6(a.octets(), b.octets(), spec.hops),
        (tags, addresses) => {
            let start = match tags {
                [tag] => start.single_vlan(id(*tag)),
                [outer, inner, ..] => start.double_vlan(id(*outer), id(*inner)),
                [] => unreachable!("addresses are of one family"),
            };
            match addresses {
                [IpAddr::V4(a), IpAddr::V4(b)] => start.ipv4(a.octets(), b.octets(), spec.hops),
                [IpAddr::V6(a), IpAddr::V6(b)] => start.ipv6(a.octets(), b.octets(), spec.hops),
                _ => unreachable!("addresses are of one family"),
            }
        }
    };
    let mut out = Vec::new();
    upper(ip, spec, &mut out);
    out
}

fn upper(ip: PacketBuilderStep<etherparse::IpHeaders>, spec: &Spec, out: &mut Vec<u8>) {
    match spec.upper {
        Upper::Udp { source, destination } => ip.udp(source, destination).write(out, &spec.data).unwrap(),
        Upper::Ping { identifier, sequence } if spec.addresses[0].is_ipv4() => {
            ip.icmpv4_echo_request(identifier, sequence).write(out, &spec.data).unwrap();
        }
        Upper::Ping { identifier, sequence } => {
            ip.icmpv6_echo_request(identifier, sequence).write(out, &spec.data).unwrap();
        }
        Upper::Tcp { fields, options } => {
            let mut header = etherparse::TcpHeader::new(
                fields.source,
                fields.destination,
                fields.sequence.0,
                fields.window,
            );
            header.acknowledgment_number = fields.acknowledgement.0;
            for (flag, field) in [
                (TcpFlags::FIN, &mut header.fin),
                (TcpFlags::SYN, &mut header.syn),
                (TcpFlags::RST, &mut header.rst),
                (TcpFlags::PSH, &mut header.psh),
                (TcpFlags::ACK, &mut header.ack),
                (TcpFlags::ECE, &mut header.ece),
                (TcpFlags::CWR, &mut header.cwr),
            ] {
                *field = fields.flags.contains(flag);
            }
            header.set_options(&elements(&options)).unwrap();
            ip.tcp_header(header).write(out, &spec.data).unwrap();
        }
    }
}

/// The options in the order in which they are written here.
fn elements(options: &TcpOptions) -> Vec<TcpOptionElement> {
    use TcpOptionElement::{
        MaximumSegmentSize, Noop, SelectiveAcknowledgementPermitted, Timestamp, WindowScale,
    };
    let mut all: Vec<TcpOptionElement> = options.mss.map(MaximumSegmentSize).into_iter().collect();
    match (options.sack_permitted, options.timestamps.is_some()) {
        (true, true) => all.push(SelectiveAcknowledgementPermitted),
        (true, false) => all.extend([Noop, Noop, SelectiveAcknowledgementPermitted]),
        (false, true) => all.extend([Noop, Noop]),
        (false, false) => {}
    }
    all.extend(options.timestamps.map(|clocks| Timestamp(clocks.value, clocks.echo)));
    all.extend(options.window_scale.into_iter().flat_map(|shift| [Noop, WindowScale(shift)]));
    all
}

/// As it is built here.
fn ours(spec: &Spec) -> Vec<u8> {
    let [from, to] = spec.addresses;
    let (protocol, segment) = match spec.upper {
        Upper::Udp { source, destination } => {
            let header = UdpHeader::new((from, source), (to, destination), &spec.data).unwrap();
            (IpProtocol::UDP, [header.as_bytes(), &spec.data].concat())
        }
        Upper::Tcp { fields, options } => {
            let mut out = [0; MAX_OPTIONS];
            let length = options.emit(&mut out).unwrap();
            let rest = [&out[..length], &spec.data].concat();
            let header = TcpHeader::new(&fields, length).seal(from, to, &rest);
            (IpProtocol::TCP, [header.as_bytes(), &rest].concat())
        }
        Upper::Ping { identifier, sequence } => {
            let echo = Echo { identifier, sequence, data: &spec.data };
            let mut out = vec![0; spec.data.len() + 8];
            match (from, to) {
                (IpAddr::V6(from), IpAddr::V6(to)) => {
                    Icmpv6Message::EchoRequest(echo).emit(from, to, &mut out).unwrap();
                    (IpProtocol::ICMPV6, out)
                }
                _ => {
                    Icmpv4Message::EchoRequest(echo).emit(&mut out).unwrap();
                    (IpProtocol::ICMP, out)
                }
            }
        }
    };
    let (ether_type, header) = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = Ipv4Header::new(from, to, protocol, spec.hops, segment.len()).unwrap();
            (EtherType::IPV4, header.as_bytes().to_vec())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header::new(from, to, protocol, spec.hops, segment.len()).unwrap();
            (EtherType::IPV6, header.as_bytes().to_vec())
        }
        _ => unreachable!("addresses are of one family"),
    };
    [link(spec, ether_type), header, segment].concat()
}

fn link(spec: &Spec, ether_type: EtherType) -> Vec<u8> {
    let first = match spec.tags.len() {
        0 => ether_type,
        1 => EtherType::VLAN,
        _ => EtherType::SERVICE_VLAN,
    };
    let [source, destination] = spec.macs;
    let header = EthernetHeader { destination, source, ether_type: U16::new(first.0) };
    let mut out = header.as_bytes().to_vec();
    for (index, &tag) in spec.tags.iter().enumerate() {
        let next = if index + 1 < spec.tags.len() { EtherType::VLAN } else { ether_type };
        out.extend(VlanTag::new(tag, 0, next).as_bytes());
    }
    out
}

/// Reads a frame, sums checked, and compares what it says with the specification.
fn read(frame: &[u8], spec: &Spec) -> Result<(), TestCaseError> {
    let frame = EthernetFrame::parse(frame).unwrap();
    prop_assert_eq!([frame.header.source, frame.header.destination], spec.macs);
    let tags: Vec<u16> = frame.tags.into_iter().flatten().map(VlanTag::id).collect();
    prop_assert_eq!(&tags, &spec.tags);
    let [from, to] = spec.addresses;
    let (protocol, payload) = if from.is_ipv4() {
        let packet = Ipv4Packet::parse(frame.payload).unwrap();
        let addresses = [packet.header.source(), packet.header.destination()].map(IpAddr::from);
        prop_assert_eq!(addresses, spec.addresses);
        (packet.header.protocol(), packet.payload)
    } else {
        let packet = Ipv6Packet::parse(frame.payload).unwrap();
        let addresses = [packet.header.source(), packet.header.destination()].map(IpAddr::from);
        prop_assert_eq!(addresses, spec.addresses);
        let chain = Ipv6Chain::follow(&packet).unwrap();
        (chain.protocol, chain.payload)
    };
    match (spec.upper, protocol) {
        (Upper::Udp { source, destination }, IpProtocol::UDP) => {
            let datagram = UdpDatagram::parse(payload, from, to, false).unwrap();
            let ports = (datagram.header.source.get(), datagram.header.destination.get());
            prop_assert_eq!((ports, datagram.data), ((source, destination), &spec.data[..]));
        }
        (Upper::Tcp { fields, options }, IpProtocol::TCP) => {
            let segment = TcpSegment::parse(payload, from, to, false).unwrap();
            prop_assert_eq!(segment.header.flags(), fields.flags);
            prop_assert_eq!(segment.header.sequence(), fields.sequence);
            prop_assert_eq!(TcpOptions::parse(segment.options), options);
            prop_assert_eq!(segment.data, &spec.data[..]);
        }
        (Upper::Ping { .. }, IpProtocol::ICMP) => {
            let message = Icmpv4Message::parse(payload, false).unwrap();
            prop_assert!(matches!(message, Icmpv4Message::EchoRequest(echo) if echo.data == spec.data));
        }
        (Upper::Ping { .. }, IpProtocol::ICMPV6) => {
            let (IpAddr::V6(from), IpAddr::V6(to)) = (from, to) else { unreachable!("one family") };
            let message = Icmpv6Message::parse(payload, from, to, false).unwrap();
            prop_assert!(matches!(message, Icmpv6Message::EchoRequest(echo) if echo.data == spec.data));
        }
        (upper, protocol) => prop_assert!(false, "{upper:?} came as {protocol:?}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config {
        cases: cases(),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..Config::default()
    })]
    #[test]
    fn frames_are_built_and_read_alike(spec in any_spec()) {
        let (theirs, ours) = (theirs(&spec), ours(&spec));
        prop_assert_eq!(&ours, &theirs);
        read(&theirs, &spec)?;
    }

    #[test]
    fn damaged_frames_never_panic(spec in any_spec(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut frame = ours(&spec);
        let at = at.index(frame.len());
        frame[at] ^= 1_u8 << bit;
        kos_net::testing::fuzz::wire(&frame);
        kos_net::testing::fuzz::wire(&frame[..at]);
    }
}

#[test]
fn priorities_of_tags_stand_in_the_same_bits() {
    let tag = VlanTag::new(100, 5, EtherType::IPV4);
    let theirs = SingleVlanHeader {
        pcp: etherparse::VlanPcp::try_new(5).unwrap(),
        drop_eligible_indicator: false,
        vlan_id: VlanId::try_new(100).unwrap(),
        ether_type: etherparse::EtherType::IPV4,
    };
    assert_eq!(tag.as_bytes(), theirs.to_bytes());
}
