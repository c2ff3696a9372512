//! Waiting until a condition holds: [`WaitQueue`].

use core::fmt;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use super::pinned::{Kind, Member, Queue};
use super::{Wake, WakeBatch, Walk};
use crate::caller::Token;
use crate::error::{Corruption, WaitError};
use crate::ports::{BlockReason, Env};
use crate::sync::{Bug, const_fn, seeded};
use crate::time::Instant;

/// Waiters are told to look, and look themselves.
pub(super) struct Condition;

impl<E: Env> Kind<E> for Condition {
    type Word = ();
    type State = ();
    /// By which a [`Walk`] knows the waiter.
    type Value = u64;

    fn pass_on(queue: &Queue<E, Self>, _: &mut u64) {
        wake(queue, 1);
    }
}

/// Threads and futures that wait until a condition holds, in the order in which they came.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use kos_ipc::testing::{StdEnv, StdPark};
/// use kos_ipc::wait::WaitQueue;
///
/// let (park, ready) = (StdPark::new(), AtomicBool::new(false));
/// let queue = WaitQueue::<StdEnv>::new(park.clone());
/// std::thread::scope(|scope| {
///     scope.spawn(|| queue.wait_for(&park.token(), 0, None, || ready.load(Ordering::Relaxed).then_some(())));
///     ready.store(true, Ordering::Relaxed); // first the condition, then the wake-up
///     queue.wake(1);
/// });
/// ```
pub struct WaitQueue<E: Env> {
    queue: Queue<E, Condition>,
}

impl<E: Env> WaitQueue<E> {
    const_fn! {
        /// Nobody waits.
        #[must_use]
        pub fn new(park: E::Park) -> Self {
            Self { queue: Queue::new(park, (), ()) }
        }
    }

    /// Sleeps until `condition` returns something, and returns it. The condition is looked at at once and after each wake-up,
    /// without a lock. Whoever makes it true must [`wake`](Self::wake) after that. `key` is by what a [`Walk`] knows the waiter,
    /// for instance the badge of a client; `me` is the running thread. Thread context only.
    ///
    /// A wake-up is for one waiter; one that came when the condition held already is passed on.
    ///
    /// # Errors
    /// [`WaitError`]: the condition did not hold when the wait ended.
    pub fn wait_for<R>(
        &self,
        me: &Token<E>,
        key: u64,
        until: Option<Instant>,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Result<R, WaitError> {
        loop {
            if let Some(found) = condition() {
                return Ok(found);
            }
            let mut member = pin!(Member::new(&self.queue, key));
            if let Err(cause) = member.as_mut().enter(Wake::Thread(me.clone()), |_, _| false) {
                return condition().ok_or(cause);
            }
            self.queue.order_with_wakers();
            if !seeded(Bug::LookedBeforeEntry)
                && let Some(found) = condition()
            {
                return Ok(found);
            }
            if let Err(cause) = member.as_mut().sleep(me, until, BlockReason::Condition) {
                let found = if seeded(Bug::TimeoutUnchecked) { None } else { condition() };
                return found.ok_or(cause);
            }
        }
    }

    /// As [`wait_for`](Self::wait_for), for a future. It may be dropped at any time: its place is given up, and a wake-up that it
    /// had not used goes to the next.
    ///
    /// # Errors
    /// [`WaitError`], but never [`TimedOut`](WaitError::TimedOut) or [`Interrupted`](WaitError::Interrupted).
    pub async fn wait_for_async<R>(
        &self,
        key: u64,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Result<R, WaitError> {
        loop {
            if let Some(found) = condition() {
                return Ok(found);
            }
            let mut member = pin!(Member::new(&self.queue, key));
            let ended = poll_fn(|cx| {
                let poll = member.as_mut().poll(cx, |_, _| false);
                self.queue.order_with_wakers();
                match (condition(), poll) {
                    (Some(found), _) => Poll::Ready(Some(Ok(found))),
                    (None, Poll::Ready(Err(cause))) => Poll::Ready(Some(Err(cause))),
                    (None, Poll::Ready(Ok(()))) => Poll::Ready(None),
                    (None, Poll::Pending) => Poll::Pending,
                }
            });
            if let Some(result) = ended.await {
                return result;
            }
        }
    }

    /// Ends the wait of the first, if somebody waits, and leaves it in `batch` to be woken; nothing if that is full.
    pub(crate) fn end_front(&self, batch: &mut WakeBatch<Token<E>>) {
        if self.queue.is_occupied() {
            self.queue.with(|held| held.end_front(batch, Ok(())));
        }
    }

    /// Wakes the `count` who came first. Returns how many were woken. Any context; with nobody waiting it takes no lock. A lock is
    /// held for 16 of them at a time.
    pub fn wake(&self, count: usize) -> usize {
        wake(&self.queue, count)
    }

    /// Ends every wait with [`WaitError::PeerClosed`], and refuses all that come from now on.
    pub fn close(&self) {
        self.queue.end(WaitError::PeerClosed);
    }

    /// Ends every wait with [`WaitError::Revoked`], and refuses all that come from now on.
    pub fn revoke(&self) {
        self.queue.end(WaitError::Revoked);
    }

    /// Begins a walk over those who wait, which ends the waits of some with `cause`.
    pub fn walk(&self, cause: WaitError) -> Walk<'_, E> {
        Walk::new(&self.queue, cause)
    }

    /// Walks every invariant, with the lock held. Takes time in proportion to the waiters.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        self.queue.check(|(), _| Ok(()))
    }
}

fn wake<E: Env>(queue: &Queue<E, Condition>, count: usize) -> usize {
    if !queue.is_occupied() {
        return 0;
    }
    let mut left = count;
    queue.wake_by(|held, batch| {
        while left > 0 && held.end_front(batch, Ok(())) {
            left -= 1;
        }
    })
}

impl<E: Env> fmt::Debug for WaitQueue<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").finish_non_exhaustive()
    }
}
