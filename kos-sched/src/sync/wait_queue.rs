//! Waiting until a condition holds: [`WaitQueue`].
//!
//! A waiter enters the queue, then looks at the condition, then sleeps. Who makes the condition true does so first, then
//! wakes. A wake-up that finds the queue empty takes no lock: both sides put a `SeqCst` fence between their write and their
//! read, so that at least one of them sees the other's write.

use core::fmt;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use super::gate::{BATCH, EXCLUSIVE, Gate, Outcome, SHARED, State, Wakes, close, move_waiters};
use super::waiter::Waiter;
use crate::atomic::{AtomicBool, Ordering, const_fn, fence};
use crate::error::{QueueCorruption, WaitError};
use crate::pinned::Home;
use crate::ports::{BlockReason, SyncEnv};
use crate::seeded::{Bug, seeded};
use crate::time::Instant;

/// Tasks and futures that wait for something, in the order in which they came.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use kos_sched::sync::WaitQueue;
/// use kos_sched::testing::HostPark;
///
/// let (ready, queue) = (AtomicBool::new(false), WaitQueue::new(HostPark::new()));
/// std::thread::scope(|scope| {
///     scope.spawn(|| queue.wait_for(None, || ready.load(Ordering::Relaxed).then_some(())));
///     ready.store(true, Ordering::Relaxed); // first the condition, then the wake-up
///     queue.wake(1);
/// });
/// ```
pub struct WaitQueue<E: SyncEnv> {
    gate: Gate<E>,
    /// Clear: no waiter is in the queue. Written under the gate's lock, read without.
    occupied: AtomicBool,
}

/// What [`WaitQueue::requeue`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requeued {
    /// Waiters that were woken.
    pub woken: usize,
    /// Waiters that now wait at the other queue.
    pub moved: usize,
}

impl<E: SyncEnv> WaitQueue<E> {
    const_fn! {
        /// Nobody waits.
        #[must_use]
        pub fn new(env: E) -> Self {
            Self { gate: Home::new(env, State::new(0)), occupied: AtomicBool::new(false) }
        }
    }

    /// Sleeps until `condition` returns something, and returns it. The condition is looked at at once and after each wake-up,
    /// without a lock. Whoever makes it true must [`wake`](Self::wake) after that.
    ///
    /// One exclusive waiter uses one wake-up; one that came when the condition held already is passed on. Task context only.
    ///
    /// # Errors
    /// [`WaitError`], in which case the condition did not hold when the wait ended.
    pub fn wait_for<R>(
        &self,
        until: Option<Instant>,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Result<R, WaitError> {
        if let Some(found) = condition() {
            return Ok(found);
        }
        loop {
            let waiter = pin!(Waiter::new(self, None, true));
            waiter.as_ref().register()?;
            self.order_with_wakers();
            if let Some(found) = condition() {
                return Ok(found);
            }
            let slept = waiter.as_ref().sleep(until, BlockReason::Wait);
            match (condition(), slept) {
                (Some(found), _) => return Ok(found),
                (None, Ok(())) => {}
                (None, Err(error)) => return Err(error),
            }
        }
    }

    /// As [`wait_for`](Self::wait_for), for a future. It may be dropped at any time: its place is given up, and a wake-up that
    /// it had not yet used goes to the next.
    ///
    /// # Errors
    /// [`WaitError::Closed`].
    pub async fn wait_for_async<R>(&self, mut condition: impl FnMut() -> Option<R>) -> Result<R, WaitError> {
        loop {
            if let Some(found) = condition() {
                return Ok(found);
            }
            let waiter = pin!(Waiter::new(self, None, true));
            let waiter = waiter.as_ref();
            let ended = poll_fn(|cx| {
                let poll = waiter.poll(cx);
                self.order_with_wakers();
                match (condition(), poll) {
                    (Some(found), _) => Poll::Ready(Some(Ok(found))),
                    (None, Poll::Ready(Err(error))) => Poll::Ready(Some(Err(error))),
                    (None, Poll::Ready(Ok(()))) => Poll::Ready(None),
                    (None, Poll::Pending) => Poll::Pending,
                }
            });
            if let Some(result) = ended.await {
                return result;
            }
        }
    }

    /// Sleeps until the next wake-up; all who wait so are woken by each. Task context only.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait(&self, until: Option<Instant>) -> Result<(), WaitError> {
        self.wait_once(None, false, until)
    }

