//! Attacks by who is not on the way: he knows addresses and ports, and has to guess the numbers. Frames are written by etherparse.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panic"
)]

use core::net::{IpAddr, SocketAddr};

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep, TcpHeader};
use kos_net::tcp::TcpState;
use kos_net::testing::Dice;
use kos_net::testing::link::LinkConfig;
use kos_net::testing::world::{HostId, LinkId, World};
use kos_net::time::Duration;
use kos_net::{SocketId, StreamError};

/// Of the stations of a pair.
const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
const WINDOW: u32 = 128 << 10;
const PORT: u16 = 80;
/// Bytes of the header of a frame.
const ETHERNET: usize = 14;

fn server(v4: bool) -> SocketAddr {
    let v6: IpAddr = [0xfd00, 0, 0, 0, 0, 0, 0, 2].into();
    SocketAddr::new(if v4 { [10, 0, 0, 2].into() } else { v6 }, PORT)
}

/// A number that is guessed.
fn number(dice: &mut Dice) -> u32 {
    let [a, b, c, d, ..] = dice.roll().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// A connection of the first host of a pair to the second.
struct Victims {
    world: World,
    hosts: [HostId; 2],
    ends: [SocketId; 2],
    /// Addresses and ports of both.
    places: [SocketAddr; 2],
    dice: Dice,
}

impl Victims {
    fn new(v4: bool) -> Self {
        let (mut world, a, b) = World::pair(11, LinkConfig::perfect(Duration::from_millis(20)));
        let host = world.host(b);
        let listener = host.stack.tcp_listen(server(v4), 4, &mut host.entropy).unwrap();
        let host = world.host(a);
        let client = host.stack.tcp_connect(server(v4), None, &mut host.entropy).unwrap();
        let local = host.stack.local_place(client).unwrap();
        let mut accepted = None;
        world.run(Duration::from_secs(5), |world| {
            accepted = accepted.or(world.host(b).stack.tcp_accept(listener).ok());
            accepted.is_some()
        });
        let (end, _) = accepted.expect("a connection");
        let (hosts, ends, places) = ([a, b], [client, end], [local, server(v4)]);
        Self { world, hosts, ends, places, dice: Dice::new(5) }
    }

    /// Sends `frame`s that each victim takes for the other's, as many as there are windows in all numbers.
    fn spray(&mut self, frame: impl Fn(&mut Dice, [SocketAddr; 2], u32) -> Vec<u8>) {
        let offset = number(&mut self.dice);
        for (index, place) in (0..u32::MAX).step_by(WINDOW as usize).enumerate() {
            for (to, from) in [(0, 1), (1, 0)] {
                let places = [self.places[from], self.places[to]];
                let mut bytes = frame(&mut self.dice, places, place.wrapping_add(offset));
                bytes[..6].copy_from_slice(&MACS[to]);
                bytes[6..12].copy_from_slice(&MACS[from]);
                self.world.inject(self.hosts[to], LinkId::first(), &bytes);
            }
            if index.is_multiple_of(1024) {
                self.world.run(Duration::from_millis(1), |_| false);
            }
        }
        self.world.run(Duration::from_secs(1), |_| false);
    }

    /// Both still talk, and hear what was said, and nothing else.
    fn talk(&mut self) {
        for (from, to) in [(0, 1), (1, 0)] {
            let words: Vec<u8> = (0..40_000).map(|_| self.dice.roll().to_le_bytes()[0]).collect();
            let (mut sent, mut heard) = (0, Vec::new());
            let (hosts, ends) = (self.hosts, self.ends);
            let done = self.world.run(Duration::from_secs(60), |world| {
                let result = world.host(hosts[from]).stack.tcp_send(ends[from], |room| {
                    let count = room.len().min(words.len() - sent);
                    room[..count].copy_from_slice(&words[sent..sent + count]);
                    (count, count)
                });
                assert!(matches!(result, Ok(_) | Err(StreamError::NotNow)), "{result:?}");
                sent += result.unwrap_or(0);
                let _ = world.host(hosts[to]).stack.tcp_receive(ends[to], |bytes| {
                    heard.extend_from_slice(bytes);
                    (bytes.len(), ())
                });
                heard.len() >= words.len()
            });
            assert!(done && heard == words, "{} of {} bytes, or others", heard.len(), words.len());
        }
        for (host, end) in self.hosts.into_iter().zip(self.ends) {
            assert_eq!(self.world.host(host).stack.tcp_state(end), Ok(TcpState::Established));
        }
    }
}

fn packet(places: [SocketAddr; 2]) -> PacketBuilderStep<IpHeaders> {
    let builder = PacketBuilder::ethernet2([0; 6], [0; 6]);
    match (places[0].ip(), places[1].ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => builder.ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => builder.ipv6(from.octets(), to.octets(), 64),
        _ => panic!("one family"),
    }
}

fn segment(places: [SocketAddr; 2], header: TcpHeader, data: &[u8]) -> Vec<u8> {
    let header = TcpHeader { source_port: places[0].port(), destination_port: places[1].port(), ..header };
    let builder = packet(places).tcp_header(header);
    let mut frame = Vec::with_capacity(builder.size(data.len()));
    builder.write(&mut frame, data).unwrap();
    frame
}

/// A segment with random acknowledgement.
fn forged(
    dice: &mut Dice,
    places: [SocketAddr; 2],
    sequence: u32,
    change: impl Fn(&mut TcpHeader),
) -> Vec<u8> {
    let mut header = TcpHeader::new(0, 0, sequence, 1000);
    header.acknowledgment_number = number(dice);
    change(&mut header);
    let data: &[u8] = if header.rst || header.syn { &[] } else { b"evil" };
    segment(places, header, data)
}

fn both(attack: impl Fn(&mut Victims)) {
    for v4 in [true, false] {
        let mut victims = Victims::new(v4);
        attack(&mut victims);
        victims.talk();
    }
}

#[test]
fn resets_in_every_window_end_nothing() {
    both(|victims| {
        victims.spray(|dice, places, place| forged(dice, places, place, |header| header.rst = true));
        victims.spray(|dice, places, place| {
            forged(dice, places, place, |header| (header.rst, header.ack) = (true, true))
        });
    });
}

#[test]
fn syns_in_every_window_end_nothing() {
    both(|victims| {
        victims.spray(|dice, places, place| forged(dice, places, place, |header| header.syn = true));
    });
}

#[test]
fn data_in_every_window_are_not_heard() {
    both(|victims| {
        victims.spray(|dice, places, place| forged(dice, places, place, |header| header.ack = true));
        victims.spray(|dice, places, place| {
            forged(dice, places, place, |header| (header.ack, header.fin) = (true, true))
        });
    });
}

/// An ICMP error about a segment of ours with that number: too long for the next link, or refused there.
fn complaint(places: [SocketAddr; 2], sequence: u32, too_big: bool) -> Vec<u8> {
    // What is quoted went the other way.
    let quoted = segment([places[1], places[0]], TcpHeader::new(0, 0, sequence, 1000), &[0; 100]);
    let quoted = &quoted[ETHERNET..];
    let quoted = &quoted[..quoted.len().min(120)];
    let mut frame = Vec::new();
    match places[0].ip() {
        IpAddr::V4(_) => {
            let why = if too_big {
                DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 600 }
            } else {
                DestUnreachableHeader::Port
            };
            let builder = packet(places).icmpv4(etherparse::Icmpv4Type::DestinationUnreachable(why));
            builder.write(&mut frame, quoted).unwrap();
        }
        IpAddr::V6(_) => {
            let kind = if too_big {
                etherparse::Icmpv6Type::PacketTooBig { mtu: 1280 }
            } else {
                etherparse::Icmpv6Type::DestinationUnreachable(etherparse::icmpv6::DestUnreachableCode::Port)
            };
            packet(places).icmpv6(kind).write(&mut frame, quoted).unwrap();
        }
    }
    frame
}

