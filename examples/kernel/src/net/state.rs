//! What the network consists of: [`State`], one value under one lock.

use core::error::Error;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use kos_net::dev::HeapFrame;
use kos_net::link::InterfaceId;
use kos_net::sock::HeapStorage;
use kos_net::{
    BindError, Budget, Config, ConfigError, Entropy, InterfaceError, LinkControl, NetDevice, SocketId, Stack,
};

use super::firewall::{Fence, Firewall, Link};
use super::lease::Lessee;
use super::names::Resolver;
use super::own::Own;
use super::web::{Door, Grant};
use crate::Kernel;
use crate::glue::entropy::KernelEntropy;
use crate::glue::faults::{Lossy, Rule};
use crate::platform::{NetCard, Platform};
use crate::text::Text;
use crate::time::{Duration, Instant, after};

/// Sockets at most.
const SOCKETS: u32 = 4096;
/// Neighbours that are known at most.
const NEIGHBOURS: usize = 128;
/// Polls of a turn, so that others get the lock, too.
const POLLS: usize = 8;
/// After how long a card that found no memory looks for some again.
const HUNGER: Duration = Duration::from_millis(100);

type KernelStack = Stack<HeapFrame, HeapStorage<HeapFrame>>;

/// Stack, devices, and what they need.
pub(crate) struct State<P: Platform> {
    pub(crate) stack: KernelStack,
    pub(crate) entropy: KernelEntropy,
    /// This host, as it hears itself.
    own: Own,
    pub(crate) own_interface: InterfaceId,
    pub(crate) card: Option<Card<P::Net>>,
    pub(crate) lessee: Option<Lessee>,
    pub(super) names: Resolver,
    pub(crate) web: Web,
    /// Who may pass between devices and stack.
    pub(crate) firewall: Firewall,
    /// A socket was closed that somebody may wait for.
    closed: bool,
    /// When what this host sent to itself comes, if that takes a time.
    own_due: Option<Instant>,
}

/// A network card.
pub(crate) struct Card<N> {
    pub(crate) device: N,
    pub(crate) interface: InterfaceId,
    /// What it failed with, once it did.
    pub(crate) failed: Option<Text>,
}

/// The HTTP server.
#[derive(Default)]
pub(crate) struct Web {
    /// Where it listens.
    pub(crate) listener: Option<SocketId>,
    /// Requests that were answered whole.
    pub(crate) answered: u64,
    /// Who is in.
    pub(crate) door: Door,
    /// Who may see and change files and services; nobody, if there is none.
    pub(crate) grant: Option<Grant>,
}

impl<P: Platform> State<P> {
    /// A stack over this host itself and `card`, which has no address yet.
    pub(super) fn new(kernel: &Kernel<P>, card: Option<P::Net>) -> Result<Self, NetError> {
        let mut entropy = KernelEntropy::new(kernel);
        let own = Own::new(kernel.platform());
        let (mut stack, own_interface) = open(&own, &mut entropy)?;
        let card = card.map(|device| Card::new(device, &mut stack, &mut entropy)).transpose()?;
        let names = Resolver::new();
        let (lessee, web, firewall, closed, own_due) = (None, Web::default(), Firewall::new(), false, None);
        Ok(Self { stack, entropy, own, own_interface, card, lessee, names, web, firewall, closed, own_due })
    }

