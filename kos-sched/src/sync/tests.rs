//! Wait queues beside a model, and what each lock promises, over threads of the host.

use core::cell::Cell;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::thread;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::waiter::Waiter;
use super::{Condvar, Mutex, Requeued, Semaphore, WaitQueue};
use crate::error::{LockError, WaitError};
use crate::ports::{Clock, Park};
use crate::testing::{HostPark, cases};
use crate::time::Instant;

const LATER: Option<Instant> = Some(Instant::from_ticks(1000));

const fn at(ticks: u64) -> Instant {
    Instant::from_ticks(ticks)
}

/// Waiters polled by hand, and a list of those who wait in their order.
struct Model<'q> {
    queue: &'q WaitQueue<HostPark>,
    waiters: [Option<Pin<Box<Waiter<'q, HostPark>>>>; 6],
    waiting: VecDeque<usize>,
    woken: Vec<usize>,
}

impl Model<'_> {
    fn step(&mut self, kind: u8, number: usize) {
        match kind {
            0..=3 => self.poll(number),
            4 => self.leave(number),
            _ => {
                let count = number % 4;
                let woken: Vec<_> = self.waiting.drain(..count.min(self.waiting.len())).collect();
                assert_eq!(self.queue.wake(count), woken.len());
                self.woken.extend(woken);
            }
        }
        assert_eq!(self.queue.check(), Ok(()));
    }

    fn poll(&mut self, number: usize) {
        let new = self.waiters[number].is_none();
        let waiter =
            self.waiters[number].get_or_insert_with(|| Box::pin(Waiter::new(self.queue, None, true)));
        let poll = waiter.as_ref().poll(&Context::from_waker(Waker::noop()));
        let expected = if self.woken.contains(&number) { Poll::Ready(Ok(())) } else { Poll::Pending };
        assert_eq!(poll, expected, "waiter {number}");
        if poll.is_ready() {
            self.woken.retain(|&woken| woken != number);
            self.waiters[number] = None;
        } else if new {
            self.waiting.push_back(number);
        }
    }

    /// Gives up; a wake-up that was not seen goes to the next.
    fn leave(&mut self, number: usize) {
        if self.waiters[number].take().is_none() {
            return;
        }
        self.waiting.retain(|&waiting| waiting != number);
        if let Some(position) = self.woken.iter().position(|&woken| woken == number) {
            self.woken.remove(position);
            self.woken.extend(self.waiting.pop_front());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), rng_seed: RngSeed::Fixed(9), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waiters_are_woken_as_a_list_says(steps in vec((0..8_u8, 0..6_usize), 0..200)) {
        let queue = WaitQueue::new(HostPark::new());
        let mut model =
            Model { queue: &queue, waiters: [const { None }; 6], waiting: VecDeque::new(), woken: Vec::new() };
        steps.into_iter().for_each(|(kind, number)| model.step(kind, number));
    }
}

/// The condition becomes true, and its wake-up comes, when the waiter has looked but not yet slept.
#[test]
fn regress_dragonos_2207_a_wakeup_between_look_and_sleep_is_kept() {
    let host = HostPark::new();
    let (queue, there, looks) = (WaitQueue::new(&host), Cell::new(false), Cell::new(0));
    let found = queue.wait_for(LATER, || {
        looks.set(looks.get() + 1);
        let before = there.get();
        if looks.get() == 2 {
            there.set(true);
            assert_eq!(queue.wake(1), 1, "the queue seemed empty");
        }
        before.then_some(looks.get())
    });
    assert_eq!(found, Ok(3));
}

