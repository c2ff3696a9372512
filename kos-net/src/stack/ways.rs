//! Our addresses, and the ways from them: [`Core::way`].
//!
//! An address brings an on-link route for its network, a gateway the default route; what an integrator or a router adds stands
//! beside them in one table. The host is strong: a packet goes out by the interface that its source belongs to.

use core::cell::Cell;
use core::net::{IpAddr, Ipv4Addr};

use super::Core;
use crate::error::InterfaceError;
use crate::ip::source_select::{self, Candidate};
use crate::ip::{Prefix, Route, RouteError, RouteKind};
use crate::link::InterfaceId;
use crate::sock::Storage;

/// An address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) interface: u8,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    /// Whether it was made of what a router advertised.
    pub(crate) advertised: bool,
    /// Whether it is not to be used for anything new.
    pub(crate) deprecated: bool,
}

impl Address {
    /// One that the integrator gives.
    pub(super) const fn given(interface: u8, address: IpAddr, prefix: u8) -> Self {
        Self { interface, address, prefix, advertised: false, deprecated: false }
    }

    /// The route to its neighbours. Of interfaces on the same network the first is taken.
    fn route(&self) -> Option<Route> {
        // Who advertises an address says apart from that who is on the link.
        let link = matches!(self.address, IpAddr::V6(address) if address.is_unicast_link_local());
        let alone = self.advertised && !link;
        let length = if alone { Prefix::host(self.address).length() } else { self.prefix };
        let destination = Prefix::new(self.address, length)?;
        let (interface, metric) = (InterfaceId(self.interface), self.interface.into());
        Some(Route { destination, kind: RouteKind::OnLink, interface, metric })
    }

