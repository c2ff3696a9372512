//! Our stack behind a driver of smoltcp, and smoltcp itself behind another, over links that lose, damage and reorder: what one
//! writes the other reads, both ways, whoever opened the connection.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panic"
)]

extern crate alloc;

use alloc::collections::VecDeque;

use core::net::{IpAddr, SocketAddr};
use kos_net::dev::{HeapFrame, SmoltcpDevice};
use kos_net::link::InterfaceId;
use kos_net::sock::HeapStorage;
use kos_net::testing::fakes::SeededEntropy;
use kos_net::testing::link::{Cable, LinkConfig};
use kos_net::testing::{Dice, cases};
use kos_net::time::{Duration, Instant};
use kos_net::wire::MacAddr;
use kos_net::{Budget, Config, SocketId, Stack, StreamError};
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};

/// An unmodified driver of smoltcp: two queues.
struct Driver {
    inbox: VecDeque<Vec<u8>>,
    outbox: Vec<Vec<u8>>,
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Room<'a>(&'a mut Vec<Vec<u8>>);

impl phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut bytes = vec![0; len];
        let result = f(&mut bytes);
        self.0.push(bytes);
        result
    }
}

impl phy::Device for Driver {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Received, Room<'_>)> {
        Some((Received(self.inbox.pop_front()?), Room(&mut self.outbox)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Room<'_>> {
        Some(Room(&mut self.outbox))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        (capabilities.medium, capabilities.max_transmission_unit) = (Medium::Ethernet, 1514);
        capabilities
    }
}

fn driver() -> Driver {
    Driver { inbox: VecDeque::new(), outbox: Vec::new() }
}

/// Bytes that one side sends, and how far it is.
struct Flow {
    out: Vec<u8>,
    sent: usize,
    got: Vec<u8>,
}

impl Flow {
    fn new(length: usize, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        Self { out: (0..length).map(|_| dice.roll().to_le_bytes()[0]).collect(), sent: 0, got: Vec::new() }
    }

    fn fill(&mut self, room: &mut [u8]) -> (usize, ()) {
        let rest = &self.out[self.sent..];
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        self.sent += count;
        (count, ())
    }
}

struct Ours {
    stack: Stack<HeapFrame, HeapStorage<HeapFrame>>,
    device: SmoltcpDevice<Driver, Vec<u8>>,
    entropy: SeededEntropy,
    listener: Option<SocketId>,
    socket: Option<SocketId>,
    flow: Flow,
}

struct Theirs {
    interface: Interface,
    driver: Driver,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    flow: Flow,
}

fn address(v6: bool, number: u8) -> IpAddr {
    if v6 {
        IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, number.into()])
    } else {
        IpAddr::from([10, 0, 0, number])
    }
}

impl Ours {
    fn new(v6: bool, length: usize, seed: u64) -> Self {
        let mut entropy = SeededEntropy::new(seed);
        let device = SmoltcpDevice::new(driver()).unwrap();
        let mut stack = Stack::new(Config::new(), HeapStorage::new(16, 16), &mut entropy).unwrap();
        let capabilities = kos_net::NetDevice::capabilities(&device);
        stack.add_interface(capabilities, MacAddr([2, 0, 0, 0, 0, 1]), &mut entropy).unwrap();
        stack.add_address(InterfaceId(0), address(v6, 1), if v6 { 64 } else { 24 }).unwrap();
        Self { stack, device, entropy, listener: None, socket: None, flow: Flow::new(length, seed) }
    }

    fn run(&mut self, now: Instant) {
        self.device.set_now(now);
        while self.stack.poll(now, InterfaceId(0), &mut self.device, Budget::default()).unwrap().more {}
        if let Some(listener) = self.listener {
            self.socket = self.socket.or(self.stack.tcp_accept(listener).ok().map(|(id, _)| id));
        }
        let Some(id) = self.socket else { return };
        let flow = &mut self.flow;
        while flow.sent < flow.out.len() && self.stack.tcp_send(id, |room| flow.fill(room)).is_ok() {}
        let got = &mut flow.got;
        loop {
            let read = self.stack.tcp_receive(id, |bytes| {
                got.extend_from_slice(bytes);
                (bytes.len(), ())
            });
            match read {
                Ok(()) => {}
                Err(StreamError::NotNow | StreamError::Finished) => break,
                Err(error) => panic!("{error}"),
            }
        }
        while self.stack.poll(now, InterfaceId(0), &mut self.device, Budget::default()).unwrap().more {}
    }
}

fn micros(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(now.as_ticks() / 1000).unwrap())
}

