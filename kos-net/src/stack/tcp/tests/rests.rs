//! What is left of connections, and what connections cost; handshakes that are asked about again.

use core::net::SocketAddr;

use super::{LIMIT, bytes, connected, listen, places, quick, read, transfer, write};
use crate::config::Config;
use crate::dev::{Capabilities, Medium};
use crate::link::InterfaceId;
use crate::sock::RestSlot;
use crate::tcp::TcpState;
use crate::tcp::congestion::Cubic;
use crate::tcp::tcb::Tcb;
use crate::testing::link::LinkConfig;
use crate::testing::world::World;
use crate::time::Duration;

#[test]
fn an_idle_connection_and_what_is_left_of_one_are_small() {
    assert!(size_of::<Tcb<Cubic>>() <= 512, "{}", size_of::<Tcb<Cubic>>());
    assert!(size_of::<RestSlot>() <= 64, "{}", size_of::<RestSlot>());
}

/// TIME_WAIT: who closed first keeps 64 bytes for a minute, and no slot.
#[test]
fn a_closed_connection_rests_outside_of_the_slots() {
    for place in places() {
        let (mut world, a, b) = World::pair(21, quick());
        let (client, server) = connected(&mut world, a, b, place);
        let (got, error) = transfer(&mut world, (a, client), (b, server), b"all");
        assert_eq!((&got[..], error), (&b"all"[..], None));
        assert!(world.host(b).stack.close(server) && world.host(a).stack.close(client));
        world.run(Duration::from_secs(1), |_| false);
        let counts = [a, b].map(|host| {
            let stack = &world.host(host).stack;
            (stack.sockets(), stack.resting())
        });
        assert_eq!(counts, [(0, 1), (0, 0)]);
        world.run(Duration::from_secs(58), |_| false);
        assert_eq!(world.host(a).stack.resting(), 1);
        world.run(Duration::from_secs(2), |_| false);
        assert_eq!(world.host(a).stack.resting(), 0);
    }
}

/// RFC 6191: the same places again, while the side that listens still rests.
#[test]
fn a_resting_pair_is_opened_anew_by_a_newer_syn() {
    let (mut world, a, b) = World::pair(22, quick());
    let (place, from) = (places()[0], SocketAddr::from(([10, 0, 0, 1], 5000)));
    let listener = listen(&mut world, b, place);
    for round in 0..5 {
        let host = world.host(a);
        let client = host.stack.tcp_connect(place, Some(from), &mut host.entropy).unwrap();
        let mut server = None;
        assert!(world.run(Duration::from_millis(500), |world| {
            server = server.or(world.host(b).stack.tcp_accept(listener).ok());
            server.is_some()
        }));
        assert!(world.host(b).stack.close(server.unwrap().0), "round {round}");
        let mut nothing = alloc::vec::Vec::new();
        assert!(world.run(LIMIT, |world| read(world, a, client, &mut nothing) == Ok(false)));
        assert!(world.host(a).stack.close(client));
        world.run(Duration::from_millis(100), |_| false);
        assert_eq!((world.host(a).stack.resting(), world.host(b).stack.resting()), (0, 1));
    }
}

/// A SYN-ACK goes again by the interface towards the peer, whichever that is.
#[test]
fn a_handshake_is_asked_about_again_by_the_right_interface() {
    for second in [false, true] {
        let mut slow = Config::new();
        slow.tcp.loss.initial_rto = Duration::from_secs(20);
        let mut world = World::new(23);
        let (a, b, c) = (world.add_host(slow), world.add_host(Config::new()), world.add_host(Config::new()));
        let ethernet = Capabilities::new(Medium::Ethernet, 1500);
        let others = if second { [&[c, b], &[a, b]] } else { [&[a, b], &[c, b]] };
        let links = others.map(|hosts| world.join(hosts, ethernet, quick()));
        let link = links[usize::from(second)];
        let here = InterfaceId(u8::from(second));
        world.host(a).stack.add_address(InterfaceId(0), [10, 0, 0, 1].into(), 24).unwrap();
        world.host(b).stack.add_address(here, [10, 0, 0, 2].into(), 24).unwrap();
        let other = InterfaceId(u8::from(!second));
        world.host(b).stack.add_address(other, [10, 1, 0, 2].into(), 24).unwrap();
        let listener = listen(&mut world, b, places()[0]);
        let client = super::connect(&mut world, a, places()[0]);
        // Who has it, he has, SYN: 3 ms. The answer is lost.
        world.run(Duration::from_micros(2500), |_| false);
        world.change(link, LinkConfig { loss: 1_000_000, ..quick() });
        world.run(Duration::from_millis(500), |_| false);
        assert_eq!(world.host(a).stack.tcp_state(client), Ok(TcpState::SynSent));
        world.change(link, quick());
        assert!(
            world.run(Duration::from_secs(2), |world| world.host(b).stack.tcp_accept(listener).is_ok()),
            "interface {here:?}"
        );
    }
}

/// A path that turns out narrow delays a stream by a round trip, not by a timeout.
#[test]
fn a_stream_is_cut_anew_when_its_path_narrows() {
    let (mut world, a, b) = World::pair(24, quick());
    let (client, server) = connected(&mut world, a, b, places()[0]);
    let (data, mut sent, mut got) = (bytes(10_000, 24), 0, alloc::vec::Vec::new());
    write(&mut world, a, client, &data, &mut sent).unwrap();
    let core = world.host(a).stack.core();
    let index = client.index;
    let connection = core.connection(index).unwrap();
    connection.tcb.set_path_mss(500, connection.memory.sent.as_mut());
    core.settle(index);
    let done = world.run(Duration::from_millis(100), |world| {
        read(world, b, server, &mut got).unwrap();
        got.len() == data.len()
    });
    assert!(done && got == data, "{} bytes came", got.len());
}