/// The fake panics if a wake-up comes while a lock is held or interrupts are masked.
#[test]
fn regress_tgoskits_1426_no_scheduler_lock_under_the_queue_lock() {
    let host = HostPark::new();
    let (queue, semaphore, mutex) = (WaitQueue::new(&host), Semaphore::new(&host, 0), Mutex::new(&host, ()));
    thread::scope(|scope| {
        let guard = mutex.lock().unwrap();
        scope.spawn(|| queue.wait(None).unwrap());
        scope.spawn(|| semaphore.acquire(1, None).unwrap().keep());
        scope.spawn(|| drop(mutex.lock().unwrap()));
        host.until_parked(3);
        assert_eq!(queue.wake_all(), 1);
        semaphore.release(1);
        drop(guard);
    });
}

/// Starts `count` tasks one after the other; each waits with `wait` and then writes its number down.
fn in_order(
    host: &HostPark,
    count: usize,
    wait: impl Fn(usize) + Sync,
    wake: impl FnOnce(&dyn Fn() -> usize),
) -> Vec<usize> {
    let (order, done) = (std::sync::Mutex::new(Vec::new()), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..count {
            let (order, wait, done) = (&order, &wait, &done);
            scope.spawn(move || {
                wait(number);
                order.lock().unwrap().push(number);
                done.fetch_add(1, Ordering::Release);
            });
            host.until_parked(number + 1);
        }
        wake(&|| done.load(Ordering::Acquire));
    });
    order.into_inner().unwrap()
}

fn wait_until(done: &dyn Fn() -> usize, count: usize) {
    while done() < count {
        thread::yield_now();
    }
}

#[test]
fn exclusive_waiters_are_woken_one_by_one_and_shared_ones_together() {
    let host = HostPark::new();
    let queue = WaitQueue::new(&host);
    let wait = |number: usize| match number {
        1 | 3 => queue.wait(None).unwrap(),
        _ => queue.wait_exclusive(None, None).unwrap(),
    };
    let order = in_order(&host, 5, wait, |done| {
        assert_eq!(queue.wake(1), 3, "both shared ones and the first exclusive one");
        wait_until(done, 3);
        assert_eq!(queue.wake(1), 1);
        wait_until(done, 4);
        assert_eq!((queue.wake_all(), queue.wake_all()), (1, 0));
    });
    assert_eq!(order[3..], [2, 4]);
}

#[test]
fn more_waiters_than_a_batch_are_all_woken() {
    let host = HostPark::new();
    let queue = WaitQueue::new(&host);
    let order = in_order(
        &host,
        40,
        |_| queue.wait_exclusive(None, None).unwrap(),
        |_| assert_eq!(queue.wake_all(), 40),
    );
    assert_eq!(order.len(), 40);
}

#[test]
fn a_future_and_a_task_wait_in_one_queue() {
    let host = HostPark::new();
    let (queue, items) = (WaitQueue::new(&host), AtomicUsize::new(0));
    let take = || items.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |items| items.checked_sub(1)).ok();
    let mut future = pin!(queue.wait_for_async(take));
    let cx = &mut Context::from_waker(Waker::noop());
    assert_eq!(future.as_mut().poll(cx), Poll::Pending);
    thread::scope(|scope| {
        scope.spawn(|| queue.wait_for(None, take).unwrap());
        host.until_parked(1);
        items.store(1, Ordering::Relaxed);
        queue.wake(1); // for the future, which came first
        assert!(future.as_mut().poll(cx).is_ready());
        items.store(1, Ordering::Relaxed);
        queue.wake(1);
    });
    assert_eq!(items.load(Ordering::Relaxed), 0);
}

#[test]
fn a_wait_ends_at_its_deadline_or_at_a_kill() {
    let host = HostPark::new();
    let (queue, victim) = (WaitQueue::new(&host), std::sync::Mutex::new(None));
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(queue.wait(LATER), Err(WaitError::TimedOut)));
        scope.spawn(|| {
            *victim.lock().unwrap() = Some(host.current());
            assert_eq!(queue.wait_exclusive(None, None), Err(WaitError::Interrupted));
            assert_eq!(queue.wait(None), Err(WaitError::Interrupted), "a task to die waits no more");
        });
        host.until_parked(2);
        host.kill(victim.lock().unwrap().unwrap());
        host.set_now(at(1000));
    });
    assert_eq!((queue.wake_all(), queue.check(), host.now()), (0, Ok(()), at(1000)));
}

