//! A permit, or a bit, that comes while somebody goes to sleep for it.

use alloc::sync::Arc;
use loom::thread;

use super::park::{ModelEnv, SOON, Threads};
use super::{explore, must_find};
use crate::caller::Caller;
use crate::notify::{Notification, Semaphore};
use crate::policy::NoPolicy;
use crate::sync::Bug;

fn release_and_acquire() {
    let semaphore = Arc::new(Semaphore::<ModelEnv>::new(Threads::new(), 0, 0, 0));
    let other = Arc::clone(&semaphore);
    let taker = thread::spawn(move || other.acquire(&Caller::new(&1, (), &NoPolicy), 1, None));
    semaphore.release(&Caller::new(&0, (), &NoPolicy), 1).unwrap();
    assert_eq!(taker.join().unwrap(), Ok(()));
    assert_eq!((semaphore.available(), semaphore.check()), (0, Ok(())));
}

/// Who gives up and who is given a permit at the same time: it is somewhere.
fn release_and_timeout() {
    let semaphore = Arc::new(Semaphore::<ModelEnv>::new(Threads::new(), 0, 0, 0));
    let other = Arc::clone(&semaphore);
    let taker = thread::spawn(move || other.acquire(&Caller::new(&1, (), &NoPolicy), 1, SOON));
    semaphore.release(&Caller::new(&0, (), &NoPolicy), 1).unwrap();
    let left = u32::from(taker.join().unwrap().is_err());
    assert_eq!((semaphore.available(), semaphore.check()), (left, Ok(())));
}

#[test]
fn no_permit_is_lost() {
    explore(release_and_acquire);
}

#[test]
fn an_acquire_in_two_steps_is_found() {
    must_find(Bug::AcquireInTwoSteps, release_and_acquire);
}

#[test]
fn a_permit_without_a_fence_is_found() {
    must_find(Bug::UnfencedEmptyTest, release_and_acquire);
}

#[test]
fn a_permit_is_taken_or_left() {
    explore(release_and_timeout);
}

#[test]
fn a_permit_that_is_given_to_nobody_is_found() {
    must_find(Bug::TimeoutUnchecked, release_and_timeout);
}

/// Two bits for two who wait, each for one.
fn post_and_take() {
    let object = Arc::new(Notification::<ModelEnv>::new(Threads::new(), 0, 0));
    let other = Arc::clone(&object);
    let taker = thread::spawn(move || other.take(&Caller::new(&1, (), &NoPolicy), 2, None));
    object.post(&Caller::new(&0, (), &NoPolicy), 3).unwrap();
    assert_eq!(taker.join().unwrap(), Ok(2));
    assert_eq!((object.pending(), object.check()), (1, Ok(())));
}

/// Who gives up and who is given a bit at the same time: it is somewhere.
fn post_and_timeout() {
    let object = Arc::new(Notification::<ModelEnv>::new(Threads::new(), 0, 0));
    let other = Arc::clone(&object);
    let taker = thread::spawn(move || other.take(&Caller::new(&1, (), &NoPolicy), 1, SOON));
    object.post(&Caller::new(&0, (), &NoPolicy), 1).unwrap();
    let left = u64::from(taker.join().unwrap().is_err());
    assert_eq!((object.pending(), object.check()), (left, Ok(())));
}

#[test]
fn no_bit_is_lost() {
    explore(post_and_take);
}

#[test]
fn a_take_in_two_steps_is_found() {
    must_find(Bug::TakeInTwoSteps, post_and_take);
}

#[test]
fn a_bit_without_a_fence_is_found() {
    must_find(Bug::UnfencedEmptyTest, post_and_take);
}

#[test]
fn a_bit_is_taken_or_left() {
    explore(post_and_timeout);
}

#[test]
fn a_bit_that_is_given_to_nobody_is_found() {
    must_find(Bug::TimeoutUnchecked, post_and_timeout);
}
