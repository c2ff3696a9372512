//! Whole stacks under fuzzing: one that gets any frames ([`stack_rx`]), and two that talk ([`two_stacks`]).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use zerocopy::IntoBytes as _;

use crate::config::Config;
use crate::dev::{Batch, Capabilities, FrameChecksum, HeapFrame, Medium};
use crate::link::InterfaceId;
use crate::ports::{Frame as _, NetDevice};
use crate::sock::{HeapStorage, SocketId};
use crate::stack::{Budget, Stack};
use crate::testing::fakes::SeededEntropy;
use crate::testing::link::LinkConfig;
use crate::testing::world::{HostId, World};
use crate::time::{Duration, Instant, after};
use crate::wire::{EtherType, EthernetHeader, IpProtocol, Ipv4Header, MacAddr, TcpSegment};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OUR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

/// Queues of frames.
struct Wire {
    capabilities: Capabilities,
    inbox: VecDeque<HeapFrame>,
    outbox: Vec<Vec<u8>>,
}

impl NetDevice for Wire {
    type Frame = HeapFrame;
    type Error = Infallible;

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, into: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        while into.room() > 0
            && let Some(frame) = self.inbox.pop_front()
        {
            drop(into.push(frame));
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        HeapFrame::allocate(bytes)
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        self.outbox.extend(core::iter::from_fn(|| from.pop()).map(|frame| frame.bytes().to_vec()));
        Ok(())
    }
}

/// What the last segment that the stack sent asks for.
#[derive(Clone, Copy, Default)]
struct Asked {
    sequence: u32,
    acknowledgement: u32,
    port: u16,
}

/// Frames of all kinds come to a stack with sockets open, with times between them. Each step says in three bytes what it is, how much
/// time goes by, and how many of the bytes that follow are its own. Sums are taken as verified, and segments of TCP may follow
/// on what the stack said last: else none would get beyond the handshake.
///
/// # Panics
/// If the stack breaks a law.
#[expect(clippy::expect_used, reason = "this configuration can be")]
pub fn stack_rx(steps: &[u8]) {
    let mut entropy = SeededEntropy::new(1);
    let capabilities = Capabilities::new(Medium::Ethernet, 1500);
    let mut wire = Wire { capabilities, inbox: VecDeque::new(), outbox: Vec::new() };
    let mut config = Config::new();
    (config.limits.send_bytes, config.limits.receive_bytes) = (4096, 4096);
    let mut stack = Stack::new(config, HeapStorage::new(32, 16), &mut entropy).expect("a stack");
    let on = stack.add_interface(&capabilities, OUR_MAC, &mut entropy).expect("an interface");
    stack.add_address(on, HERE.into(), 24).expect("an address");
    stack.add_address(on, IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]), 64).expect("an address");
    let listener = stack.tcp_listen(any(80), 4, &mut entropy).expect("a listener");
    let datagrams = stack.udp_bind(any(7), &mut entropy).expect("a socket");
    let to = SocketAddr::from((PEER, 99));
    let client = stack.tcp_connect(to, None, &mut entropy).expect("a connection");
    let mut open = Vec::from([client]);
    let (mut now, mut asked, mut rest) = (Instant::from_ticks(1), Asked::default(), steps);
    while let Some((&[kind, time, length], bytes)) = rest.split_first_chunk::<3>() {
        let (bytes, later) = bytes.split_at(usize::from(length).min(bytes.len()));
        rest = later;
        now = after(now, Duration::from_micros(1 << (time % 28)));
        wire.inbox.push_back(frame(kind, bytes, asked));
        let Ok(_) = stack.poll(now, InterfaceId(0), &mut wire, Budget::default());
        open.extend(stack.tcp_accept(listener).ok().map(|(id, _)| id));
        use_sockets(&mut stack, kind, &mut open, datagrams);
        let Ok(_) = stack.poll(now, InterfaceId(0), &mut wire, Budget::default());
        asked = wire.outbox.drain(..).filter_map(|frame| seen(&frame)).next_back().unwrap_or(asked);
        while stack.next_ready().is_some() {}
        assert_eq!(stack.check(), Ok(()));
        let stats = stack.stats();
        assert_eq!(stats.frames_in, stats.accounted(), "frames without an end");
    }
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([0; 16]), port)
}

