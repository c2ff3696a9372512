//! Waiters that come, leave and are moved while others wake.

use core::pin::pin;
use core::task::{Context, Waker};

use alloc::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::tasks::{Tasks, enter};
use super::{explore, must_find};
use crate::error::WaitError;
use crate::pinned::{Home, Member};
use crate::seeded::Bug;
use crate::sync::WaitQueue;
use crate::time::Instant;

const SOON: Option<Instant> = Some(Instant::from_ticks(1));

/// A queue and what its waiters wait for.
struct Event {
    queue: WaitQueue<Tasks>,
    there: AtomicBool,
}

impl Event {
    fn new() -> Arc<Self> {
        enter(0);
        Arc::new(Self { queue: WaitQueue::new(Tasks::new()), there: AtomicBool::new(false) })
    }

    fn raise(&self) -> usize {
        self.there.store(true, Ordering::Relaxed);
        self.queue.wake(1)
    }

    fn wait(&self) {
        // A load: loom lets a swap follow any store that it is not ordered with.
        let there = || self.there.load(Ordering::Relaxed).then_some(());
        assert_eq!(self.queue.wait_for(None, there), Ok(()));
    }
}

/// Runs `work` as task `number`.
fn task<R: 'static>(number: usize, work: impl FnOnce() -> R + 'static) -> thread::JoinHandle<R> {
    thread::spawn(move || {
        enter(number);
        work()
    })
}

fn wait_and_wake() {
    let event = Event::new();
    let waiter = Arc::clone(&event);
    let waiter = task(1, move || waiter.wait());
    event.raise();
    waiter.join().unwrap();
}

fn wait_and_timeout() {
    let event = Event::new();
    let waiter = Arc::clone(&event);
    let waiter = task(1, move || waiter.queue.wait_exclusive(None, SOON));
    let woken = event.queue.wake(1);
    let expected = if woken == 1 { Ok(()) } else { Err(WaitError::TimedOut) };
    assert_eq!(waiter.join().unwrap(), expected);
    assert_eq!((event.queue.check(), event.queue.wake(1)), (Ok(()), 0));
}

/// One future gives up while one task waits for the same event.
fn wait_and_cancel() {
    let event = Event::new();
    let [future, waiter] = [Arc::clone(&event), Arc::clone(&event)];
    let future = task(1, move || {
        let wait = pin!(future.queue.wait_for_async(|| None::<()>));
        let _ = wait.poll(&mut Context::from_waker(Waker::noop()));
    });
    let waiter = task(2, move || waiter.wait());
    event.raise();
    future.join().unwrap();
    waiter.join().unwrap();
}

/// A node leaves while somebody moves it. Both homes outlast it, so that a wrong removal is seen and does no harm.
fn leave_and_requeue() {
    type Place = Home<Tasks, (), (), 1>;
    enter(0);
    let places: &'static [Place; 2] =
        std::boxed::Box::leak(std::boxed::Box::new([(); 2].map(|()| Home::new(Tasks::new(), ()))));
    let [first, second] = places;
    let member = std::boxed::Box::leak(std::boxed::Box::new(Member::new(first, Some(second), ())));
    let member = core::pin::Pin::static_ref(member);
    member.with(|seat| seat.enter(0, false));
    let leaver = task(1, move || member.with(|seat| seat.leave()));
    Home::with_both(first, second, |mut from, mut to| _ = from.move_front(0, &mut to));
    assert!(leaver.join().unwrap());
    for place in places {
        place.with(|held| assert!(held.is_empty(0), "a node that left is still linked"));
    }
}

fn wait_and_close() {
    let event = Event::new();
    let waiter = Arc::clone(&event);
    let waiter = task(1, move || waiter.queue.wait_exclusive(None, None));
    event.queue.close();
    assert_eq!(waiter.join().unwrap(), Err(WaitError::Closed));
}

#[test]
fn no_wakeup_is_lost() {
    explore(wait_and_wake);
}

#[test]
fn regress_dragonos_2207_a_lockless_look_without_a_fence_is_found() {
    must_find(Bug::UnfencedEmptyTest, wait_and_wake);
}

#[test]
fn a_wait_ends_once() {
    explore(wait_and_timeout);
}

#[test]
fn a_timeout_that_does_not_look_is_found() {
    must_find(Bug::WaitTimeoutUnchecked, wait_and_timeout);
}

#[test]
fn a_dropped_future_passes_its_wakeup_on() {
    explore(wait_and_cancel);
}

#[test]
fn a_wakeup_that_is_kept_is_found() {
    must_find(Bug::WakeKept, wait_and_cancel);
}

#[test]
fn a_moved_node_leaves_the_list_where_it_is() {
    explore(leave_and_requeue);
}

#[test]
fn a_node_looked_for_where_it_was_is_found() {
    must_find(Bug::MoveUnchecked, leave_and_requeue);
}

#[test]
fn nobody_waits_at_a_closed_queue() {
    explore(wait_and_close);
}

#[test]
fn a_queue_closed_too_late_is_found() {
    must_find(Bug::ClosedLate, wait_and_close);
}
