use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use super::{Action, Hop, NeighbourConfig, NeighbourConfigError, Neighbours, Sending, Slot, State};
use crate::link::InterfaceId;
use crate::time::{Duration, Instant};
use crate::wire::MacAddr;
use crate::wire::ndp::NeighborFlags;

type Table = Neighbours<u32, Vec<Slot<u32>>>;

const REPLY: NeighborFlags = NeighborFlags::SOLICITED.union(NeighborFlags::OVERRIDE);
const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);

fn table(slots: usize) -> Table {
    let slots = core::iter::repeat_with(Slot::new).take(slots).collect();
    Neighbours::new(slots, NeighbourConfig::new(), [1, 2, 3]).unwrap()
}

fn at(ms: u64) -> Instant {
    Instant::from_ticks(ms * 1_000_000)
}

fn hop(host: u128) -> Hop {
    let address = IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | host));
    Hop { interface: InterfaceId(1), address }
}

fn drain(table: &mut Table, now: Instant) -> Vec<Action<u32>> {
    let actions = core::iter::from_fn(|| table.poll(now)).collect();
    table.check().unwrap();
    assert!(table.poll_at().is_none_or(|at| at > now), "poll_at is in the future when all is done");
    actions
}

fn reachable(table: &mut Table, now: Instant, hop: Hop, mac: MacAddr) {
    assert_eq!(table.send(now, hop, 0), Sending::Queued { dropped: 0 });
    drain(table, now);
    table.on_advertisement(now, hop, Some(mac), REPLY);
    drain(table, now);
}

#[test]
fn a_frame_waits_for_the_answer_and_then_goes() {
    let mut table = table(16);
    assert_eq!(table.send(at(0), hop(1), 7), Sending::Queued { dropped: 0 });
    assert_eq!(drain(&mut table, at(0)), [Action::Solicit { hop: hop(1), to: None }]);
    assert_eq!(table.send(at(1), hop(1), 8), Sending::Queued { dropped: 0 });
    assert_eq!(drain(&mut table, at(1)), [], "asked once a second");
    table.on_advertisement(at(2), hop(1), Some(A), REPLY);
    let sent = [7, 8].map(|frame| Action::Send { hop: hop(1), mac: A, frame });
    assert_eq!(drain(&mut table, at(2)), sent);
    assert_eq!(table.send(at(3), hop(1), 9), Sending::To(A, 9));
    assert_eq!(table.poll_at(), None, "nothing to do for one that is reachable");
}

#[test]
fn the_oldest_of_too_many_frames_is_given_up() {
    let mut table = table(16);
    for frame in 0..3 {
        assert_eq!(table.send(at(0), hop(1), frame), Sending::Queued { dropped: 0 });
    }
    assert_eq!(table.send(at(0), hop(1), 3), Sending::Queued { dropped: 1 });
    table.on_advertisement(at(0), hop(1), Some(A), REPLY);
    let frames: Vec<_> = drain(&mut table, at(0)).into_iter().map(|action| format(&action)).collect();
    assert_eq!(frames, [1, 2, 3]);
    assert_eq!(table.stats().dropped, 1);
}

