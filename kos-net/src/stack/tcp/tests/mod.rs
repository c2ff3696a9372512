//! Connections in a world.

mod faults;
mod rests;

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::error::{AcceptError, StreamError};
use crate::sock::SocketId;
use crate::tcp::{TcpFailure, TcpState};
use crate::testing::link::LinkConfig;
use crate::testing::world::{HostId, LinkId, World};
use crate::testing::{Dice, cases};
use crate::time::Duration;

const LIMIT: Duration = Duration::from_secs(24 * 3600);

fn quick() -> LinkConfig {
    LinkConfig::perfect(Duration::from_millis(1))
}

fn places() -> [SocketAddr; 2] {
    let v6: IpAddr = [0xfd00, 0, 0, 0, 0, 0, 0, 2].into();
    [([10, 0, 0, 2], 80).into(), (v6, 80).into()]
}

fn listen(world: &mut World, host: HostId, place: SocketAddr) -> SocketId {
    let host = world.host(host);
    host.stack.tcp_listen(place, 4, &mut host.entropy).unwrap()
}

fn connect(world: &mut World, host: HostId, place: SocketAddr) -> SocketId {
    let host = world.host(host);
    host.stack.tcp_connect(place, None, &mut host.entropy).unwrap()
}

/// Both ends of a connection from `a` to `b`.
fn connected(world: &mut World, a: HostId, b: HostId, place: SocketAddr) -> (SocketId, SocketId) {
    let listener = listen(world, b, place);
    let client = connect(world, a, place);
    let mut server = None;
    world.run(LIMIT, |world| {
        server = server.or(world.host(b).stack.tcp_accept(listener).ok());
        server.is_some()
    });
    assert!(world.host(b).stack.close(listener));
    (client, server.expect("the peer connects").0)
}

