//! A flood of SYN from addresses that nobody has: it costs no memory, and keeps nobody out.
#![expect(unsafe_code, reason = "an allocator that counts")]
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

use core::alloc::{GlobalAlloc, Layout};
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::alloc::System;

use etherparse::{PacketBuilder, TcpOptionElement};
use kos_net::link::InterfaceId;
use kos_net::tcp::TcpState;
use kos_net::testing::Dice;
use kos_net::testing::link::LinkConfig;
use kos_net::testing::world::{HostId, LinkId, World};
use kos_net::time::Duration;

/// The heap, and how many bytes of it are in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does all; the count changes nothing of that.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

/// SYN in a millisecond: a million in a second.
const RATE: u32 = 1000;
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

fn syn(dice: &mut Dice) -> Vec<u8> {
    let [a, b, c, d, e, f, ..] = dice.roll().to_be_bytes();
    let [g, h, i, j, ..] = dice.roll().to_be_bytes();
    let port = u16::from_be_bytes([d, e]);
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, f], MAC)
        .ipv4([198, 18 | a & 1, b, c.max(1)], SERVER.0, 64)
        .tcp(port.max(1), SERVER.1, u32::from_be_bytes([g, h, i, j]), 65_000)
        .syn()
        .options(&[
            TcpOptionElement::MaximumSegmentSize(1460),
            TcpOptionElement::SelectiveAcknowledgementPermitted,
        ])
        .unwrap();
    let mut frame = Vec::new();
    builder.write(&mut frame, &[]).unwrap();
    frame
}

/// A millisecond of the flood.
fn flood(world: &mut World, victim: HostId, dice: &mut Dice) {
    for _ in 0..RATE {
        world.inject(victim, LinkId::first(), &syn(dice));
    }
    world.run(Duration::from_millis(1), |_| false);
}

/// Bytes in use when nothing is on its way any more.
fn at_rest(world: &mut World) -> usize {
    world.run(Duration::from_millis(50), |_| false);
    IN_USE.load(Relaxed)
}

/// `KOS_FLOOD_MS` says for how long the flood lasts before a client comes; CI takes 10 ms.
#[test]
fn a_flood_of_syn_takes_no_memory_and_keeps_nobody_out() {
    let length = std::env::var("KOS_FLOOD_MS").map_or(10, |text| text.parse().unwrap());
    let (mut world, client, victim) = World::pair(3, LinkConfig::perfect(Duration::from_millis(1)));
    let host = world.host(victim);
    // Answers to strangers leave over a router, who has no use for them.
    host.stack.set_gateway(InterfaceId(0), IpAddr::from([10, 0, 0, 1])).unwrap();
    let listener = host.stack.tcp_listen(SocketAddr::from(SERVER), 64, &mut host.entropy).unwrap();
    let mut dice = Dice::new(1);
    // The world's own queues grow to what they have to hold.
    for _ in 0..3 {
        flood(&mut world, victim, &mut dice);
        at_rest(&mut world);
    }
    let (before, sockets) = (at_rest(&mut world), world.host(victim).stack.sockets());
    for _ in 0..length {
        flood(&mut world, victim, &mut dice);
        assert_eq!(world.host(victim).stack.sockets(), sockets, "a SYN is no socket");
    }
    let after = at_rest(&mut world);
    assert!(after <= before + 4096, "{before} bytes before {length} ms of it, {after} after");

    flood(&mut world, victim, &mut dice);
    let host = world.host(client);
    let id = host.stack.tcp_connect(SocketAddr::from(SERVER), None, &mut host.entropy).unwrap();
    let mut took = 0;
    while world.host(client).stack.tcp_state(id) != Ok(TcpState::Established) {
        flood(&mut world, victim, &mut dice);
        took += 1;
        assert!(took < 3000, "a client does not get in");
    }
    // It is a connection, not only a reply.
    let hello = |room: &mut [u8]| {
        room[..5].copy_from_slice(b"hello");
        (5, ())
    };
    world.host(client).stack.tcp_send(id, hello).unwrap();
    let mut heard = None;
    for _ in 0..100 {
        flood(&mut world, victim, &mut dice);
        let stack = &mut world.host(victim).stack;
        heard = heard.or_else(|| stack.tcp_accept(listener).ok());
        let Some((end, _)) = heard else { continue };
        if stack.tcp_receive(end, |bytes| (bytes.len(), bytes == b"hello")) == Ok(true) {
            return;
        }
    }
    panic!("what the client said was not heard");
}
