//! Addresses, networks and routers of IPv6 as routers advertise them: [`Stack::autoconfigure`], between the wire and
//! [`Slaac`].
//!
//! Whatever changes there is taken over as a whole: addresses that may be used, routes to networks on the link, default routes.

use core::net::{IpAddr, Ipv6Addr};

use super::input::solicited_node;
use super::ways::Address;
use super::{Core, Pass, Stack};
use crate::dev::Medium;
use crate::error::InterfaceError;
use crate::ip::slaac::{IdentifierKey, SlaacAction};
use crate::ip::{Prefix, Route, RouteKind, Slaac};
use crate::link::InterfaceId;
use crate::ports::{Frame, NetDevice};
use crate::sock::{INTERFACES, Storage};
use crate::wire::ndp::{NdpMessage, NdpOption, NdpOptions};

const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// The least metric of a route that routers advertise: what an integrator adds goes before.
const ADVERTISED: u32 = 1 << 31;

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// Gives an interface an address of its link, asks for routers, and takes over what they advertise, as long as the stack is
    /// polled. `secret` is random, and kept over restarts: the addresses stay the same as long as it does (RFC 7217). Done anew,
    /// what was advertised before is forgotten.
    ///
    /// # Errors
    /// No such interface, or it is no Ethernet.
    pub fn autoconfigure(&mut self, interface: InterfaceId, secret: [u64; 2]) -> Result<(), InterfaceError> {
        let slot = self.interfaces.as_mut().get_mut(usize::from(interface.0));
        let here = slot.and_then(|slot| slot.0.as_mut()).ok_or(InterfaceError::NoInterface)?;
        if here.capabilities.medium != Medium::Ethernet {
            return Err(InterfaceError::NoStations);
        }
        let key = IdentifierKey { secret, interface: here.mac };
        here.slaac = Some(Slaac::new(self.core.now, key, self.core.jitter.next()));
        Ok(())
    }

    /// Servers for names that routers advertise.
    pub fn name_servers(&self) -> impl Iterator<Item = (InterfaceId, Ipv6Addr)> {
        let told = self.each().filter_map(|interface| Some((interface.id, interface.slaac.as_ref()?)));
        told.flat_map(|(id, slaac)| slaac.name_servers().iter().map(move |server| (id, server.what)))
    }
}

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    /// Does what is due of autoconfiguration, as long as there is room for frames.
    pub(super) fn run_autoconfiguration(&mut self) {
        while self.has_room() {
            let now = self.core.now;
            let Some(action) = self.interface.slaac.as_mut().and_then(|slaac| slaac.poll(now)) else {
                return;
            };
            match action {
                SlaacAction::SolicitRouters => self.solicit_routers(),
                SlaacAction::Probe(target) => {
                    self.core.hold_groups(self.interface);
                    let question = NdpMessage::NeighborSolicitation { target, options: NdpOptions::NONE };
                    self.emit_ndp(Ipv6Addr::UNSPECIFIED, solicited_node(target), question);
                }
                SlaacAction::Changed => {
                    if let Some(slaac) = &self.interface.slaac {
                        self.core.take_over(self.interface.id, slaac);
                    }
                    self.core.hold_groups(self.interface);
                }
            }
        }
    }

    fn solicit_routers(&mut self) {
        let from = self.link_local();
        let mut option = [0; 8];
        let length = NdpOption::Source(self.interface.mac).emit(&mut option).unwrap_or(0);
        // Who has no address says no link address either.
        let option = option.get(..length).filter(|_| from.is_some()).unwrap_or_default();
        let options = NdpOptions::new(option).unwrap_or(NdpOptions::NONE);
        let from = from.unwrap_or(Ipv6Addr::UNSPECIFIED);
        self.emit_ndp(from, ALL_ROUTERS, NdpMessage::RouterSolicitation { options });
    }

    /// The address of the interface at hand that its link knows it by.
    pub(super) fn link_local(&self) -> Option<Ipv6Addr> {
        let id = self.interface.id.0;
        let link = |own: &Address| match own.address {
            IpAddr::V6(address) if own.interface == id && address.is_unicast_link_local() => Some(address),
            _ => None,
        };
        self.core.addresses.iter().find_map(link)
    }

    /// Somebody else has or tries an address; if it is one that we only try, it is theirs.
    pub(super) fn dispute(&mut self, target: Ipv6Addr) -> bool {
        let now = self.core.now;
        self.interface.slaac.as_mut().is_some_and(|slaac| slaac.on_conflict(now, target))
    }

    /// A neighbour passes nothing on any more, or is not there.
    pub(super) fn lose_router(&mut self, address: IpAddr) {
        if let (IpAddr::V6(router), Some(slaac)) = (address, &mut self.interface.slaac) {
            slaac.forget_router(router);
        }
    }

    /// Whether an address is tried that belongs to a group.
    pub(super) fn tries(&self, group: Ipv6Addr) -> bool {
        let tried = self.interface.slaac.iter().flat_map(|slaac| slaac.addresses());
        tried.filter(|ours| ours.is_tentative()).any(|ours| solicited_node(ours.address) == group)
    }
}

