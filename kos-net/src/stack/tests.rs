//! Two hosts in a world.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::error::{BindError, InterfaceError, NetworkError, ReceiveError};
use crate::ip::{Prefix, Route, RouteError, RouteKind};
use crate::link::InterfaceId;
use crate::sock::SocketId;
use crate::testing::link::LinkConfig;
use crate::testing::world::{HostId, HostStack, World};
use crate::time::Duration;
use crate::wire::IpProtocol;
use crate::{DropReason, Readiness};

const LIMIT: Duration = Duration::from_secs(30);

fn quick() -> LinkConfig {
    LinkConfig::perfect(Duration::from_millis(1))
}

fn addresses() -> [(IpAddr, IpAddr); 2] {
    let v6 = |last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]);
    [([10, 0, 0, 1].into(), [10, 0, 0, 2].into()), (v6(1), v6(2))]
}

/// An address on the link of `here` that nobody has.
fn nobody(here: IpAddr) -> IpAddr {
    match here {
        IpAddr::V4(_) => [10, 0, 0, 9].into(),
        IpAddr::V6(_) => [0xfd00, 0, 0, 0, 0, 0, 0, 9].into(),
    }
}

fn bind(world: &mut World, host: HostId, place: (IpAddr, u16)) -> SocketId {
    let host = world.host(host);
    host.stack.udp_bind(place.into(), &mut host.entropy).unwrap()
}

fn receive(world: &mut World, host: HostId, id: SocketId) -> Option<(SocketAddr, Vec<u8>)> {
    let read = |envelope: &crate::sock::Envelope, data: &[u8]| {
        (SocketAddr::new(envelope.remote, envelope.port), data.to_vec())
    };
    world.host(host).stack.udp_receive(id, read).ok()
}

#[test]
fn a_ping_is_answered_whole_or_in_pieces() {
    for (here, there) in addresses() {
        for length in [0, 1, 56, 1472, 1473, 9000, 65_507] {
            let (mut world, a, _) = World::pair(1, quick());
            let host = world.host(a);
            let id = host.stack.ping_open(here, &mut host.entropy).unwrap();
            // Three packets wait for a neighbour: the first brings it.
            host.stack.ping_send(id, there, 6, &[]).unwrap();
            assert!(world.run(LIMIT, |world| world.host(a).stack.ping_receive(id, |_, _| ()).is_ok()));
            let host = world.host(a);
            let data: Vec<u8> = (0..length).map(|at: usize| at.to_le_bytes()[0]).collect();
            host.stack.ping_send(id, there, 7, &data).unwrap();
            let mut answer = None;
            world.run(LIMIT, |world| {
                let read = |envelope: &crate::sock::Envelope, data: &[u8]| {
                    (envelope.remote, envelope.port, data.to_vec())
                };
                answer = world.host(a).stack.ping_receive(id, read).ok();
                answer.is_some()
            });
            assert_eq!(answer, Some((there, 7, data)), "{length} bytes to {there}");
        }
    }
}

#[test]
fn datagrams_go_there_and_back() {
    for (here, there) in addresses() {
        let (mut world, a, b) = World::pair(2, quick());
        let (client, server) = (bind(&mut world, a, (here, 0)), bind(&mut world, b, (there, 7)));
        let to = SocketAddr::new(there, 7);
        for number in 0..100_u8 {
            world.host(a).stack.udp_send(client, Some(to), &vec![number; usize::from(number)]).unwrap();
        }
        let mut answers = Vec::new();
        world.run(LIMIT, |world| {
            while let Some((from, data)) = receive(world, b, server) {
                world.host(b).stack.udp_send(server, Some(from), &data).unwrap();
            }
            while let Some((_, data)) = receive(world, a, client) {
                answers.push(data);
            }
            answers.len() == 100
        });
        // Three wait for the neighbour at most; the first of the others were given up.
        let lost = world.host(a).stack.stats().unsent[DropReason::NeighborQueueFull];
        assert_eq!(answers.len() as u64 + lost, 100);
        assert!(answers.iter().all(|data| data.iter().all(|&byte| usize::from(byte) == data.len())));
    }
}

#[test]
fn who_sends_to_a_closed_port_learns_it_if_connected() {
    for (here, there) in addresses() {
        let (mut world, a, _) = World::pair(3, quick());
        let id = bind(&mut world, a, (here, 0));
        let stack = &mut world.host(a).stack;
        stack.udp_connect(id, SocketAddr::new(there, 9)).unwrap();
        stack.udp_send(id, None, b"?").unwrap();
        let mut error = None;
        world.run(LIMIT, |world| {
            error = world
                .host(a)
                .stack
                .udp_receive(id, |_, _| ())
                .err()
                .filter(|error| *error != ReceiveError::Empty);
            error.is_some()
        });
        assert_eq!(error, Some(ReceiveError::Network(NetworkError::Refused)), "{there}");
    }
}

