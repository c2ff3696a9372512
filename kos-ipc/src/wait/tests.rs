//! Waits in many orders of events, drawn by seeds.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

use super::{Progress, WaitQueue};
use crate::error::WaitError;
use crate::testing::{SimBody, SimEnv, SimPark, SimToken, StdEnv, StdPark, cases, simulate};
use crate::time::Instant;

type Queue = WaitQueue<SimEnv>;

const fn at(ns: u64) -> Option<Instant> {
    Some(Instant::from_ticks(ns))
}

fn take(items: &AtomicU32) -> Option<()> {
    items.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |items| items.checked_sub(1)).ok().map(drop)
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future that waits for an item, and the count of its wake-ups.
struct Waiting<'a> {
    future: Pin<Box<dyn Future<Output = Result<(), WaitError>> + Send + 'a>>,
    count: Arc<Count>,
}

impl<'a> Waiting<'a> {
    fn new(queue: &'a WaitQueue<StdEnv>, items: &'a AtomicU32) -> Self {
        let future = Box::pin(queue.wait_for_async(0, || take(items)));
        Self { future, count: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Result<(), WaitError>> {
        let waker = Waker::from(Arc::clone(&self.count));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> usize {
        self.count.0.load(Ordering::Relaxed)
    }
}

/// Several makers and takers: each item is taken, whoever overtakes whom.
fn makers_and_takers(seed: u64) {
    let items = AtomicU32::new(0);
    simulate(seed, |park| {
        let queue = Arc::new(Queue::new(park.clone()));
        let mut bodies: Vec<SimBody<'_>> = Vec::new();
        for _ in 0..3 {
            let (items, park, takers) = (&items, park.clone(), Arc::clone(&queue));
            bodies.push(Box::new(move |me| {
                let slow_take = || {
                    park.yield_now(me);
                    take(items)
                };
                (0..4).for_each(|_| takers.wait_for(&me, 0, None, slow_take).unwrap());
            }));
            let makers = Arc::clone(&queue);
            bodies.push(Box::new(move |_| {
                for _ in 0..4 {
                    items.fetch_add(1, Ordering::Relaxed);
                    makers.wake(1);
                }
            }));
        }
        bodies
    })
    .unwrap();
    assert_eq!(items.into_inner(), 0);
}

#[test]
fn every_item_finds_a_taker_in_any_order() {
    (0..u64::from(cases()) / 4).for_each(makers_and_takers);
}

/// may#126: the push comes after the look at the condition and before the entry.
#[test]
fn push_between_check_and_register_wakes() {
    let items = AtomicU32::new(0);
    simulate(1, |park: &SimPark| {
        let queue = Queue::new(park.clone());
        let items = &items;
        std::vec![Box::new(move |me| {
            let mut looks = 0;
            let found = queue.wait_for(&me, 0, None, || {
                looks += 1;
                let found = take(items);
                if looks == 1 {
                    items.fetch_add(1, Ordering::Relaxed);
                    queue.wake(1);
                }
                found
            });
            assert_eq!((found, looks), (Ok(()), 2));
        }) as SimBody<'_>]
    })
    .unwrap();
}

/// asterinas#1587: of two waiters the first gives up; the wake-up is the other's.
#[test]
fn timed_out_waiter_eats_no_wake() {
    for seed in 0..u64::from(cases()) {
        let items = AtomicU32::new(0);
        let result = simulate(seed, |park| {
            let queue = Arc::new(Queue::new(park.clone()));
            let (items, first, second) = (&items, Arc::clone(&queue), Arc::clone(&queue));
            std::vec![
                Box::new(move |me| {
                    if first.wait_for(&me, 0, at(10), || take(items)).is_ok() {
                        items.fetch_add(1, Ordering::Relaxed);
                        first.wake(1);
                    }
                }) as SimBody<'_>,
                Box::new(move |me| second.wait_for(&me, 0, None, || take(items)).unwrap()),
                Box::new(move |_| {
                    items.fetch_add(1, Ordering::Relaxed);
                    queue.wake(1);
                }),
            ]
        });
        assert_eq!(result, Ok(()), "seed {seed}");
    }
}

/// asterinas#1577, ish-AOK#466: a wait that got what it waited for says so, though a signal came, too.
#[test]
fn wake_beats_signal_and_restart() {
    for seed in 0..u64::from(cases()) {
        let (items, restarts) = (AtomicU32::new(0), AtomicU32::new(0));
        simulate(seed, |park| {
            let queue = Arc::new(Queue::new(park.clone()));
            let (items, restarts, waiter, park) = (&items, &restarts, Arc::clone(&queue), park.clone());
            std::vec![
                Box::new(move |me| {
                    while let Err(error) = waiter.wait_for(&me, 0, None, || take(items)) {
                        assert_eq!(error, WaitError::Interrupted);
                        assert_eq!(items.load(Ordering::Relaxed), 0, "interrupted with the item there");
                        restarts.fetch_add(1, Ordering::Relaxed);
                    }
                }) as SimBody<'_>,
                Box::new(move |me| {
                    items.fetch_add(1, Ordering::Relaxed);
                    queue.wake(1);
                    park.interrupt(SimToken(0));
                    park.yield_now(me);
                }),
            ]
        })
        .unwrap();
        assert_eq!((items.into_inner(), restarts.into_inner()), (0, 0), "seed {seed}");
    }
}

/// embassy#1922: two futures that wait at one place do not wake each other for nothing.
#[test]
fn two_waiters_do_not_ping_pong() {
    let (queue, items) = (WaitQueue::new(StdPark::new()), AtomicU32::new(0));
    let mut waiters = [Waiting::new(&queue, &items), Waiting::new(&queue, &items)];
    for _ in 0..10 {
        assert!(waiters.iter_mut().all(|waiter| waiter.poll().is_pending()));
    }
    assert_eq!(waiters.each_ref().map(Waiting::woken), [0, 0]);
    items.store(2, Ordering::Relaxed);
    assert_eq!(queue.wake(2), 2);
    assert!(waiters.iter_mut().all(|waiter| waiter.poll() == Poll::Ready(Ok(()))));
    assert_eq!(waiters.each_ref().map(Waiting::woken), [1, 1]);
}

#[test]
fn a_dropped_future_passes_its_wake_up_on() {
    let (queue, items) = (WaitQueue::new(StdPark::new()), AtomicU32::new(0));
    let (mut first, mut second) = (Waiting::new(&queue, &items), Waiting::new(&queue, &items));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    items.store(1, Ordering::Relaxed);
    assert_eq!(queue.wake(1), 1);
    assert_eq!((first.woken(), second.woken()), (1, 0));
    drop(first);
    assert_eq!((second.woken(), second.poll()), (1, Poll::Ready(Ok(()))));
    assert_eq!(queue.check(), Ok(()));
}

#[test]
fn a_future_that_moves_to_another_task_is_woken_there() {
    let (queue, items) = (WaitQueue::new(StdPark::new()), AtomicU32::new(0));
    let mut waiter = Waiting::new(&queue, &items);
    assert!(waiter.poll().is_pending());
    let left = core::mem::take(&mut waiter.count);
    assert!(waiter.poll().is_pending());
    queue.wake(1);
    assert_eq!((left.0.load(Ordering::Relaxed), waiter.woken()), (0, 1));
}

#[test]
fn nobody_waits_at_a_queue_that_has_ended_and_the_greater_cause_counts() {
    let (queue, items) = (WaitQueue::new(StdPark::new()), AtomicU32::new(0));
    let mut waiter = Waiting::new(&queue, &items);
    assert!(waiter.poll().is_pending());
    queue.revoke();
    assert_eq!(waiter.poll(), Poll::Ready(Err(WaitError::Revoked)));
    queue.close();
    queue.revoke();
    let mut late = Waiting::new(&queue, &items);
    assert_eq!(late.poll(), Poll::Ready(Err(WaitError::PeerClosed)));
    items.store(1, Ordering::Relaxed);
    let mut served = Waiting::new(&queue, &items);
    assert_eq!(served.poll(), Poll::Ready(Ok(())), "what is there can be had");
}

#[test]
fn every_order_of_precedence_is_that_of_the_page() {
    use WaitError::{Cancelled, Interrupted, PeerClosed, Revoked, TimedOut};
    assert!(PeerClosed > Revoked && Revoked > Cancelled && Cancelled > Interrupted && Interrupted > TimedOut);
}

/// A walk keeps its place while waiters come, go and are woken; each step has its bound.
#[test]
fn a_walk_keeps_its_place() {
    let queue = WaitQueue::<StdEnv>::new(StdPark::new());
    let wait = |key: u64| Box::pin(queue.wait_for_async(key, || None::<()>));
    let mut waits: Vec<_> = (0..100).map(wait).collect();
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(cx).is_pending()));
    let mut walk = pin!(queue.walk(WaitError::Cancelled));
    let (mut looks, mut steps) = (Vec::new(), 0);
    let mut odd = |key: u64| {
        looks.push(key);
        key % 2 == 1
    };
    while walk.as_mut().step(7, &mut odd) == Progress::More {
        steps += 1;
        assert_eq!(queue.check(), Ok(()));
        if steps == 3 {
            assert_eq!(queue.wake(2), 2, "wake-ups pass the cursor over");
            drop(waits.remove(50));
        }
    }
    let expected: Vec<u64> = (0..100).filter(|&key| key != 50).collect();
    assert_eq!((looks, steps), (expected, 14));
    let cancelled = waits.iter_mut().filter_map(|wait| match wait.as_mut().poll(cx) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    });
    assert_eq!(cancelled.filter(|result| *result == Err(WaitError::Cancelled)).count(), 50);
}

/// seL4#1736, #1737: no step of a cancel looks at more waiters than its budget, however many there are.
#[test]
fn cancel_of_100k_senders_keeps_to_budget() {
    const WAITERS: u64 = 100_000;
    let queue = WaitQueue::<StdEnv>::new(StdPark::new());
    let mut waits: Vec<_> =
        (0..WAITERS).map(|key| Box::pin(queue.wait_for_async(key % 2, || None::<()>))).collect();
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(cx).is_pending()));
    let mut walk = pin!(queue.walk(WaitError::Cancelled));
    let mut most = 0;
    loop {
        let mut looks = 0;
        let progress = walk.as_mut().step(64, |key| {
            looks += 1;
            key == 1
        });
        most = most.max(looks);
        if progress == Progress::Done {
            break;
        }
    }
    let ended = waits.iter_mut().filter_map(|wait| match wait.as_mut().poll(cx) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    });
    assert_eq!((most, ended.filter(Result::is_err).count()), (64, 50_000));
    queue.close();
}

#[test]
fn a_lost_wake_up_is_reported_by_the_simulator() {
    let stuck = simulate(3, |park| {
        let queue = Queue::new(park.clone());
        std::vec![Box::new(move |me| {
            assert_eq!(queue.wait_for(&me, 0, None, || None::<()>), Err(WaitError::Interrupted));
        }) as SimBody<'_>]
    });
    assert_eq!(stuck.unwrap_err().threads, [0]);
}
