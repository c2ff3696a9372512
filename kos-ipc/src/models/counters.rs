//! A count that comes, or room for it, while somebody goes to sleep for it.

use alloc::sync::Arc;
use loom::thread;

use super::park::{ModelEnv, SOON, Threads};
use super::{SOME, explore_within, must_find};
use crate::caller::Caller;
use crate::notify::{CounterMode, EventCounter};
use crate::policy::NoPolicy;
use crate::sync::Bug;

const MAX: u64 = EventCounter::<ModelEnv>::MAX;

fn counter(count: u64) -> Arc<EventCounter<ModelEnv>> {
    Arc::new(EventCounter::new(Threads::new(), count, CounterMode::Whole, 0, 0))
}

/// A reader sleeps while somebody writes.
fn write_and_read() {
    let counter = counter(0);
    let other = Arc::clone(&counter);
    let reader = thread::spawn(move || other.read(&Caller::new(&1, (), &NoPolicy), None));
    counter.try_write(&Caller::new(&0, (), &NoPolicy), 3).unwrap();
    assert_eq!(reader.join().unwrap(), Ok(3));
    assert_eq!((counter.count(), counter.check()), (0, Ok(())));
}

/// A writer sleeps while somebody makes room.
fn read_and_write() {
    let counter = counter(MAX);
    let other = Arc::clone(&counter);
    let writer = thread::spawn(move || other.write(&Caller::new(&1, (), &NoPolicy), 2, None));
    let read = counter.try_read(&Caller::new(&0, (), &NoPolicy));
    assert_eq!((read, writer.join().unwrap()), (Ok(MAX), Ok(())));
    assert_eq!((counter.count(), counter.check()), (2, Ok(())));
}

/// A reader gives up while somebody writes: the count is with one of them.
fn write_and_timeout() {
    let counter = counter(0);
    let other = Arc::clone(&counter);
    let reader = thread::spawn(move || other.read(&Caller::new(&1, (), &NoPolicy), SOON));
    counter.try_write(&Caller::new(&0, (), &NoPolicy), 3).unwrap();
    let read = reader.join().unwrap().unwrap_or(0);
    assert_eq!((read + counter.count(), counter.check()), (3, Ok(())));
}

#[test]
fn no_count_is_lost() {
    explore_within(SOME, write_and_read);
}

#[test]
fn a_read_in_two_steps_is_found() {
    must_find(Bug::CountInTwoSteps, write_and_read);
}

#[test]
fn a_count_without_a_fence_is_found() {
    must_find(Bug::UnfencedEmptyTest, write_and_read);
}

#[test]
fn no_room_is_lost() {
    explore_within(SOME, read_and_write);
}

#[test]
fn a_write_in_two_steps_is_found() {
    must_find(Bug::CountInTwoSteps, read_and_write);
}

#[test]
fn a_count_is_taken_or_left() {
    explore_within(SOME, write_and_timeout);
}

#[test]
fn a_count_that_is_given_to_nobody_is_found() {
    must_find(Bug::TimeoutUnchecked, write_and_timeout);
}
