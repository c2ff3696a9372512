//! Each request for memory or for random bytes fails once, whichever it is: what needed it is refused and changes nothing; done again, it
//! is done, and in the end all memory has come back.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

extern crate alloc;

use alloc::rc::Rc;
use core::cell::Cell;
use core::fmt::Debug;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use kos_net::dev::{HeapFrame, Loopback};
use kos_net::ip::RouteSlot;
use kos_net::ip::reassembly::ReassemblySlot;
use kos_net::link::InterfaceId;
use kos_net::link::neighbour;
use kos_net::sock::{
    Heap, HeapBatch, HeapStorage, Memory, NoBuffers, NoSlots, RestSlot, Slot, Storage, TcpMemory,
};
use kos_net::tcp::SynRecord;
use kos_net::tcp::congestion::Cubic;
use kos_net::testing::fakes::SeededEntropy;
use kos_net::time::{Duration, Instant};
use kos_net::wire::MacAddr;
use kos_net::{Budget, Config, Entropy, EntropyError, InterfaceSlot, NetDevice, SocketId, Stack};

const AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);

type Device = Loopback<Vec<u8>, 64>;
type Inner = HeapStorage<HeapFrame>;

/// Counts calls and what is lent out.
#[derive(Debug)]
struct Ports {
    calls: Cell<u32>,
    fails_at: u32,
    lent: Cell<i32>,
}

impl Ports {
    fn fails(&self) -> bool {
        self.calls.set(self.calls.get() + 1);
        self.calls.get() == self.fails_at
    }

    /// Lends what `take` takes, unless this is the call that fails.
    fn lend<T, E>(&self, error: E, take: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if self.fails() {
            return Err(error);
        }
        let lent = take()?;
        self.lent.set(self.lent.get() + 1);
        Ok(lent)
    }

    fn back(&self) {
        self.lent.set(self.lent.get() - 1);
    }
}

/// Memory of the heap, but for one call.
#[derive(Debug)]
struct Failing(Inner, Rc<Ports>);

impl Storage<HeapFrame> for Failing {
    type Memory = Heap<Cubic>;
    type Rests = Vec<RestSlot>;
    type Routes = Vec<RouteSlot>;
    type Neighbours = Vec<neighbour::Slot<HeapFrame>>;
    type Pieces = Vec<ReassemblySlot>;
    type Batch = HeapBatch<HeapFrame>;
    type Interfaces = Vec<InterfaceSlot<HeapFrame, Self::Neighbours, Self::Batch>>;

    fn slots(&self) -> u32 {
        self.0.slots()
    }

    fn slot(&self, index: u32) -> Option<&Slot<Self::Memory>> {
        self.0.slot(index)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<Self::Memory>> {
        self.0.slot_mut(index)
    }

    fn grow(&mut self) -> Result<(), NoSlots> {
        if self.1.fails() { Err(NoSlots) } else { self.0.grow() }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, NoBuffers> {
        self.1.lend(NoBuffers, || self.0.bytes(length))
    }

    fn connection(&mut self, send: usize, receive: usize) -> Result<TcpMemory<Self::Memory>, NoBuffers> {
        self.1.lend(NoBuffers, || self.0.connection(send, receive))
    }

    fn records(&mut self, count: usize) -> Vec<Option<SynRecord>> {
        if self.1.fails() { Vec::new() } else { self.0.records(count) }
    }

    fn give_back_records(&mut self, records: <Self::Memory as Memory>::Records) {
        self.0.give_back_records(records);
    }

    fn give_back(&mut self, bytes: Vec<u8>) {
        self.1.back();
        self.0.give_back(bytes);
    }

    fn give_back_connection(&mut self, memory: TcpMemory<Self::Memory>) {
        self.1.back();
        self.0.give_back_connection(memory);
    }

    fn reassembly(&mut self) -> Option<(Self::Pieces, Vec<u8>)> {
        if self.1.fails() { None } else { self.0.reassembly() }
    }

    fn neighbours(&mut self) -> Option<Self::Neighbours> {
        if self.1.fails() { None } else { self.0.neighbours() }
    }

    fn interfaces(&mut self) -> Self::Interfaces {
        if self.1.fails() { Vec::new() } else { self.0.interfaces() }
    }

    fn rests(&mut self) -> Vec<RestSlot> {
        if self.1.fails() { Vec::new() } else { self.0.rests() }
    }

    fn routes(&mut self) -> Vec<RouteSlot> {
        if self.1.fails() { Vec::new() } else { self.0.routes() }
    }

    fn batch(&mut self) -> Option<HeapBatch<HeapFrame>> {
        if self.1.fails() { None } else { self.0.batch() }
    }
}

/// Random bytes, but for one call.
struct Random(SeededEntropy, Rc<Ports>);

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        if self.1.fails() { Err(EntropyError) } else { self.0.fill(out) }
    }
}

