//! What all interfaces share: [`Core`]: addresses, routes, sockets, counters.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heapless::Vec;

use super::interface::Interface;
use crate::config::Config;
use crate::error::InterfaceError;
use crate::ip::icmp_limit::{Bucket, IcmpLimit};
use crate::ip::reassembly::Reassembly;
use crate::ip::{Identifications, PathMtus, PathSlot};
use crate::jitter::Jitter;
use crate::link::neighbour::Neighbours;
use crate::sock::demux::Flow;
use crate::sock::{INTERFACES, Kind, Memory, Place, Readiness, Socket, SocketId, Sockets, Storage};
use crate::stats::Stats;
use crate::tcp::challenge::Challenges;
use crate::tcp::isn::Secret;
use crate::time::Instant;

/// The most addresses of a stack.
const ADDRESSES: usize = 32;

/// Destinations of ICMP errors that are told apart.
const BUCKETS: usize = 64;
/// How many paths are known to be narrower than their first link.
const PATHS: usize = 32;

type Pieces<F, S> = Reassembly<<S as Storage<F>>::Pieces, <<S as Storage<F>>::Memory as Memory>::Bytes>;

/// An address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) interface: u8,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

impl Address {
    /// Whether `other` is on its link.
    fn reaches(&self, other: IpAddr) -> bool {
        common_bits(self.address, other).is_some_and(|bits| bits >= u32::from(self.prefix))
    }

    /// The broadcast address of its network.
    fn broadcast(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(address) = self.address else { return None };
        let hosts = u32::MAX.checked_shr(self.prefix.into()).filter(|_| self.prefix < 31)?;
        Some(Ipv4Addr::from_bits(address.to_bits() | hosts))
    }
}

/// How many bits two addresses of one family start with alike.
fn common_bits(a: IpAddr, b: IpAddr) -> Option<u32> {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        _ => None,
    }
}

/// Where a packet goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) interface: u8,
    /// Neighbour, group, or broadcast address.
    pub(crate) next: IpAddr,
    /// The address that it is sent from.
    pub(crate) source: IpAddr,
}

pub(crate) struct Core<F, S: Storage<F>> {
    pub(crate) config: Config,
    pub(crate) sockets: Sockets<F, S>,
    pub(crate) addresses: Vec<Address, ADDRESSES>,
    gateways: Vec<(u8, IpAddr), 2>,
    pub(crate) stats: Stats,
    pub(crate) now: Instant,
    /// What need not be secret.
    pub(crate) jitter: Jitter,
    /// How many raw sockets are open.
    pub(crate) raw_sockets: u32,
    /// How many sockets for datagrams hear only one peer.
    pub(crate) connected_datagrams: u32,
    /// The largest packet of each interface.
    pub(crate) mtus: [u16; INTERFACES],
    /// What initial sequence numbers and the like are made with.
    pub(crate) secret: Secret,
    pub(crate) challenges: Challenges,
    /// Datagrams in pieces; taken out while one of them is handed on.
    pub(crate) reassembly: Option<Pieces<F, S>>,
    pub(crate) icmp_limit: IcmpLimit<[Bucket; BUCKETS]>,
    /// Where packets for our own addresses go.
    pub(super) loopback: Option<u8>,
    /// Paths that are narrower than their first link.
    pub(crate) paths: PathMtus<[PathSlot; PATHS]>,
    pub(crate) identifications: Identifications,
    /// Where frames come in; taken out while they do.
    pub(super) incoming: Option<S::Batch>,
}

impl<F, S: Storage<F>> Core<F, S> {
    pub(super) fn new(
        config: Config,
        mut sockets: Sockets<F, S>,
        secret: Secret,
        keys: [[u64; 3]; 3],
    ) -> Self {
        let [[jitter, ..], seed, numbers] = keys;
        let reassembly = sockets.storage.reassembly().map(|(slots, bytes)| Reassembly::new(slots, bytes));
        let incoming = sockets.storage.batch();
        let icmp_limit = IcmpLimit::new([Bucket::FULL; BUCKETS], config.ip.icmp_errors, seed);
        Self {
            config,
            sockets,
            addresses: Vec::new(),
            gateways: Vec::new(),
            stats: Stats::default(),
            now: Instant::from_ticks(0),
            raw_sockets: 0,
            connected_datagrams: 0,
            mtus: [0; INTERFACES],
            secret,
            challenges: Challenges::new(),
            jitter: Jitter::new(jitter),
            loopback: None,
            reassembly,
            icmp_limit,
            paths: PathMtus::new([PathSlot::EMPTY; PATHS]),
            identifications: Identifications::new(numbers),
            incoming,
        }
    }

    /// Takes the time; it never goes back.
    pub(super) fn advance(&mut self, now: Instant) {
        if now < self.now {
            self.stats.clock_backwards += 1;
        }
        self.now = self.now.max(now);
    }

