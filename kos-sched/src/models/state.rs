//! The state word: sleepers, wakers and deadlines.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;

use super::{SOME, explore, explore_within, must_find};
use crate::ports::Resume;
use crate::seeded::Bug;
use crate::task::state::{Announced, Cause, Outcome, Phase, StateWord};

/// A task, a condition that it waits for, and how often somebody won its wake.
struct Sleeper {
    word: StateWord,
    condition: AtomicBool,
    wins: AtomicU32,
}

impl Sleeper {
    fn new() -> Arc<Self> {
        let word = StateWord::new();
        word.begin(1);
        word.start();
        Arc::new(Self { word, condition: AtomicBool::new(false), wins: AtomicU32::new(0) })
    }

    /// What a waker does; the enqueue is one step more.
    fn wake(&self, cause: Cause) {
        if self.word.wake(1, cause) == Outcome::Won {
            assert_eq!(self.word.phase(), Phase::Waking, "only one wins");
            self.wins.fetch_add(1, Ordering::AcqRel);
            self.word.arrive();
        }
    }

    fn fulfil(&self) {
        self.condition.store(true, Ordering::Relaxed);
        self.wake(Cause::Wake);
    }

    /// Whether the task is asleep for good.
    fn asleep(&self) -> bool {
        self.word.phase() == Phase::Blocked
    }

    /// What a sleeper does up to its sleep; whether it sleeps.
    fn sleeps(&self) -> bool {
        self.word.announce() == Announced::Sleep && self.word.sleep()
    }
}

/// One looks at a condition and sleeps, two fulfil it.
fn wait_and_wake() {
    let task = Sleeper::new();
    let wakers = [0, 1].map(|_| {
        let task = Arc::clone(&task);
        thread::spawn(move || task.fulfil())
    });
    if !task.condition.load(Ordering::Relaxed) {
        task.sleeps();
    }
    wakers.into_iter().for_each(|waker| waker.join().unwrap());
    assert!(!task.asleep(), "the condition holds and the task sleeps");
    assert!(task.wins.load(Ordering::Acquire) <= 1);
}

/// One uses up a permit and sleeps; what it read before must not be older than the wake that it used up.
fn permit() {
    let task = Sleeper::new();
    let other = Arc::clone(&task);
    let waker = thread::spawn(move || other.fulfil());
    if !task.sleeps() && task.word.resume() == Resume::Woken {
        assert!(task.condition.load(Ordering::Relaxed), "a permit without its cause");
    }
    waker.join().unwrap();
    assert!(!task.asleep(), "an early wake is forgotten");
}

/// A deadline passes while somebody wakes.
fn wake_and_timeout() {
    let task = Sleeper::new();
    assert!(task.sleeps());
    let threads = [Cause::Wake, Cause::Timeout].map(|cause| {
        let task = Arc::clone(&task);
        thread::spawn(move || task.wake(cause))
    });
    let _ = threads.map(|thread| thread.join().unwrap());
    assert_eq!(task.word.phase(), Phase::Ready);
    assert_eq!(task.wins.load(Ordering::Acquire), 1, "enqueued once");
}

#[test]
fn no_wake_is_lost_between_look_and_sleep() {
    explore_within(SOME, wait_and_wake);
}

#[test]
fn regress_dragonos_2207_a_lockless_no_waiters_test_is_found() {
    must_find(Bug::NoWaiterNoPermit, wait_and_wake);
}

#[test]
fn a_permit_is_used_up_once_and_brings_its_cause() {
    explore(permit);
}

#[test]
fn a_permit_looked_for_before_the_announcement_is_found() {
    must_find(Bug::PermitThenAnnounce, permit);
}

#[test]
fn wake_or_timeout_enqueues() {
    explore(wake_and_timeout);
}

#[test]
fn a_timeout_that_does_not_look_is_found() {
    must_find(Bug::TimeoutUnchecked, wake_and_timeout);
}
