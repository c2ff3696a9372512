//! What all interfaces share: [`Core`]: addresses, routes, sockets, counters.

use core::net::{IpAddr, Ipv6Addr};

use heapless::Vec;

use super::interface::Interface;
use super::ways::{Address, KnownWays};
use crate::config::Config;
use crate::error::InterfaceError;
use crate::ip::icmp_limit::{Bucket, IcmpLimit};
use crate::ip::reassembly::Reassembly;
use crate::ip::{Identifications, PathMtus, PathSlot, Routes};
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

pub(crate) struct Core<F, S: Storage<F>> {
    pub(crate) config: Config,
    pub(crate) sockets: Sockets<F, S>,
    pub(crate) addresses: Vec<Address, ADDRESSES>,
    /// Ours and what others told, of all interfaces.
    pub(super) routes: Routes<S::Routes>,
    pub(super) known_ways: KnownWays,
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
        let routes = Routes::new(sockets.storage.routes());
        let icmp_limit = IcmpLimit::new([Bucket::FULL; BUCKETS], config.ip.icmp_errors, seed);
        Self {
            config,
            sockets,
            addresses: Vec::new(),
            routes,
            known_ways: KnownWays::default(),
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
        let socket = match self.sockets.at(index) {
            Some(Socket::Datagrams(socket)) => socket,
            Some(Socket::Listening(_)) => return self.schedule_listener(index),
            _ => return self.settle(index),
        };
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
