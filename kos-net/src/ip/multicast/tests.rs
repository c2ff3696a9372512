use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{GroupError, GroupSlot, Multicast, Query, Report};
use crate::time::{Duration, Instant, after};
use crate::wire::GroupChange;
use crate::wire::igmp::IgmpMessage;
use crate::wire::mld::MldMessage;

const NOW: Instant = Instant::from_ticks(0);
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 1, 2, 3));

fn machine() -> Multicast<[GroupSlot; 4]> {
    Multicast::new([GroupSlot::EMPTY; 4], 7)
}

fn drain(machine: &mut Multicast<[GroupSlot; 4]>, now: Instant) -> Vec<Report> {
    let reports = core::iter::from_fn(|| machine.poll(now)).collect();
    assert!(machine.poll_at().is_none_or(|at| at > now));
    reports
}

fn settled() -> Multicast<[GroupSlot; 4]> {
    let mut machine = machine();
    machine.join(NOW, GROUP).unwrap();
    while let Some(at) = machine.poll_at() {
        machine.poll(at);
    }
    machine
}

#[test]
fn a_change_is_told_twice() {
    let mut machine = machine();
    machine.join(NOW, GROUP).unwrap();
    machine.join(NOW, GROUP).unwrap();
    let joined = Report { group: GROUP, change: GroupChange::Joined, old: false };
    assert_eq!(drain(&mut machine, NOW), [joined]);
    let again = machine.poll_at().unwrap();
    assert!(again < after(NOW, Duration::from_secs(1)));
    assert_eq!(drain(&mut machine, again), [joined]);
    machine.leave(again, GROUP).unwrap();
    assert_eq!((machine.poll_at(), machine.listens(GROUP)), (None, true), "another still listens");
    machine.leave(again, GROUP).unwrap();
    let left = Report { change: GroupChange::Left, ..joined };
    assert_eq!((machine.poll(again), machine.listens(GROUP)), (Some(left), false));
    assert_eq!(machine.poll_at().and_then(|at| machine.poll(at)), Some(left));
    assert_eq!(machine.leave(again, GROUP), Err(GroupError::NotJoined(GROUP)));
    assert!(machine.poll_at().is_none());
}

/// smoltcp#1029: a query that wants its answer at once divided by zero. The same of IGMP and of both versions.
#[test]
fn bad_dhcp_timers_and_zero_mld_delay_survive() {
    let group: Ipv6Addr = "ff02::fb".parse().unwrap();
    for version_2 in [false, true] {
        let mut machine = machine();
        machine.join(NOW, group.into()).unwrap();
        let query = MldMessage::Query { max_response: 0, group: Ipv6Addr::UNSPECIFIED, version_2 };
        machine.on_query(NOW, Query::of_mld(&query).unwrap());
        assert_eq!(machine.poll_at(), Some(NOW), "at once");
        let answer = Report { group: group.into(), change: GroupChange::Listens, old: !version_2 };
        assert!(drain(&mut machine, NOW).contains(&answer));
    }
    let query = IgmpMessage::Query { max_response: 0, group: Ipv4Addr::UNSPECIFIED, version_3: true };
    assert_eq!(Query::of_igmp(&query).unwrap().max_response, Duration::ZERO);
    let first = IgmpMessage::Query { max_response: 0, group: Ipv4Addr::UNSPECIFIED, version_3: false };
    assert_eq!(Query::of_igmp(&first).unwrap().max_response, Duration::from_secs(10));
    let last = Query { max_response: Duration::MAX, group: None, old: true };
    machine().on_query(Instant::from_ticks(u64::MAX), last);
}

#[test]
fn a_query_is_answered_by_chance_within_its_time() {
    let mut machine = settled();
    let start = after(NOW, Duration::from_secs(100));
    let query = Query { max_response: Duration::from_secs(10), group: None, old: false };
    machine.on_query(start, query);
    let at = machine.poll_at().unwrap();
    assert!(at >= start && at < after(start, Duration::from_secs(10)));
    machine.on_query(start, Query { max_response: Duration::from_secs(1000), ..query });
    assert!(machine.poll_at().unwrap() <= at, "an earlier answer stands");
    let at = machine.poll_at().unwrap();
    let answer = Report { group: GROUP, change: GroupChange::Listens, old: false };
    assert_eq!(drain(&mut machine, at), [answer]);
    machine.on_query(start, Query { group: Some([239, 0, 0, 9].into()), ..query });
    assert_eq!(machine.poll_at(), None, "another group");
}