    pub(super) fn neighbours(
        &mut self,
        seed: [u64; 3],
    ) -> Result<Neighbours<F, S::Neighbours>, InterfaceError> {
        let slots = self.sockets.storage.neighbours().ok_or(InterfaceError::NoNeighbours)?;
        Neighbours::new(slots, self.config.ip.neighbours, seed).map_err(|_| InterfaceError::NoNeighbours)
    }

    pub(super) fn add_address(&mut self, address: Address) -> Result<(), InterfaceError> {
        if address.address.is_multicast() || address.address.is_unspecified() {
            return Err(InterfaceError::NotUnicast);
        }
        self.remove_address(address.interface, address.address);
        self.addresses.push(address).map_err(|_| InterfaceError::TableFull)
    }

    pub(super) fn remove_address(&mut self, interface: u8, address: IpAddr) -> bool {
        let before = self.addresses.len();
        self.addresses.retain(|own| (own.interface, own.address) != (interface, address));
        self.addresses.len() < before
    }

    pub(super) fn gateways(&self) -> impl Iterator<Item = (u8, IpAddr)> {
        self.gateways.iter().copied()
    }

    pub(super) fn set_gateway(&mut self, interface: u8, gateway: IpAddr) -> Result<(), InterfaceError> {
        if gateway.is_multicast() || gateway.is_unspecified() {
            return Err(InterfaceError::NotUnicast);
        }
        self.gateways.retain(|(_, other)| other.is_ipv4() != gateway.is_ipv4());
        self.gateways.push((interface, gateway)).map_err(|_| InterfaceError::TableFull)
    }

    pub(super) fn remove_gateway(&mut self, interface: u8, gateway: IpAddr) -> bool {
        let before = self.gateways.len();
        self.gateways.retain(|one| *one != (interface, gateway));
        self.gateways.len() < before
    }

    pub(super) fn poll_at(&self, interface: &Interface<F, S::Neighbours, S::Batch>) -> Option<Instant> {
        let sending = self.sockets.has_dirty(interface.id.0).then_some(self.now);
        let pieces = self.reassembly.as_ref().and_then(Reassembly::poll_at);
        sending.into_iter().chain(interface.poll_at()).chain(pieces).min()
    }

    /// Whether an address is ours, on that interface or, with `None`, on any.
    pub(crate) fn is_ours(&self, interface: Option<u8>, address: IpAddr) -> bool {
        let own = |own: &Address| own.address == address && interface.is_none_or(|id| own.interface == id);
        self.addresses.iter().any(own)
    }

    /// Whether all on the link of that interface are meant.
    pub(crate) fn is_broadcast(&self, interface: u8, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        let here = |own: &Address| own.interface == interface && own.broadcast() == Some(address);
        address.is_broadcast() || self.addresses.iter().any(here)
    }