struct Host {
    stack: Stack<HeapFrame, Failing>,
    device: Device,
    on: InterfaceId,
    entropy: Random,
    now: Instant,
}

impl Host {
    fn new(ports: &Rc<Ports>) -> Result<Self, String> {
        let said = |error: &dyn Debug| format!("{error:?}");
        let mut entropy = Random(SeededEntropy::new(3), Rc::clone(ports));
        let storage = Failing(HeapStorage::new(64, 8), Rc::clone(ports));
        let mut config = Config::new();
        (config.limits.send_bytes, config.limits.receive_bytes) = (4096, 4096);
        let mut stack = Stack::new(config, storage, &mut entropy).map_err(|error| said(&error))?;
        let device = Device::new(1500);
        let on = stack.add_interface(device.capabilities(), MacAddr([0; 6]), &mut entropy);
        let on = on.map_err(|error| said(&error))?;
        stack.add_address(on, AT.ip(), 8).map_err(|error| said(&error))?;
        Ok(Self { stack, device, on, entropy, now: Instant::from_ticks(1) })
    }

    /// Does something; if that fails once, the stack is as it was, and it is done again.
    fn again<T, E: Debug>(&mut self, mut act: impl FnMut(&mut Self) -> Result<T, E>) -> T {
        let sockets = self.stack.sockets();
        let first = act(self);
        if let Ok(done) = first {
            return done;
        }
        assert_eq!(self.stack.sockets(), sockets, "what failed left something");
        self.stack.check().unwrap();
        act(self).unwrap()
    }

    fn poll(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        while self.stack.poll(self.now, self.on, &mut self.device, Budget::default()).unwrap().more {}
        self.stack.check().unwrap();
    }

    /// Sends bytes over a connection, until they have come.
    fn talk(&mut self, from: SocketId, to: SocketId) {
        let (mut sent, mut got) = (0, 0);
        while got < 20_000 {
            let more = self
                .stack
                .tcp_send(from, |room| (room.len().min(20_000 - sent), room.len().min(20_000 - sent)));
            sent += more.unwrap_or(0);
            self.poll(10);
            got += self.stack.tcp_receive(to, |bytes| (bytes.len(), bytes.len())).unwrap_or(0);
            assert!(self.now < Instant::from_ticks(100_000_000_000), "stuck at {got} of {sent}");
        }
    }
}

/// A life of a stack; how many calls there were.
fn story(fails_at: u32) -> u32 {
    let ports = Rc::new(Ports { calls: Cell::new(0), fails_at, lent: Cell::new(0) });
    let mut host = Host::new(&ports).or_else(|_| Host::new(&ports)).unwrap();
    let listener = host.again(|host| host.stack.tcp_listen(AT, 4, &mut host.entropy));
    let datagrams = host.again(|host| host.stack.udp_bind((AT.ip(), 0).into(), &mut host.entropy));
    let client = host.again(|host| host.stack.tcp_connect(AT, None, &mut host.entropy));
    let server = loop {
        // The peer of who gets no memory tries again.
        host.poll(100);
        if let Ok((server, _)) = host.stack.tcp_accept(listener) {
            break server;
        }
        assert!(host.now < Instant::from_ticks(60_000_000_000), "call {fails_at}: nobody comes");
        let _probe = host.stack.tcp_send(client, |room| (usize::from(!room.is_empty()), ()));
    };
    while host.stack.tcp_receive(server, |bytes| (bytes.len(), ())).is_ok() {}
    host.talk(client, server);
    host.talk(server, client);
    let to = host.stack.local_place(datagrams);
    host.stack.udp_send(datagrams, to, b"echo").unwrap();
    host.poll(1);
    assert_eq!(host.stack.udp_receive(datagrams, |_, bytes| bytes == b"echo"), Ok(true));
    for id in [listener, datagrams, client, server] {
        assert!(host.stack.close(id));
    }
    host.poll(10);
    host.poll(70_000);
    assert_eq!((host.stack.sockets(), host.stack.resting()), (0, 0));
    assert_eq!(ports.lent.get(), 0, "call {fails_at}: memory has not come back");
    ports.calls.get()
}

#[test]
fn any_request_for_memory_or_random_bytes_may_fail() {
    let calls = story(0);
    assert!(calls > 15, "only {calls} calls");
    for call in 1..=calls {
        story(call);
    }
}