/// Reads, answers, and now and then closes.
fn use_sockets(
    stack: &mut Stack<HeapFrame, HeapStorage<HeapFrame>>,
    kind: u8,
    open: &mut Vec<SocketId>,
    datagrams: SocketId,
) {
    for &id in open.iter() {
        if kind & 16 != 0 {
            let _none = stack.tcp_receive(id, |bytes| (bytes.len(), ()));
        }
        if kind & 32 != 0 {
            let _none = stack.tcp_send(id, |room| (room.len().min(700), ()));
        }
    }
    if kind & 64 != 0 && open.len() > 1 {
        stack.close(open.remove(0));
    }
    while let Ok(from) = stack.udp_receive(datagrams, |from, _| SocketAddr::new(from.remote, from.port)) {
        let _full = stack.udp_send(datagrams, Some(from), b"back");
    }
}

/// A frame of `bytes`: whole, or with headers that lead to us, or a segment that follows on what we said.
fn frame(kind: u8, bytes: &[u8], asked: Asked) -> HeapFrame {
    let types = [EtherType::ARP, EtherType::IPV4, EtherType::IPV6, EtherType::IPV4];
    let ether_type = types.get(usize::from(kind % 4)).copied().unwrap_or(EtherType::ARP);
    let ethernet = EthernetHeader { destination: OUR_MAC, source: PEER_MAC, ether_type: ether_type.0.into() };
    let mut payload = bytes.to_vec();
    if kind % 4 == 3 {
        let protocols = [IpProtocol::TCP, IpProtocol::UDP, IpProtocol::ICMP, IpProtocol::TCP];
        let protocol = protocols.get(usize::from(kind >> 2 & 3)).copied().unwrap_or(IpProtocol::TCP);
        if protocol == IpProtocol::TCP {
            lead(&mut payload, asked);
        }
        let header = Ipv4Header::new(PEER, HERE, protocol, 64, payload.len());
        payload = header.map(|header| [header.as_bytes(), &payload].concat()).unwrap_or_default();
    }
    let mut frame = HeapFrame::new([ethernet.as_bytes(), &payload].concat());
    frame.meta_mut().checksum = FrameChecksum::Verified;
    frame
}

/// Makes the numbers of a segment near to those that the stack expects: the fuzzer says by how much they are off.
fn lead(segment: &mut [u8], asked: Asked) {
    let near = |place: u32, [.., low]: [u8; 4]| place.wrapping_add_signed(i32::from(low.cast_signed()));
    let Some((header, _)) = segment.split_first_chunk_mut::<20>() else { return };
    let [_, _, to_high, to_low, s0, s1, s2, s3, a0, a1, a2, a3, ..] = header;
    if asked.port != 0 && *to_high & 1 == 0 {
        [*to_high, *to_low] = asked.port.to_be_bytes();
    } else {
        [*to_high, *to_low] = [0, 80];
    }
    let sequence = near(asked.acknowledgement, [*s0, *s1, *s2, *s3]);
    [*s0, *s1, *s2, *s3] = sequence.to_be_bytes();
    let acknowledgement = near(asked.sequence, [*a0, *a1, *a2, *a3]);
    [*a0, *a1, *a2, *a3] = acknowledgement.to_be_bytes();
}

/// What a frame that the stack sent asks for, if it is a segment over IPv4.
fn seen(frame: &[u8]) -> Option<Asked> {
    let segment = TcpSegment::parse(frame.get(34..)?, HERE.into(), PEER.into(), true).ok()?;
    let v4 = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&6);
    let header = segment.header;
    v4.then(|| Asked {
        sequence: header.sequence().plus(segment.sequence_length()).0,
        acknowledgement: header.acknowledgement().0,
        port: header.source.get(),
    })
}

