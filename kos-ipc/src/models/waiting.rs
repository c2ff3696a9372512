//! Waiters that come, leave and are cancelled while others wake and close.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Waker};

use alloc::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::park::{ModelEnv, SOON, Threads};
use super::{explore, must_find};
use crate::error::WaitError;
use crate::sync::Bug;
use crate::time::Instant;
use crate::wait::{Progress, WaitQueue};

/// Items, and who waits for one.
struct Items {
    queue: WaitQueue<ModelEnv>,
    there: AtomicUsize,
}

impl Items {
    fn new() -> Arc<Self> {
        Arc::new(Self { queue: WaitQueue::new(Threads::new()), there: AtomicUsize::new(0) })
    }

    fn put(&self) {
        self.there.fetch_add(1, Ordering::Relaxed);
        self.queue.wake(1);
    }

    /// Takes an item. The load comes first: loom lets a read-modify-write see the latest store always.
    fn take(&self) -> Option<()> {
        let there = self.there.load(Ordering::Relaxed);
        let taken = there > 0
            && self.there.compare_exchange(there, there - 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        taken.then_some(())
    }

    fn wait(&self, me: usize, until: Option<Instant>) -> Result<(), WaitError> {
        self.queue.wait_for(&me, me as u64, until, || self.take())
    }
}

fn spawn<R: 'static>(items: &Arc<Items>, work: impl FnOnce(&Items) -> R + 'static) -> thread::JoinHandle<R> {
    let items = Arc::clone(items);
    thread::spawn(move || work(&items))
}

fn wait_and_wake() {
    let items = Items::new();
    let waiter = spawn(&items, |items| items.wait(1, None));
    items.put();
    assert_eq!(waiter.join().unwrap(), Ok(()));
}

/// One gives up or not; the other gets the item that is left.
fn wake_and_timeout() {
    let items = Items::new();
    let hasty = spawn(&items, |items| items.wait(1, SOON));
    let patient = spawn(&items, |items| items.wait(2, None));
    items.put();
    if hasty.join().unwrap().is_ok() {
        items.put();
    }
    assert_eq!(patient.join().unwrap(), Ok(()));
}

/// A future gives up while a thread waits for the same item.
fn wake_and_drop() {
    let items = Items::new();
    let future = spawn(&items, |items| {
        let wait = pin!(items.queue.wait_for_async(0, || None::<()>));
        let _ = wait.poll(&mut Context::from_waker(Waker::noop()));
    });
    let waiter = spawn(&items, |items| items.wait(1, None));
    items.put();
    future.join().unwrap();
    assert_eq!(waiter.join().unwrap(), Ok(()));
}

/// A cancel and a wake-up meet: one of them ends the wait, and what is not used is still there.
fn wake_and_cancel() {
    let items = Items::new();
    let waiter = spawn(&items, |items| items.wait(1, SOON));
    let canceller = spawn(&items, |items| {
        let mut walk = pin!(items.queue.walk(WaitError::Cancelled));
        while walk.as_mut().step(1, |key| key == 1) == Progress::More {}
    });
    items.put();
    canceller.join().unwrap();
    let left = if waiter.join().unwrap().is_ok() { 0 } else { 1 };
    assert_eq!(items.there.load(Ordering::Relaxed), left);
    assert_eq!((items.queue.check(), items.queue.wake(1)), (Ok(()), 0));
}

/// A queue closes while somebody comes, who would wait for ever.
fn come_and_close() {
    let items = Items::new();
    let waiter = spawn(&items, |items| items.wait(1, None));
    items.queue.close();
    assert_eq!(waiter.join().unwrap(), Err(WaitError::PeerClosed));
}

/// Somebody times out while the queue closes: he is told of one of the two, and of the close from then on.
fn timeout_and_close() {
    let items = Items::new();
    let waiter = spawn(&items, |items| {
        let first = items.wait(1, SOON);
        (first, items.wait(1, SOON))
    });
    items.queue.close();
    let (first, second) = waiter.join().unwrap();
    assert!(matches!(first, Err(WaitError::TimedOut | WaitError::PeerClosed)));
    assert!(second >= first, "the end of a queue is final");
    assert_eq!(items.wait(0, SOON), Err(WaitError::PeerClosed));
}

/// Two ends meet: afterwards the greater counts, whoever came first.
fn close_and_revoke() {
    let items = Items::new();
    let revoker = spawn(&items, |items| items.queue.revoke());
    items.queue.close();
    revoker.join().unwrap();
    assert_eq!(items.wait(0, SOON), Err(WaitError::PeerClosed));
}

#[test]
fn no_wake_up_is_lost() {
    explore(wait_and_wake);
}

#[test]
fn a_look_without_a_fence_is_found() {
    must_find(Bug::UnfencedEmptyTest, wait_and_wake);
}

#[test]
fn a_look_before_the_entry_is_found() {
    must_find(Bug::LookedBeforeEntry, wait_and_wake);
}

#[test]
fn a_node_that_is_told_too_early_is_found() {
    must_find(Bug::CompletedWhileLinked, wait_and_wake);
}

#[test]
fn a_timeout_eats_no_wake_up() {
    super::explore_within(super::SOME, wake_and_timeout);
}

#[test]
fn a_timeout_that_does_not_look_is_found() {
    must_find(Bug::TimeoutUnchecked, wake_and_timeout);
}

#[test]
fn a_dropped_future_passes_on() {
    super::explore_within(super::SOME, wake_and_drop);
}

#[test]
fn a_wake_up_that_is_kept_is_found() {
    must_find(Bug::WakeKept, wake_and_drop);
}

#[test]
fn a_wait_ends_once() {
    super::explore_within(super::SOME, wake_and_cancel);
}

#[test]
fn a_cancelled_node_that_is_told_too_early_is_found() {
    must_find(Bug::CompletedWhileLinked, wake_and_cancel);
}

#[test]
fn nobody_waits_at_a_closed_queue() {
    explore(come_and_close);
}

#[test]
fn a_queue_closed_too_late_is_found() {
    must_find(Bug::ClosedLate, come_and_close);
}

#[test]
fn a_timeout_and_a_close_agree() {
    explore(timeout_and_close);
}

#[test]
fn the_greater_end_counts() {
    explore(close_and_revoke);
}

#[test]
fn a_later_end_that_counts_is_found() {
    must_find(Bug::LaterEndWins, close_and_revoke);
}
