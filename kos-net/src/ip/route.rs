//! Where packets go: [`Routes`], the longest prefix that matches wins, of equal ones the lowest metric.
//!
//! Invariants: the routes are sorted; each knows the nearest before it that covers it. So a look-up is a binary search and a walk
//! over the routes that cover each other, 64 routes or a million. A gateway is on the link of its route.
//! Source: RFC 1812 section 5.2.4.3; RFC 4632 for the longest match.

use core::fmt;
use core::net::IpAddr;

use super::prefix::{Prefix, bits};
use crate::link::InterfaceId;
use crate::room::Room;

/// What a route does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// Who it is for is a neighbour.
    OnLink,
    /// A neighbour passes it on.
    Via(IpAddr),
    /// It is dropped.
    Blackhole,
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Who is reached by it.
    pub destination: Prefix,
    /// How.
    pub kind: RouteKind,
    /// Over which link.
    pub interface: InterfaceId,
    /// Of routes to the same network the lowest counts.
    pub metric: u32,
}

impl Route {
    /// Which neighbour gets a packet for `destination`; `None` if nobody.
    #[must_use]
    pub const fn next_hop(&self, destination: IpAddr) -> Option<IpAddr> {
        match self.kind {
            RouteKind::OnLink => Some(destination),
            RouteKind::Via(gateway) => Some(gateway),
            RouteKind::Blackhole => None,
        }
    }

    fn order(&self) -> (bool, u128, u8, core::cmp::Reverse<u32>) {
        let address = self.destination.address();
        (address.is_ipv6(), bits(address), self.destination.length(), core::cmp::Reverse(self.metric))
    }
}

/// Room for one route.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteSlot {
    route: Option<Route>,
    /// The place of the nearest route before it that covers it, plus one; 0 if none does.
    parent: u32,
}

impl RouteSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self { route: None, parent: 0 };
}

/// Why a route is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// There is no room.
    Full,
    /// There is one with the same destination and metric.
    Exists(Route),
    /// Its gateway is not on its link, or of the other family.
    GatewayOffLink(IpAddr),
    /// There is no such interface.
    NoInterface(InterfaceId),
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("no room for another route"),
            Self::Exists(route) => write!(f, "there is a route to {} already", route.destination),
            Self::GatewayOffLink(gateway) => write!(f, "gateway {gateway} is not on the link"),
            Self::NoInterface(InterfaceId(number)) => write!(f, "there is no interface {number}"),
        }
    }
}

impl core::error::Error for RouteError {}

/// The routes of all interfaces.
#[derive(Debug)]
pub struct Routes<S> {
    slots: S,
    count: usize,
}

impl<S: Room<RouteSlot>> Routes<S> {
    /// No routes.
    pub fn new(mut slots: S) -> Self {
        slots.as_mut().fill(RouteSlot::EMPTY);
        Self { slots, count: 0 }
    }

    /// The best route to `destination` of those that `usable` says may be used: whose interface is up, whose gateway answers.
    pub fn lookup(&self, destination: IpAddr, usable: impl Fn(&Route) -> bool) -> Option<Route> {
        let sought = (destination.is_ipv6(), bits(destination), u8::MAX, core::cmp::Reverse(0));
        let slots = self.used();
        let mut next = slots.partition_point(|slot| slot.route.is_some_and(|route| route.order() <= sought));
        while let Some(slot) = next.checked_sub(1).and_then(|place| slots.get(place)) {
            let fits = |route: &Route| route.destination.contains(destination) && usable(route);
            if let Some(route) = slot.route.filter(fits) {
                return Some(route);
            }
            next = usize::try_from(slot.parent).unwrap_or(0);
        }
        None
    }

    /// Adds a route.
    ///
    /// # Errors
    /// There is no room or the same route already, or its gateway is not reached over an on-link route of its interface.
    pub fn add(&mut self, route: Route) -> Result<(), RouteError> {
        if let RouteKind::Via(gateway) = route.kind
            && !self.is_on_link(gateway, &route)
        {
            return Err(RouteError::GatewayOffLink(gateway));
        }
        let place = match self.place(&route) {
            Ok(place) => {
                let existing = self.used().get(place).and_then(|slot| slot.route);
                return Err(RouteError::Exists(existing.unwrap_or(route)));
            }
            Err(place) => place,
        };
        let count = self.count + 1;
        let moved = self.slots.as_mut().get_mut(..count).and_then(|used| used.get_mut(place..));
        let moved = moved.ok_or(RouteError::Full)?;
        moved.rotate_right(1);
        if let Some(slot) = moved.first_mut() {
            slot.route = Some(route);
        }
        self.count = count;
        self.find_parents();
        Ok(())
    }

