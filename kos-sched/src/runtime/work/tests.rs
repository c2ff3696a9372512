//! Named work on host threads, and step by step beside a naive model.

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use std::thread;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec;
use alloc::vec::Vec;

use proptest::collection::vec as bytes;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::test_runner::RngSeed;

use super::{
    ExecuteReason, Item, JoinError, Registration, Work, WorkClass, WorkContext, WorkError, WorkFlag,
    WorkOptions, WorkPool, WorkStorage, WorkerSlot,
};
use crate::ports::{BlockReason, Park};
use crate::testing::{Bytes, HostPark, cases};
use crate::time::Instant;

type Pool<'s> = WorkPool<'s, u64, u64, HostPark>;

/// Runs `story` with a pool of `workers` workers, `items` items and two names; nothing is left of it then.
fn with_pool(workers: usize, items: usize, story: impl FnOnce(&Pool<'_>)) {
    let mut registrations: Vec<_> = (0..2).map(|_| Registration::EMPTY).collect();
    let mut slots: Vec<_> = (0..items).map(|_| Item::EMPTY).collect();
    let flags: Vec<_> = (0..items).map(|_| WorkFlag::new()).collect();
    let mut workers = vec![WorkerSlot::EMPTY; workers];
    let storage = WorkStorage {
        registrations: &mut registrations,
        items: &mut slots,
        flags: &flags,
        workers: &mut workers,
    };
    let pool = Pool::new(HostPark::new(), storage);
    story(&pool);
    assert_eq!(pool.check(), Ok(()));
    let stats = pool.stats();
    assert_eq!((stats.pending, stats.slots, stats.executed), (0, 0, stats.ended), "something is left");
}

/// Runs `story` beside a thread for each worker.
fn with_workers(workers: usize, items: usize, story: impl FnOnce(&Pool<'_>)) {
    with_pool(workers, items, |pool| {
        thread::scope(|scope| {
            (0..workers).for_each(|worker| drop(scope.spawn(move || pool.run(worker).unwrap())));
            story(pool);
            pool.close();
        });
    });
}

fn double(_: &WorkContext<'_>, number: u64) -> u64 {
    number * 2
}

fn sum(cx: &WorkContext<'_>, offset: u64) -> u64 {
    cx.range().map(|number| number + offset).sum()
}

#[test]
fn a_name_is_registered_found_and_taken_back() {
    with_pool(1, 1, |pool| {
        let id = pool.register(b"double", &double).unwrap();
        assert_eq!(pool.find(b"double"), Ok(id));
        assert_eq!(pool.register(b"double", &sum), Err(WorkError::NameTaken(id)));
        assert_eq!(pool.register(b"", &sum), Err(WorkError::NameLength { length: 0 }));
        assert_eq!(pool.register(&[b'x'; 33], &sum), Err(WorkError::NameLength { length: 33 }));
        pool.register(&[b'x'; 32], &sum).unwrap();
        assert_eq!(pool.register(b"third", &sum), Err(WorkError::Full));
        let join = pool.execute(id, 1, WorkOptions::default()).unwrap();
        assert_eq!(pool.unregister(id), Err(WorkError::Busy { items: 1 }));
        let full = pool.execute(id, 2, WorkOptions::default()).unwrap_err();
        assert_eq!((full.reason, full.args), (ExecuteReason::QueueFull, 2));
        assert!(join.cancel());
        drop(join);
        pool.unregister(id).unwrap();
        assert_eq!(
            (pool.unregister(id), pool.find(b"double")),
            (Err(WorkError::NotFound), Err(WorkError::NotFound))
        );
        let gone = pool.execute(id, 3, WorkOptions::default()).unwrap_err();
        assert_eq!((gone.reason, gone.args), (ExecuteReason::NotFound, 3));
        let nowhere = WorkOptions { affinity: 2, ..WorkOptions::default() };
        assert_eq!(pool.execute(id, 4, nowhere).unwrap_err().reason, ExecuteReason::NoAllowedWorker);
        pool.close();
        assert_eq!(pool.execute(id, 5, nowhere).unwrap_err().reason, ExecuteReason::Closed);
    });
}

#[test]
fn results_come_back_to_who_joins() {
    with_workers(3, 8, |pool| {
        let id = pool.register(b"double", &double).unwrap();
        for round in 0..200 {
            let joins: Vec<_> =
                (0..8).map(|k| pool.execute(id, round * 8 + k, WorkOptions::default()).unwrap()).collect();
            for (k, mut join) in (0..).zip(joins) {
                assert_eq!(join.wait(None), Ok((round * 8 + k) * 2));
                assert_eq!(join.wait(None), Err(JoinError::Cancelled), "a result is taken once");
            }
        }
    });
}

#[test]
fn each_number_of_a_range_is_worked_on_once() {
    with_workers(4, 2, |pool| {
        let id = pool.register(b"sum", &sum).unwrap();
        for grain in [1, 7, 64, 5000, u64::MAX] {
            let mut join =
                pool.execute_range(id, 3, 10..3010, grain, |a, b| a + b, WorkOptions::default()).unwrap();
            assert_eq!(join.wait(None), Ok((10..3010).map(|number| number + 3).sum()));
        }
        let empty = pool.execute_range(id, 9, 5..5, 1, |a, _| a, WorkOptions::default()).unwrap_err();
        assert_eq!((empty.reason, empty.args), (ExecuteReason::EmptyRange, 9));
    });
}

/// Holds its worker until it is released or cancelled.
#[derive(Default)]
struct Gate {
    inside: AtomicU64,
    open: AtomicBool,
}

impl Work<u64, u64> for Gate {
    fn run(&self, cx: &WorkContext<'_>, args: u64) -> u64 {
        self.inside.fetch_add(1, Ordering::SeqCst);
        while !self.open.load(Ordering::SeqCst) && !cx.is_cancelled() {
            thread::yield_now();
        }
        if cx.is_cancelled() { 0 } else { args }
    }
}

impl Gate {
    fn until_inside(&self, count: u64) {
        while self.inside.load(Ordering::SeqCst) < count {
            thread::yield_now();
        }
    }
}

#[test]
fn the_items_of_a_busy_worker_are_stolen() {
    let gate: &'static Gate = Box::leak(Box::default());
    with_pool(2, 8, |pool| {
        thread::scope(|scope| {
            let stuck = pool.register(b"gate", gate).unwrap();
            let id = pool.register(b"double", &double).unwrap();
            let only = |affinity| WorkOptions { affinity, ..WorkOptions::default() };
            let mut held = pool.execute(stuck, 7, only(1)).unwrap();
            scope.spawn(|| pool.run(0).unwrap());
            gate.until_inside(1);
            // Placed in turns, so half of them with the busy worker.
            let joins: Vec<_> =
                (0..6).map(|k| pool.execute(id, k, WorkOptions::default()).unwrap()).collect();
            scope.spawn(|| pool.run(1).unwrap());
            joins.into_iter().zip(0..).for_each(|(mut join, k)| assert_eq!(join.wait(None), Ok(k * 2)));
            gate.open.store(true, Ordering::SeqCst);
            assert_eq!(held.wait(None), Ok(7));
            assert_eq!(pool.run(2), Err(WorkError::NoWorker { worker: 2 }));
            pool.close();
        });
    });
}

#[test]
fn what_is_cancelled_ends() {
    let gate: &'static Gate = Box::leak(Box::default());
    with_workers(1, 4, |pool| {
        let id = pool.register(b"gate", gate).unwrap();
        let mut running = pool.execute(id, 5, WorkOptions::default()).unwrap();
        gate.until_inside(1);
        let mut waiting = pool.execute(id, 6, WorkOptions::default()).unwrap();
        let mut alone = pool.execute(id, 6, WorkOptions::default()).unwrap();
        assert_eq!(alone.wait(Some(Instant::from_ticks(0))), Err(JoinError::TimedOut));
        drop(alone);
        assert!(waiting.cancel() && !waiting.cancel());
        assert_eq!(waiting.wait(None), Err(JoinError::Cancelled));
        assert!(!running.cancel(), "it runs");
        assert_eq!(running.wait(None), Ok(0), "it looked");
        gate.open.store(true, Ordering::SeqCst);
    });
}

#[test]
fn what_is_late_is_not_started() {
    with_pool(1, 4, |pool| {
        let id = pool.register(b"double", &double).unwrap();
        let until = |at| WorkOptions { deadline: Some(Instant::from_ticks(at)), ..WorkOptions::default() };
        let mut early = pool.execute(id, 1, until(10)).unwrap();
        let mut late = pool.execute(id, 2, until(20)).unwrap();
        assert!(pool.run_one(0));
        pool.host().set_now(Instant::from_ticks(20));
        assert!(pool.run_one(0) && !pool.run_one(0));
        assert_eq!((early.wait(None), late.wait(None)), (Ok(2), Err(JoinError::DeadlinePassed)));
    });
}

/// Wakes a task.
struct Unpark(HostPark, crate::testing::HostTask);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark(self.1);
    }
}

