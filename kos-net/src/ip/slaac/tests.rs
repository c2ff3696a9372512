use alloc::vec::Vec;
use core::net::Ipv6Addr;

use proptest::prelude::*;

use super::{IdentifierKey, MAX_ROUTERS, Slaac, SlaacAction};
use crate::time::{Duration, Instant, after};
use crate::wire::MacAddr;
use crate::wire::ndp::{NdpOption, NdpOptions, PrefixInformation, RouterAdvertisement};

const START: Instant = Instant::from_ticks(0);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0);

fn slaac() -> Slaac {
    Slaac::new(START, IdentifierKey { secret: [1, 2], interface: MacAddr([2, 0, 0, 0, 0, 1]) }, 7)
}

fn at(seconds: u64) -> Instant {
    after(START, Duration::from_secs(seconds))
}

/// All that is to be done until `end`.
fn run(slaac: &mut Slaac, end: Instant) -> Vec<SlaacAction> {
    let mut actions = Vec::new();
    while let Some(at) = slaac.poll_at().filter(|at| *at <= end) {
        let action = slaac.poll(at.max(START));
        actions.extend(action);
        assert!(actions.len() < 100, "{actions:?}");
    }
    actions
}

fn hear(slaac: &mut Slaac, now: Instant, from: Ipv6Addr, lifetime: u16, options: &[NdpOption<'_>]) {
    let mut bytes = [0; 256];
    let mut length = 0;
    for option in options {
        length += option.emit(&mut bytes[length..]).unwrap();
    }
    let options = NdpOptions::new(&bytes[..length]).unwrap();
    slaac.on_advertisement(
        now,
        from,
        &RouterAdvertisement { lifetime, hop_limit: 61, options, ..RouterAdvertisement::default() },
    );
}

fn prefix(valid: u32, preferred: u32) -> PrefixInformation {
    PrefixInformation::new(HOME, 64, valid, preferred)
}

fn home(slaac: &Slaac) -> Option<&super::SlaacAddress> {
    slaac.addresses().iter().find(|ours| ours.prefix.contains(HOME.into()))
}

#[test]
fn a_lone_host_has_an_address_of_the_link_and_asks_three_times() {
    let mut slaac = slaac();
    let [link] = slaac.addresses() else { panic!("{slaac:?}") };
    let link = link.address;
    assert!(link.is_unicast_link_local() && slaac.addresses()[0].is_tentative());
    let actions = run(&mut slaac, at(60));
    let count = |wanted: SlaacAction| actions.iter().filter(|action| **action == wanted).count();
    assert_eq!(count(SlaacAction::SolicitRouters), 3);
    assert_eq!(count(SlaacAction::Probe(link)), 1);
    assert!(count(SlaacAction::Changed) >= 1 && !slaac.addresses()[0].is_tentative());
    assert_eq!(slaac.poll_at(), None);
}

#[test]
fn an_advertisement_gives_an_address_a_router_and_a_name_server() {
    let mut slaac = slaac();
    run(&mut slaac, at(2));
    let server = Ipv6Addr::LOCALHOST.octets();
    let options = [
        NdpOption::Prefix(&prefix(7200, 3600)),
        NdpOption::Mtu(1400),
        NdpOption::NameServers { lifetime: 600, servers: &[server] },
    ];
    hear(&mut slaac, at(2), ROUTER, 1800, &options);
    let address = home(&slaac).unwrap().address;
    let actions = run(&mut slaac, at(10));
    assert!(actions.contains(&SlaacAction::Probe(address)), "{actions:?}");
    assert!(!actions.contains(&SlaacAction::SolicitRouters), "there is one");
    assert_eq!((slaac.routers()[0].what, slaac.prefixes()[0].what.length()), (ROUTER, 64));
    assert_eq!((slaac.mtu(), slaac.hop_limit()), (Some(1400), Some(61)));
    assert_eq!(slaac.name_servers()[0].what, Ipv6Addr::LOCALHOST);
    run(&mut slaac, at(602));
    assert!(slaac.name_servers().is_empty() && slaac.routers().len() == 1);
    run(&mut slaac, at(1802));
    assert!(slaac.routers().is_empty() && !home(&slaac).unwrap().is_deprecated(at(1802)));
    assert_eq!(run(&mut slaac, at(3602)), [SlaacAction::Changed], "deprecated");
    assert!(home(&slaac).unwrap().is_deprecated(at(3602)));
    run(&mut slaac, at(7202));
    assert!(home(&slaac).is_none() && slaac.prefixes().is_empty());
    assert_eq!(slaac.poll_at(), None);
}

#[test]
fn a_forged_advertisement_takes_no_address_away() {
    let mut slaac = slaac();
    hear(&mut slaac, at(0), ROUTER, 1800, &[NdpOption::Prefix(&prefix(86_400, 86_400))]);
    hear(&mut slaac, at(10), ROUTER, 1800, &[NdpOption::Prefix(&prefix(0, 0))]);
    run(&mut slaac, at(7209));
    assert!(home(&slaac).unwrap().is_deprecated(at(7209)));
    run(&mut slaac, at(7210));
    assert!(home(&slaac).is_none());
}

#[test]
fn what_cannot_be_a_prefix_makes_no_address() {
    let mut slaac = slaac();
    let group = PrefixInformation::new("ff02::".parse().unwrap(), 64, 100, 100);
    let link = PrefixInformation::new(ROUTER, 64, 100, 100);
    let long = PrefixInformation::new(HOME, 129, 100, 100);
    let uneven = PrefixInformation::new(HOME, 64, 100, 101);
    for option in [&group, &link, &long, &uneven] {
        hear(&mut slaac, at(0), ROUTER, 0, &[NdpOption::Prefix(option)]);
        assert!(slaac.addresses().len() == 1 && slaac.prefixes().is_empty(), "{option:?}");
    }
    hear(&mut slaac, at(0), HOME, 1800, &[NdpOption::Prefix(&prefix(100, 100)), NdpOption::Mtu(1279)]);
    assert!(slaac.routers().is_empty() && home(&slaac).is_none(), "no router is beyond the link");
    hear(
        &mut slaac,
        at(0),
        ROUTER,
        0,
        &[NdpOption::Prefix(&PrefixInformation::new(HOME, 56, 100, 100)), NdpOption::Mtu(1279)],
    );
    assert!(slaac.addresses().len() == 1 && slaac.prefixes().len() == 1, "on the link, but no address");
    assert_eq!(slaac.mtu(), None);
}

#[test]
fn a_conflict_brings_another_address_and_the_third_none() {
    let mut slaac = slaac();
    let mut seen = Vec::new();
    for round in 1..=3 {
        let address = slaac.addresses()[0].address;
        assert!(!seen.contains(&address));
        seen.push(address);
        assert!(slaac.on_conflict(at(0), address));
        assert_eq!(slaac.addresses().len(), usize::from(round < 3));
    }
    assert!(!slaac.on_conflict(at(0), seen[0]));
    let mut other = self::slaac();
    run(&mut other, at(20));
    let address = other.addresses()[0].address;
    assert!(!other.on_conflict(at(20), address), "one in use is kept");
}

#[test]
fn more_routers_than_fit_push_none_out() {
    let mut slaac = slaac();
    for router in 1..100 {
        hear(&mut slaac, at(0), Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, router), 1800, &[]);
    }
    assert_eq!(slaac.routers().len(), MAX_ROUTERS);
    assert_eq!(slaac.routers()[0].what, ROUTER);
    slaac.forget_router(ROUTER);
    assert!(slaac.routers().iter().all(|router| router.what != ROUTER));
    let next = slaac.routers()[0].what;
    hear(&mut slaac, at(0), next, 0, &[]);
    assert_eq!(slaac.routers().len(), MAX_ROUTERS - 2);
}

