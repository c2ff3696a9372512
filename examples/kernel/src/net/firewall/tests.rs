//! The list against a model that knows packets before they are bytes, and the words of rules.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use kos_net::dev::{Batch, HeapFrame, Loopback, Medium};
use kos_net::{Frame as _, NetDevice as _};
use proptest::prelude::*;

use super::*;

/// A packet before it is bytes.
#[derive(Clone, Copy, Debug)]
struct Sent {
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    ports: [u16; 2],
    /// Of TCP: FIN 1, SYN 2, RST 4, ACK 16.
    flags: u8,
    /// Bytes before this piece, and how many are in it; nothing: the whole.
    piece: Option<(u16, usize)>,
    /// Whether a header of options stands before all, of IPv6 only.
    options: bool,
}

impl Sent {
    fn datagram(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.ports.into_iter().flat_map(u16::to_be_bytes).collect();
        match self.protocol {
            6 => bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, self.flags, 1, 0, 0, 0, 0, 0]),
            17 => bytes.extend([0, 8, 0, 0]),
            _ => bytes.extend([0; 4]),
        }
        bytes
    }

    /// By hand, from the RFCs.
    fn bytes(&self) -> Vec<u8> {
        let datagram = self.datagram();
        let payload = match self.piece {
            None => datagram,
            Some((0, count)) => datagram[..count.min(datagram.len())].to_vec(),
            Some((_, count)) => datagram.iter().cycle().take(count).copied().collect(),
        };
        match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let length = u16::try_from(20 + payload.len()).unwrap();
                let place = self.piece.map_or(0, |(offset, _)| 0x2000 | (offset / 8));
                let mut bytes = alloc::vec![0x45, 0];
                bytes.extend(length.to_be_bytes());
                bytes.extend([0, 7]);
                bytes.extend(place.to_be_bytes());
                bytes.extend([64, self.protocol, 0, 0]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
                let sum: u32 =
                    bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
                let sum = u16::try_from(!((sum & 0xffff) + (sum >> 16)) & 0xffff).unwrap();
                bytes[10..12].copy_from_slice(&sum.to_be_bytes());
                bytes.extend(payload);
                bytes
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let (mut next, mut behind) = (self.protocol, payload);
                if let Some((offset, _)) = self.piece {
                    let mut header = alloc::vec![next, 0];
                    header.extend((offset | 1).to_be_bytes());
                    header.extend([0, 0, 0, 7]);
                    behind.splice(0..0, header);
                    next = 44;
                }
                if self.options {
                    behind.splice(0..0, [next, 0, 1, 4, 0, 0, 0, 0]);
                    next = 60;
                }
                let mut bytes = alloc::vec![0x60, 0, 0, 0];
                bytes.extend(u16::try_from(behind.len()).unwrap().to_be_bytes());
                bytes.extend([next, 64]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
                bytes.extend(behind);
                bytes
            }
            _ => unreachable!("of one family"),
        }
    }

    /// Whether its header of TCP or UDP is whole and here.
    fn shows_header(&self) -> bool {
        let header = if self.protocol == 6 { 20 } else { 8 };
        self.piece.is_none_or(|(offset, count)| offset == 0 && count >= header)
    }

    /// Whether a rule decides, word by word of what is printed.
    fn fits(&self, text: &str, direction: &str, link: &str) -> bool {
        let words: Vec<&str> = text.split(' ').collect();
        let drops = words.contains(&"drop");
        let behind = |word| words.iter().position(|one| *one == word).map(|at| words[at + 1]);
        let is_v4 = self.to.is_ipv4();
        let asks_header = ["sport", "port"].into_iter().any(|word| words.contains(&word));
        let mut all = true;
        for (word, wrong) in [("in", "out"), ("out", "in")] {
            all &= !(words.contains(&word) && direction == wrong);
        }
        all &= behind("on").is_none_or(|one| one == link);
        all &= behind("from").is_none_or(|one| within(one, self.from));
        all &= behind("to").is_none_or(|one| within(one, self.to));
        for (word, number) in [("tcp", 6), ("udp", 17), ("icmp", if is_v4 { 1 } else { 58 })] {
            all &= !words.contains(&word) || self.protocol == number;
        }
        if asks_header {
            all &= matches!(self.protocol, 6 | 17);
            all &= if self.shows_header() {
                behind("sport").is_none_or(|one| among(one, self.ports[0]))
                    && behind("port").is_none_or(|one| among(one, self.ports[1]))
            } else {
                drops
            };
        }
        if words.contains(&"syn") || words.contains(&"established") {
            all &= if self.shows_header() {
                words.contains(&"syn") && self.flags & 0x12 == 2
                    || words.contains(&"established") && self.flags & 0x14 != 0
            } else {
                drops
            };
        }
        all
    }
}