#[test]
fn a_join_is_a_future() {
    with_workers(2, 2, |pool| {
        let id = pool.register(b"double", &double).unwrap();
        let host = pool.host();
        let waker = Waker::from(Arc::new(Unpark(host.clone(), host.current())));
        for number in 0..100 {
            let mut join = pin!(pool.execute(id, number, WorkOptions::default()).unwrap());
            let result = loop {
                match join.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(result) => break result,
                    Poll::Pending => _ = host.park(None, BlockReason::Wait),
                }
            };
            assert_eq!(result, Ok(number * 2));
        }
    });
}

/// An item of the naive model.
struct Waiting {
    number: u64,
    class: WorkClass,
    affinity: u64,
    home: usize,
}

/// Does what `data` stands for with three workers that are stepped by hand; each must take what the model says.
fn beside_the_model(data: &[u8]) {
    const CLASSES: [WorkClass; 3] = [WorkClass::Urgent, WorkClass::Normal, WorkClass::Background];
    with_pool(3, 6, |pool| {
        let id = pool.register(b"double", &double).unwrap();
        let (mut bytes, mut last, mut number) = (Bytes::new(data), 0, 0);
        let (mut waiting, mut joins) = (Vec::<Waiting>::new(), Vec::new());
        while !bytes.is_empty() {
            match bytes.u8() % 8 {
                0..=3 => {
                    let (class, affinity) = (CLASSES[bytes.below(3)], u64::from(bytes.u8() % 8));
                    number += 1;
                    let executed = pool.execute(id, number, WorkOptions { class, affinity, deadline: None });
                    let Some(home) = (1..=3).map(|k| (last + k) % 3).find(|home| affinity >> home & 1 != 0)
                    else {
                        assert_eq!(executed.unwrap_err().reason, ExecuteReason::NoAllowedWorker);
                        continue;
                    };
                    if joins.len() == 6 {
                        assert_eq!(executed.unwrap_err().reason, ExecuteReason::QueueFull);
                        continue;
                    }
                    last = home;
                    waiting.push(Waiting { number, class, affinity, home });
                    joins.push((number, executed.unwrap()));
                }
                4 | 5 => {
                    let worker = bytes.below(3);
                    let key = |item: &&Waiting| (item.class as u8, (item.home + 3 - worker) % 3, item.number);
                    let next = waiting.iter().filter(|item| item.affinity >> worker & 1 != 0).min_by_key(key);
                    let next = next.map(|item| item.number);
                    assert_eq!(pool.run_one(worker), next.is_some());
                    waiting.retain(|item| Some(item.number) != next);
                }
                6 if !joins.is_empty() => {
                    let (number, join) = &joins[bytes.below(joins.len())];
                    assert_eq!(join.cancel(), waiting.iter().any(|item| item.number == *number));
                    waiting.retain(|item| item.number != *number);
                }
                _ if !joins.is_empty() => {
                    let (number, mut join) = joins.swap_remove(bytes.below(joins.len()));
                    if waiting.iter().any(|item| item.number == number) {
                        assert_eq!(join.wait(Some(Instant::from_ticks(0))), Err(JoinError::TimedOut));
                        joins.push((number, join));
                    } else {
                        assert!([Ok(number * 2), Err(JoinError::Cancelled)].contains(&join.wait(None)));
                    }
                }
                _ => {}
            }
            assert_eq!(pool.check(), Ok(()));
            assert_eq!(pool.stats().pending, waiting.len());
        }
        joins.iter().for_each(|(_, join)| _ = join.cancel());
    });
}

fn config() -> ProptestConfig {
    let (rng_seed, failure_persistence) = (RngSeed::Fixed(0x776f_726b), None);
    ProptestConfig { cases: cases(), rng_seed, failure_persistence, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn workers_take_what_the_model_says(data in bytes(any::<u8>(), 0..400)) {
        beside_the_model(&data);
    }
}