#[test]
fn a_condition_that_holds_at_the_deadline_counts() {
    let host = HostPark::new();
    let (queue, there) = (WaitQueue::new(&host), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(queue.wait_for(LATER, || there.load(Ordering::Relaxed).then_some(7)), Ok(7));
        });
        host.until_parked(1);
        there.store(true, Ordering::Relaxed);
        host.set_now(at(1000));
    });
}

#[test]
fn a_closed_queue_lets_nobody_wait() {
    let host = HostPark::new();
    let queue = WaitQueue::new(&host);
    let order =
        in_order(&host, 20, |_| assert_eq!(queue.wait(None), Err(WaitError::Closed)), |_| queue.close());
    assert_eq!((order.len(), queue.wait(None)), (20, Err(WaitError::Closed)));
    assert_eq!(queue.wait_for(None, || Some(1)), Ok(1), "what is there needs no wait");
}

#[test]
fn waiters_move_to_the_queue_that_they_named() {
    let host = HostPark::new();
    let [first, second] = [WaitQueue::new(&host), WaitQueue::new(&host)];
    let wait = |number: usize| {
        let named = (number != 3).then_some(&second);
        first
            .wait_exclusive(named, (number == 2).then_some(at(1000)))
            .or_else(|error| {
                assert_eq!((number, error), (2, WaitError::TimedOut));
                Ok::<_, WaitError>(())
            })
            .unwrap();
    };
    let order = in_order(&host, 5, wait, |done| {
        assert_eq!(first.requeue(1, &first, 9), Requeued { woken: 1, moved: 0 });
        assert_eq!(
            first.requeue(0, &second, 9),
            Requeued { woken: 0, moved: 2 },
            "the third did not name it"
        );
        assert_eq!((first.check(), second.check()), (Ok(()), Ok(())));
        wait_until(done, 1);
        assert_eq!(second.wake(1), 1);
        wait_until(done, 2);
        host.set_now(at(1000)); // the second of those who moved gives up where it is now
        wait_until(done, 3);
        assert_eq!((second.wake_all(), first.wake_all()), (0, 2));
    });
    assert_eq!(order[..3], [0, 1, 2]);
}

#[test]
fn a_mutex_goes_to_those_who_wait_in_their_order() {
    let host = HostPark::new();
    let mutex = Mutex::new(&host, Vec::new());
    thread::scope(|scope| {
        let guard = mutex.lock().unwrap();
        assert_eq!(mutex.lock().unwrap_err(), LockError::Deadlock);
        for number in 0..5 {
            let mutex = &mutex;
            scope.spawn(move || mutex.lock().unwrap().push(number));
            host.until_parked(number + 1);
        }
        assert!(mutex.try_lock().is_none() && mutex.check().is_ok());
        assert_eq!(mutex.owner(), Some(host.current()));
        drop(guard);
    });
    assert_eq!((mutex.owner(), mutex.into_inner()), (None, Vec::from([0, 1, 2, 3, 4])));
}

#[test]
fn who_gives_a_lock_up_leaves_it_to_the_next() {
    let host = HostPark::new();
    let mutex = Mutex::new(&host, 0);
    thread::scope(|scope| {
        let guard = mutex.lock().unwrap();
        let first = scope.spawn(|| assert_eq!(mutex.lock_until(LATER).unwrap_err(), LockError::TimedOut));
        host.until_parked(1);
        scope.spawn(|| *mutex.lock().unwrap() += 1);
        host.until_parked(2);
        host.set_now(at(1000));
        first.join().unwrap();
        drop(guard);
    });
    assert_eq!(mutex.into_inner(), 1);
}