/// Bit by bit.
fn within(network: &str, address: IpAddr) -> bool {
    let (first, prefix) = network.split_once('/').unwrap();
    let bits = |address: IpAddr| -> Vec<bool> {
        let octets = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        octets.into_iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
    };
    let (first, address): (Vec<bool>, _) = (bits(first.parse().unwrap()), bits(address));
    let prefix: usize = prefix.parse().unwrap();
    first.len() == address.len() && first[..prefix] == address[..prefix]
}

fn among(ports: &str, port: u16) -> bool {
    let ends: Vec<u16> = ports.split('-').map(|one| one.parse().unwrap()).collect();
    port >= ends[0] && port <= *ends.last().unwrap()
}

fn some_address(v6: bool) -> impl Strategy<Value = IpAddr> {
    let all = if v6 {
        ["fe80::1", "fe80::8001", "2001:db8::1", "::1"]
    } else {
        ["10.0.2.15", "10.0.2.2", "10.0.130.2", "127.0.0.1"]
    };
    prop::sample::select(all.map(|one| one.parse::<IpAddr>().unwrap()).to_vec())
}

fn some_packet() -> impl Strategy<Value = Sent> {
    let protocols = prop::sample::select(alloc::vec![1_u8, 6, 6, 6, 17, 17, 58, 47]);
    let pieces =
        prop::option::weighted(0.3, (prop::sample::select(alloc::vec![0_u16, 0, 8, 800]), 8..24_usize));
    let ports = [0..4_u16, 0..4_u16];
    (any::<bool>(), protocols, ports, 0..32_u8, pieces, any::<bool>()).prop_flat_map(
        |(v6, protocol, ports, flags, piece, options)| {
            (some_address(v6), some_address(v6)).prop_map(move |(from, to)| Sent {
                from,
                to,
                protocol,
                ports,
                flags,
                piece,
                options,
            })
        },
    )
}

/// The words of a rule; some are none.
fn some_words() -> impl Strategy<Value = String> {
    let nothing = || Just(String::new());
    let number = || prop_oneof![0..4_u16, Just(9)];
    let ports = || {
        (number(), 0..2_u16).prop_map(|(first, more)| {
            if more > 0 { alloc::format!("{first}-{}", first + more) } else { first.to_string() }
        })
    };
    let network = || {
        (any::<bool>().prop_flat_map(some_address), 0..=32_u8)
            .prop_map(|(address, prefix)| alloc::format!("{address}/{prefix}"))
    };
    (
        prop_oneof![3 => nothing(), 1 => Just("in".into()), 1 => Just("out".into())],
        prop::sample::select(alloc::vec!["accept", "drop"]),
        prop::sample::select(alloc::vec!["", "", "any", "tcp", "tcp", "udp", "icmp"]),
        prop_oneof![2 => nothing(), 1 => network().prop_map(|one| alloc::format!("from {one}"))],
        prop_oneof![3 => nothing(), 1 => ports().prop_map(|one| alloc::format!("sport {one}"))],
        prop_oneof![2 => nothing(), 1 => network().prop_map(|one| alloc::format!("to {one}"))],
        prop_oneof![3 => nothing(), 2 => ports().prop_map(|one| alloc::format!("port {one}"))],
        prop_oneof![4 => nothing(), 1 => Just("on lo".into()), 1 => Just("on eth0".into())],
        prop::sample::select(alloc::vec!["", "", "", "syn", "established"]),
    )
        .prop_map(|(direction, action, kind, from, sport, to, port, link, flags)| {
            [&*direction, action, kind, &from, &sport, &to, &port, &link, flags].join(" ")
        })
}

