//! Behaviours by name; that picks are right and deadlines are met is the affair of model and oracle.

use super::Deadline;
use crate::class::{Dequeued, Fair, Verdict};
use crate::task::{Slot, TaskIndex};
use crate::testing::policy::Driver;
use crate::{AttrError, DlParams, Duration, Instant, Policy, QueueError};

const US: u64 = 1_000;
const MS: u64 = 1_000_000;

type Classes = (Deadline, (Fair, ()));

fn params(runtime: u64, deadline: u64, period: u64) -> Policy {
    let [runtime, deadline, period] = [runtime, deadline, period].map(Duration::from_ticks);
    Policy::Deadline(DlParams::new(runtime, deadline, period).unwrap())
}

fn driver(slots: &mut [Slot]) -> Driver<'_, Classes> {
    Driver::new(slots, (Deadline::new(), (Fair::new(), ())), 0)
}

fn got(driver: &Driver<'_, Classes>, task: TaskIndex) -> u64 {
    driver.got[task.as_usize()]
}

#[test]
fn a_greedy_task_gets_its_share_to_a_thousandth() {
    let mut slots = [const { Slot::new() }; 4];
    let mut driver = driver(&mut slots);
    let shares = [(3 * MS, 10 * MS), (MS, 4 * MS), (1_700 * US, 7 * MS)];
    let tasks = shares.map(|(runtime, period)| driver.admit(params(runtime, period, period)));
    let hog = driver.admit(Policy::NORMAL);
    let end = 28_000 * MS;
    driver.run(end);
    for (task, (runtime, period)) in tasks.into_iter().zip(shares) {
        let share = end / 1_000 * runtime / period;
        assert!((got(&driver, task) / 1_000).abs_diff(share) <= share / 1_000, "{task:?}");
    }
    let rest = end - tasks.map(|task| got(&driver, task)).iter().sum::<u64>();
    assert_eq!(got(&driver, hog), rest, "what is not granted is for the others");
}

#[test]
fn an_overrun_is_reported_and_taken_off_the_next_budget() {
    let mut slots = [const { Slot::new() }; 1];
    let mut driver = driver(&mut slots);
    let task = driver.admit(params(2 * MS, 10 * MS, 10 * MS));
    assert_eq!(driver.queue.pick(driver.time()), Some(task));
    assert_eq!(driver.queue.next_event(), Some(Instant::from_ticks(2 * MS)));
    // The tick is late.
    let until = Instant::from_ticks(10 * MS);
    assert_eq!(driver.queue.charge(Instant::from_ticks(3 * MS)), Verdict::Throttled { until });
    assert_eq!(driver.queue.pick(Instant::from_ticks(3 * MS)), None);
    assert_eq!(driver.queue.load().throttled, 1);
    assert_eq!(driver.queue.next_event(), Some(until));
    assert_eq!(driver.queue.charge(until), Verdict::Resched);
    assert_eq!(driver.queue.pick(until), Some(task));
    assert_eq!(driver.queue.next_event(), Some(Instant::from_ticks(11 * MS)), "1 ms instead of 2");
}

#[test]
fn a_refusal_says_what_is_free_and_changes_nothing() {
    let mut slots = [const { Slot::new() }; 3];
    let mut driver = driver(&mut slots);
    let first = driver.admit(params(5 * MS, 10 * MS, 10 * MS));
    let before = driver.queue.load();
    let slot = driver.slot().unwrap();
    let error =
        driver.queue.admit(slot, params(9 * MS, 18 * MS, 18 * MS), Instant::from_ticks(0)).unwrap_err();
    let (asked, free) = (1 << 31, Deadline::CAP - (1 << 31));
    assert_eq!(error.why, QueueError::Attr(AttrError::Admission { asked, free }));
    driver.free.give(error.task).unwrap();
    assert_eq!(driver.queue.load(), before);
    let other = driver.admit(Policy::NORMAL);
    let refused = driver.queue.set_attr(other, params(5 * MS, 10 * MS, 10 * MS), driver.time());
    assert!(matches!(refused, Err(QueueError::Attr(AttrError::Admission { .. }))));
    // A sleeping task keeps what it was granted; one that leaves gives it back.
    assert_eq!(driver.queue.dequeue(first, driver.time()), Ok(Dequeued::Delayed));
    assert_eq!(driver.queue.load().bandwidth, 1 << 31);
    driver.queue.remove(first, driver.time()).map(|token| driver.free.give(token)).unwrap().unwrap();
    assert_eq!(driver.queue.load().bandwidth, 0);
    let _ = driver.queue.set_attr(other, params(9 * MS, 10 * MS, 10 * MS), driver.time()).unwrap();
    driver.queue.check().unwrap();
}

