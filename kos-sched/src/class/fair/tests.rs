//! Behaviours by name; that picks are right is the model's affair.

use super::Fair;
use super::node::{IDLE, LARGEST};
use crate::class::Rt;
use crate::class::{Dequeued, Verdict};
use crate::task::{Nice, Node, Slot, TaskIndex};
use crate::testing::policy::Driver;
use crate::{Duration, Instant, Policy, RtPriority};

const MS: u64 = 1_000_000;

fn nice(nice: i8) -> Policy {
    Policy::Fair { nice: Nice::new(nice).unwrap(), slice: Policy::SLICE }
}

fn driver(slots: &mut [Slot]) -> Driver<'_, (Fair, ())> {
    Driver::new(slots, (Fair::new(), ()), 0)
}

fn got(driver: &Driver<'_, (Fair, ())>, task: TaskIndex) -> u64 {
    driver.got[task.as_usize()]
}

#[test]
fn the_division_by_a_weight_is_exact() {
    for level in 0..=IDLE {
        let node = Node { level, ..Node::NEW };
        let weight = u64::from(node.weight().get());
        let near = |value: u64| value.saturating_sub(2)..=(value + 2).min(LARGEST);
        let multiples = [1, 2, 1 << 20, LARGEST / weight / 2, LARGEST / weight];
        for value in multiples.into_iter().flat_map(|factor| near(weight * factor)).chain(near(LARGEST)) {
            assert_eq!(node.divide(value), value / weight, "{value} by {weight}");
        }
    }
}

#[test]
fn shares_are_those_of_the_weights() {
    let mut slots = [const { Slot::new() }; 3];
    let mut driver = driver(&mut slots);
    let tasks = [nice(0), nice(5), nice(-5)].map(|policy| driver.admit(policy));
    driver.run(10_000 * MS);
    let total = 1024 + 335 + 3121;
    for (task, weight) in tasks.into_iter().zip([1024, 335, 3121]) {
        assert!(got(&driver, task).abs_diff(10_000 * MS * weight / total) <= 6 * MS, "{task:?}");
    }
}

#[test]
fn a_shorter_slice_is_served_sooner() {
    let mut slots = [const { Slot::new() }; 5];
    let mut driver = driver(&mut slots);
    for _ in 0..4 {
        driver.admit(nice(0));
    }
    driver.run(50 * MS);
    let short = Policy::Fair { nice: Nice::default(), slice: Duration::from_ticks(100_000) };
    let task = driver.admit(short);
    driver.run(driver.now + MS);
    assert!(got(&driver, task) >= 100_000, "it waited for the slices of the others");
}

#[test]
fn who_sleeps_in_debt_works_it_off_by_waiting() {
    let mut slots = [const { Slot::new() }; 2];
    let mut driver = driver(&mut slots);
    let [first, second] = [nice(0), nice(0)].map(|policy| driver.admit(policy));
    assert_eq!(driver.queue.pick(driver.time()), Some(first));
    let _ = driver.advance(2 * MS);
    assert_eq!(driver.queue.dequeue(first, driver.time()), Ok(Dequeued::Delayed));
    assert_eq!(driver.queue.load().runnable, 1);
    assert_eq!(driver.queue.pick(driver.time()), Some(second));
    // At once awake again: it is not the first, though its deadline is.
    assert_eq!(driver.queue.enqueue(first, driver.time()), Ok(Verdict::Keep));
    assert_eq!(driver.queue.dequeue(first, driver.time()), Ok(Dequeued::Delayed));
    driver.run(6 * MS);
    assert!(!driver.queue.nodes().owns(first), "its debt is paid: it is nobody's");
    driver.queue.check().unwrap();
}

