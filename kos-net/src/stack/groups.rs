//! Groups of a link: [`Stack::join_group`], [`Stack::leave_group`]; what routers ask about them, and are told: IGMP and MLD between the
//! wire and [`Multicast`].
//!
//! The groups in which neighbours ask for our own addresses are held as long as the addresses are; routers hear of them too, for
//! switches pass on nothing else. Source: RFC 3376, RFC 3810; RFC 3590 for who has no address yet.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::IntoBytes;

use super::input::{Arrival, Taken, solicited_node, why};
use super::interface::Interface;
use super::{Core, Packet, Pass, Stack};
use crate::dev::Meta;
use crate::drop_reason::DropReason;
use crate::ip::multicast::{GroupError, GroupSlot, Multicast, Query, Report};
use crate::link::InterfaceId;
use crate::ports::{Frame, NetDevice};
use crate::sock::Storage;
use crate::time::Instant;
use crate::wire::igmp::{IgmpMessage, IgmpRecord};
use crate::wire::mld::{MldMessage, MldRecord};
use crate::wire::{Checksum, EtherType, GroupChange, Icmpv6Message, IpProtocol, Ipv4Header, MacAddr};

/// Groups of an interface and family.
const GROUPS: usize = 8;

const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// Routers of version 3.
const REPORTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

const ALL_NODES_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// Routers of version 2.
const REPORTS_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// An option that has routers look (RFC 2113), and the header of IPv6 that says the same (RFC 2711).
const ALERT: [u8; 4] = [0x94, 4, 0, 0];
const ALERT_V6: [u8; 8] = [58, 0, 5, 2, 0, 0, 1, 0];

/// The groups of an interface, of both families.
pub(super) struct Groups {
    v4: Multicast<[GroupSlot; GROUPS]>,
    v6: Multicast<[GroupSlot; GROUPS]>,
}

impl Groups {
    pub(super) fn new(seed: u64) -> Self {
        let groups = || Multicast::new([GroupSlot::EMPTY; GROUPS], seed);
        Self { v4: groups(), v6: groups() }
    }

    const fn of(&mut self, group: IpAddr) -> &mut Multicast<[GroupSlot; GROUPS]> {
        if group.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }

    /// Whether packets to a group are read.
    pub(super) fn listens(&self, group: IpAddr) -> bool {
        match group {
            IpAddr::V4(ALL_HOSTS) | IpAddr::V6(ALL_NODES_V6) => true,
            IpAddr::V4(_) => self.v4.listens(group),
            IpAddr::V6(_) => self.v6.listens(group),
        }
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.v4.poll_at().into_iter().chain(self.v6.poll_at()).min()
    }
}

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// What is sent to `group` on the link of an interface is read from now on: sockets bound to the group, or to any address, get it.
    /// Each call is taken back by one of [`leave_group`](Self::leave_group).
    ///
    /// # Errors
    /// No such interface, no group, or too many.
    pub fn join_group(&mut self, on: InterfaceId, group: IpAddr) -> Result<(), GroupError> {
        let now = self.core.now;
        self.groups(on)?.of(group).join(now, group)
    }

    /// Takes one [`join_group`](Self::join_group) back.
    ///
    /// # Errors
    /// No such interface, or nobody joined.
    pub fn leave_group(&mut self, on: InterfaceId, group: IpAddr) -> Result<(), GroupError> {
        let now = self.core.now;
        self.groups(on)?.of(group).leave(now, group)
    }

    fn groups(&mut self, on: InterfaceId) -> Result<&mut Groups, GroupError> {
        let slot = self.interfaces.as_mut().get_mut(usize::from(on.0));
        let interface = slot.and_then(|slot| slot.0.as_mut()).ok_or(GroupError::NoInterface)?;
        Ok(&mut interface.groups)
    }

    /// After a change of addresses.
    pub(super) fn hold_groups(&mut self) {
        for slot in self.interfaces.as_mut() {
            if let Some(interface) = &mut slot.0 {
                self.core.hold_groups(interface);
            }
        }
    }
}

