use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{TimerCorruption, TimerLink, Timers as _, Wheel};
use crate::time::Instant;

const MS: u64 = 1_000_000;

const fn at(ns: u64) -> Instant {
    Instant::from_ticks(ns)
}

fn fired(wheel: &mut Wheel, links: &mut [TimerLink], now: u64) -> Vec<u32> {
    let fired = core::iter::from_fn(|| wheel.pop(links, at(now))).collect();
    wheel.check(links).unwrap();
    fired
}

#[test]
fn a_link_is_small() {
    assert!(size_of::<TimerLink>() <= 32 && size_of::<Wheel>() <= 1100);
}

#[test]
fn nothing_fires_early_and_at_most_a_tick_late() {
    for after in [0, 1, MS - 1, MS, 63 * MS, 64 * MS + 1, 4096 * MS, 300_000 * MS, 7_200_000 * MS, 1 << 60] {
        let start = 987_654_321;
        let (mut wheel, mut links) = (Wheel::new(at(start)), [TimerLink::default(); 1]);
        wheel.arm(&mut links[..], 0, at(start + after));
        let due = (start + after).div_ceil(MS) * MS;
        // As a driver does it: sleep until the wheel says.
        for _ in 0..70_000 {
            let next = wheel.poll_at(&mut links[..]).unwrap();
            assert!(next <= at(due), "{after}: asleep until {next:?}");
            if next == at(due) {
                break;
            }
            assert!(fired(&mut wheel, &mut links, next.as_ticks()).is_empty());
            assert!(wheel.poll_at(&mut links[..]).unwrap() > next, "{after}: stale");
        }
        if after > 0 {
            assert_eq!(fired(&mut wheel, &mut links, due - 1), []);
        }
        assert_eq!(fired(&mut wheel, &mut links, due), [0]);
        assert_eq!(wheel.poll_at(&mut links[..]), None);
    }
}

#[test]
fn a_later_deadline_is_only_written() {
    let (mut wheel, mut links) = (Wheel::new(at(0)), [TimerLink::default(); 2]);
    wheel.arm(&mut links[..], 0, at(5 * MS));
    let before = links[0].filed.unwrap().place;
    wheel.arm(&mut links[..], 0, at(5000 * MS));
    assert_eq!(links[0].filed.unwrap().place, before, "it stays where it is");
    assert_eq!(fired(&mut wheel, &mut links, 4999 * MS), []);
    assert_eq!(fired(&mut wheel, &mut links, 5000 * MS), [0]);
    wheel.arm(&mut links[..], 1, at(9000 * MS));
    wheel.arm(&mut links[..], 1, at(5001 * MS));
    assert_eq!(fired(&mut wheel, &mut links, 5001 * MS), [1], "an earlier one moves it");
}

#[test]
fn disarmed_and_removed_entries_stay_silent() {
    let (mut wheel, mut links) = (Wheel::new(at(0)), [TimerLink::default(); 3]);
    (0..3).for_each(|index| wheel.arm(&mut links[..], index, at(9 * MS)));
    wheel.disarm(&mut links[..], 0);
    wheel.remove(&mut links[..], 1);
    wheel.remove(&mut links[..], 1);
    wheel.arm(&mut links[..], 7, at(1));
    assert_eq!(wheel.filed(), 2);
    assert_eq!(fired(&mut wheel, &mut links, 100 * MS), [2]);
    assert_eq!((wheel.filed(), links[2].deadline()), (0, None));
}

#[test]
fn time_that_goes_back_changes_nothing() {
    let (mut wheel, mut links) = (Wheel::new(at(50 * MS)), [TimerLink::default(); 1]);
    wheel.arm(&mut links[..], 0, at(60 * MS));
    assert_eq!(fired(&mut wheel, &mut links, 0), []);
    assert_eq!(fired(&mut wheel, &mut links, 60 * MS), [0]);
}

#[test]
fn broken_lists_are_found() {
    let (mut wheel, mut links) = (Wheel::new(at(0)), [TimerLink::default(); 2]);
    (0..2).for_each(|index| wheel.arm(&mut links[..], index, at(9 * MS)));
    let (mut bad, mut lost) = (links, wheel.clone());
    bad[0].deadline = Some(at(3 * MS));
    assert_eq!(wheel.check(&mut bad[..]), Err(TimerCorruption::TooLate { index: 0 }));
    bad[0].filed = None;
    assert_eq!(wheel.check(&mut bad[..]), Err(TimerCorruption::BadLink { index: 0 }));
    lost.filed = 3;
    assert_eq!(lost.check(&mut links[..]), Err(TimerCorruption::BadCount { found: 2, expected: 3 }));
    lost.bits[2] = 1;
    assert_eq!(lost.check(&mut links[..]), Err(TimerCorruption::BadBit { level: 2, slot: 0 }));
}

#[derive(Clone, Debug)]
enum Step {
    Arm(u32, u64),
    Disarm(u32),
    Remove(u32),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let span = prop_oneof![0..3 * MS, 0..200 * MS, 0..10_000 * MS, 0..40_000_000 * MS];
    prop_oneof![
        4 => (0..24_u32, span.clone()).prop_map(|(index, after)| Step::Arm(index, after)),
        1 => (0..24_u32).prop_map(Step::Disarm),
        1 => (0..24_u32).prop_map(Step::Remove),
        3 => span.prop_map(Step::Advance),
    ]
}

proptest! {
    #![proptest_config(crate::testing::config())]
    /// Beside a sorted list of ticks.
    #[test]
    fn a_wheel_is_a_sorted_list(steps in prop::collection::vec(step(), 1..120)) {
        let (mut now, mut wheel, mut links) = (0, Wheel::new(at(0)), vec![TimerLink::default(); 24]);
        let mut model: Vec<(u64, u32)> = Vec::new();
        for step in steps {
            match step {
                Step::Arm(index, after) => {
                    wheel.arm(&mut links[..], index, at(now + after));
                    model.retain(|&(_, other)| other != index);
                    model.push(((now + after).div_ceil(MS), index));
                }
                Step::Disarm(index) => {
                    wheel.disarm(&mut links[..], index);
                    model.retain(|&(_, other)| other != index);
                }
                Step::Remove(index) => {
                    wheel.remove(&mut links[..], index);
                    model.retain(|&(_, other)| other != index);
                    prop_assert!(links[..].link(index).unwrap().filed.is_none());
                }
                Step::Advance(by) => {
                    now += by;
                    model.sort_unstable();
                    let due = model.partition_point(|&(tick, _)| tick <= now / MS);
                    let due: Vec<u64> = model.drain(..due).map(|(tick, _)| tick).collect();
                    let before: Vec<Option<Instant>> = links.iter().map(TimerLink::deadline).collect();
                    let fired = fired(&mut wheel, &mut links, now);
                    let ticks: Vec<u64> = fired.iter().map(|&index| before[index as usize].unwrap().as_ticks().div_ceil(MS)).collect();
                    prop_assert_eq!(ticks, due);
                }
            }
            wheel.check(&mut links[..]).unwrap();
            let least = model.iter().map(|&(tick, _)| at(tick * MS)).min();
            let next = wheel.poll_at(&mut links[..]);
            prop_assert!(least.is_none_or(|least| next.is_some_and(|next| next <= least)), "{:?} after {:?}", next, least);
        }
    }
}
