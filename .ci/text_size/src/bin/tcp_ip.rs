//! `Stack` without a heap: a server and a client of TCP and an echo of UDP over IPv4, as a board with an Ethernet adapter would
//! have them. What is lent is on the stack here; a board has it in statics.
#![no_std]
#![no_main]

use core::convert::Infallible;
use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use kos_net::dev::{ArrayFrame, Batch, Capabilities, Medium};
use kos_net::ip::RouteSlot;
use kos_net::link::{InterfaceId, neighbour};
use kos_net::sock::{FixedStorage, Lent, LentInterface, RestSlot, Slot};
use kos_net::tcp::congestion::NewReno;
use kos_net::tcp::{Gap, Sent};
use kos_net::time::Instant;
use kos_net::wire::MacAddr;
use kos_net::{
    Budget, Config, Entropy, EntropyError, Frame as _, Limits, NetDevice, Stack,
};
use kos_text_size as _;

type Frame = ArrayFrame<1514>;
type BoardStack<'s, 'a> = Stack<Frame, FixedStorage<'s, 'a, Frame, NewReno>>;

/// An adapter of which only is known that it may do anything.
struct Adapter(Capabilities);

impl NetDevice for Adapter {
    type Frame = Frame;
    type Error = Infallible;

    fn capabilities(&self) -> &Capabilities {
        &self.0
    }

    fn receive(&mut self, into: &mut Batch<Frame>) -> Result<(), Infallible> {
        if let Some(mut frame) = Frame::allocate(black_box(64)) {
            black_box(frame.bytes_mut());
            let _ = into.push(frame);
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<Frame> {
        Frame::allocate(bytes)
    }

    fn transmit(&mut self, from: &mut Batch<Frame>) -> Result<(), Infallible> {
        while let Some(frame) = from.pop() {
            black_box(frame.bytes());
        }
        Ok(())
    }
}

struct Noise;

impl Entropy for Noise {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        black_box(out);
        Ok(())
    }
}

/// Echoes over both, and asks a peer.
fn serve(stack: &mut BoardStack<'_, '_>, adapter: &mut Adapter, on: InterfaceId) -> Option<()> {
    let any = |port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let (listener, echo) =
        (stack.tcp_listen(any(7), 2, &mut Noise).ok()?, stack.udp_bind(any(7), &mut Noise).ok()?);
    let peer = SocketAddr::new(black_box(Ipv4Addr::new(192, 0, 2, 1)).into(), 80);
    let client = stack.tcp_connect(peer, None, &mut Noise).ok()?;
    let mut server = None;
    let mut buffer = [0; 512];
    loop {
        let now = Instant::from_ticks(black_box(0));
        let _ = stack.poll(now, on, adapter, Budget::default());
        black_box((stack.poll_at(), stack.next_ready()));
        if let Ok((id, _)) = stack.tcp_accept(listener) {
            server = Some(id);
        }
        let mut copy = |bytes: &[u8]| {
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            count
        };
        if let Some(id) = server
            && let Ok(count) = stack.tcp_receive(id, |bytes| (bytes.len(), copy(bytes)))
        {
            let sent = stack.tcp_send(id, |room| (room.len().min(count), black_box(room).len()));
            black_box(sent.is_ok());
        }
        if let Ok((from, count)) = stack.udp_receive(echo, |from, bytes| (*from, copy(bytes))) {
            let to = SocketAddr::new(from.remote, from.port);
            black_box(stack.udp_send(echo, Some(to), buffer.get(..count).unwrap_or_default()).is_ok());
        }
        if black_box(false) {
            let _ = stack.tcp_shutdown(client);
            stack.close(client);
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut bytes = [[0; 2048]; 6];
    let (mut sent, mut gaps) = ([[Sent::EMPTY; 8]; 2], [[Gap::default(); 4]; 2]);
    let (mut rests, mut routes) = ([RestSlot::EMPTY; 4], [RouteSlot::EMPTY; 4]);
    let mut near = [const { neighbour::Slot::new() }; 4];
    let mut incoming = Batch::<Frame, [Option<Frame>; 2]>::sized();
    let mut outgoing = Batch::<Frame, [Option<Frame>; 2]>::sized();
    let mut slots: [Slot<Lent<'_, NewReno>>; 4] = Default::default();
    let mut interfaces = [const { LentInterface::new() }; 1];
    let storage = FixedStorage {
        slots: &mut slots,
        buffers: &mut bytes.each_mut().map(|bytes| &mut bytes[..]),
        sent: &mut sent.each_mut().map(|sent| &mut sent[..]),
        gaps: &mut gaps.each_mut().map(|gaps| &mut gaps[..]),
        records: &mut [],
        pieces: &mut [],
        piece_bytes: &mut [],
        routes: &mut routes,
        rests: &mut rests,
        neighbours: &mut [&mut near],
        interfaces: &mut interfaces,
        batches: &mut [Some(&mut incoming), Some(&mut outgoing)],
    };
    let limits = Limits { datagram_bytes: 2048, send_bytes: 2048, receive_bytes: 2048 };
    if let Ok(mut stack) = Stack::new(Config { limits, ..Config::new() }, storage, &mut Noise) {
        let mut adapter = Adapter(Capabilities::new(Medium::Ethernet, 1500));
        if let Ok(on) = stack.add_interface(&adapter.0, MacAddr([2, 0, 0, 0, 0, 1]), &mut Noise) {
            let ours = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
            let _ = stack.add_address(on, ours, 24);
            let _ = stack.set_gateway(on, Ipv4Addr::new(192, 0, 2, 1).into());
            let _ = serve(&mut stack, &mut adapter, on);
        }
    }
    loop {}
}