impl<F, S: Storage<F>> Core<F, S> {
    /// An interface is in the groups of its own addresses, and of those it tries. One that has no room is heard nevertheless, but routers
    /// are not told.
    pub(super) fn hold_groups(&self, interface: &mut Interface<F, S::Neighbours, S::Batch>) {
        let Interface { groups, slaac, id, .. } = interface;
        let own = self.addresses.iter().filter(|own| own.interface == id.0).map(|own| own.address);
        let tried = slaac.iter().flat_map(|slaac| slaac.addresses()).map(|ours| IpAddr::V6(ours.address));
        let wanted = own.chain(tried).filter_map(|address| match address {
            IpAddr::V6(address) => Some(IpAddr::V6(solicited_node(address))),
            IpAddr::V4(_) => None,
        });
        groups.v6.hold(self.now, wanted);
    }
}

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    pub(super) fn igmp_in(&mut self, arrival: &Arrival<'_>) -> Result<Taken, DropReason> {
        if arrival.hop_limit != 1 {
            return Err(DropReason::NotFromLink);
        }
        let message = IgmpMessage::parse(arrival.payload).map_err(|error| why(&error))?;
        let (now, groups) = (self.core.now, &mut self.interface.groups.v4);
        match (message, Query::of_igmp(&message)) {
            (_, Some(query)) => groups.on_query(now, query),
            (IgmpMessage::OldReport(group), _) => groups.on_report(now, group.into()),
            _ => return Err(DropReason::Unsolicited),
        }
        Ok(Taken::Consumed)
    }

    pub(super) fn mld_in(
        &mut self,
        arrival: &Arrival<'_>,
        message: &MldMessage<'_>,
    ) -> Result<Taken, DropReason> {
        let of_link = matches!(arrival.from, IpAddr::V6(from) if from.is_unicast_link_local());
        if arrival.hop_limit != 1 || !of_link {
            return Err(DropReason::NotFromLink);
        }
        let (now, groups) = (self.core.now, &mut self.interface.groups.v6);
        match (*message, Query::of_mld(message)) {
            (_, Some(query)) => groups.on_query(now, query),
            (MldMessage::OldReport(group), _) => groups.on_report(now, group.into()),
            _ => return Err(DropReason::Unsolicited),
        }
        Ok(Taken::Consumed)
    }

    /// Tells routers what is due, as long as there is room for frames. Where there are no stations nobody is told.
    pub(super) fn run_groups(&mut self) {
        while self.has_room() {
            let (now, groups) = (self.core.now, &mut self.interface.groups);
            let Some(report) = groups.v4.poll(now).or_else(|| groups.v6.poll(now)) else { return };
            if self.interface.neighbours.is_none() {
                continue;
            }
            match report.group {
                IpAddr::V4(group) => self.report(group, &report),
                IpAddr::V6(group) => self.report_v6(group, &report),
            }
        }
    }

    fn report(&mut self, group: Ipv4Addr, report: &Report) {
        let record = [IgmpRecord::new(report.change, group)];
        let (to, message) = match (report.old, report.change) {
            (false, _) => (REPORTS, IgmpMessage::Report(&record)),
            (true, GroupChange::Left) => (ALL_ROUTERS, IgmpMessage::Leave(group)),
            (true, _) => (group, IgmpMessage::OldReport(group)),
        };
        let mut out = [0; 48];
        let length = alerted(self.own_v4(), to, &message, &mut out).unwrap_or(0);
        self.emit_link(MacAddr::of_group_v4(to), EtherType::IPV4, out.get(..length).unwrap_or_default());
    }

    /// An address of the interface at hand, or none.
    fn own_v4(&self) -> Ipv4Addr {
        let mut here = self.core.addresses.iter().filter(|own| own.interface == self.interface.id.0);
        let own = here.find_map(|own| if let IpAddr::V4(own) = own.address { Some(own) } else { None });
        own.unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    fn report_v6(&mut self, group: Ipv6Addr, report: &Report) {
        let record = [MldRecord::new(report.change, group)];
        let (to, message) = match (report.old, report.change) {
            (false, _) => (REPORTS_V6, MldMessage::Report(&record)),
            (true, GroupChange::Left) => (ALL_ROUTERS_V6, MldMessage::Done(group)),
            (true, _) => (group, MldMessage::OldReport(group)),
        };
        let from = self.link_local().unwrap_or(Ipv6Addr::UNSPECIFIED);
        let mut out = [0; 48];
        let length = Icmpv6Message::Mld(message).emit(from, to, &mut out).unwrap_or(0);
        let packet = Packet {
            from: from.into(),
            to: to.into(),
            next: to.into(),
            protocol: IpProtocol::HOP_BY_HOP,
            hop_limit: 1,
            cut: false,
            meta: Meta::default(),
        };
        self.emit_own(&packet, &[&ALERT_V6, out.get(..length).unwrap_or_default()]);
    }
}