fn read(text: &str) -> Result<Rule, WordError> {
    rule(text.split_ascii_whitespace())
}

proptest! {
    /// Every packet of a row of them against every list.
    #[test]
    fn the_first_rule_that_fits_decides(
        texts in prop::collection::vec(some_words(), 0..6),
        packets in prop::collection::vec((some_packet(), any::<bool>(), any::<bool>()), 1..12),
        drops in any::<[bool; 2]>(),
    ) {
        let mut firewall = Firewall::new();
        for (direction, drops) in Direction::ALL.into_iter().zip(drops) {
            firewall.set_default(direction, if drops { Action::Drop } else { Action::Accept });
        }
        let mut printed = Vec::new();
        for rule in texts.iter().filter_map(|text| read(text).ok()) {
            firewall.add(rule).unwrap();
            printed.push(rule.to_string());
        }
        let mut counts = alloc::vec![0; printed.len()];
        for (packet, out, own) in packets {
            let (way, link) = (if out { "out" } else { "in" }, if own { "lo" } else { "eth0" });
            let first = printed.iter().position(|text| packet.fits(text, way, link));
            let wanted = first.map_or(drops[usize::from(out)], |first| printed[first].contains("drop"));
            first.map(|first| counts[first] += 1).unwrap_or_default();
            let bytes = packet.bytes();
            let (ether, kind): (_, [u8; 2]) = ([2_u8; 12], if packet.to.is_ipv4() { [8, 0] } else { [0x86, 0xdd] });
            let (medium, bytes) = match own {
                true => (Medium::Ip, bytes),
                false => (Medium::Ethernet, [&ether[..], &kind, &bytes].concat()),
            };
            let link = if own { Link::Own } else { Link::Card };
            let verdict = firewall.judge(if out { Direction::Out } else { Direction::In }, link, medium, &bytes);
            prop_assert_eq!(verdict == Action::Drop, wanted, "{:?} {} under {:?}", packet, way, printed);
        }
        prop_assert_eq!(firewall.rules().map(|(_, count)| count.packets).collect::<Vec<_>>(), counts);
    }

    #[test]
    fn a_rule_that_is_printed_is_read_as_the_same(text in some_words()) {
        if let Ok(rule) = read(&text) {
            prop_assert_eq!(read(&rule.to_string()), Ok(rule));
        }
    }
}

#[test]
fn words_that_are_no_rule_are_named() {
    for (text, wrong) in [
        ("", WordError::NoAction),
        ("in tcp", WordError::NoAction),
        ("accept sctp", WordError::Unknown(1)),
        ("accept drop", WordError::Twice(1)),
        ("accept in out", WordError::Twice(2)),
        ("accept from", WordError::Lacks(1)),
        ("accept from 10.0.0.0/33", WordError::NoNetwork(2)),
        ("accept from ::/129", WordError::NoNetwork(2)),
        ("accept from 10.0.0.0/+8", WordError::NoNetwork(2)),
        ("accept port 65536", WordError::NoPorts(2)),
        ("accept port 9-8", WordError::NoPorts(2)),
        ("accept port 1-2-3", WordError::NoPorts(2)),
        ("accept on eth1", WordError::Unknown(2)),
        ("accept from ::1 to 10.0.0.1", WordError::Families),
        ("accept icmp port 1", WordError::PortsOfIcmp),
        ("accept udp syn", WordError::FlagsWithoutTcp),
    ] {
        assert_eq!(read(text), Err(wrong), "{text}");
    }
    let long = "port 80-90 established drop to 10.1.2.3/8 on lo sport 7 in";
    assert_eq!(
        read(long).unwrap().to_string(),
        "in drop tcp sport 7 to 10.0.0.0/8 port 80-90 on lo established"
    );
}