    /// Does what is to be done at `now`, where packets are lost by a rule, and take a time on their way from this host to itself: when there
    /// is more, and whether there is news of a socket.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        lost: &Rule,
        delay: &dyn Fn() -> Duration,
    ) -> (Option<Instant>, bool) {
        let more = (0..POLLS).all(|_| self.poll(now, lost, delay));
        let mut news = self.lease(now) | self.resolve(now) | core::mem::take(&mut self.closed);
        while self.stack.next_ready().is_some() {
            news = true;
        }
        let lease = self.lessee.as_ref().and_then(Lessee::poll_at);
        let hungry = self.card.as_ref().filter(|card| card.failed.is_none() && card.device.is_starved());
        let hungry = hungry.map(|_| after(now, HUNGER));
        // Behind what takes its time, what is late comes late.
        let own = self.own_due.or_else(|| self.own.due());
        let due = [self.stack.poll_at(), lease, self.names.poll_at(now), hungry, own];
        let next = due.into_iter().flatten().min();
        (if more { Some(now) } else { next }, news)
    }

    /// Lets go of memory that is kept for later only.
    pub(super) fn trim(&mut self) {
        self.stack.trim();
        self.own.trim();
    }

    /// Closes a socket, and has those told who wait for it.
    pub(crate) fn close(&mut self, id: SocketId) {
        self.stack.close(id);
        self.closed = true;
    }

    /// Polls this host itself, unless its packets are on their way; whether there may be more to do at once.
    fn poll_own(&mut self, now: Instant, lost: &Rule, delay: &dyn Fn() -> Duration) -> bool {
        if self.own_due.take_if(|due| *due <= now).is_none() && self.own_due.is_some() {
            return false;
        }
        let own = &mut Lossy(&mut self.own, lost);
        let own = &mut Fence::new(own, &mut self.firewall, Link::Own);
        let Ok(own) = self.stack.poll(now, self.own_interface, own, Budget::default());
        // What was just sent there has to be received.
        let moved = own.frames_in + own.packets_out > 0;
        let due = after(now, delay());
        self.own_due = (moved && due > now).then_some(due);
        moved && self.own_due.is_none()
    }

    /// Polls each device once; whether there may be more to do at once.
    fn poll(&mut self, now: Instant, lost: &Rule, delay: &dyn Fn() -> Duration) -> bool {
        let own = self.poll_own(now, lost, delay);
        let Some(card) = self.card.as_mut().filter(|card| card.failed.is_none()) else { return own };
        let device = &mut Lossy(&mut card.device, lost);
        let device = &mut Fence::new(device, &mut self.firewall, Link::Card);
        match self.stack.poll(now, card.interface, device, Budget::default()) {
            Ok(progress) => own | progress.more | self.firewall.take_dropped(),
            Err(error) => {
                card.failed = Some(Text::new(format_args!("{error}")));
                own
            }
        }
    }
}

impl<N: NetDevice<Frame = HeapFrame> + LinkControl> Card<N> {
    fn new(device: N, stack: &mut KernelStack, entropy: &mut KernelEntropy) -> Result<Self, NetError> {
        let added = stack.add_interface(device.capabilities(), device.mac(), entropy);
        let interface = added.map_err(NetError::Interface)?;
        Ok(Self { device, interface, failed: None })
    }
}

/// Makes a stack that hears itself.
fn open(own: &impl NetDevice, entropy: &mut dyn Entropy) -> Result<(KernelStack, InterfaceId), NetError> {
    let storage = HeapStorage::new(SOCKETS, NEIGHBOURS);
    let mut stack = Stack::new(Config::new(), storage, entropy).map_err(NetError::Config)?;
    let opened = stack.add_interface(own.capabilities(), kos_net::wire::MacAddr([0; 6]), entropy);
    let interface = opened.map_err(NetError::Interface)?;
    for (address, prefix) in [(Ipv4Addr::LOCALHOST.into(), 8), (Ipv6Addr::LOCALHOST.into(), 128)] {
        stack.add_address(interface, address, prefix).map_err(NetError::Interface)?;
    }
    Ok((stack, interface))
}

/// Why there is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetError {
    /// The stack cannot be.
    Config(ConfigError),
    /// It cannot have the device.
    Interface(InterfaceError),
    /// There is no socket to lease an address with.
    Lease(BindError),
    /// There is no memory for them.
    NoMemory,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(cause) => cause.fmt(f),
            Self::Interface(cause) => cause.fmt(f),
            Self::Lease(cause) => cause.fmt(f),
            Self::NoMemory => f.write_str("no memory for a network"),
        }
    }
}

impl Error for NetError {}