impl<F, S: Storage<F>> Core<F, S> {
    /// What an interface has of its routers is what `slaac` says. What does not fit is left out.
    fn take_over(&mut self, interface: InterfaceId, slaac: &Slaac) {
        let id = interface.0;
        let usable = || slaac.addresses().iter().filter(|ours| !ours.is_tentative());
        let gone = |own: &&Address| {
            own.advertised && own.interface == id && !usable().any(|ours| own.address == ours.address)
        };
        while let Some(gone) = self.addresses.iter().find(gone).map(|own| own.address) {
            self.remove_address(id, gone);
        }
        for ours in usable() {
            let (address, deprecated) = (ours.address.into(), ours.is_deprecated(self.now));
            match self.addresses.iter_mut().find(|own| (own.interface, own.address) == (id, address)) {
                Some(own) => own.deprecated = deprecated && own.advertised,
                None => {
                    let prefix = ours.prefix.length();
                    let new = Address { interface: id, address, prefix, advertised: true, deprecated };
                    let _ = self.add_address(new);
                }
            }
        }
        self.routes.retain(|route| route.interface != interface || route.metric < ADVERTISED);
        // Metrics keep routes of several interfaces and routers apart.
        let metrics = || (ADVERTISED + u32::from(id)..).step_by(INTERFACES);
        for (known, metric) in slaac.prefixes().iter().zip(metrics()) {
            let (destination, kind) = (known.what, RouteKind::OnLink);
            let _ = self.routes.add(Route { destination, kind, interface, metric });
        }
        let Some(all) = Prefix::new(Ipv6Addr::UNSPECIFIED.into(), 0) else { return };
        for (router, metric) in slaac.routers().iter().zip(metrics()) {
            let kind = RouteKind::Via(router.what.into());
            let _ = self.routes.add(Route { destination: all, kind, interface, metric });
        }
        self.reroute();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::{IpAddr, Ipv6Addr};

    use crate::config::Config;
    use crate::dev::{Capabilities, Medium};
    use crate::link::InterfaceId;
    use crate::testing::link::LinkConfig;
    use crate::testing::world::{HostId, World};
    use crate::time::Duration;
    use crate::wire::ndp::{NdpMessage, NdpOption, NdpOptions, PrefixInformation, RouterAdvertisement};
    use crate::wire::{Icmpv6Message, IpProtocol};

    const ON: InterfaceId = InterfaceId(0);
    const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    const NETWORK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, 0);

    /// A host, and who plays a router.
    fn world() -> (World, HostId, HostId) {
        let mut config = Config::new();
        config.ip.hop_limit = 255;
        let mut world = World::new(31);
        let (host, router) = (world.add_host(Config::new()), world.add_host(config));
        let link = LinkConfig::perfect(Duration::from_millis(1));
        world.join(&[host, router], Capabilities::new(Medium::Ethernet, 1500), link);
        world.host(router).stack.add_address(ON, ROUTER.into(), 64).unwrap();
        (world, host, router)
    }

