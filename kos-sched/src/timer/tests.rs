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

/// Where time jumps by 2^34 times what the wheel reaches, two far timers held back the clock for each other at each reach.
#[test]
fn a_jump_of_time_moves_each_far_timer_once() {
    let wheel = TimerWheel::new(HostPark::new(), 0);
    let timers: Vec<_> = (0..3).map(|number| Box::pin(Timer::new(&wheel, number))).collect();
    let far = |number: u64| at((1 << 62) + number);
    for (number, timer) in (0..).zip(&timers) {
        timer.as_ref().arm(at(number), far(number));
    }
    let jump = at((1 << 61) + 5);
    // One step under each hold of the lock, and a look between.
    while wheel.expire(jump, 1, |timer| panic!("{timer:?} is early")).more {
        wheel.check().unwrap();
    }
    assert_eq!((wheel.check(), wheel.armed()), (Ok(()), 3));
    assert!(wheel.next_event().unwrap() > jump);
    let mut fired = Vec::new();
    assert_eq!(wheel.expire(far(3), 10, |timer| fired.push((timer.payload, timer.at))).fired, 3);
    assert_eq!(fired, [(0, far(0)), (1, far(1)), (2, far(2))]);
}

/// A timer that waits aside for the next call is armed, is cancelled, and is told of.
#[test]
fn a_far_timer_between_two_places_is_still_there() {
    let wheel = TimerWheel::new(HostPark::new(), 0);
    let near = pin!(Timer::new(&wheel, 0));
    let far: Vec<_> = (1..4).map(|number| Box::pin(Timer::new(&wheel, number))).collect();
    let jump = 1 << 40;
    for timer in &far {
        timer.as_ref().arm(at(0), at(2 * jump));
    }
    near.as_ref().arm(at(0), at(jump - 1));
    let mut fired = Vec::new();
    // The limit is reached where the others have left their bucket.
    assert!(wheel.expire(at(jump), 1, |timer| fired.push(timer.payload)).more);
    assert_eq!((wheel.check(), wheel.armed(), &*fired), (Ok(()), 3, &[0][..]));
    assert!(wheel.next_event().unwrap() <= at(jump), "somebody has to come back");
    assert_eq!(far[1].as_ref().cancel(), Cancel::Cancelled);
    far[2].as_ref().arm(at(jump), at(jump + 1));
    while wheel.expire(at(jump), 1, |timer| fired.push(timer.payload)).more {}
    assert_eq!(fired, [0]);
    let _ = wheel.expire(at(jump + 1), 1, |timer| fired.push(timer.payload));
    assert_eq!((wheel.check(), wheel.armed(), &*fired), (Ok(()), 1, &[0, 3][..]));
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