impl Theirs {
    fn new(now: Instant, v6: bool, length: usize, seed: u64) -> Self {
        let mut driver = driver();
        let mac = HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, 2]));
        let mut interface = Interface::new(smoltcp::iface::Config::new(mac), &mut driver, micros(now));
        let cidr = IpCidr::new(IpAddress::from(address(v6, 2)), if v6 { 64 } else { 24 });
        interface.update_ip_addrs(|all| all.push(cidr).unwrap());
        let ring = || tcp::SocketBuffer::new(vec![0; 32 * 1024]);
        let mut socket = tcp::Socket::new(ring(), ring());
        socket.set_congestion_control(tcp::CongestionControl::Cubic);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        Self { interface, driver, sockets, socket, flow: Flow::new(length, seed + 1) }
    }

    fn run(&mut self, now: Instant) {
        self.interface.poll(micros(now), &mut self.driver, &mut self.sockets);
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.socket);
        let flow = &mut self.flow;
        while flow.sent < flow.out.len() && socket.can_send() {
            socket.send(|room| flow.fill(room)).unwrap();
        }
        while socket.can_recv() {
            let read = socket.recv(|bytes| (bytes.len(), flow.got.extend_from_slice(bytes)));
            read.unwrap();
        }
        self.interface.poll(micros(now), &mut self.driver, &mut self.sockets);
    }
}

/// Both send `length` bytes at the same time; how long it took.
fn exchange(seed: u64, link: LinkConfig, v6: bool, we_open: bool, length: usize) -> Duration {
    let start = Instant::from_ticks(1_000_000_000);
    let (mut ours, mut theirs) = (Ours::new(v6, length, seed), Theirs::new(start, v6, length, seed));
    let (here, there) = (SocketAddr::new(address(v6, 1), 80), SocketAddr::new(address(v6, 2), 80));
    let socket = theirs.sockets.get_mut::<tcp::Socket<'_>>(theirs.socket);
    if we_open {
        socket.listen(80).unwrap();
        ours.socket = Some(ours.stack.tcp_connect(there, None, &mut ours.entropy).unwrap());
    } else {
        ours.listener = Some(ours.stack.tcp_listen(here, 1, &mut ours.entropy).unwrap());
        socket.connect(theirs.interface.context(), here, 5000).unwrap();
    }
    let (mut cable, mut now) = (Cable::new(seed, link), start);
    while ours.flow.got.len() < length || theirs.flow.got.len() < length {
        while let Some((side, bytes)) = cable.arrive(now) {
            if side == 0 { ours.device.get_mut() } else { &mut theirs.driver }.inbox.push_back(bytes);
        }
        ours.run(now);
        theirs.run(now);
        for (side, frames) in [(0, &mut ours.device.get_mut().outbox), (1, &mut theirs.driver.outbox)] {
            frames.drain(..).for_each(|bytes| cable.send(now, side, &bytes, Duration::from_ticks(0)));
        }
        let theirs_due = theirs.interface.poll_at(micros(now), &theirs.sockets);
        let theirs_due =
            theirs_due.map(|at| Instant::from_ticks(u64::try_from(at.total_micros()).unwrap() * 1000));
        let due = [cable.next_arrival(), ours.stack.poll_at(), theirs_due].into_iter().flatten().min();
        // smoltcp counts microseconds.
        now = due.expect("something is to come").max(now + Duration::from_micros(1));
        assert!(now < start + Duration::from_secs(3600), "seed {seed}: stuck at {now}");
    }
    ours.stack.check().unwrap();
    assert!(ours.flow.got == theirs.flow.out, "seed {seed}: what smoltcp sent came otherwise");
    assert!(theirs.flow.got == ours.flow.out, "seed {seed}: what we sent came otherwise");
    now - start
}

#[test]
fn streams_cross_with_smoltcp_over_a_good_link() {
    for (v6, we_open) in [(false, false), (false, true), (true, false), (true, true)] {
        let link = LinkConfig::perfect(Duration::from_millis(5));
        let took = exchange(1, link, v6, we_open, 300_000);
        assert!(took < Duration::from_secs(10), "{took} for 300 kB over 10 ms");
    }
}

#[test]
fn streams_cross_with_smoltcp_over_bad_links() {
    for seed in 0..u64::from(cases()) / 16 {
        let mut dice = Dice::new(seed);
        let mut upto = |most: u64| u32::try_from(dice.below(most)).unwrap();
        let (loss, duplicate, corrupt, reorder) = (upto(100_001), upto(50_000), upto(20_000), upto(100_000));
        let delay = Duration::from_micros(1 + u64::from(upto(30_000)));
        let rate = [None, Some(1_000_000), Some(100_000_000)][upto(3) as usize];
        let link = LinkConfig { rate, delay, queue: 64 * 1024, loss, duplicate, corrupt, reorder };
        exchange(seed, link, seed % 2 == 0, seed % 4 < 2, 20_000);
    }
}