proptest! {
    #![proptest_config(crate::testing::config())]

    /// Whoever applies the rules to a list of lifetimes has the same networks, and time never stands still.
    #[test]
    fn a_list_of_lifetimes_has_the_same_networks(steps in prop::collection::vec((0_u16..12, 0_u32..20_000, 0_u64..9000), 0..40)) {
        let mut slaac = slaac();
        let (mut on_link, mut valid, mut now) = (Vec::<(u16, u64)>::new(), Vec::<(u16, u64)>::new(), 0);
        for (network, seconds, wait) in steps {
            let address = Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, 0);
            let option = PrefixInformation::new(address, 64, seconds, seconds);
            hear(&mut slaac, at(now), ROUTER, 9000, &[NdpOption::Prefix(&option)]);
            let end = now + u64::from(seconds);
            on_link.retain(|(known, _)| *known != network || seconds > 0);
            let room = (on_link.len() < 8, valid.len() < 7);
            match on_link.iter_mut().find(|(known, _)| *known == network) {
                Some(known) => known.1 = end,
                None if seconds > 0 && room.0 => on_link.push((network, end)),
                None => {}
            }
            match valid.iter_mut().find(|(known, _)| *known == network) {
                Some(known) if end > known.1 || seconds > 7200 => known.1 = end,
                Some(known) => known.1 = known.1.min(now + 7200),
                None if seconds > 0 && room.1 => valid.push((network, end)),
                None => {}
            }
            now += wait;
            run(&mut slaac, at(now));
            on_link.retain(|(_, end)| *end > now);
            valid.retain(|(_, end)| *end > now);
            let networks: Vec<u16> = slaac.prefixes().iter().map(|known| third(known.what.address())).collect();
            prop_assert_eq!(networks, on_link.iter().map(|(known, _)| *known).collect::<Vec<_>>());
            let addresses: Vec<u16> = slaac.addresses().iter().skip(1).map(|ours| third(ours.address.into())).collect();
            prop_assert_eq!(addresses, valid.iter().map(|(known, _)| *known).collect::<Vec<_>>());
            prop_assert!(slaac.poll_at().is_none_or(|next| next > at(now)));
        }
    }
}

fn third(address: core::net::IpAddr) -> u16 {
    match address {
        core::net::IpAddr::V6(address) => address.segments()[2],
        core::net::IpAddr::V4(_) => 0,
    }
}
