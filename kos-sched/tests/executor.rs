//! Futures polled by runner tasks on CPUs that are threads of the host.
#![cfg(all(target_arch = "x86_64", unix))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, OnceLock};

use common::cpus::{Host, boot, spawn};
use kos_sched::runtime::{Executor, LentFuture, Runtime, TooManyRunners};
use kos_sched::{BlockReason, Duration, Park, Policy, RtPriority, TaskId};

type Kernel = &'static Runtime<Host>;
type Futures = Executor<Host, Kernel, 64, 4>;

/// A place in a ring: who has the token passes it on and wakes the next.
#[derive(Default)]
struct Ring {
    token: AtomicUsize,
    wakers: [Mutex<Option<Waker>>; 32],
    last: usize,
    finished: AtomicUsize,
}

struct Member {
    ring: &'static Ring,
    me: usize,
}

impl Future for Member {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { ring, me } = *self;
        *ring.wakers[me].lock().unwrap() = Some(cx.waker().clone());
        let token = ring.token.load(SeqCst);
        let done = token + ring.wakers.len() >= ring.last;
        if token % ring.wakers.len() == me && token < ring.last {
            ring.token.store(token + 1, SeqCst);
            let next = ring.wakers[(me + 1) % ring.wakers.len()].lock().unwrap().clone();
            if let Some(next) = next {
                next.wake();
            }
            if done {
                ring.finished.fetch_add(1, SeqCst);
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

/// What the test that runs gives its first task.
#[derive(Default)]
struct World {
    futures: OnceLock<&'static Futures>,
    ring: OnceLock<&'static Ring>,
}

static RING: World = World { futures: OnceLock::new(), ring: OnceLock::new() };
static SLOTS: World = World { futures: OnceLock::new(), ring: OnceLock::new() };

fn executor(kernel: Kernel, world: &'static World) -> &'static Futures {
    let futures: &'static _ = Box::leak(Box::new(Executor::new(*kernel.scheduler().platform(), kernel)));
    world.futures.set(futures).unwrap();
    futures
}

fn runner(_: Kernel, _: usize) {
    RING.futures.get().unwrap().run().unwrap();
}

/// Ends runners and the machine.
fn stop(kernel: Kernel, runners: impl IntoIterator<Item = TaskId>) {
    for runner in runners {
        let _ = kernel.scheduler().interrupt(runner, kernel.now());
        kernel.join(runner).unwrap();
    }
    kernel.scheduler().platform().finish();
}

fn start_ring(kernel: Kernel, _: usize) {
    let futures = executor(kernel, &RING);
    let ring: &'static Ring = Box::leak(Box::new(Ring { last: 32 * 500, ..Ring::default() }));
    RING.ring.set(ring).ok().unwrap();
    let fifo = Policy::Fifo(RtPriority::MIN);
    let runners: Vec<_> =
        [Policy::NORMAL, fifo, Policy::NORMAL].map(|policy| spawn(kernel, policy, runner, 0)).into();
    let ids: Vec<_> = (0..32).map(|me| futures.spawn(lend(Member { ring, me })).unwrap()).collect();
    while ring.finished.load(SeqCst) < 32 {
        let _ =
            kernel.park(kernel.now().checked_add_duration(Duration::from_ticks(20_000)), BlockReason::Sleep);
    }
    stop(kernel, runners);
    assert!(ids.iter().all(|&id| futures.usage(id).is_none()), "ready and gone");
}

/// A future that lives for ever.
fn lend(future: impl Future<Output = ()> + Send + 'static) -> LentFuture {
    Box::leak(Box::new(Box::pin(future))).as_mut()
}

#[test]
fn a_token_goes_round_a_ring_of_futures_on_four_cpus() {
    boot(4, 16, start_ring);
    let ring = RING.ring.get().unwrap();
    assert_eq!((ring.token.load(SeqCst), ring.finished.load(SeqCst)), (32 * 500, 32));
}

/// Counts its polls and hands its waker out; ready when told so.
struct Probe {
    polls: &'static AtomicUsize,
    ready: &'static AtomicUsize,
    waker: &'static Mutex<Option<Waker>>,
}

impl Future for Probe {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.polls.fetch_add(1, SeqCst);
        *self.waker.lock().unwrap() = Some(cx.waker().clone());
        if self.ready.load(SeqCst) == 0 { Poll::Pending } else { Poll::Ready(()) }
    }
}

static POLLS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
static READY: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
static WAKERS: [Mutex<Option<Waker>>; 2] = [const { Mutex::new(None) }; 2];

fn probe(which: usize) -> LentFuture {
    lend(Probe { polls: &POLLS[which], ready: &READY[which], waker: &WAKERS[which] })
}

fn slot_runner(_: Kernel, _: usize) {
    SLOTS.futures.get().unwrap().run().unwrap();
}

/// Lets the runners do what they can: they come before this task.
fn settle(kernel: Kernel) {
    kernel.yield_now();
}

fn wake(which: usize) {
    let waker = WAKERS[which].lock().unwrap().clone().unwrap();
    waker.wake_by_ref();
    waker.wake();
}

fn use_slots(kernel: Kernel, _: usize) {
    let futures = executor(kernel, &SLOTS);
    let runners = [(); 4].map(|()| spawn(kernel, Policy::Fifo(RtPriority::MAX), slot_runner, 0));
    assert_eq!(futures.run(), Err(TooManyRunners));
    let first = futures.spawn(probe(0)).unwrap();
    settle(kernel);
    assert_eq!(POLLS[0].load(SeqCst), 1);
    let once = futures.usage(first).unwrap();
    assert!(once.as_ticks() > 0, "a poll takes CPU time");
    wake(0);
    settle(kernel);
    assert_eq!(POLLS[0].load(SeqCst), 3, "each wake is a poll: the runner comes at once");
    assert!(futures.usage(first).unwrap() > once);
    let old = WAKERS[0].lock().unwrap().clone().unwrap();
    READY[0].store(1, SeqCst);
    wake(0);
    settle(kernel);
    assert_eq!((POLLS[0].load(SeqCst), futures.usage(first)), (4, None));
    let second = futures.spawn(probe(1)).unwrap();
    settle(kernel);
    old.wake();
    settle(kernel);
    assert_eq!(POLLS[1].load(SeqCst), 1, "a waker of who was there before wakes nobody");
    assert_ne!(first, second);
    let mut taken = 1;
    while futures.spawn(probe(1)).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 64);
    stop(kernel, runners);
}

#[test]
fn slots_are_used_again_and_old_wakers_wake_nobody() {
    boot(1, 8, use_slots);
}