    /// Sleeps until a wake-up that is for it alone, here or at `second`, where [`requeue`](Self::requeue) may move it. Task
    /// context only.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_exclusive(&self, second: Option<&Self>, until: Option<Instant>) -> Result<(), WaitError> {
        self.wait_once(second, true, until)
    }

    fn wait_once(
        &self,
        second: Option<&Self>,
        exclusive: bool,
        until: Option<Instant>,
    ) -> Result<(), WaitError> {
        let waiter = pin!(Waiter::new(self, second, exclusive));
        waiter.as_ref().register()?;
        waiter.as_ref().sleep(until, BlockReason::Wait)
    }

    /// Wakes all shared waiters and the `count` exclusive ones that came first. Who comes while this runs is not woken.
    /// Returns how many were. Any context.
    pub fn wake(&self, count: usize) -> usize {
        self.order_with_waiters();
        if !self.occupied.load(Ordering::Relaxed) {
            return 0;
        }
        let (mut wakes, mut left, mut woken, mut end) = (Wakes::new(), count, 0, None);
        loop {
            self.gate.with(|mut held| {
                let end = *end.get_or_insert(held.state.next_ticket());
                while wakes.take(&mut held, SHARED, end, Outcome::Woken) {}
                while left > 0 && wakes.take(&mut held, EXCLUSIVE, end, Outcome::Woken) {
                    left -= 1;
                }
                let occupied = !held.is_empty(SHARED) || !held.is_empty(EXCLUSIVE);
                self.occupied.store(occupied, Ordering::Relaxed);
            });
            let delivered = wakes.deliver(self.gate.env());
            woken += delivered;
            if delivered < BATCH {
                return woken;
            }
        }
    }

    /// Wakes everybody who waits now.
    pub fn wake_all(&self) -> usize {
        self.wake(usize::MAX)
    }

    /// Wakes the first `wake` exclusive waiters and moves up to `count` of the others to the end of `to`, if they named it:
    /// those that did not are left, and end the move. Nothing if both are the same queue.
    pub fn requeue(&self, wake: usize, to: &Self, count: usize) -> Requeued {
        let woken = if wake > 0 { self.wake(wake) } else { 0 };
        let moved = Home::with_both(&self.gate, &to.gate, |mut from, mut to_held| {
            let moved = move_waiters(&mut from, &mut to_held, count);
            if moved > 0 {
                to.set_occupied();
            }
            moved
        });
        Requeued { woken, moved: moved.unwrap_or(0) }
    }

    /// Ends every wait with [`WaitError::Closed`], and each that comes from now on: for what is going away.
    pub fn close(&self) {
        close(&self.gate);
    }

    /// Walks every invariant, with the lock held. Takes time in proportion to the waiters.
    ///
    /// # Errors
    /// [`QueueCorruption`] names the first list that breaks one.
    pub fn check(&self) -> Result<(), QueueCorruption> {
        self.gate.with(|held| {
            held.check(|_, waiting| match (waiting.outcome, &waiting.wake) {
                (Outcome::Waiting, Some(_)) if self.occupied.load(Ordering::Relaxed) => Ok(()),
                (Outcome::Waiting, Some(_)) => Err("a waiter in a queue that seems empty"),
                _ => Err("a waiter that nobody can wake"),
            })
        })
    }

    pub(super) const fn gate(&self) -> &Gate<E> {
        &self.gate
    }

    /// A waiter is in: wakers must look. Called under the gate's lock.
    pub(super) fn set_occupied(&self) {
        self.occupied.store(true, Ordering::Relaxed);
    }

    /// Between a waiter's entry and its look at the condition.
    fn order_with_wakers(&self) {
        fence(Ordering::SeqCst);
    }

    /// Between a waker's write of the condition and its look at the queue.
    fn order_with_waiters(&self) {
        if !seeded(Bug::UnfencedEmptyTest) {
            fence(Ordering::SeqCst);
        }
    }
}

impl<E: SyncEnv> fmt::Debug for WaitQueue<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").finish_non_exhaustive()
    }
}