    /// The broadcast address of its network.
    pub(super) fn broadcast(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(address) = self.address else { return None };
        let hosts = u32::MAX.checked_shr(self.prefix.into()).filter(|_| self.prefix < 31)?;
        Some(Ipv4Addr::from_bits(address.to_bits() | hosts))
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

/// A way that was found.
#[derive(Clone, Copy, Debug)]
struct KnownWay {
    from: IpAddr,
    to: IpAddr,
    way: Way,
}

/// Ways that were found last, by the last bits of where they lead: as long as addresses and routes stay as they are.
#[derive(Debug, Default)]
pub(super) struct KnownWays([Cell<Option<KnownWay>>; 8]);

impl KnownWays {
    fn place(&self, to: IpAddr) -> Option<&Cell<Option<KnownWay>>> {
        let last = match to {
            IpAddr::V4(to) => to.octets().last().copied(),
            IpAddr::V6(to) => to.octets().last().copied(),
        };
        self.0.get(usize::from(last? % 8))
    }

    /// Addresses or routes are others now.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// All addresses of the family of another.
const fn everything(like: IpAddr) -> Option<Prefix> {
    Prefix::new(crate::udp::unspecified_like(like), 0)
}

impl<F, S: Storage<F>> Core<F, S> {
    pub(super) fn add_address(&mut self, address: Address) -> Result<(), InterfaceError> {
        if address.address.is_multicast() || address.address.is_unspecified() {
            return Err(InterfaceError::NotUnicast);
        }
        let route = address.route().ok_or(InterfaceError::BadPrefix { length: address.prefix })?;
        self.remove_address(address.interface, address.address);
        if self.addresses.is_full() {
            return Err(InterfaceError::TableFull);
        }
        match self.routes.add(route) {
            Ok(()) | Err(RouteError::Exists(_)) => {}
            Err(_) => return Err(InterfaceError::TableFull),
        }
        self.addresses.push(address).map_err(|_| InterfaceError::TableFull)
    }

    pub(super) fn remove_address(&mut self, interface: u8, address: IpAddr) -> bool {
        let same = |own: &&Address| (own.interface, own.address) == (interface, address);
        let Some(gone) = self.addresses.iter().find(same).copied() else { return false };
        self.addresses.retain(|own| !same(&own));
        let route = gone.route();
        if !self.addresses.iter().any(|own| own.route() == route) {
            self.routes.retain(|known| Some(*known) != route);
        }
        true
    }

    /// Other ways lead anywhere now: what waits on the list of an interface may go by another, or at all. Looks at each socket.
    pub(super) fn reroute(&mut self) {
        self.known_ways.forget();
        for index in 0..self.sockets.storage.slots() {
            if self.sockets.at(index).is_some() {
                self.sockets.clear_dirty(index);
                self.schedule(index);
            }
        }
    }

    /// The default routes.
    pub(super) fn gateways(&self) -> impl Iterator<Item = (u8, IpAddr)> {
        self.routes.iter().filter(|route| route.destination.length() == 0).filter_map(|route| {
            match route.kind {
                RouteKind::Via(gateway) => Some((route.interface.0, gateway)),
                _ => None,
            }
        })
    }

    pub(super) fn set_gateway(&mut self, interface: u8, gateway: IpAddr) -> Result<(), InterfaceError> {
        if gateway.is_multicast() || gateway.is_unspecified() {
            return Err(InterfaceError::NotUnicast);
        }
        let destination = everything(gateway).ok_or(InterfaceError::NotUnicast)?;
        let before = self.routes.remove(destination, 0);
        let kind = RouteKind::Via(gateway);
        let route = Route { destination, kind, interface: InterfaceId(interface), metric: 0 };
        let added = self.routes.add(route);
        if let (Err(_), Some(before)) = (added, before) {
            // Its place is free.
            let _ = self.routes.add(before);
        }
        added.map_err(|error| match error {
            RouteError::GatewayOffLink(gateway) => InterfaceError::GatewayOffLink(gateway),
            _ => InterfaceError::TableFull,
        })
    }

    pub(super) fn remove_gateway(&mut self, interface: u8, gateway: IpAddr) -> bool {
        let before = self.gateways().count();
        let gone = (InterfaceId(interface), RouteKind::Via(gateway));
        self.routes.retain(|route| (route.interface, route.kind) != gone || route.destination.length() > 0);
        self.gateways().count() < before
    }

    /// The address that a packet from `from`, or whatever fits best, goes out from by an interface.
    fn source(&self, interface: u8, from: IpAddr, to: IpAddr) -> Option<IpAddr> {
        if !from.is_unspecified() {
            let own = |own: &Address| (own.interface, own.address) == (interface, from);
            return self.addresses.iter().any(own).then_some(from);
        }
        let here = self.addresses.iter().filter(|own| own.interface == interface);
        let candidates = here.map(|own| Candidate {
            address: own.address,
            prefix_length: own.prefix,
            deprecated: own.deprecated,
        });
        source_select::select(candidates, to)
    }

    /// The address of that interface that suits `other` best.
    pub(crate) fn source_on(&self, interface: u8, other: IpAddr) -> Option<IpAddr> {
        self.source(interface, crate::udp::unspecified_like(other), other)
    }

    /// How a packet for `to` goes, from `from` unless that is unspecified. What was found last is remembered.
    pub(crate) fn way(&self, from: IpAddr, to: IpAddr) -> Option<Way> {
        let place = self.known_ways.place(to)?;
        if let Some(known) = place.get().filter(|known| known.to == to && known.from == from) {
            return Some(known.way);
        }
        let way = self.find_way(from, to)?;
        place.set(Some(KnownWay { from, to, way }));
        Some(way)
    }

    fn find_way(&self, from: IpAddr, to: IpAddr) -> Option<Way> {
        if let Some(interface) = self.loopback.filter(|_| self.is_ours(None, to)) {
            return Some(Way { interface, next: to, source: if from.is_unspecified() { to } else { from } });
        }
        if to.is_multicast() || to == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return self.way_to_all(from, to);
        }
        let usable = |route: &Route| {
            route.kind == RouteKind::Blackhole || self.source(route.interface.0, from, to).is_some()
        };
        let route = self.routes.lookup(to, usable)?;
        let (next, interface) = (route.next_hop(to)?, route.interface.0);
        Some(Way { interface, next, source: self.source(interface, from, to)? })
    }

    /// How a packet for a group, or for all, goes: by the interface of its source, else by the first that has a source for it.
    fn way_to_all(&self, from: IpAddr, to: IpAddr) -> Option<Way> {
        let out = |own: &&Address| Some(own.interface) != self.loopback;
        let way = |own: &Address| {
            let source = self.source(own.interface, from, to)?;
            Some(Way { interface: own.interface, next: to, source })
        };
        self.addresses.iter().filter(out).find_map(way).or_else(|| self.way_without_address(from, to))
    }

    /// Who has no address yet can ask all hosts of a link for one (RFC 2131 section 4.1).
    fn way_without_address(&self, from: IpAddr, to: IpAddr) -> Option<Way> {
        let asks = from == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && to == IpAddr::V4(Ipv4Addr::BROADCAST);
        let links = (0_u8..).zip(self.mtus).filter(|&(number, mtu)| mtu > 0 && Some(number) != self.loopback);
        let (interface, _) = links.take(usize::from(asks)).next()?;
        Some(Way { interface, next: to, source: from })
    }
}
