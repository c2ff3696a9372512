//! What does it cost to wake the first who waits, and to wait?

use alloc::collections::VecDeque;
use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::hint::black_box;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use kos_sched::sync::WaitQueue;
use kos_sched::{BlockReason, CriticalSection, Instant, Park, Resume};

use super::policy::Turns;
use crate::harness::must;
use crate::harness::question::{Promise, Question, Shape, Subject};
use crate::lock::Spin;
use crate::peers::peer;

/// The question for `count` waiters.
pub(crate) fn question(name: &'static str, count: usize) -> Question {
    Question {
        name,
        what: format!(
            "{count} futures wait: the first is woken, finds what it waited for, and waits again behind the others."
        ),
        operation: "wake one, return and wait",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject("kos-sched WaitQueue".to_owned(), "tasks wait in the same queue", move || {
                let (queue, token) = (leak(WaitQueue::new(Host)), leak(Cell::new(false)));
                let wait = move || async move { must(queue.wait_for_async(|| take(token)).await.ok()) };
                Waiters::new(count, token, wait, move || must((queue.wake(1) == 1).then_some(())))
            }),
            subject(format!("{} WaitQueue", peer("maitake-sync")), "its own spin lock", move || {
                let (queue, token) = (leak(maitake_sync::WaitQueue::new()), leak(Cell::new(false)));
                let wait = move || async move { must(queue.wait_for(|| take(token).is_some()).await.ok()) };
                Waiters::new(count, token, wait, move || queue.wake())
            }),
            subject("std VecDeque of wakers".to_owned(), "no cancel, no deadline", move || {
                let (queue, token) = (leak(lock_api::Mutex::new(VecDeque::new())), leak(Cell::new(false)));
                Waiters::new(
                    count,
                    token,
                    move || simple(queue, token),
                    move || {
                        let first = queue.lock().pop_front();
                        must(first).wake();
                    },
                )
            }),
        ],
    }
}

fn subject<T: Turns>(name: String, note: &'static str, make: impl Fn() -> T + 'static) -> Subject {
    Subject { promise: Promise::Shared, ..super::policy::subject(name, note, make) }
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// What is waited for, once.
#[inline]
fn take(token: &Cell<bool>) -> Option<()> {
    token.take().then_some(())
}

type Wakers = lock_api::Mutex<Spin, VecDeque<Waker>>;

/// Waits in a list of wakers.
async fn simple(queue: &'static Wakers, token: &'static Cell<bool>) {
    poll_fn(|cx| match take(token) {
        Some(()) => Poll::Ready(()),
        None => {
            queue.lock().push_back(cx.waker().clone());
            Poll::Pending
        }
    })
    .await;
}

/// Waiters, of whom the next to be woken is number `first`.
struct Waiters<F, W, K> {
    waiters: Vec<Pin<Box<F>>>,
    first: usize,
    token: &'static Cell<bool>,
    wait: W,
    wake: K,
}

impl<F: Future<Output = ()>, W: Fn() -> F, K: Fn()> Waiters<F, W, K> {
    fn new(count: usize, token: &'static Cell<bool>, wait: W, wake: K) -> Self {
        let mut waiters: Vec<_> = (0..count).map(|_| Box::pin(wait())).collect();
        for waiter in &mut waiters {
            assert!(poll(waiter.as_mut()).is_pending(), "nothing was given yet");
        }
        Self { waiters, first: 0, token, wait, wake }
    }
}

#[inline]
fn poll<F: Future<Output = ()>>(waiter: Pin<&mut F>) -> Poll<()> {
    waiter.poll(&mut Context::from_waker(Waker::noop()))
}

impl<F, W, K> Turns for Waiters<F, W, K>
where
    F: Future<Output = ()> + 'static,
    W: Fn() -> F + 'static,
    K: Fn() + 'static,
{
    #[inline]
    fn turn(&mut self) {
        self.token.set(true);
        (self.wake)();
        let waiter = must(self.waiters.get_mut(self.first));
        assert!(black_box(poll(waiter.as_mut())).is_ready(), "the first was woken");
        waiter.set((self.wait)());
        assert!(black_box(poll(waiter.as_mut())).is_pending(), "it waits again");
        self.first = if self.first + 1 == self.waiters.len() { 0 } else { self.first + 1 };
    }
}

/// Tasks that never wait: futures do.
struct Host;

impl CriticalSection for Host {
    type Lock = Spin;
    type Irq = ();

    #[inline]
    fn irq_save(&self) {}
}

impl Park for Host {
    type Task = u32;

    fn current(&self) -> u32 {
        0
    }

    fn park(&self, _: Option<Instant>, _: BlockReason) -> Resume {
        Resume::Woken
    }

    fn unpark(&self, _: u32) {}
}
