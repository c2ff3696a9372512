//! Locks that are handed over while others come.

use alloc::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::tasks::{Tasks, enter};
use super::{explore, must_find};
use crate::seeded::Bug;
use crate::sync::{Mutex, Semaphore};

fn permits() {
    enter(0);
    let semaphore = Arc::new(Semaphore::new(Tasks::new(), 0));
    let other = Arc::clone(&semaphore);
    let taker = thread::spawn(move || {
        enter(1);
        other.acquire(1, None).unwrap().keep();
    });
    semaphore.release(1);
    taker.join().unwrap();
    assert_eq!((semaphore.available(), semaphore.check()), (0, Ok(())));
}

struct Shared {
    mutex: Mutex<Tasks, ()>,
    inside: AtomicUsize,
}

impl Shared {
    fn visit(&self) {
        let _guard = self.mutex.lock().unwrap();
        assert_eq!(self.inside.fetch_add(1, Ordering::Relaxed), 0, "two have the lock");
        thread::yield_now();
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Two come while a third releases.
fn hand_over() {
    enter(0);
    let shared = Arc::new(Shared { mutex: Mutex::new(Tasks::new(), ()), inside: AtomicUsize::new(0) });
    let others = [1, 2].map(|number| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            enter(number);
            shared.visit();
        })
    });
    shared.visit();
    others.into_iter().for_each(|other| other.join().unwrap());
    assert_eq!((shared.mutex.owner(), shared.mutex.check()), (None, Ok(())));
}

#[test]
fn no_permit_is_lost() {
    explore(permits);
}

#[test]
fn an_acquire_in_two_steps_is_found() {
    must_find(Bug::AcquireInTwoSteps, permits);
}

#[test]
fn one_has_the_mutex() {
    explore(hand_over);
}

#[test]
fn a_release_in_two_steps_is_found() {
    must_find(Bug::ReleaseInTwoSteps, hand_over);
}