/// A fragment's header leads on to options, behind which the port stands: dropped by who asks for a port, not accepted.
#[test]
fn what_is_hidden_counts_against_a_packet() {
    let hidden = Sent {
        from: "2001:db8::1".parse().unwrap(),
        to: "2001:db8::2".parse().unwrap(),
        protocol: 60,
        ports: [0x0600, 0x0104],
        flags: 0,
        piece: Some((0, 8)),
        options: false,
    };
    let bytes = hidden.bytes();
    let packet = Packet::read(Medium::Ip, &bytes).unwrap();
    assert_eq!((packet.protocol, packet.ports), (None, None));
    // An option that must be known: the stack would say that it is not.
    let mut strange = Sent { protocol: 6, piece: None, options: true, ..hidden }.bytes();
    strange[42] = 0x80;
    assert_eq!(Packet::read(Medium::Ip, &strange).unwrap().protocol, None);
    for bytes in [bytes, strange] {
        let mut firewall = Firewall::new();
        firewall.add(read("drop tcp port 80").unwrap()).unwrap();
        assert_eq!(firewall.judge(Direction::In, Link::Card, Medium::Ip, &bytes), Action::Drop);
        firewall.flush();
        firewall.set_default(Direction::In, Action::Drop);
        firewall.add(read("accept tcp").unwrap()).unwrap();
        assert_eq!(firewall.judge(Direction::In, Link::Card, Medium::Ip, &bytes), Action::Drop);
    }
}

#[test]
fn what_is_no_packet_passes_and_is_not_counted() {
    let mut firewall = Firewall::new();
    firewall.add(read("drop").unwrap()).unwrap();
    let arp = [&[0xff; 12][..], &[8, 6], &[0; 28]].concat();
    for (medium, bytes) in
        [(Medium::Ethernet, &*arp), (Medium::Ip, &[0x45]), (Medium::Ip, &[]), (Medium::Ip, &[0x15; 60])]
    {
        assert_eq!(firewall.judge(Direction::In, Link::Card, medium, bytes), Action::Accept);
    }
    assert_eq!(firewall.rules().next().unwrap().1, Count::default());
}

#[test]
fn a_list_has_an_end_and_numbers_from_one() {
    let (mut firewall, one) = (Firewall::new(), read("drop tcp").unwrap());
    for number in 1..=RULES_MAX {
        assert_eq!(firewall.insert(number, one), Ok(()));
    }
    assert_eq!((firewall.add(one), firewall.insert(1, one)), (Err(ListError::Full), Err(ListError::Full)));
    assert_eq!(firewall.remove(0), Err(ListError::NoRule { number: 0, have: RULES_MAX }));
    assert_eq!(firewall.remove(RULES_MAX), Ok(one));
    firewall.insert(1, read("accept udp").unwrap()).unwrap();
    assert_eq!(firewall.rules().next().unwrap().0.kind, Kind::Udp);
    firewall.flush();
    assert_eq!(firewall.insert(2, one), Err(ListError::NoRule { number: 2, have: 0 }));
    assert!(firewall.is_open());
}

fn lease(device: &mut Loopback<Vec<u8>, 2>, bytes: &[u8]) -> HeapFrame {
    let mut frame = device.lease(bytes.len()).unwrap();
    frame.bytes_mut().copy_from_slice(bytes);
    frame
}

