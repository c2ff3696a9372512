//! Two stacks without a heap: all memory lent, frames in arrays. TCP, UDP and ping between them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::large_stack_frames,
    reason = "helpers of tests; the memory of a board stands on the stack of a thread"
)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use kos_net::dev::{ArrayFrame, Batch, Capabilities, Medium};
use kos_net::ip::RouteSlot;
use kos_net::link::{InterfaceId, neighbour};
use kos_net::sock::{FixedStorage, Lent, LentInterface, RestSlot, Slot};
use kos_net::tcp::congestion::NewReno;
use kos_net::tcp::{Gap, Sent, SynRecord};
use kos_net::testing::fakes::SeededEntropy;
use kos_net::time::Instant;
use kos_net::wire::MacAddr;
use kos_net::{Budget, Config, Limits, NetDevice, SocketId, Stack, StreamError};

type Frame = ArrayFrame<1514>;
type Small = Batch<Frame, [Option<Frame>; 4]>;
type Fixed<'s, 'a> = FixedStorage<'s, 'a, Frame, NewReno>;
type FixedStack<'s, 'a> = Stack<Frame, Fixed<'s, 'a>>;

/// One end of a cable that holds eight frames a direction.
struct End<'c> {
    capabilities: Capabilities,
    here: &'c RefCell<VecDeque<Frame>>,
    there: &'c RefCell<VecDeque<Frame>>,
}

