//! Each call of each port fails once; what comes after goes on, and nothing is lost but what failed.

use super::{LIMIT, bytes, connected, listen, places, quick, read, write};
use crate::error::{BindError, ConfigError};
use crate::ports::{Entropy, EntropyError};
use crate::sock::HeapStorage;
use crate::stack::Stack;
use crate::testing::fakes::SeededEntropy;
use crate::testing::link::LinkConfig;
use crate::testing::world::{HostStack, World};
use crate::time::{Duration, Instant, after};

/// Random bytes, but for one call.
struct FailAt {
    entropy: SeededEntropy,
    calls: u32,
    fails: u32,
}

impl FailAt {
    fn new(fails: u32) -> Self {
        Self { entropy: SeededEntropy::new(9), calls: 0, fails }
    }
}

impl Entropy for FailAt {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.calls += 1;
        if self.calls == self.fails { Err(EntropyError) } else { self.entropy.fill(out) }
    }
}

/// `fill`: what needs the bytes is refused and changes nothing; done again, it is done.
#[test]
fn any_call_for_random_bytes_may_fail() {
    let mut entropy = FailAt::new(0);
    let config = crate::Config::new();
    let make =
        |entropy: &mut FailAt| Stack::new(config, HeapStorage::new(8, 8), entropy).map(|_: HostStack| ());
    make(&mut entropy).unwrap();
    for fails in 1..=entropy.calls {
        let mut entropy = FailAt::new(fails);
        assert_eq!(make(&mut entropy), Err(ConfigError::Entropy), "call {fails}");
        make(&mut entropy).unwrap();
    }
    let (mut world, a, _) = World::pair(41, quick());
    let to = places()[0];
    let stack = &mut world.host(a).stack;
    assert_eq!(stack.tcp_connect(to, None, &mut FailAt::new(1)), Err(BindError::Entropy));
    assert_eq!(stack.udp_bind(([10, 0, 0, 1], 0).into(), &mut FailAt::new(1)), Err(BindError::Entropy));
    assert_eq!(stack.sockets(), 0);
    stack.check().unwrap();
    let id = stack.tcp_connect(to, None, &mut FailAt::new(2)).unwrap();
    assert!(stack.close(id));
}

/// `grow`, and memory for sockets: one socket too many is refused, the others go on, and a closed one makes room.
#[test]
fn a_stack_that_is_full_refuses_and_goes_on() {
    let (mut world, a, b) = World::pair(42, quick());
    let listener = listen(&mut world, b, places()[0]);
    let mut open = alloc::vec::Vec::new();
    let refused = loop {
        let host = world.host(a);
        match host.stack.tcp_connect(places()[0], None, &mut host.entropy) {
            Ok(id) => open.push(id),
            Err(error) => break error,
        }
        world.host(a).stack.check().unwrap();
    };
    assert_eq!((refused, open.len()), (BindError::NoSlots, 256));
    assert_eq!(world.host(a).stack.sockets(), 256);
    let (data, mut sent, mut got, mut server) = (bytes(50_000, 42), 0, alloc::vec::Vec::new(), None);
    assert!(world.host(a).stack.close(open[255]));
    let done = world.run(LIMIT, |world| {
        server = server.or(world.host(b).stack.tcp_accept(listener).ok());
        let Some((server, from)) = server else { return false };
        let client = open.iter().find(|&&id| {
            let here = world.host(a).stack.core_ref().sockets.at(id.index);
            matches!(here, Some(crate::sock::Socket::Tcp(of)) if of.local == from)
        });
        write(world, a, *client.unwrap(), &data, &mut sent).unwrap();
        let _ = read(world, b, server, &mut got);
        got.len() == data.len()
    });
    assert!(done && got == data);
    world.host(a).stack.check().unwrap();
    let host = world.host(a);
    assert!(host.stack.close(open[254]) || host.stack.sockets() < 256);
}

/// smoltcp#1127: a time that has passed, told again, has an integrator spin; one too late has data wait. Whenever a connection
/// over a bad link is polled, the next time lies ahead, and just before that time nothing is done.
#[test]
fn poll_at_is_never_stale() {
    let tick = Duration::from_ticks(1);
    let bad = LinkConfig { loss: 300_000, ..quick() };
    let (mut world, a, b) = World::pair(43, bad);
    let (client, server) = connected(&mut world, a, b, places()[0]);
    let (data, mut sent, mut got, mut early) = (bytes(20_000, 43), 0, alloc::vec::Vec::new(), 0);
    while got.len() < data.len() {
        let some = data.len().min(got.len() + 300);
        write(&mut world, a, client, &data[..some], &mut sent).unwrap();
        read(&mut world, b, server, &mut got).unwrap();
        world.step(world.now());
        let due = [a, b].map(|host| world.host(host).stack.poll_at());
        let now = world.now();
        assert!(due.iter().flatten().all(|&due| due > now), "{due:?} at {now}");
        let before = due.iter().flatten().min().map(|due| due.checked_sub_duration(tick).unwrap());
        let trace = world.trace();
        if before.is_some_and(|before| before > now && !world.step(before)) {
            early += 1;
            assert_eq!(world.trace(), trace, "it was due before");
            let later = [a, b].map(|host| world.host(host).stack.poll_at());
            let no_earlier = |(was, is): (&Option<Instant>, &Option<Instant>)| is.is_none() || is >= was;
            assert!(due.iter().zip(&later).all(no_earlier), "{due:?}, and then {later:?}");
        }
        world.step(after(world.now(), Duration::from_secs(10)));
    }
    assert!(early > 20, "{early} times that nothing came before a timer");
}

/// Who reads just before an acknowledgement is due does not put it off, and `check` knows what is due between two ticks.
#[test]
fn a_deadline_less_than_a_tick_ahead_stays() {
    let (mut world, a, b) = World::pair(44, quick());
    let (client, server) = connected(&mut world, a, b, places()[0]);
    // Behind these nothing is acknowledged at once any more.
    let (mut sent, mut got) = (0, alloc::vec::Vec::new());
    for count in 1..=20 {
        write(&mut world, a, client, &[7; 20][..count], &mut sent).unwrap();
        world.run(Duration::from_millis(3), |_| false);
    }
    assert!(world.host(b).stack.poll_at().is_some(), "an acknowledgement is owed");
    let due = world.host(b).stack.poll_at().unwrap();
    let micros = Duration::from_micros(1);
    let before = due.checked_sub_duration(500 * micros).unwrap();
    assert!(!world.step(before), "nothing came before");
    read(&mut world, b, server, &mut got).unwrap();
    assert!(!got.is_empty());
    assert_eq!(world.host(b).stack.poll_at(), Some(due));
}