    /// Takes the route away that has this destination and metric.
    pub fn remove(&mut self, destination: Prefix, metric: u32) -> Option<Route> {
        let same = |route: &Route| route.destination == destination && route.metric == metric;
        let removed = self.iter().find(|&route| same(route)).copied();
        self.retain(|route| !same(route));
        removed
    }

    /// Keeps only the routes that `keep` says.
    pub fn retain(&mut self, keep: impl Fn(&Route) -> bool) {
        let used = self.slots.as_mut().get_mut(..self.count).unwrap_or_default();
        let mut kept = 0;
        for place in 0..used.len() {
            if used.get(place).and_then(|slot| slot.route).is_some_and(|route| keep(&route)) {
                used.swap(kept, place);
                kept += 1;
            }
        }
        used.get_mut(kept..).unwrap_or_default().fill(RouteSlot::EMPTY);
        self.count = kept;
        self.find_parents();
    }

    /// All routes, sorted by destination; of one destination the best last.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.used().iter().filter_map(|slot| slot.route.as_ref())
    }

    /// Walks every invariant; says whether all hold.
    #[must_use]
    pub fn check(&self) -> bool {
        let routes = self.used();
        let sorted = routes.is_sorted_by(|a, b| match (a.route, b.route) {
            (Some(a), Some(b)) => a.order() < b.order(),
            _ => false,
        });
        let empty = self.slots.as_ref().iter().skip(self.count).all(|slot| slot.route.is_none());
        sorted && empty && routes.iter().enumerate().all(|(place, slot)| self.parent_of(place) == slot.parent)
    }

    fn used(&self) -> &[RouteSlot] {
        self.slots.as_ref().get(..self.count).unwrap_or_default()
    }

    fn place(&self, route: &Route) -> Result<usize, usize> {
        let order = |slot: &RouteSlot| slot.route.map(|route| route.order());
        self.used().binary_search_by(|slot| order(slot).cmp(&Some(route.order())))
    }

    fn is_on_link(&self, gateway: IpAddr, route: &Route) -> bool {
        let same_family = gateway.is_ipv4() == route.destination.address().is_ipv4();
        let link_local = matches!(gateway, IpAddr::V6(gateway) if gateway.is_unicast_link_local());
        let found = || self.lookup(gateway, |other| other.interface == route.interface);
        same_family && (link_local || found().is_some_and(|found| found.kind == RouteKind::OnLink))
    }

    /// What the slot at `place` must name as its parent, if those before it are right.
    fn parent_of(&self, place: usize) -> u32 {
        let slots = self.used();
        let Some(child) = slots.get(place).and_then(|slot| slot.route) else { return 0 };
        let mut next = place;
        while let Some(slot) = next.checked_sub(1).and_then(|place| slots.get(place)) {
            if slot.route.is_some_and(|route| route.destination.covers(&child.destination)) {
                return u32::try_from(next).unwrap_or(0);
            }
            // The one just before is asked first, then those that cover it.
            next = usize::try_from(slot.parent).unwrap_or(0);
        }
        0
    }

    fn find_parents(&mut self) {
        for place in 0..self.count {
            let parent = self.parent_of(place);
            if let Some(slot) = self.slots.as_mut().get_mut(place) {
                slot.parent = parent;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use core::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::{Route, RouteError, RouteKind, RouteSlot, Routes};
    use crate::ip::Prefix;
    use crate::link::InterfaceId;

    fn on_link(network: &str, length: u8, metric: u32) -> Route {
        let destination = Prefix::new(network.parse().unwrap(), length).unwrap();
        Route { destination, kind: RouteKind::OnLink, interface: InterfaceId(0), metric }
    }

    fn via(network: &str, length: u8, gateway: &str) -> Route {
        Route { kind: RouteKind::Via(gateway.parse().unwrap()), ..on_link(network, length, 0) }
    }

    fn hop(routes: &Routes<[RouteSlot; 8]>, to: &str) -> Option<IpAddr> {
        let to = to.parse().unwrap();
        routes.lookup(to, |_| true).and_then(|route| route.next_hop(to))
    }

    #[test]
    fn the_longest_prefix_wins_and_a_black_hole_swallows() {
        let mut routes = Routes::new([RouteSlot::EMPTY; 8]);
        routes.add(on_link("192.0.2.0", 24, 0)).unwrap();
        routes.add(via("0.0.0.0", 0, "192.0.2.1")).unwrap();
        routes.add(via("10.0.0.0", 8, "192.0.2.2")).unwrap();
        routes.add(Route { kind: RouteKind::Blackhole, ..on_link("10.9.0.0", 16, 0) }).unwrap();
        assert_eq!(hop(&routes, "192.0.2.7"), Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(hop(&routes, "10.1.2.3"), Some(IpAddr::from([192, 0, 2, 2])));
        assert_eq!(hop(&routes, "198.51.100.1"), Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(hop(&routes, "10.9.1.1"), None);
        assert_eq!(hop(&routes, "2001:db8::1"), None);
        assert!(routes.remove(Prefix::new([10, 9, 0, 0].into(), 16).unwrap(), 0).is_some());
        assert_eq!(hop(&routes, "10.9.1.1"), Some(IpAddr::from([192, 0, 2, 2])));
        assert!(routes.check());
    }

    #[test]
    fn a_dead_gateway_leaves_the_next_metric() {
        let mut routes = Routes::new([RouteSlot::EMPTY; 8]);
        routes.add(on_link("fe80::", 64, 0)).unwrap();
        routes.add(Route { metric: 5, ..via("::", 0, "fe80::5") }).unwrap();
        routes.add(Route { metric: 1, ..via("::", 0, "fe80::1") }).unwrap();
        let to = "2001:db8::1".parse().unwrap();
        assert_eq!(routes.lookup(to, |_| true).unwrap().metric, 1);
        assert_eq!(routes.lookup(to, |route| route.metric != 1).unwrap().metric, 5);
        assert_eq!(routes.lookup(to, |_| false), None);
    }

    #[test]
    fn a_gateway_is_on_the_link() {
        let mut routes = Routes::new([RouteSlot::EMPTY; 2]);
        let gateway = IpAddr::from([192, 0, 2, 1]);
        let default = via("0.0.0.0", 0, "192.0.2.1");
        assert_eq!(routes.add(default), Err(RouteError::GatewayOffLink(gateway)));
        routes.add(on_link("192.0.2.0", 24, 0)).unwrap();
        let elsewhere = Route { interface: InterfaceId(1), ..default };
        assert_eq!(routes.add(elsewhere), Err(RouteError::GatewayOffLink(gateway)));
        assert_eq!(routes.add(via("::", 0, "192.0.2.1")), Err(RouteError::GatewayOffLink(gateway)));
        routes.add(default).unwrap();
        assert_eq!(routes.add(default), Err(RouteError::Exists(default)));
        assert_eq!(routes.add(on_link("192.0.2.0", 25, 0)), Err(RouteError::Full));
    }

    fn route() -> impl Strategy<Value = Route> {
        // Few networks, so that they nest and meet again.
        (0_u32..16, 0_u8..=6, 0_u32..3, any::<bool>()).prop_map(|(net, length, metric, hole)| {
            let destination = Prefix::new(Ipv4Addr::from_bits(net << 28).into(), length).unwrap();
            let kind = if hole { RouteKind::Blackhole } else { RouteKind::OnLink };
            Route { destination, kind, interface: InterfaceId(0), metric }
        })
    }

    /// The best of all that match, by looking at each.
    fn scan(routes: &[Route], to: IpAddr) -> Option<Route> {
        let matching = routes.iter().filter(|route| route.destination.contains(to));
        matching.min_by_key(|route| (255 - route.destination.length(), route.metric)).copied()
    }

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn a_scan_finds_the_same(steps in prop::collection::vec((route(), any::<bool>()), 0..60)) {
            let mut routes = Routes::new(vec![RouteSlot::EMPTY; 24]);
            let mut model = Vec::new();
            for (route, add) in steps {
                let same = |other: &Route| other.destination == route.destination && other.metric == route.metric;
                let known = model.iter().copied().find(same);
                if add {
                    let wanted = match known {
                        Some(known) => Err(RouteError::Exists(known)),
                        None if model.len() == 24 => Err(RouteError::Full),
                        None => { model.push(route); Ok(()) }
                    };
                    prop_assert_eq!(routes.add(route), wanted);
                } else {
                    prop_assert_eq!(routes.remove(route.destination, route.metric), known);
                    model.retain(|other| !same(other));
                }
                prop_assert!(routes.check());
                for net in 0_u32..32 {
                    let to = Ipv4Addr::from_bits(net << 27 | 1).into();
                    prop_assert_eq!(routes.lookup(to, |_| true), scan(&model, to));
                }
            }
        }
    }
}
