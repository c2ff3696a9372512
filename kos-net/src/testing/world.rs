//! Stacks that talk over simulated links in virtual time: [`World`].
//!
//! Nothing here knows the time of day or chance other than the seed's: the same seed and the same calls give the same frames at
//! the same times, which [`World::trace`] tells. After each poll the law of [`Stats`](crate::Stats) is checked, and the stack; and that
//! [`Stack::poll_at`] is exact: a poll before it does nothing, and a poll leaves nothing to do at once.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hasher as _;
use core::net::IpAddr;

use siphasher::sip::SipHasher13;

use super::Dice;
use super::fakes::SeededEntropy;
use super::link::{Line, LinkConfig, LinkStats};
use crate::config::Config;
use crate::dev::{Batch, Capabilities, HeapFrame, Medium, pcap};
use crate::link::InterfaceId;
use crate::ports::{Frame as _, NetDevice};
use crate::sock::HeapStorage;
use crate::stack::{Budget, Stack};
use crate::tcp::congestion::{CongestionControl, Cubic};
use crate::time::Instant;
use crate::wire::MacAddr;

/// The stack of a simulated host, with a policy of congestion control.
pub type HostStack<C = Cubic> = Stack<HeapFrame, HeapStorage<HeapFrame, C>>;

/// Names a host of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostId(usize);

/// Names a link of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkId(usize);

impl LinkId {
    /// The link of a [pair](World::pair).
    #[must_use]
    pub const fn first() -> Self {
        Self(0)
    }
}

/// A host: a stack, and its adapters.
#[derive(Debug)]
pub struct Host<C: CongestionControl + Debug = Cubic> {
    /// The stack.
    pub stack: HostStack<C>,
    /// Its random bytes.
    pub entropy: SeededEntropy,
    ports: Vec<Port>,
}

/// The adapter of a host failed, as it was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterFailed;

impl core::fmt::Display for AdapterFailed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the adapter failed")
    }
}

impl core::error::Error for AdapterFailed {}

/// The adapter of a host on a link.
#[derive(Debug)]
struct Port {
    capabilities: Capabilities,
    interface: InterfaceId,
    link: usize,
    line: Line,
    inbox: VecDeque<HeapFrame>,
    outbox: Vec<HeapFrame>,
    /// Calls so far, and which of them fails.
    calls: u64,
    fails_at: Option<u64>,
}

impl Port {
    fn call(&mut self) -> Result<(), AdapterFailed> {
        self.calls += 1;
        if self.fails_at == Some(self.calls) { Err(AdapterFailed) } else { Ok(()) }
    }
}

impl NetDevice for Port {
    type Frame = HeapFrame;
    type Error = AdapterFailed;

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, into: &mut Batch<HeapFrame>) -> Result<(), AdapterFailed> {
        self.call()?;
        while into.room() > 0
            && let Some(frame) = self.inbox.pop_front()
        {
            drop(into.push(frame));
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        self.call().ok()?;
        HeapFrame::allocate(bytes)
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> Result<(), AdapterFailed> {
        self.call()?;
        self.outbox.extend(core::iter::from_fn(|| from.pop()));
        Ok(())
    }
}

/// Hosts, links, and the time.
#[derive(Debug)]
pub struct World<C: CongestionControl + Debug = Cubic> {
    now: Instant,
    hosts: Vec<Host<C>>,
    links: usize,
    dice: Dice,
    /// Frames under way, in the order of their arrival: host, port, bytes.
    under_way: BTreeMap<(Instant, u64), (usize, usize, Vec<u8>)>,
    frames: u64,
    trace: SipHasher13,
    /// Frames as they were sent, if they are recorded.
    pcap: Option<Vec<u8>>,
}

impl World {
    /// A world without hosts, in which `seed` decides what happens by chance.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of(seed)
    }

    /// Two hosts on an Ethernet of MTU 1500, with 10.0.0.1 and fd00::1, and 10.0.0.2 and fd00::2.
    #[must_use]
    pub fn pair(seed: u64, config: LinkConfig) -> (Self, HostId, HostId) {
        Self::pair_of(seed, config, Config::new())
    }
}