#[test]
fn who_sends_to_nobody_learns_it_in_time() {
    for (here, there) in [addresses()[0].0, addresses()[1].0].map(|here| (here, nobody(here))) {
        let (mut world, a, _) = World::pair(4, quick());
        let id = bind(&mut world, a, (here, 0));
        let stack = &mut world.host(a).stack;
        stack.udp_connect(id, SocketAddr::new(there, 9)).unwrap();
        stack.udp_send(id, None, b"?").unwrap();
        let start = world.now();
        let mut news = Vec::new();
        world.run(LIMIT, |world| {
            news.extend(world.host(a).stack.next_ready());
            news.iter().any(|(_, news)| news.contains(Readiness::ERROR))
        });
        assert!(
            news.contains(&(id, Readiness::ERROR))
                || news.contains(&(id, Readiness::ERROR | Readiness::WRITABLE))
        );
        let waited = world.now().checked_duration_since(start).unwrap();
        assert_eq!(waited, Duration::from_secs(3), "three questions, a second each");
        let answer = world.host(a).stack.udp_receive(id, |_, _| ());
        assert_eq!(answer, Err(ReceiveError::Network(NetworkError::Unreachable)));
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = |seed| {
        let link =
            LinkConfig { loss: 100_000, duplicate: 50_000, corrupt: 50_000, reorder: 100_000, ..quick() };
        let (mut world, a, b) = World::pair(seed, link);
        let [(here, there), _] = addresses();
        let (client, server) = (bind(&mut world, a, (here, 0)), bind(&mut world, b, (there, 7)));
        for number in 0..200_u16 {
            world
                .host(a)
                .stack
                .udp_send(client, Some(SocketAddr::new(there, 7)), &number.to_be_bytes())
                .unwrap();
            world.run(Duration::from_millis(10), |world| {
                receive(world, b, server);
                false
            });
        }
        world.trace()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn a_raw_socket_reads_beside_the_others_and_sends_any_protocol() {
    for (here, there) in addresses() {
        let (mut world, a, b) = World::pair(7, quick());
        let (sender, reader) = (world.host(a), IpProtocol(253));
        let sent = sender.stack.raw_open(reader, here, &mut sender.entropy).unwrap();
        sender.stack.raw_send(sent, reader, there, b"experiment").unwrap();
        let host = world.host(b);
        let got = host.stack.raw_open(reader, there, &mut host.entropy).unwrap();
        assert_eq!(host.stack.raw_open(reader, there, &mut host.entropy), Err(BindError::InUse));
        let mut read = None;
        world.run(LIMIT, |world| {
            read =
                world.host(b).stack.raw_receive(got, reader, |from, data| (from.remote, data.to_vec())).ok();
            read.is_some()
        });
        assert_eq!(read, Some((here, b"experiment".to_vec())));
        assert!(world.host(b).stack.close(got) && !world.host(b).stack.close(got));
        assert_eq!(world.host(b).stack.sockets(), 0);
        world.host(a).stack.raw_send(sent, reader, there, b"again").unwrap();
        world.run(Duration::from_secs(1), |_| false);
        let stats = world.host(b).stack.stats();
        assert_eq!((stats.dropped[DropReason::UnknownProtocol], stats.icmp_errors_out), (1, 1));
    }
}

#[test]
fn routes_are_taken_by_their_longest_prefix_and_sources_by_rule() {
    let (mut world, a, _) = World::pair(8, quick());
    let stack = &mut world.host(a).stack;
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let any = |like: &str| crate::udp::unspecified_like(ip(like));
    let way =
        |stack: &HostStack, to: &str| stack.core_ref().way(any(to), ip(to)).map(|way| (way.next, way.source));
    assert_eq!(way(stack, "198.51.100.1"), None);
    let off = InterfaceError::GatewayOffLink(ip("10.9.0.1"));
    assert_eq!(stack.set_gateway(InterfaceId(0), ip("10.9.0.1")), Err(off));
    stack.set_gateway(InterfaceId(0), ip("10.0.0.2")).unwrap();
    assert_eq!(stack.set_gateway(InterfaceId(0), ip("10.9.0.1")), Err(off), "the first stays");
    assert_eq!(stack.gateways().collect::<Vec<_>>(), [(InterfaceId(0), ip("10.0.0.2"))]);
    let (gateway, ours) = (ip("10.0.0.2"), ip("10.0.0.1"));
    assert_eq!(way(stack, "198.51.100.1"), Some((gateway, ours)));
    let route = |network: &str, length, kind| Route {
        destination: Prefix::new(ip(network), length).unwrap(),
        kind,
        interface: InterfaceId(0),
        metric: 7,
    };
    stack.add_route(route("198.51.100.0", 24, RouteKind::Blackhole)).unwrap();
    stack.add_route(route("198.51.100.128", 25, RouteKind::Via(ip("10.0.0.3")))).unwrap();
    assert_eq!(way(stack, "198.51.100.1"), None);
    assert_eq!(way(stack, "198.51.100.200"), Some((ip("10.0.0.3"), ours)));
    assert_eq!(way(stack, "10.0.0.77"), Some((ip("10.0.0.77"), ours)));
    let nowhere = Route { interface: InterfaceId(9), ..route("192.0.2.0", 24, RouteKind::OnLink) };
    assert_eq!(stack.add_route(nowhere), Err(RouteError::NoInterface(InterfaceId(9))));
    assert!(stack.remove_route(Prefix::new(ip("198.51.100.0"), 24).unwrap(), 7).is_some());
    assert_eq!(way(stack, "198.51.100.1"), Some((gateway, ours)));
    stack.add_address(InterfaceId(0), ip("fe80::1"), 64).unwrap();
    assert_eq!(way(stack, "fe80::9"), Some((ip("fe80::9"), ip("fe80::1"))));
    assert_eq!(way(stack, "fd00::9"), Some((ip("fd00::9"), ip("fd00::1"))));
    assert!(stack.remove_address(InterfaceId(0), ours));
    assert_eq!((way(stack, "10.0.0.77"), way(stack, "198.51.100.1")), (None, None));
}