/// A device that takes two frames at a time: the third waits, and is not counted again.
#[test]
fn frames_that_wait_are_judged_once() {
    let (mut device, mut firewall) = (Loopback::new(1500), Firewall::new());
    firewall.add(read("out drop udp").unwrap()).unwrap();
    firewall.add(read("in drop tcp port 2").unwrap()).unwrap();
    firewall.add(read("out accept tcp").unwrap()).unwrap();
    let tcp = Sent {
        from: "127.0.0.1".parse().unwrap(),
        to: "127.0.0.1".parse().unwrap(),
        protocol: 6,
        ports: [1, 2],
        flags: 2,
        piece: None,
        options: false,
    };
    let mut out = Batch::new();
    for protocol in [6, 17, 6, 6, 17] {
        out.push(lease(&mut device, &Sent { protocol, ..tcp }.bytes())).unwrap();
    }
    let mut back: Batch<HeapFrame, _> = Batch::new();
    for left in [1, 0] {
        Fence::new(&mut device, &mut firewall, Link::Own).transmit(&mut out).unwrap();
        assert_eq!(out.len(), left);
        Fence::new(&mut device, &mut firewall, Link::Own).receive(&mut back).unwrap();
        assert!(back.is_empty() && firewall.take_dropped());
    }
    let counts: Vec<u64> = firewall.rules().map(|(_, count)| count.packets).collect();
    assert_eq!(counts, [2, 3, 3]);
    firewall.flush();
    out.push(lease(&mut device, &tcp.bytes())).unwrap();
    Fence::new(&mut device, &mut firewall, Link::Own).transmit(&mut out).unwrap();
    Fence::new(&mut device, &mut firewall, Link::Own).receive(&mut back).unwrap();
    assert!(back.len() == 1 && !firewall.take_dropped());
}

#[test]
fn a_file_is_rules_in_order_or_none() {
    let file = Firewall::read(
        b"# who comes in\ndefault in drop\n\n  in accept tcp port 80 syn # the web\naccept on lo\n",
    )
    .unwrap();
    let said = "default in drop\ndefault out accept\nin accept tcp port 80 syn\naccept any on lo\n";
    assert_eq!(file.lines().to_string(), said);
    assert_eq!(Firewall::read(said.as_bytes()).unwrap().lines().to_string(), said);
    let many = "drop tcp\n".repeat(RULES_MAX + 1);
    let long = "#".repeat(FILE_MAX + 1);
    for (file, line, says) in [
        ("default in drop\nin accept tcp prt 80\n", 2, "word 4 means nothing in a rule"),
        ("default sideways drop", 1, "default says [in | out], accept or drop"),
        ("default", 1, "default says"),
        ("default in drop out", 1, "default says"),
        ("in tcp", 1, "say accept or drop"),
        (&many, 33, "room for no more"),
        (&long, 1, "more than 8192 bytes"),
    ] {
        let error = Firewall::read(file.as_bytes()).unwrap_err();
        assert!(error.line == line && error.to_string().contains(says), "{error}");
    }
    assert_eq!(Firewall::read(b"drop\xff").unwrap_err().problem, Problem::NotText);
}

/// A machine that is closed hears itself, and nothing of the card.
#[test]
fn who_is_closed_talks_to_itself_only() {
    let mut firewall = Firewall::new();
    firewall.add(read("accept").unwrap()).unwrap();
    firewall.take(Firewall::closed());
    let sent = Sent {
        from: "10.0.2.2".parse().unwrap(),
        to: "10.0.2.15".parse().unwrap(),
        protocol: 1,
        ports: [1, 2],
        flags: 0,
        piece: None,
        options: false,
    };
    for direction in Direction::ALL {
        let mut judge = |link| firewall.judge(direction, link, Medium::Ip, &sent.bytes());
        assert_eq!((judge(Link::Own), judge(Link::Card)), (Action::Accept, Action::Drop));
    }
}

#[test]
fn seeds_of_the_fuzz_target_hold() {
    for protocol in [1, 6, 17] {
        let packet = Sent {
            from: "10.0.2.2".parse().unwrap(),
            to: "10.0.2.15".parse().unwrap(),
            protocol,
            ports: [1, 80],
            flags: 2,
            piece: None,
            options: false,
        };
        let seed = [b"in drop tcp from 10.0.0.0/8 port 80 syn\n", &*packet.bytes()].concat();
        testing::frame(&seed);
        (0..seed.len()).for_each(|end| testing::frame(&seed[..end]));
    }
    testing::frame(include_bytes!("../../../../../fuzz/corpus/firewall_frame/syn"));
}