    /// The router tells the host at the address of its link, as an answer to a question is told.
    fn advertise(world: &mut World, host: HostId, router: HostId, (lifetime, valid): (u16, u32)) {
        let to = addresses(world, host)[0];
        let (mut options, mut message) = ([0; 64], [0; 128]);
        let prefix = PrefixInformation::new(NETWORK, 64, valid, valid);
        let length = NdpOption::Prefix(&prefix).emit(&mut options).unwrap();
        let options = NdpOptions::new(&options[..length]).unwrap();
        let router_advertisement =
            RouterAdvertisement { lifetime, options, ..RouterAdvertisement::default() };
        let ndp = Icmpv6Message::Ndp(NdpMessage::RouterAdvertisement(router_advertisement));
        let length = ndp.emit(ROUTER, to, &mut message).unwrap();
        let host = world.host(router);
        let id = host.stack.raw_open(IpProtocol::ICMPV6, ROUTER.into(), &mut host.entropy).unwrap();
        host.stack.raw_send(id, IpProtocol::ICMPV6, to.into(), &message[..length]).unwrap();
        world.run(Duration::from_millis(100), |_| false);
        assert!(world.host(router).stack.close(id));
    }

    fn addresses(world: &mut World, host: HostId) -> Vec<Ipv6Addr> {
        let all = world.host(host).stack.addresses().map(|(_, address, _)| address);
        all.filter_map(|address| if let IpAddr::V6(address) = address { Some(address) } else { None })
            .collect()
    }

    #[test]
    fn a_host_takes_over_what_its_router_advertises_and_gives_it_up() {
        let (mut world, host, router) = world();
        world.host(host).stack.autoconfigure(ON, [1, 2]).unwrap();
        world.run(Duration::from_secs(3), |_| false);
        let link = addresses(&mut world, host);
        assert!(link.len() == 1 && link[0].is_unicast_link_local(), "{link:?}");
        advertise(&mut world, host, router, (60, 30));
        world.run(Duration::from_secs(3), |_| false);
        let both = addresses(&mut world, host);
        let global = both.iter().find(|address| address.segments()[..4] == NETWORK.segments()[..4]);
        assert!(both.len() == 2 && global.is_some(), "{both:?}");
        let far = "2001:db8:9::1".parse().unwrap();
        let core = world.host(host).stack.core();
        let way = core.way(Ipv6Addr::UNSPECIFIED.into(), far).unwrap();
        assert_eq!((way.next, way.source), (ROUTER.into(), (*global.unwrap()).into()));
        assert_eq!(world.host(host).stack.gateways().collect::<Vec<_>>(), [(ON, ROUTER.into())]);
        // Neither lives for ever.
        world.run(Duration::from_secs(30), |_| false);
        assert_eq!(addresses(&mut world, host), link);
        world.run(Duration::from_secs(35), |_| false);
        assert_eq!(world.host(host).stack.gateways().count(), 0);
        assert_eq!(world.host(host).stack.routes().count(), 1, "to its link");
    }

    #[test]
    fn an_address_that_another_has_is_not_used() {
        let (mut world, host, other) = world();
        world.host(host).stack.autoconfigure(ON, [1, 2]).unwrap();
        world.run(Duration::from_secs(3), |_| false);
        let first = addresses(&mut world, host);
        world.host(other).stack.add_address(ON, first[0].into(), 64).unwrap();
        world.host(host).stack.autoconfigure(ON, [1, 2]).unwrap();
        world.run(Duration::from_secs(5), |_| false);
        let second = addresses(&mut world, host);
        assert!(second.len() == 1 && second != first, "{second:?}");
    }

    #[test]
    fn a_router_that_does_not_answer_is_given_up() {
        let (mut world, host, router) = world();
        world.host(host).stack.autoconfigure(ON, [1, 2]).unwrap();
        world.run(Duration::from_secs(3), |_| false);
        advertise(&mut world, host, router, (9000, 9000));
        world.run(Duration::from_secs(3), |_| false);
        assert!(world.host(router).stack.remove_address(ON, ROUTER.into()));
        let far: IpAddr = "2001:db8:9::1".parse().unwrap();
        let here = world.host(host);
        let id = here.stack.udp_bind((Ipv6Addr::UNSPECIFIED, 0).into(), &mut here.entropy).unwrap();
        // It may count as reachable for 45 s.
        for _ in 0..8 {
            let _lost = world.host(host).stack.udp_send(id, Some((far, 9).into()), b"?");
            world.run(Duration::from_secs(10), |_| false);
        }
        assert_eq!(world.host(host).stack.gateways().count(), 0);
    }
}