impl<C: CongestionControl + Debug> World<C> {
    /// The same as [`World::new`], with any policy.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self {
            now: Instant::from_ticks(1_000_000_000),
            hosts: Vec::new(),
            links: 0,
            dice: Dice::new(seed),
            under_way: BTreeMap::new(),
            frames: 0,
            trace: SipHasher13::new_with_keys(0, 0),
            pcap: None,
        }
    }

    /// Adds a host.
    ///
    /// # Panics
    /// If its configuration cannot be.
    #[expect(clippy::expect_used, reason = "a test has its configuration right")]
    pub fn add_host(&mut self, config: Config) -> HostId {
        let mut entropy = SeededEntropy::new(self.dice.roll());
        let stack = Stack::new(config, HeapStorage::new(256, 64), &mut entropy).expect("a configuration");
        self.hosts.push(Host { stack, entropy, ports: Vec::new() });
        HostId(self.hosts.len() - 1)
    }

    /// Joins hosts by an Ethernet, or two of them by a line without stations; each gets one more interface.
    ///
    /// # Panics
    /// If a host has too many interfaces.
    #[expect(clippy::expect_used, reason = "a test has its world right")]
    pub fn join(&mut self, hosts: &[HostId], capabilities: Capabilities, config: LinkConfig) -> LinkId {
        for &HostId(number) in hosts {
            let Some(host) = self.hosts.get_mut(number) else { continue };
            let [.., high, low] = (number + 1).to_be_bytes();
            let station = u8::try_from(self.links).unwrap_or(u8::MAX);
            let mac = MacAddr([2, 0, 0, station, high, low]);
            let interface = host.stack.add_interface(&capabilities, mac, &mut host.entropy);
            host.ports.push(Port {
                capabilities,
                interface: interface.expect("an interface"),
                link: self.links,
                line: Line::new(config),
                inbox: VecDeque::new(),
                outbox: Vec::new(),
                calls: 0,
                fails_at: None,
            });
        }
        self.links += 1;
        LinkId(self.links - 1)
    }

    /// The same as [`World::pair`], with any policy and limits.
    ///
    /// # Panics
    /// If that configuration cannot be.
    #[expect(clippy::expect_used, reason = "these addresses fit")]
    pub fn pair_of(seed: u64, link: LinkConfig, config: Config) -> (Self, HostId, HostId) {
        let mut world = Self::of(seed);
        let (a, b) = (world.add_host(config), world.add_host(config));
        world.join(&[a, b], Capabilities::new(Medium::Ethernet, 1500), link);
        for (host, number) in [(a, 1), (b, 2)] {
            let v6 = IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number)]);
            for (address, prefix) in [(IpAddr::from([10, 0, 0, number]), 24), (v6, 64)] {
                world.host(host).stack.add_address(InterfaceId(0), address, prefix).expect("an address");
            }
        }
        (world, a, b)
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// A host.
    ///
    /// # Panics
    /// If it is one of another world.
    #[expect(clippy::indexing_slicing, reason = "documented")]
    pub fn host(&mut self, id: HostId) -> &mut Host<C> {
        &mut self.hosts[id.0]
    }

    /// What a link does from now on.
    pub fn change(&mut self, link: LinkId, config: LinkConfig) {
        let ports = self.hosts.iter_mut().flat_map(|host| &mut host.ports);
        for port in ports.filter(|port| port.link == link.0) {
            port.line.config = config;
        }
    }

    /// Has the `call`-th call of a host's adapters fail, each of them; none with `None`. Calls are counted from 1.
    pub fn fail_at(&mut self, host: HostId, call: Option<u64>) {
        for port in self.hosts.iter_mut().skip(host.0).take(1).flat_map(|host| &mut host.ports) {
            port.fails_at = call;
        }
    }

    /// How many calls of a host's adapters there were.
    #[must_use]
    pub fn calls(&self, host: HostId) -> u64 {
        self.hosts.iter().skip(host.0).take(1).flat_map(|host| &host.ports).map(|port| port.calls).sum()
    }

    /// Lets `frame` arrive at a host's adapters on `link` now, from nobody: what who is not on the way sends in another's name. It
    /// is received when time goes on.
    pub fn inject(&mut self, host: HostId, link: LinkId, frame: &[u8]) {
        self.trace.write_u64(self.now.as_ticks());
        self.trace.write(frame);
        let ports = self.hosts.iter_mut().skip(host.0).take(1).flat_map(|host| &mut host.ports);
        for port in ports.filter(|port| port.link == link.0) {
            port.inbox.push_back(HeapFrame::new(frame.to_vec()));
        }
    }

    /// What was counted on the way from a host to a link.
    #[must_use]
    pub fn link_stats(&self, host: HostId, link: LinkId) -> LinkStats {
        let port = self.hosts.get(host.0).and_then(|host| host.ports.iter().find(|port| port.link == link.0));
        port.map(|port| port.line.stats).unwrap_or_default()
    }

    /// From now on frames of that medium are recorded, as they leave their senders.
    pub fn record(&mut self, medium: Medium) {
        self.pcap = Some(pcap::file_header(medium).to_vec());
    }

    /// What was recorded: a file for tshark and its like.
    #[must_use]
    pub fn recorded(&self) -> &[u8] {
        self.pcap.as_deref().unwrap_or_default()
    }

    /// Tells all that went over all links so far, and when, from all else.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    /// Goes on to when something happens next, but not beyond `limit`, and polls every host. Whether it was before `limit`.
    ///
    /// # Panics
    /// If a stack breaks a law.
    pub fn step(&mut self, limit: Instant) -> bool {
        let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
        let due = self.hosts.iter_mut().filter_map(|host| host.stack.poll_at());
        let next = due.chain(arrival).min().filter(|&next| next < limit);
        self.now = self.now.max(next.unwrap_or(limit));
        self.arrive();
        self.poll();
        next.is_some()
    }

    /// Lets time go on until `done`, or for `limit`. Whether it was done.
    ///
    /// # Panics
    /// If a stack breaks a law, or something is due again and again without time going on.
    pub fn run(&mut self, limit: crate::time::Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let limit = crate::time::after(self.now, limit);
        let (mut still, mut before) = (0, self.now);
        loop {
            if done(self) {
                return true;
            }
            if !self.step(limit) {
                return done(self);
            }
            still = if self.now > before { 0 } else { still + 1 };
            assert!(still < 10_000, "time stands still at {before}");
            before = self.now;
        }
    }

    fn poll(&mut self) {
        for number in 0..self.hosts.len() {
            self.poll_host(number);
        }
    }

    #[expect(clippy::panic, reason = "a law is broken")]
    fn poll_host(&mut self, number: usize) {
        let Some(host) = self.hosts.get_mut(number) else { return };
        // What is due at another interface is its own.
        let single = host.ports.len() == 1;
        for (index, port) in host.ports.iter_mut().enumerate() {
            let budget = Budget::default();
            let due = |stack: &mut HostStack<C>| stack.poll_at().is_some_and(|at| at <= self.now);
            let (idle, before) = (port.inbox.is_empty() && !due(&mut host.stack), host.stack.stats());
            // Who sees a failure tries again, and so does an integrator.
            while !matches!(host.stack.poll(self.now, port.interface, port, budget), Ok(done) if !done.more) {
            }
            if idle && (host.stack.stats() != before || !port.outbox.is_empty()) {
                panic!("at {} a poll had something to do that nobody said", self.now);
            }
            if port.fails_at.is_none() && single && due(&mut host.stack) {
                panic!("at {} a poll left something to do", self.now);
            }
            for frame in core::mem::take(&mut port.outbox) {
                if let Some(record) = &mut self.pcap {
                    record.extend(pcap::record_header(self.now, frame.bytes().len()));
                    record.extend_from_slice(frame.bytes());
                }
                let Some(left) = port.line.enqueue(self.now, frame.bytes().len()) else { continue };
                self.trace.write_u64(self.now.as_ticks());
                self.trace.write_usize(number << 8 | index);
                self.trace.write(frame.bytes());
                let arrivals = port.line.arrivals(left, frame.bytes(), &mut self.dice);
                for (at, bytes) in arrivals {
                    self.frames += 1;
                    self.under_way.insert((at, self.frames), (number, port.link, bytes));
                }
            }
        }
        let stats = host.stack.stats();
        if stats.frames_in != stats.accounted() {
            panic!("{stats:?}: frames without an end");
        }
        if let Err(broken) = host.stack.check() {
            panic!("{broken}");
        }
    }

    /// What is due arrives at all stations of its link but its sender.
    fn arrive(&mut self) {
        while let Some(first) = self.under_way.first_entry().filter(|first| first.key().0 <= self.now) {
            let (sender, link, bytes) = first.remove();
            for (number, host) in self.hosts.iter_mut().enumerate().filter(|(number, _)| *number != sender) {
                let _ = number;
                for port in host.ports.iter_mut().filter(|port| port.link == link) {
                    port.inbox.push_back(HeapFrame::new(bytes.clone()));
                }
            }
        }
    }
}