#[test]
fn an_older_router_is_told_in_its_version_until_it_is_gone() {
    let mut machine = settled();
    let start = after(NOW, Duration::from_secs(100));
    machine.on_query(start, Query { max_response: Duration::from_secs(10), group: None, old: true });
    machine.on_report(start, GROUP);
    assert_eq!(machine.poll_at(), None, "another host has answered");
    machine.leave(start, GROUP).unwrap();
    assert_eq!(drain(&mut machine, start), [Report { group: GROUP, change: GroupChange::Left, old: true }]);
    assert_eq!(machine.poll_at(), None, "told once");
    let later = after(start, Duration::from_secs(270));
    machine.join(later, GROUP).unwrap();
    assert!(!machine.poll(later).unwrap().old);
    machine.on_query(later, Query { max_response: Duration::ZERO, group: None, old: false });
    machine.on_report(later, GROUP);
    assert!(machine.poll_at().is_some(), "version 3 answers whoever else does");
}

#[test]
fn what_concerns_no_router_is_not_told() {
    let mut machine = machine();
    for group in ["224.0.0.1", "ff02::1", "ff01::5"] {
        machine.join(NOW, group.parse().unwrap()).unwrap();
        assert!(machine.listens(group.parse().unwrap()));
    }
    machine.on_query(NOW, Query { max_response: Duration::ZERO, group: None, old: false });
    assert_eq!(machine.poll_at(), None);
    let host = [192, 0, 2, 1].into();
    assert_eq!(machine.join(NOW, host), Err(GroupError::NotMulticast(host)));
    machine.join(NOW, GROUP).unwrap();
    assert_eq!(machine.join(NOW, [239, 9, 9, 9].into()), Err(GroupError::Full));
}

proptest! {
    #![proptest_config(crate::testing::config())]

    /// Whoever counts users by hand knows the same groups, and the last word on each is true.
    #[test]
    fn the_last_word_on_a_group_is_true(steps in prop::collection::vec((0_u8..5, 0_u8..3, 0_u64..3000), 0..80)) {
        let mut machine = Multicast::new([GroupSlot::EMPTY; 8], 3);
        let (mut users, mut told, mut now) = ([0_u16; 5], [false; 5], NOW);
        let group = |host: u8| IpAddr::from([239, 0, 0, host]);
        for (host, what, ms) in steps {
            match what {
                0 => { machine.join(now, group(host)).unwrap(); users[usize::from(host)] += 1; }
                1 => {
                    let member = users[usize::from(host)] > 0;
                    prop_assert_eq!(machine.leave(now, group(host)).is_ok(), member);
                    users[usize::from(host)] -= u16::from(member);
                }
                _ => machine.on_query(now, Query { max_response: Duration::from_millis(ms), group: None, old: ms % 7 == 0 }),
            }
            let until = after(now, Duration::from_millis(ms));
            while let Some(at) = machine.poll_at().filter(|at| *at <= until) {
                now = now.max(at);
                let report = machine.poll(now).unwrap();
                let IpAddr::V4(address) = report.group else { panic!("{report:?}") };
                told[usize::from(address.octets()[3])] = report.change != GroupChange::Left;
            }
            now = until;
            for host in 0..5 {
                prop_assert_eq!(machine.listens(group(host)), users[usize::from(host)] > 0);
            }
        }
        while let Some(at) = machine.poll_at() {
            let report = machine.poll(at).unwrap();
            let IpAddr::V4(address) = report.group else { panic!("{report:?}") };
            told[usize::from(address.octets()[3])] = report.change != GroupChange::Left;
        }
        prop_assert_eq!(told, users.map(|users| users > 0));
    }
}