/// One side of a connection between two stacks: what it sent, and what came of the other's.
struct Side {
    host: HostId,
    socket: Option<SocketId>,
    sent: usize,
    got: Vec<u8>,
}

/// Two stacks over a link that the first bytes describe; the others say who writes, reads, closes, aborts, and how time goes by.
///
/// # Panics
/// If a stack breaks a law, or bytes come that were not sent.
#[expect(clippy::expect_used, reason = "this configuration can be")]
pub fn two_stacks(data: &[u8]) {
    let Some((&[seed, loss, duplicate, corrupt, reorder, delay], steps)) = data.split_first_chunk() else {
        return;
    };
    let millionths = |byte: u8| u32::from(byte) * 1000;
    let link = LinkConfig {
        rate: (seed & 1 == 0).then_some(1_000_000),
        delay: Duration::from_micros(1 + 200 * u64::from(delay)),
        queue: 16 * 1024,
        loss: millionths(loss),
        duplicate: millionths(duplicate),
        corrupt: millionths(corrupt),
        reorder: millionths(reorder),
    };
    let (mut world, a, b) = World::pair(seed.into(), link);
    let server = world.host(b);
    let listener = server.stack.tcp_listen(any(80), 2, &mut server.entropy).expect("a listener");
    let client = world.host(a);
    let to = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 2), 80));
    let client = client.stack.tcp_connect(to, None, &mut client.entropy).expect("a connection");
    let side = |host, socket| Side { host, socket, sent: 0, got: Vec::new() };
    let mut sides = [side(a, Some(client)), side(b, None)];
    for &step in steps.iter().take(64) {
        let [one, other] = &mut sides;
        other.socket =
            other.socket.or_else(|| world.host(b).stack.tcp_accept(listener).ok().map(|(id, _)| id));
        let (this, that) = if step & 1 == 0 { (one, &*other) } else { (other, &*one) };
        act(&mut world, step >> 1, this, that.sent);
    }
    world.run(Duration::from_millis(500), |_| false);
}

/// What stands at place `at` of either stream.
fn byte_at(at: usize) -> u8 {
    at.to_le_bytes().iter().fold(0x5a, |mixed: u8, &byte| mixed.rotate_left(3) ^ byte)
}

fn act(world: &mut World, step: u8, side: &mut Side, sent_there: usize) {
    let amount = 1_usize << (step >> 3);
    let stack = &mut world.host(side.host).stack;
    let Some(id) = side.socket else { return pass(world, amount) };
    match step & 7 {
        0 | 1 => {
            let start = side.sent;
            let written = stack.tcp_send(id, |room| {
                let count = room.len().min(amount);
                (start..).zip(room.iter_mut().take(count)).for_each(|(at, byte)| *byte = byte_at(at));
                (count, count)
            });
            side.sent += written.unwrap_or(0);
        }
        2 | 3 => {
            let got = &mut side.got;
            let _none = stack.tcp_receive(id, |bytes| {
                let count = bytes.len().min(amount);
                got.extend(bytes.iter().take(count));
                (count, ())
            });
            let right = (0..).zip(&side.got).all(|(at, &byte)| byte == byte_at(at));
            assert!(right && side.got.len() <= sent_there, "bytes came that were not sent");
        }
        4 if amount > 1000 => drop(stack.tcp_shutdown(id)),
        5 if amount > 10_000 => {
            stack.close(id);
        }
        6 if amount > 10_000 => drop(stack.tcp_abort(id)),
        _ => pass(world, amount),
    }
}

fn pass(world: &mut World, milliseconds: usize) {
    world.run(Duration::from_millis(milliseconds.min(2000) as u64), |_| false);
}