#[test]
fn a_large_request_is_not_overtaken() {
    let host = HostPark::new();
    let semaphore = Semaphore::new(&host, 2);
    let wait = |number: usize| semaphore.acquire([5, 1, 1][number], None).unwrap().keep();
    let order = in_order(&host, 3, wait, |done| {
        assert!(semaphore.try_acquire(1).is_none(), "somebody waits for more");
        semaphore.release(2);
        assert_eq!((semaphore.available(), done(), semaphore.check()), (4, 0, Ok(())));
        semaphore.release(2);
        wait_until(done, 2);
        semaphore.release(1);
    });
    assert_eq!((order.len(), semaphore.available()), (3, 0));
}

#[test]
fn who_gives_up_lets_those_behind_have_theirs() {
    let host = HostPark::new();
    let semaphore = Semaphore::new(&host, 1);
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(semaphore.acquire(5, LATER).unwrap_err(), WaitError::TimedOut));
        host.until_parked(1);
        scope.spawn(|| semaphore.acquire(1, None).unwrap().keep());
        host.until_parked(2);
        host.set_now(at(1000));
    });
    assert_eq!(semaphore.available(), 0);
    semaphore.close();
    assert_eq!(semaphore.acquire(1, None).unwrap_err(), WaitError::Closed);
    assert!(semaphore.try_acquire(0).is_none());
}

#[test]
fn a_requeued_waiter_wakes_up_with_the_mutex() {
    let host = HostPark::new();
    let (mutex, changed) = (Mutex::new(&host, 0), Condvar::new(&host));
    let wait = |_| {
        let mut guard = changed.wait(mutex.lock().unwrap()).unwrap();
        *guard += 1;
    };
    in_order(&host, 4, wait, |done| {
        let guard = mutex.lock().unwrap();
        assert!(changed.requeue_one(&guard));
        assert_eq!((changed.requeue_all(&guard), *guard, done()), (3, 0, 0));
        assert_eq!(mutex.check(), Ok(()));
        drop(guard);
        assert_eq!((changed.notify_all(), changed.notify_one()), (0, false));
    });
    assert_eq!(mutex.into_inner(), 4);
}

#[test]
fn a_condition_ends_at_a_deadline_with_the_mutex_and_at_a_kill_without() {
    let host = HostPark::new();
    let (mutex, changed, victim) = (Mutex::new(&host, ()), Condvar::new(&host), std::sync::Mutex::new(None));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (_guard, notified) = changed.wait_until(mutex.lock().unwrap(), LATER).unwrap();
            assert!(!notified && mutex.owner() == Some(host.current()));
        });
        scope.spawn(|| {
            *victim.lock().unwrap() = Some(host.current());
            assert_eq!(changed.wait(mutex.lock().unwrap()).unwrap_err(), LockError::Interrupted);
            assert_ne!(mutex.owner(), Some(host.current()));
        });
        host.until_parked(2);
        host.set_now(at(1000));
        host.kill(victim.lock().unwrap().unwrap());
    });
    assert_eq!((mutex.owner(), changed.notify_all()), (None, 0));
}

#[test]
fn a_killed_waiter_passes_its_notification_on() {
    let host = HostPark::new();
    let (mutex, changed, victim) = (Mutex::new(&host, ()), Condvar::new(&host), std::sync::Mutex::new(None));
    thread::scope(|scope| {
        let killed = scope.spawn(|| {
            *victim.lock().unwrap() = Some(host.current());
            assert_eq!(changed.wait(mutex.lock().unwrap()).unwrap_err(), LockError::Interrupted);
        });
        host.until_parked(1);
        scope.spawn(|| changed.wait(mutex.lock().unwrap()).map(drop).unwrap());
        host.until_parked(2);
        let guard = mutex.lock().unwrap();
        assert!(changed.requeue_one(&guard)); // for the one who is killed before the mutex is free
        host.kill(victim.lock().unwrap().unwrap());
        killed.join().unwrap();
        drop(guard);
    });
}
