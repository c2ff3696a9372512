//! Each call of each port fails once; what comes after goes on, and nothing is lost but what failed.

use super::{LIMIT, bytes, listen, places, quick, read, write};
use crate::error::{BindError, ConfigError};
use crate::ports::{Entropy, EntropyError};
use crate::sock::HeapStorage;
use crate::stack::Stack;
use crate::testing::fakes::SeededEntropy;
use crate::testing::world::{HostStack, World};

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
