//! Both kinds of timers beside a map, and what only one of them promises.

use core::pin::pin;

use alloc::boxed::Box;
use alloc::vec::Vec;
use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{Cancel, PreciseQueue, PreciseSlot, Timer, TimerWheel};
use crate::error::TimerError;
use crate::testing::{HostPark, cases, fuzz};
use crate::time::Instant;

const fn at(ticks: u64) -> Instant {
    Instant::from_ticks(ticks)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), rng_seed: RngSeed::Fixed(4), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn timers_fire_as_a_map_says(data in vec(any::<u8>(), 0..1500)) {
        fuzz::timer_wheel(&data);
    }

    #[test]
    fn a_timer_is_late_by_an_eighth_at_most(now in 0..1_u64 << 50, delay in 0..1_u64 << 26, tick in 0..12_u32) {
        let wheel = TimerWheel::new(HostPark::new(), tick);
        let timer = pin!(Timer::new(&wheel, ()));
        timer.as_ref().arm(at(now), at(now + delay));
        let fires = wheel.next_event().unwrap().as_ticks();
        let late = fires.checked_sub(now + delay).unwrap();
        prop_assert!(late <= (delay / 8).max(1 << tick), "{late} after {delay}");
    }
}

#[test]
fn the_corpus_of_timer_wheel_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/timer_wheel");
    let corpus: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!((1..=20).contains(&corpus.len()));
    corpus.iter().for_each(|path| fuzz::timer_wheel(&fs::read(path).unwrap()));
}

#[test]
fn every_delay_at_the_edge_of_a_level_is_told_apart() {
    for exponent in 3..30 {
        for delay in (1_u64 << exponent) - 2..=(1 << exponent) + 2 {
            for now in [0, 1, 7, 8, 63, 64, (1 << exponent) - 1, 1 << exponent, (1 << 50) - 1] {
                let wheel = TimerWheel::new(HostPark::new(), 0);
                let timer = pin!(Timer::new(&wheel, ()));
                timer.as_ref().arm(at(now), at(now + delay));
                let mut moves = 0_u64;
                while timer.as_ref().is_armed() {
                    let fires = wheel.next_event().unwrap();
                    let _ =
                        wheel.expire(at(fires.as_ticks() - 1), 1, |_| panic!("fired before the next event"));
                    let fired = wheel.expire(fires, 1, |timer| assert!(timer.at <= fires)).fired;
                    assert_eq!(wheel.check(), Ok(()));
                    moves += 1 - fired as u64;
                }
                assert!(moves <= 1 + (delay >> 27), "{delay} after {now}: looked at {moves} times");
            }
        }
    }
}

#[test]
fn two_laps_share_a_bucket() {
    let wheel = TimerWheel::new(HostPark::new(), 0);
    let [far, near] = [pin!(Timer::new(&wheel, "far")), pin!(Timer::new(&wheel, "near"))];
    // Level 1 counts in units of 8: from clock 7 the last unit of the reach shares the bucket of the first.
    near.as_ref().arm(at(0), at(64));
    far.as_ref().arm(at(63), at(63 + 511));
    assert_eq!((wheel.check(), wheel.next_event()), (Ok(()), Some(at(64))));
    let mut fired = Vec::new();
    let _ = wheel.expire(at(500), 10, |timer| fired.push(timer.payload));
    assert_eq!((fired.as_slice(), wheel.next_event()), (["near"].as_slice(), Some(at(576))));
}

#[test]
fn the_limit_bounds_each_call() {
    let wheel = TimerWheel::new(HostPark::new(), 10);
    let timers: Vec<_> = (0..100).map(|number| Box::pin(Timer::new(&wheel, number))).collect();
    timers.iter().for_each(|timer| _ = timer.as_ref().arm(at(0), at(5000)));
    let first = wheel.expire(at(10_000), 33, |_| ());
    assert_eq!((first.fired, first.more, wheel.armed()), (33, true, 67));
    let rest = wheel.expire(at(10_000), usize::MAX, |_| ());
    assert_eq!((rest.fired, rest.more), (67, false));
    assert_eq!(wheel.expire(at(10_000), 0, |_| ()).fired, 0);
}

#[test]
fn a_timer_is_armed_again_where_it_fires() {
    let wheel = TimerWheel::new(HostPark::new(), 4);
    let timer = pin!(Timer::new(&wheel, ()));
    let timer = timer.as_ref();
    let first = timer.arm(at(0), at(100));
    let mut rounds = 0;
    for now in (0..10_000).step_by(50) {
        let _ = wheel.expire(at(now), 8, |fired| {
            rounds += 1;
            assert_eq!(fired.generation, first + rounds - 1);
            timer.arm(at(now), at(now + 100));
        });
    }
    assert!((65..=100).contains(&rounds), "{rounds}");
}

#[test]
fn what_is_cancelled_never_fires() {
    let wheel = TimerWheel::new(HostPark::new(), 0);
    let timer = pin!(Timer::new(&wheel, ()));
    let timer = timer.as_ref();
    assert_eq!(timer.cancel(), Cancel::Stale);
    timer.arm(at(0), at(10));
    assert_eq!((timer.cancel(), timer.cancel()), (Cancel::Cancelled, Cancel::Stale));
    assert_eq!(wheel.expire(at(100), 8, |_| ()).fired, 0);
    timer.arm(at(100), at(110));
    // A cancel out of the very call that fires it comes too late, and says so.
    let _ = wheel.expire(at(200), 8, |_| assert_eq!(timer.cancel(), Cancel::Fired));
    assert_eq!(timer.cancel(), Cancel::Stale);
}

#[test]
fn dropping_a_timer_cancels_it() {
    let wheel = TimerWheel::new(HostPark::new(), 0);
    let kept = pin!(Timer::new(&wheel, "kept"));
    kept.as_ref().arm(at(0), at(9));
    {
        let dropped = pin!(Timer::new(&wheel, "dropped"));
        dropped.as_ref().arm(at(0), at(9));
        assert_eq!(wheel.armed(), 2);
    }
    let _ = wheel.expire(at(9), 8, |timer| assert_eq!(timer.payload, "kept"));
    assert_eq!((wheel.armed(), wheel.check()), (0, Ok(())));
}

#[test]
fn never_stays_never() {
    let wheel = TimerWheel::new(HostPark::new(), 0);
    let timer = pin!(Timer::new(&wheel, ()));
    timer.as_ref().arm(at(5), at(u64::MAX));
    assert_eq!(wheel.expire(at(u64::MAX - 1), 8, |_| ()).fired, 0);
    assert_eq!((wheel.check(), wheel.armed()), (Ok(()), 1));
    let mut slots = [PreciseSlot::EMPTY];
    let mut queue = PreciseQueue::new(&mut slots);
    queue.arm(0, at(u64::MAX)).unwrap();
    assert_eq!((queue.pop_due(at(u64::MAX - 1)), queue.check()), (None, Ok(())));
    assert_eq!(queue.next_event(), Some(at(u64::MAX)));
}

#[test]
fn a_timer_that_is_not_there_is_an_error() {
    let mut slots = [PreciseSlot::EMPTY; 3];
    let mut queue = PreciseQueue::new(&mut slots);
    let before = queue.arm(2, at(7)).unwrap();
    assert_eq!(queue.arm(3, at(7)), Err(TimerError { timer: 3, slots: 3 }));
    assert_eq!(queue.cancel(super::TimerId { index: 9, generation: 1 }), Cancel::Stale);
    assert_eq!((queue.armed(), queue.pop_due(at(7))), (1, Some(before)));
}