#[test]
fn lag_survives_sleep_migration_and_change_of_weight() {
    let mut slots = [const { Slot::new() }; 3];
    let mut driver = driver(&mut slots);
    let [first, second, _] = [nice(0), nice(0), nice(0)].map(|policy| driver.admit(policy));
    assert_eq!(driver.queue.pick(driver.time()), Some(first));
    let _ = driver.advance(2 * MS);
    // The second is 2/3 ms behind, and would be so again after each of these.
    let now = driver.time();
    let lag = |driver: &Driver<'_, (Fair, ())>| {
        let nodes = driver.queue.nodes();
        driver.queue.classes().0.average.time().since(nodes.get(second).unwrap().vruntime())
    };
    assert_eq!(lag(&driver), 2 * MS as i64 / 3);
    assert_eq!(driver.queue.dequeue(second, now), Ok(Dequeued::Done));
    let _ = driver.queue.enqueue(second, now).unwrap();
    assert!(lag(&driver).abs_diff(2 * MS as i64 / 3) <= 3);
    let token = driver.queue.remove(second, now).unwrap();
    let _ = driver.queue.attach(token, now).unwrap();
    assert!(lag(&driver).abs_diff(2 * MS as i64 / 3) <= 6);
    let _ = driver.queue.set_attr(second, nice(5), now).unwrap();
    assert!(lag(&driver).abs_diff(2 * MS as i64 / 3 * 1024 / 335) <= 20, "as much CPU time at another rate");
    driver.queue.check().unwrap();
}

#[test]
fn batch_and_idle_tasks_preempt_nobody() {
    let mut slots = [const { Slot::new() }; 4];
    let mut driver = driver(&mut slots);
    let normal = driver.admit(nice(0));
    driver.run(MS);
    let batch = driver.admit(Policy::Batch(Nice::MIN));
    driver.admit(Policy::Idle);
    assert_eq!(driver.queue.current(), Some(normal));
    assert_eq!(driver.queue.charge(driver.time()), Verdict::Keep, "neither asks for the CPU");
    let _ = driver.queue.dequeue(batch, driver.time()).unwrap();
    let _ = driver.queue.dequeue(normal, driver.time()).unwrap();
    driver.run(100 * MS);
    driver.admit(nice(19));
    assert_eq!(driver.queue.charge(driver.time()), Verdict::Resched, "anybody goes before an idle task");
}

#[test]
fn regress_asterinas_2235_rapid_nice_changes_do_not_overflow() {
    let mut slots = [const { Slot::new() }; 2];
    let mut driver = driver(&mut slots);
    let [fickle, steady] = [nice(0), nice(0)].map(|policy| driver.admit(policy));
    for round in 0..100_000u64 {
        let policy = nice(if round % 2 == 0 { -20 } else { 19 });
        let _ = driver.queue.set_attr(fickle, policy, driver.time()).unwrap();
        driver.run(driver.now + 1_000);
    }
    driver.queue.check().unwrap();
    let _ = driver.queue.set_attr(fickle, nice(0), driver.time()).unwrap();
    let before = [got(&driver, fickle), got(&driver, steady)];
    driver.run(driver.now + 1_000 * MS);
    for (task, before) in [fickle, steady].into_iter().zip(before) {
        assert!((got(&driver, task) - before).abs_diff(500 * MS) <= 13 * MS, "{task:?}: shares recover");
    }
}

#[test]
fn regress_axsched_0_3_1_long_sleeper_gets_no_more_than_its_share() {
    let mut slots = [const { Slot::new() }; 2];
    let mut driver = driver(&mut slots);
    let [sleeper, worker] = [nice(0), nice(0)].map(|policy| driver.admit(policy));
    driver.run(100 * MS);
    let _ = driver.queue.dequeue(sleeper, driver.time()).unwrap();
    driver.run(60_000 * MS);
    let before = got(&driver, worker);
    let _ = driver.queue.enqueue(sleeper, driver.time()).unwrap();
    driver.run(driver.now + 100 * MS);
    assert!(got(&driver, worker) - before >= 44 * MS, "the sleeper had the CPU for itself");
}

#[test]
fn a_clock_at_its_end_stops_nothing() {
    let mut slots = [const { Slot::new() }; 2];
    let mut driver = Driver::new(&mut slots, (Rt::new(), (Fair::new(), ())), u64::MAX - 5);
    let rr = Policy::RoundRobin(RtPriority::MIN, Policy::QUANTUM);
    let [first, _] = [rr, rr].map(|policy| driver.admit(policy));
    assert_eq!(driver.queue.pick(driver.time()), Some(first));
    assert_eq!(driver.queue.next_event(), None, "past the end of time is never");
    assert_eq!(driver.queue.charge(Instant::from_ticks(u64::MAX)), Verdict::Keep);
    driver.queue.check().unwrap();
}