fn format(action: &Action<u32>) -> u32 {
    match action {
        Action::Send { frame, .. } | Action::GiveUp { frame, .. } => *frame,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_answers_three_questions() {
    let mut table = table(16);
    table.send(at(0), hop(1), 7);
    for second in 0..3 {
        let asked = [Action::Solicit { hop: hop(1), to: None }];
        assert_eq!(drain(&mut table, at(second * 1000)), asked);
        assert_eq!(table.poll_at(), Some(at(second * 1000 + 1000)));
    }
    let lost = [Action::Lost { hop: hop(1) }, Action::GiveUp { hop: hop(1), frame: 7 }];
    assert_eq!(drain(&mut table, at(3000)), lost);
    assert_eq!(table.send(at(3999), hop(1), 8), Sending::Unreachable(8));
    assert_eq!(table.send(at(4000), hop(1), 8), Sending::Queued { dropped: 0 }, "searched anew");
    assert_eq!(drain(&mut table, at(4000)), [Action::Solicit { hop: hop(1), to: None }]);
}

#[test]
fn a_dead_gateway_is_found_by_who_sends() {
    let mut table = table(16);
    reachable(&mut table, at(0), hop(1), A);
    let State::Reachable { until } = table.get(hop(1)).unwrap().state else { panic!("not reachable") };
    assert!(until >= at(15_000) && until < at(45_000), "{until:?}");
    let start = 50_000;
    assert_eq!(table.send(at(start), hop(1), 1), Sending::To(A, 1), "what was known is tried");
    assert_eq!(table.poll_at(), Some(at(start + 5000)), "who sends has 5 s to hear something");
    for second in 5..8 {
        let asked = [Action::Solicit { hop: hop(1), to: Some(A) }];
        assert_eq!(drain(&mut table, at(start + second * 1000)), asked, "itself, not all");
    }
    assert_eq!(drain(&mut table, at(start + 8000)), [Action::Lost { hop: hop(1) }]);
    assert_eq!(table.send(at(start + 8000), hop(1), 2), Sending::Unreachable(2));
}

#[test]
fn progress_above_spares_the_question() {
    let mut table = table(16);
    reachable(&mut table, at(0), hop(1), A);
    table.send(at(50_000), hop(1), 1);
    table.confirm(at(51_000), hop(1));
    assert_eq!(table.poll_at(), None);
    assert!(matches!(table.get(hop(1)).unwrap().state, State::Reachable { .. }));
    table.confirm(at(51_000), hop(2));
    assert_eq!(table.get(hop(2)), None);
}

#[test]
fn what_is_heard_makes_no_entry() {
    let mut table = table(16);
    table.on_advertisement(at(0), hop(1), Some(A), REPLY);
    table.on_solicitation(at(0), hop(1), A);
    assert_eq!(table.iter().count(), 0);
}

#[test]
fn another_address_is_believed_only_if_it_overrides_and_is_then_asked() {
    let mut table = table(16);
    reachable(&mut table, at(0), hop(1), A);
    table.on_advertisement(at(1), hop(1), Some(B), NeighborFlags::empty());
    assert_eq!(table.get(hop(1)).map(|entry| (entry.mac, entry.state)), Some((A, State::Stale)));
    table.on_advertisement(at(2), hop(1), Some(B), NeighborFlags::OVERRIDE);
    assert_eq!(table.get(hop(1)).map(|entry| (entry.mac, entry.state)), Some((B, State::Stale)));
    table.on_advertisement(at(2), hop(1), Some(A), REPLY);
    assert_eq!(table.get(hop(1)).unwrap().state, State::Stale, "nobody asked");
    table.send(at(3), hop(1), 1);
    assert_eq!(drain(&mut table, at(5003)), [Action::Solicit { hop: hop(1), to: Some(A) }]);
    table.on_advertisement(at(5004), hop(1), None, NeighborFlags::SOLICITED);
    assert!(matches!(table.get(hop(1)).unwrap().state, State::Reachable { .. }));
}

#[test]
fn many_and_nobody_are_no_link_address() {
    let mut table = table(16);
    table.send(at(0), hop(1), 1);
    for mac in [MacAddr::BROADCAST, MacAddr([0; 6]), MacAddr([1, 0, 0x5e, 0, 0, 1])] {
        table.on_advertisement(at(0), hop(1), Some(mac), REPLY);
        table.on_solicitation(at(0), hop(1), mac);
        assert_eq!(table.get(hop(1)).unwrap().state, State::Incomplete);
    }
    table.on_advertisement(at(0), hop(1), None, REPLY);
    assert_eq!(table.get(hop(1)).unwrap().state, State::Incomplete);
}

#[test]
fn a_router_that_stops_being_one_is_told() {
    let mut table = table(16);
    reachable(&mut table, at(0), hop(1), A);
    assert!(!table.on_advertisement(at(1), hop(1), Some(A), NeighborFlags::ROUTER));
    assert!(table.on_advertisement(at(1), hop(1), Some(A), NeighborFlags::empty()));
    assert!(!table.on_advertisement(at(1), hop(1), Some(A), NeighborFlags::empty()));
}

#[test]
fn a_solicitation_of_one_searched_for_answers_the_search() {
    let mut table = table(16);
    table.send(at(0), hop(1), 7);
    drain(&mut table, at(0));
    table.on_solicitation(at(1), hop(1), A);
    assert_eq!(drain(&mut table, at(1)), [Action::Send { hop: hop(1), mac: A, frame: 7 }]);
    assert_eq!(table.get(hop(1)).unwrap().state, State::Delay, "the frame tries it");
    assert_eq!(table.poll_at(), Some(at(5001)));
}

/// RFC 6583: a scan of the subnet from outside.
#[test]
fn a_scan_of_the_subnet_pushes_out_no_neighbour_that_answers() {
    let mut table = table(64);
    for host in 0..48 {
        reachable(&mut table, at(0), hop(host), A);
    }
    for host in 1000..101_000 {
        assert!(matches!(table.send(at(host), hop(host.into()), 0), Sending::Queued { .. }));
        let _asked = table.poll(at(host));
    }
    table.check().unwrap();
    assert_eq!(table.iter().count(), 64);
    assert!((0..48).all(|host| table.get(hop(host)).is_some()));
    assert_eq!(table.stats().evicted, 100_000 - 16);
}

#[test]
fn the_interface_that_went_down_is_forgotten() {
    let mut table = table(16);
    reachable(&mut table, at(0), hop(1), A);
    let elsewhere = Hop { interface: InterfaceId(2), ..hop(1) };
    reachable(&mut table, at(0), elsewhere, B);
    table.send(at(0), hop(2), 5);
    table.flush(InterfaceId(1));
    assert_eq!(drain(&mut table, at(10_000)), []);
    assert_eq!(table.iter().map(|entry| entry.hop).collect::<Vec<_>>(), [elsewhere]);
    assert!(table.remove(elsewhere) && !table.remove(elsewhere));
}

#[test]
fn a_table_has_four_slots_at_least_and_waits_for_answers() {
    let make = |slots: usize, config| {
        let slots = core::iter::repeat_with(Slot::<u32>::new).take(slots).collect::<Vec<_>>();
        Neighbours::new(slots, config, [0; 3]).map(drop)
    };
    let config = NeighbourConfig::new();
    assert_eq!(make(3, config), Err(NeighbourConfigError::Slots { got: 3 }));
    assert_eq!(make(1025, config), Err(NeighbourConfigError::Slots { got: 1025 }));
    assert_eq!(make(1024, config), Ok(()));
    let hasty = NeighbourConfig { retransmit: Duration::ZERO, ..config };
    assert_eq!(make(4, hasty), Err(NeighbourConfigError::Times));
}