/// Writes what fits of `data` behind `sent`.
fn write(
    world: &mut World,
    host: HostId,
    id: SocketId,
    data: &[u8],
    sent: &mut usize,
) -> Result<(), StreamError> {
    while *sent < data.len() {
        let rest = &data[*sent..];
        let result = world.host(host).stack.tcp_send(id, |room| {
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            (count, count)
        });
        match result {
            Ok(count) => *sent += count,
            Err(StreamError::NotNow) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads all that is there; whether more may come.
fn read(world: &mut World, host: HostId, id: SocketId, into: &mut Vec<u8>) -> Result<bool, StreamError> {
    loop {
        let result = world.host(host).stack.tcp_receive(id, |bytes| {
            into.extend_from_slice(bytes);
            (bytes.len(), ())
        });
        match result {
            Ok(()) => {}
            Err(StreamError::NotNow) => return Ok(true),
            Err(StreamError::Finished) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    (0..length).map(|_| dice.roll().to_le_bytes()[0]).collect()
}

/// Sends `data` one way and closes behind it; what came, or why not all of it.
fn transfer(
    world: &mut World,
    from: (HostId, SocketId),
    to: (HostId, SocketId),
    data: &[u8],
) -> (Vec<u8>, Option<StreamError>) {
    let (mut sent, mut got, mut error, mut closed) = (0, Vec::new(), None, false);
    world.run(LIMIT, |world| {
        if !closed {
            error = error.or(write(world, from.0, from.1, data, &mut sent).err());
            closed = sent == data.len() || error.is_some();
            if closed {
                world.host(from.0).stack.tcp_shutdown(from.1).unwrap();
            }
        }
        match read(world, to.0, to.1, &mut got) {
            Ok(more) => !more,
            Err(broken) => {
                error = Some(broken);
                true
            }
        }
    });
    let mut rest = Vec::new();
    error = error.or(read(world, from.0, from.1, &mut rest).err());
    (got, error)
}

#[test]
fn a_stream_arrives_as_it_was_sent_and_ends() {
    for place in places() {
        for length in [0, 1, 1460, 100_000, 1_000_000] {
            let (mut world, a, b) = World::pair(1, quick());
            let (client, server) = connected(&mut world, a, b, place);
            let data = bytes(length, 1);
            let (got, error) = transfer(&mut world, (a, client), (b, server), &data);
            assert!(got == data && error.is_none(), "{length} bytes: {} came, {error:?}", got.len());
            assert!(world.host(b).stack.close(server) && world.host(a).stack.close(client));
            world.run(Duration::from_secs(70), |_| false);
            for host in [a, b] {
                assert_eq!(world.host(host).stack.sockets(), 0, "nothing is left");
            }
        }
    }
}

#[test]
fn nobody_listens() {
    for place in places() {
        let (mut world, a, _) = World::pair(2, quick());
        let client = connect(&mut world, a, place);
        let mut failure = None;
        world.run(LIMIT, |world| {
            failure = read(world, a, client, &mut Vec::new()).err();
            failure.is_some()
        });
        assert_eq!(failure, Some(StreamError::Failed(TcpFailure::Refused)));
    }
}

/// The peer's ring was full and all acknowledged when it said so; that it has room again was lost. Who writes then must ask.
#[test]
fn a_window_that_opens_unheard_is_asked_for() {
    for place in places() {
        let (mut world, a, b) = World::pair(6, quick());
        let (client, server) = connected(&mut world, a, b, place);
        let data = bytes(1 << 20, 6);
        let (mut sent, mut got) = (0, Vec::new());
        write(&mut world, a, client, &data, &mut sent).unwrap();
        let full = |world: &mut World| world.host(a).stack.tcp_info(client).unwrap().unacknowledged == 0;
        while !full(&mut world) {
            world.run(Duration::from_millis(50), |_| false);
            assert!(sent < data.len(), "a ring has an end");
        }
        world.change(LinkId::first(), LinkConfig { loss: 1_000_000, ..quick() });
        read(&mut world, b, server, &mut got).unwrap();
        world.run(Duration::from_millis(10), |_| false);
        world.change(LinkId::first(), quick());
        while got.len() < data.len() {
            write(&mut world, a, client, &data, &mut sent).unwrap();
            let before = got.len();
            let more = world.run(Duration::from_secs(60), |world| {
                read(world, b, server, &mut got).unwrap();
                got.len() > before
            });
            assert!(more, "it stands still at {before} of {}", data.len());
        }
    }
}

#[test]
fn half_a_connection_goes_on() {
    let (mut world, a, b) = World::pair(3, quick());
    let (client, server) = connected(&mut world, a, b, places()[0]);
    world.host(a).stack.tcp_shutdown(client).unwrap();
    let mut nothing = Vec::new();
    assert!(world.run(LIMIT, |world| read(world, b, server, &mut nothing) == Ok(false)));
    assert_eq!(world.host(b).stack.tcp_state(server), Ok(TcpState::CloseWait));
    let (got, error) = transfer(&mut world, (b, server), (a, client), b"still here");
    assert_eq!((&got[..], error), (&b"still here"[..], None));
    assert_eq!(world.host(a).stack.tcp_send(client, |_| (0, ())), Err(StreamError::Finished));
}

#[test]
fn closing_a_listener_resets_who_waits() {
    let (mut world, a, b) = World::pair(4, quick());
    let listener = listen(&mut world, b, places()[0]);
    let client = connect(&mut world, a, places()[0]);
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(world.host(a).stack.tcp_state(client), Ok(TcpState::Established));
    assert!(world.host(b).stack.close(listener));
    world.run(Duration::from_secs(1), |_| false);
    let failure = read(&mut world, a, client, &mut Vec::new());
    assert_eq!(failure, Err(StreamError::Failed(TcpFailure::Reset)));
    assert_eq!(world.host(b).stack.tcp_accept(listener), Err(AcceptError::BadSocket));
    assert_eq!(world.host(b).stack.sockets(), 0);
}

/// How often the worlds of chance are tried: few by default.
fn worlds() -> u64 {
    u64::from(cases()) / 8
}

#[test]
fn any_world_gives_the_same_bytes_or_a_clean_error() {
    for seed in 0..worlds() {
        let mut dice = Dice::new(seed);
        let mut upto = |most: u64| u32::try_from(dice.below(most)).unwrap();
        let (loss, duplicate, corrupt, reorder) = (upto(300_001), upto(100_000), upto(50_000), upto(300_000));
        let delay = Duration::from_micros(1 + u64::from(upto(50_000)));
        let rate = [None, Some(1_000_000), Some(100_000_000)][upto(3) as usize];
        let link = LinkConfig { rate, delay, queue: 64 * 1024, loss, duplicate, corrupt, reorder };
        let place = places()[upto(2) as usize];
        let length = upto(60_000) as usize;
        let run = || {
            let (mut world, a, b) = World::pair(seed, link);
            let data = bytes(length, seed);
            let listener = listen(&mut world, b, place);
            let client = connect(&mut world, a, place);
            let mut server = None;
            world.run(LIMIT, |world| {
                server = server.or(world.host(b).stack.tcp_accept(listener).ok());
                server.is_some() || read(world, a, client, &mut Vec::new()).is_err()
            });
            let Some((server, _)) = server else { return (world.trace(), None) };
            let (got, error) = transfer(&mut world, (a, client), (b, server), &data);
            assert!(data.starts_with(&got), "seed {seed}: other bytes came");
            assert!(got == data || error.is_some(), "seed {seed}: {} of {length} bytes, no error", got.len());
            (world.trace(), Some(got.len()))
        };
        let first = run();
        if seed % 8 == 0 {
            assert_eq!(first, run(), "seed {seed} again");
        }
    }
}

/// Each call of the adapter fails once: what was to be sent is sent by a later poll, nothing leaks, no invariant breaks.
#[test]
fn any_call_of_the_adapter_may_fail() {
    let run = |fails_at| {
        let (mut world, a, b) = World::pair(5, quick());
        world.fail_at(a, fails_at);
        let (client, server) = connected(&mut world, a, b, places()[0]);
        let data = bytes(20_000, 5);
        let (got, error) = transfer(&mut world, (a, client), (b, server), &data);
        assert!(got == data && error.is_none(), "call {fails_at:?}: {} came, {error:?}", got.len());
        let (back, error) = transfer(&mut world, (b, server), (a, client), &data);
        assert!(back == data && error.is_none(), "call {fails_at:?}: {} came back, {error:?}", back.len());
        world.host(a).stack.close(client);
        world.host(b).stack.close(server);
        world.run(Duration::from_secs(70), |_| false);
        assert_eq!((world.host(a).stack.sockets(), world.host(b).stack.sockets()), (0, 0));
        world.calls(a)
    };
    let calls = run(None);
    for call in 1..=calls {
        run(Some(call));
    }
}
