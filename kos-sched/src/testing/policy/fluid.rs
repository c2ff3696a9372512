//! The fluid oracle: on a CPU that could be divided at will, each task of a static set would always have `weight / weights` of
//! the time. How far a real one is from that is its lag, here in exact fractions.

use alloc::vec::Vec;

use super::driver::Driver;
use super::fair::weight;
use crate::Policy;
use crate::class::{Fair, Verdict};
use crate::task::{Slot, TaskIndex};

/// What is added to the bound for rounding, in ns.
const SLACK_NS: i128 = 1_000;

/// Runs `tasks`, all runnable from `start` on, for `events` events, and returns the largest lag either way in ns.
///
/// # Panics
/// If a task is further from its share than the longest slice and 1 us, if the lags do not add up to 0, or if the queue is
/// corrupt.
pub fn check_static_set(tasks: &[Policy], start: u64, events: usize) -> i128 {
    let mut slots: Vec<Slot> = tasks.iter().map(|_| Slot::new()).collect();
    let mut driver = Driver::new(&mut slots, (Fair::new(), ()), start);
    for &policy in tasks {
        driver.admit(policy);
    }
    let weights: Vec<i128> = tasks.iter().map(|policy| weight(policy).into()).collect();
    let total: i128 = weights.iter().sum();
    let longest = tasks.iter().map(super::fair::slice).max().unwrap_or(0);
    let bound = (i128::from(longest) + SLACK_NS) * total;
    let mut largest = 0;
    let mut check = |driver: &Driver<'_, _>, task: TaskIndex| {
        let (elapsed, got) = (driver.now - start, driver.got[task.as_usize()]);
        let lag = weights[task.as_usize()] * i128::from(elapsed) - total * i128::from(got);
        assert!(lag.abs() <= bound, "task {task:?} of {tasks:?} is {} ns off", lag / total);
        largest = lag.abs().max(largest);
        lag
    };
    driver.queue.pick(driver.time());
    for _ in 0..events {
        // A lag is extreme when its task starts to run, and when it stops.
        let verdict = driver.advance(u64::MAX);
        let Some(before) = driver.queue.current() else { break };
        check(&driver, before);
        if verdict != Verdict::Keep {
            let after = driver.queue.pick(driver.time());
            check(&driver, after.unwrap_or(before));
        }
    }
    let sum: i128 = (0..).map(TaskIndex::new).take(tasks.len()).map(|task| check(&driver, task)).sum();
    assert_eq!(sum, 0, "somebody got time that passed for nobody");
    assert_eq!(driver.queue.check(), Ok(()));
    largest / total
}