/// A packet of IGMP with the option that has routers look.
fn alerted(from: Ipv4Addr, to: Ipv4Addr, message: &IgmpMessage<'_>, out: &mut [u8; 48]) -> Option<usize> {
    const HEADER: usize = size_of::<Ipv4Header>() + ALERT.len();
    let (header, room) = out.split_first_chunk_mut::<HEADER>()?;
    let length = message.emit(room).ok()?;
    let plain = Ipv4Header::new(from, to, IpProtocol::IGMP, 1, ALERT.len() + length)?;
    let (fixed, option) = header.split_first_chunk_mut::<{ size_of::<Ipv4Header>() }>()?;
    fixed.copy_from_slice(plain.as_bytes());
    option.copy_from_slice(&ALERT);
    // One word longer; and the sum of all words.
    fixed[0] += 1;
    fixed[10..12].fill(0);
    let sum = Checksum::new().and(header).finish();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    Some(HEADER + length)
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    use crate::link::InterfaceId;
    use crate::testing::link::LinkConfig;
    use crate::testing::world::{HostId, World};
    use crate::time::Duration;
    use crate::wire::IpProtocol;

    const ON: InterfaceId = InterfaceId(0);

    fn world() -> (World, HostId, HostId) {
        World::pair(51, LinkConfig::perfect(Duration::from_millis(1)))
    }

    /// What a host reads of a protocol in a while.
    fn heard(
        world: &mut World,
        host: HostId,
        protocol: IpProtocol,
        ms: u64,
    ) -> alloc::vec::Vec<alloc::vec::Vec<u8>> {
        let router = world.host(host);
        let any = if protocol == IpProtocol::IGMP {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let id = router.stack.raw_open(protocol, any, &mut router.entropy).unwrap();
        world.run(Duration::from_millis(ms), |_| false);
        let stack = &mut world.host(host).stack;
        let heard =
            core::iter::from_fn(|| stack.raw_receive(id, protocol, |_, bytes| bytes.to_vec()).ok()).collect();
        assert!(stack.close(id));
        heard
    }

    /// The kinds of change in reports of one record, which is for `group`.
    fn changes(reports: &[alloc::vec::Vec<u8>], kind: u8, group: &[u8]) -> alloc::vec::Vec<u8> {
        let of = |report: &&alloc::vec::Vec<u8>| report[0] == kind && report[12..12 + group.len()] == *group;
        reports.iter().filter(of).map(|report| report[8]).collect()
    }

    fn send(world: &mut World, host: HostId, protocol: IpProtocol, to: IpAddr, message: &[u8]) {
        let sender = world.host(host);
        let any = crate::udp::unspecified_like(to);
        let id = sender.stack.raw_open(protocol, any, &mut sender.entropy).unwrap();
        sender.stack.raw_send(id, protocol, to, message).unwrap();
        world.run(Duration::from_millis(5), |_| false);
        assert!(world.host(host).stack.close(id));
    }

    #[test]
    fn a_group_is_read_as_long_as_somebody_joined() {
        let (mut world, a, b) = world();
        let group: SocketAddr = ([239, 1, 2, 3], 9).into();
        let receiver = world.host(b);
        let id = receiver.stack.udp_bind(([0, 0, 0, 0], 9).into(), &mut receiver.entropy).unwrap();
        let sender = world.host(a);
        let from = sender.stack.udp_bind(([0, 0, 0, 0], 0).into(), &mut sender.entropy).unwrap();
        let came = |world: &mut World| {
            world.host(a).stack.udp_send(from, Some(group), b"all").unwrap();
            world.run(Duration::from_millis(5), |_| false);
            world.host(b).stack.udp_receive(id, |_, bytes| bytes == b"all").is_ok()
        };
        assert!(!came(&mut world));
        world.host(b).stack.join_group(ON, group.ip()).unwrap();
        assert!(came(&mut world));
        world.host(b).stack.leave_group(ON, group.ip()).unwrap();
        assert!(!came(&mut world));
        assert!(world.host(b).stack.leave_group(ON, group.ip()).is_err());
        assert!(world.host(b).stack.join_group(InterfaceId(3), group.ip()).is_err());
    }
    /// Joining and leaving are told twice, a query is answered; to who hears what routers hear.
    #[test]
    fn routers_are_told_who_listens() {
        const REPORT: u8 = 0x22;
        let (mut world, host, router) = world();
        let group = Ipv4Addr::new(239, 1, 2, 3);
        world.host(router).stack.join_group(ON, super::REPORTS.into()).unwrap();
        world.run(Duration::from_secs(3), |_| false);
        world.host(host).stack.join_group(ON, group.into()).unwrap();
        let told = heard(&mut world, router, IpProtocol::IGMP, 2000);
        assert_eq!(changes(&told, REPORT, &group.octets()), [4, 4], "joined, twice");
        let mut query = [0x11, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let sum = crate::wire::Checksum::new().and(&query).finish();
        query[2..4].copy_from_slice(&sum.to_be_bytes());
        send(&mut world, router, IpProtocol::IGMP, super::ALL_HOSTS.into(), &query);
        let told = heard(&mut world, router, IpProtocol::IGMP, 1100);
        assert_eq!(changes(&told, REPORT, &group.octets()), [2], "it listens");
        world.host(host).stack.leave_group(ON, group.into()).unwrap();
        let told = heard(&mut world, router, IpProtocol::IGMP, 2000);
        assert_eq!(changes(&told, REPORT, &group.octets()), [3, 3], "left, twice");
        assert_eq!(world.host(host).stack.poll_at(), None, "all is told");
    }

    /// The group of an address of IPv6 comes and goes with it.
    #[test]
    fn routers_are_told_of_the_groups_of_our_addresses() {
        const REPORT: u8 = 143;
        let (mut world, host, router) = world();
        world.host(router).stack.join_group(ON, super::REPORTS_V6.into()).unwrap();
        world.run(Duration::from_secs(3), |_| false);
        let address: Ipv6Addr = "fd00::77".parse().unwrap();
        let group = super::solicited_node(address);
        world.host(host).stack.add_address(ON, address.into(), 64).unwrap();
        let told = heard(&mut world, router, IpProtocol::ICMPV6, 2000);
        assert_eq!(changes(&told, REPORT, &group.octets()), [4, 4], "joined, twice");
        assert!(world.host(host).stack.remove_address(ON, address.into()));
        let told = heard(&mut world, router, IpProtocol::ICMPV6, 2000);
        assert_eq!(changes(&told, REPORT, &group.octets()), [3, 3], "left, twice");
    }
}