#[test]
fn a_late_wake_up_does_not_bring_an_old_budget() {
    let mut slots = [const { Slot::new() }; 2];
    let mut driver = driver(&mut slots);
    let task = driver.admit(params(4 * MS, 10 * MS, 10 * MS));
    driver.queue.pick(driver.time());
    let _ = driver.advance(MS);
    let _ = driver.queue.dequeue(task, driver.time()).unwrap();
    // 3 ms of budget in 5 ms would be more than 40 %: a new budget, due 10 ms from here.
    let wake = Instant::from_ticks(5 * MS);
    assert_eq!(driver.queue.enqueue(task, wake), Ok(Verdict::Resched));
    assert_eq!(driver.queue.nodes().get(task).unwrap().due(), 15 * MS);
    // 4 ms in 10 ms is its share: nothing changes.
    let _ = driver.queue.dequeue(task, wake).unwrap();
    let _ = driver.queue.enqueue(task, wake).unwrap();
    assert_eq!(driver.queue.nodes().get(task).unwrap().due(), 15 * MS);
}

#[test]
fn a_short_deadline_is_not_begun_twice_in_a_period() {
    let mut slots = [const { Slot::new() }; 2];
    let mut driver = driver(&mut slots);
    let task = driver.admit(params(MS, 2 * MS, 10 * MS));
    driver.queue.pick(driver.time());
    let _ = driver.advance(MS / 2);
    let _ = driver.queue.dequeue(task, driver.time()).unwrap();
    driver.now = 5 * MS;
    let _ = driver.queue.enqueue(task, driver.time()).unwrap();
    assert_eq!(driver.queue.pick(driver.time()), None, "its next period has not begun");
    assert_eq!(driver.queue.next_event(), Some(Instant::from_ticks(10 * MS)));
}

#[test]
fn regress_zephyr_69984_deadline_changed_while_queued() {
    let mut slots = [const { Slot::new() }; 16];
    let mut driver = Driver::new(&mut slots, (Deadline::without_admission(), (Fair::new(), ())), 0);
    let tasks: [TaskIndex; 16] =
        core::array::from_fn(|i| driver.admit(params(MS, (10 + i as u64) * MS, (10 + i as u64) * MS)));
    // The last becomes the first, while it waits in the tree.
    let _ = driver.queue.set_attr(tasks[15], params(MS, 5 * MS, 5 * MS), driver.time()).unwrap();
    driver.queue.check().unwrap();
    assert_eq!(driver.queue.pick(driver.time()), Some(tasks[15]));
    let _ = driver.queue.set_attr(tasks[0], params(MS, 900 * MS, 900 * MS), driver.time()).unwrap();
    driver.queue.check().unwrap();
    let _ = driver.queue.dequeue(tasks[15], driver.time()).unwrap();
    assert_eq!(driver.queue.pick(driver.time()), Some(tasks[1]));
    for task in tasks.iter().skip(1).take(14) {
        assert_eq!(driver.queue.pick(driver.time()), Some(*task));
        let _ = driver.queue.dequeue(*task, driver.time()).unwrap();
    }
    assert_eq!(driver.queue.pick(driver.time()), Some(tasks[0]));
}

#[test]
fn regress_kubernetes_67577_not_throttled_below_its_budget() {
    let mut slots = [const { Slot::new() }; 1];
    let mut driver = driver(&mut slots);
    let task = driver.admit(params(2 * MS, 10 * MS, 10 * MS));
    // 1.9 ms in each period, in pieces, with a late charge each time and a sleep between.
    for period in 0..1_000u64 {
        for piece in 0..19u64 {
            driver.now = period * 10 * MS + piece * 500 * US;
            if period + piece > 0 {
                let _ = driver.queue.enqueue(task, driver.time()).unwrap();
            }
            assert_eq!(driver.queue.pick(driver.time()), Some(task), "throttled at piece {piece}");
            driver.now += 100 * US;
            assert_eq!(driver.queue.charge(driver.time()), Verdict::Keep, "throttled at piece {piece}");
            let _ = driver.queue.dequeue(task, driver.time()).unwrap();
        }
    }
    assert_eq!(driver.queue.stats().throttles, 0);
}
