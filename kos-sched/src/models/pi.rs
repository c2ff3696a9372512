//! Locks with inheritance: a wait that ends by its deadline, and an owner that dies.

use alloc::boxed::Box;
use core::mem;

use super::checker::thread;
use super::tasks::{Tasks, enter};
use super::{SOME, explore, explore_within, must_find};
use crate::error::LockError;
use crate::ports::PriorityInheritance;
use crate::seeded::Bug;
use crate::sync::{PiDomain, PiLock, PiMutex, PiTask};
use crate::time::Instant;

impl PriorityInheritance for Tasks {
    type Key = usize;

    fn index(&self, task: usize) -> usize {
        task
    }

    fn key(&self, task: usize) -> usize {
        task
    }

    fn inherit(&self, _: usize, _: Option<usize>) {}
}

type Domain = PiDomain<'static, Tasks>;

/// A lock of three tasks. Not freed: a schedule that fails is taken down without its checker.
#[derive(Clone, Copy)]
struct Shared {
    domain: &'static Domain,
    mutex: &'static PiMutex<'static, 'static, Tasks, u32>,
}

impl Shared {
    fn new() -> Self {
        enter(0);
        let tasks = Box::leak(Box::new([PiTask::EMPTY; 3]));
        let locks = Box::leak(Box::new([PiLock::EMPTY; 1]));
        let domain: &Domain = Box::leak(Box::new(PiDomain::new(Tasks::new(), tasks, locks)));
        Self { domain, mutex: Box::leak(Box::new(PiMutex::new(domain, 0).unwrap())) }
    }

    /// Runs `work` as task `number`.
    fn task(self, number: usize, work: impl FnOnce(Self) + Send + 'static) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            enter(number);
            work(self);
        })
    }

    /// Locks once, and takes the lock over if its owner has died. Whoever has it is alone.
    #[expect(unsafe_code, reason = "takes over from an owner that never runs again")]
    fn visit(self) {
        loop {
            let guard = match self.mutex.lock() {
                Ok(guard) => Some(guard),
                Err(LockError::OwnerDied) => {
                    // SAFETY: the owner that dies in these models has left its guard for ever.
                    unsafe { self.mutex.recover() }
                }
                Err(error) => panic!("{error}"),
            };
            if let Some(mut guard) = guard {
                assert_eq!(self.domain.check(), Ok(()));
                *guard += 1;
                return;
            }
        }
    }

    /// Nobody has the lock, and this many have had it.
    fn assert_free(self, visits: u32) {
        assert_eq!(self.domain.check(), Ok(()));
        let guard = self.mutex.try_lock().unwrap();
        assert_eq!(guard.map(|guard| *guard), Some(visits), "a lock that nobody gives back");
    }
}

/// The lock is released while a waiter gives up.
fn release_and_timeout() {
    let shared = Shared::new();
    let guard = shared.mutex.lock().unwrap();
    let waiter = shared.task(1, |shared| match shared.mutex.lock_until(Some(Instant::from_ticks(1))) {
        Ok(guard) => drop(guard),
        Err(error) => assert_eq!(error, LockError::TimedOut),
    });
    drop(guard);
    waiter.join().unwrap();
    shared.assert_free(0);
}

/// The owner dies while two come, one of whom takes the lock over before the other is told.
fn death_among_waiters() {
    let shared = Shared::new();
    mem::forget(shared.mutex.lock().unwrap());
    let waiters = [1, 2].map(|number| shared.task(number, Shared::visit));
    shared.domain.task_died(0);
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    shared.assert_free(2);
}

#[test]
fn a_wait_ends_with_the_lock_or_without() {
    explore(release_and_timeout);
}

#[test]
fn regress_zephyr_47906_a_timeout_that_does_not_look_is_found() {
    must_find(Bug::LockTimeoutUnchecked, release_and_timeout);
}

#[test]
fn the_lock_of_the_dead_is_taken_over() {
    explore_within(SOME, death_among_waiters);
}

#[test]
fn a_recovered_lock_that_is_buried_again_is_found() {
    must_find(Bug::BuriedTwice, death_among_waiters);
}