impl NetDevice for End<'_> {
    type Frame = Frame;
    type Error = Infallible;

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, into: &mut Batch<Frame>) -> Result<(), Infallible> {
        while into.room() > 0
            && let Some(frame) = self.here.borrow_mut().pop_front()
        {
            into.push(frame).unwrap();
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<Frame> {
        Frame::allocate(bytes)
    }

    fn transmit(&mut self, from: &mut Batch<Frame>) -> Result<(), Infallible> {
        while self.there.borrow().len() < 8
            && let Some(frame) = from.pop()
        {
            self.there.borrow_mut().push_back(frame);
        }
        Ok(())
    }
}

/// A stack in the memory of this frame of the thread's stack, for as long as `with` runs.
fn with_stack(number: u8, with: impl FnOnce(&mut FixedStack<'_, '_>, &mut SeededEntropy)) {
    let (mut bytes, mut records) = ([[0; 4096]; 8], [const { None::<SynRecord> }; 16]);
    let (mut sent, mut gaps) = ([[Sent::EMPTY; 8]; 3], [[Gap::default(); 4]; 3]);
    let mut routes = [RouteSlot::EMPTY; 4];
    let mut rests = [RestSlot::EMPTY; 2];
    let mut near = [const { neighbour::Slot::new() }; 8];
    let (mut incoming, mut outgoing) = (Small::sized(), Small::sized());
    let mut slots: [Slot<Lent<'_, NewReno>>; 6] = Default::default();
    let mut interfaces = [const { LentInterface::new() }; 1];
    let mut entropy = SeededEntropy::new(number.into());
    let storage = Fixed {
        slots: &mut slots,
        buffers: &mut bytes.each_mut().map(|bytes| &mut bytes[..]),
        sent: &mut sent.each_mut().map(|sent| &mut sent[..]),
        gaps: &mut gaps.each_mut().map(|gaps| &mut gaps[..]),
        records: &mut [&mut records],
        pieces: &mut [],
        piece_bytes: &mut [],
        routes: &mut routes,
        rests: &mut rests,
        neighbours: &mut [&mut near],
        interfaces: &mut interfaces,
        batches: &mut [Some(&mut incoming), Some(&mut outgoing)],
    };
    let limits = Limits { datagram_bytes: 4096, send_bytes: 4096, receive_bytes: 4096 };
    let mut stack = Stack::new(Config { limits, ..Config::new() }, storage, &mut entropy).unwrap();
    let capabilities = Capabilities::new(Medium::Ethernet, 1500);
    let on = stack.add_interface(&capabilities, MacAddr([2, 0, 0, 0, 0, number]), &mut entropy).unwrap();
    stack.add_address(on, address(number), 24).unwrap();
    with(&mut stack, &mut entropy);
    stack.check().unwrap();
}

fn address(number: u8) -> IpAddr {
    [10, 0, 0, number].into()
}

/// A stack whose memory lives as long as it likes.
trait Host {
    fn turn(&mut self, now: Instant, end: &mut End<'_>);
}

impl Host for FixedStack<'_, '_> {
    fn turn(&mut self, now: Instant, end: &mut End<'_>) {
        self.poll(now, InterfaceId(0), end, Budget::default()).unwrap();
        self.check().unwrap();
    }
}

/// Lets both work until `done`; virtual time goes on by a millisecond a round.
fn run<A: Host, B: Host>(
    a: &mut A,
    b: &mut B,
    ends: &mut [End<'_>; 2],
    mut done: impl FnMut(&mut A, &mut B) -> bool,
) {
    let [left, right] = ends;
    for ms in 0..20_000 {
        let now = Instant::from_ticks(1_000_000 * ms);
        a.turn(now, left);
        b.turn(now, right);
        if done(a, b) {
            return;
        }
    }
    panic!("not done");
}

fn on_two_stacks(
    test: impl FnOnce(
        &mut FixedStack<'_, '_>,
        &mut FixedStack<'_, '_>,
        [&mut SeededEntropy; 2],
        &mut [End<'_>; 2],
    ),
) {
    let (there, back) = (RefCell::default(), RefCell::default());
    let capabilities = Capabilities::new(Medium::Ethernet, 1500);
    let mut ends =
        [End { capabilities, here: &back, there: &there }, End { capabilities, here: &there, there: &back }];
    with_stack(1, |a, random_a| with_stack(2, |b, random_b| test(a, b, [random_a, random_b], &mut ends)));
}

fn write(stack: &mut FixedStack<'_, '_>, id: SocketId, data: &[u8]) -> usize {
    let fill = |room: &mut [u8]| {
        let count = room.len().min(data.len());
        room[..count].copy_from_slice(&data[..count]);
        (count, count)
    };
    stack.tcp_send(id, fill).unwrap_or(0)
}

#[test]
fn a_stream_passes_between_two_stacks_without_a_heap() {
    on_two_stacks(|a, b, [random_a, random_b], ends| {
        let place = SocketAddr::new(address(2), 80);
        let listener = b.tcp_listen(place, 1, random_b).unwrap();
        let data: Vec<u8> = (0..50_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        for _ in 0..4 {
            let client = a.tcp_connect(place, None, random_a).unwrap();
            let (mut written, mut server, mut got) = (0, None, Vec::new());
            run(a, b, ends, |a, b| {
                written += write(a, client, &data[written..]);
                if written == data.len() {
                    a.tcp_shutdown(client).unwrap();
                }
                server = server.or_else(|| b.tcp_accept(listener).ok().map(|(id, _)| id));
                let Some(id) = server else { return false };
                let read = b.tcp_receive(id, |bytes| (bytes.len(), got.extend_from_slice(bytes)));
                read == Err(StreamError::Finished)
            });
            assert!(got == data, "{} bytes came", got.len());
            assert!(a.close(client) && b.close(server.unwrap()));
        }
    });
}

#[test]
fn datagrams_and_pings_pass_between_two_stacks_without_a_heap() {
    on_two_stacks(|a, b, [random_a, random_b], ends| {
        let place = SocketAddr::new(address(2), 53);
        let server = b.udp_bind(place, random_b).unwrap();
        let client = a.udp_bind(SocketAddr::new(address(1), 0), random_a).unwrap();
        let ping = a.ping_open(address(1), random_a).unwrap();
        a.udp_send(client, Some(place), b"question").unwrap();
        a.ping_send(ping, address(2), 7, b"echo").unwrap();
        let (mut answer, mut echo) = (None, None);
        run(a, b, ends, |a, b| {
            let asked = b.udp_receive(server, |envelope, _| SocketAddr::new(envelope.remote, envelope.port));
            if let Ok(from) = asked {
                b.udp_send(server, Some(from), b"answer").unwrap();
            }
            answer = answer.take().or_else(|| a.udp_receive(client, |_, data| data.to_vec()).ok());
            echo = echo.take().or_else(|| a.ping_receive(ping, |from, data| (from.port, data.to_vec())).ok());
            answer.is_some() && echo.is_some()
        });
        assert_eq!((answer, echo), (Some(b"answer".to_vec()), Some((7, b"echo".to_vec()))));
    });
}

/// What a heapless stack costs beside the memory that it is lent.
#[test]
fn a_stack_is_small() {
    let (fixed, slot) = (size_of::<FixedStack<'_, '_>>(), size_of::<Slot<Lent<'_, NewReno>>>());
    println!("a stack in lent memory: {fixed} bytes, a slot: {slot}");
    assert!(fixed <= 12 << 10, "{fixed}");
}