    /// Whether all on some link of ours are meant.
    pub(crate) fn is_broadcast_anywhere(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| self.is_broadcast(own.interface, address))
    }

    /// The address that no host has, in the family of another.
    #[expect(clippy::unused_self, reason = "read as a question to the stack")]
    pub(crate) const fn unspecified_like(&self, address: IpAddr) -> IpAddr {
        crate::udp::unspecified_like(address)
    }

    /// The address of that interface that is nearest to `other`.
    pub(crate) fn source_on(&self, interface: u8, other: IpAddr) -> Option<IpAddr> {
        let own = self.addresses.iter().filter(|own| own.interface == interface);
        let near = own.filter_map(|own| Some((common_bits(own.address, other)?, own.address)));
        near.max_by_key(|(bits, _)| *bits).map(|(_, address)| address)
    }

    /// How a packet for `to` goes, from `from` unless that is unspecified.
    /// Who has no address yet can ask all hosts of a link for one (RFC 2131 section 4.1).
    fn way_without_address(&self, from: IpAddr, to: IpAddr) -> Option<Way> {
        let asks = from == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && to == IpAddr::V4(Ipv4Addr::BROADCAST);
        let links = (0_u8..).zip(self.mtus).filter(|&(number, mtu)| mtu > 0 && Some(number) != self.loopback);
        let (interface, _) = links.take(usize::from(asks)).next()?;
        Some(Way { interface, next: to, source: from })
    }

    pub(crate) fn way(&self, from: IpAddr, to: IpAddr) -> Option<Way> {
        let usable = |own: &&Address| from.is_unspecified() || own.address == from;
        if let Some(interface) = self.loopback.filter(|_| self.is_ours(None, to)) {
            return Some(Way { interface, next: to, source: if from.is_unspecified() { to } else { from } });
        }
        let on_link = self.addresses.iter().filter(usable).filter(|own| own.reaches(to));
        if let Some(own) = on_link.max_by_key(|own| own.prefix) {
            return Some(Way { interface: own.interface, next: to, source: own.address });
        }
        let everybody = matches!(to, IpAddr::V4(to) if to.is_broadcast()) || to.is_multicast();
        let gateway = self.gateways.iter().find(|(_, gateway)| gateway.is_ipv4() == to.is_ipv4());
        let on = gateway.map(|(interface, _)| *interface);
        let mut own =
            self.addresses.iter().filter(usable).filter(|own| own.address.is_ipv4() == to.is_ipv4());
        // Nobody else hears what is said to oneself.
        let heard = |own: &&Address| everybody && Some(own.interface) != self.loopback;
        let Some(own) = own.find(|own| heard(own) || Some(own.interface) == on) else {
            return self.way_without_address(from, to);
        };
        let next = if everybody { to } else { gateway?.1 };
        Some(Way { interface: own.interface, next, source: own.address })
    }

    /// The socket for whole datagrams that asks most exactly for one.
    pub(crate) fn find_datagrams(&self, kind: Kind, remote: Place, local: Place) -> Option<u32> {
        let wants = |connected: bool| {
            move |socket: &Socket<S::Memory>| match socket {
                Socket::Datagrams(socket) => {
                    socket.remote.is_some() == connected && socket.wants(kind, remote, local).is_some()
                }
                _ => false,
            }
        };
        let bound = bound_for(local);
        let find = |connected| {
            bound.iter().find_map(|&local| self.sockets.find(&waiting(kind, local), wants(connected)))
        };
        let exact = if self.connected_datagrams > 0 { find(true) } else { None };
        exact.or_else(|| find(false))
    }

    /// Whether another socket for datagrams has that place.
    pub(crate) fn is_taken(&self, kind: Kind, place: Place) -> bool {
        let taken = |address| {
            let clashes = |socket: &Socket<S::Memory>| matches!(socket, Socket::Datagrams(socket) if socket.clashes(kind, place));
            self.sockets.find(&waiting(kind, (address, place.1)), clashes).is_some()
        };
        let own = self.addresses.iter().map(|own| own.address).filter(|_| place.0.is_unspecified());
        bound_for(place).into_iter().map(|(address, _)| address).chain(own).any(taken)
    }

    /// Puts a socket with something to send on the list of the interface that it goes by. Whether there is one.
    pub(crate) fn schedule(&mut self, index: u32) -> bool {
        let Some(Socket::Datagrams(socket)) = self.sockets.at(index) else { return self.settle(index) };
        if self.sockets.is_dirty(index) {
            return true;
        }
        let Some((envelope, _)) = socket.outgoing.peek(socket.send.as_ref()) else { return false };
        let Some(way) = self.way(envelope.local, envelope.remote) else { return false };
        self.sockets.mark_dirty(index, way.interface);
        true
    }

    /// Closes a socket for whole datagrams; what it was to send goes with it.
    pub(crate) fn close_datagrams(&mut self, id: SocketId) -> bool {
        if self.sockets.get(id).is_none() {
            return false;
        }
        let socket = self.sockets.remove(id.index);
        socket.map(|socket| self.give_back(socket)).is_some()
    }

    /// Gives the memory of a socket back.
    pub(crate) fn give_back(&mut self, socket: Socket<S::Memory>) {
        match socket {
            Socket::Tcp(connection) => self.sockets.storage.give_back_connection(connection.memory),
            Socket::Listening(listening) => self.sockets.storage.give_back_records(listening.records),
            Socket::Rest(_) => {}
            Socket::Datagrams(socket) => {
                if let Kind::Raw(_) = socket.kind {
                    self.raw_sockets = self.raw_sockets.saturating_sub(1);
                }
                self.connected_datagrams -= u32::from(socket.remote.is_some());
                self.sockets.storage.give_back(socket.receive);
                self.sockets.storage.give_back(socket.send);
            }
        }
    }

    /// An error of the network for a socket.
    pub(crate) fn fail_datagrams(&mut self, index: u32, error: crate::error::NetworkError) {
        if let Some(Socket::Datagrams(socket)) = self.sockets.at_mut(index) {
            socket.error = Some(error);
            self.sockets.tell(index, Readiness::ERROR);
        }
    }
}

/// What a socket for datagrams is found by.
pub(crate) fn waiting(kind: Kind, (address, port): Place) -> Flow {
    let port = if let Kind::Raw(protocol) = kind { protocol.0.into() } else { port };
    Flow { local: (address, port), remote: (crate::udp::unspecified_like(address), 0) }
}

/// Where a socket may be bound that hears what comes to `place`, the most exact first.
pub(crate) fn bound_for((address, port): Place) -> [Place; 3] {
    let any = crate::udp::unspecified_like(address);
    [(address, port), (any, port), (IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)]
}