#[test]
fn icmp_errors_about_what_is_not_in_flight_change_nothing() {
    both(|victims| {
        let mss = |victims: &mut Victims| {
            [0, 1].map(|at| {
                let (host, end) = (victims.hosts[at], victims.ends[at]);
                victims.world.host(host).stack.tcp_info(end).unwrap().mss
            })
        };
        victims.talk();
        let before = mss(victims);
        victims.spray(|_, places, place| complaint(places, place, true));
        victims.spray(|_, places, place| complaint(places, place, false));
        victims.talk();
        assert_eq!(mss(victims), before);
    });
}

#[test]
fn who_does_not_know_the_number_of_a_syn_cannot_refuse_it() {
    for v4 in [true, false] {
        let (mut world, a, b) = World::pair(12, LinkConfig::perfect(Duration::from_millis(400)));
        let host = world.host(b);
        host.stack.tcp_listen(server(v4), 4, &mut host.entropy).unwrap();
        let host = world.host(a);
        let client = host.stack.tcp_connect(server(v4), None, &mut host.entropy).unwrap();
        let places = [server(v4), host.stack.local_place(client).unwrap()];
        let mut dice = Dice::new(9);
        for _ in 0..2000 {
            let (one, other) = (number(&mut dice), number(&mut dice));
            let reset = |header: &mut TcpHeader| (header.rst, header.ack) = (true, true);
            let answer = |header: &mut TcpHeader| (header.syn, header.ack) = (true, true);
            for mut frame in [
                forged(&mut dice, places, one, reset),
                forged(&mut dice, places, one, |header| header.rst = true),
                forged(&mut dice, places, one, answer),
                complaint(places, other, false),
            ] {
                frame[..6].copy_from_slice(&MACS[0]);
                frame[6..12].copy_from_slice(&MACS[1]);
                world.inject(a, LinkId::first(), &frame);
            }
            world.run(Duration::from_micros(100), |_| false);
        }
        let stands = |world: &mut World| world.host(a).stack.tcp_state(client) == Ok(TcpState::Established);
        assert!(world.run(Duration::from_secs(5), stands));
    }
}
