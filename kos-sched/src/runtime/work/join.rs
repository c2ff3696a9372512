//! Waiting for an item: [`Join`].

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::error::JoinError;
use super::pool::{WorkHost, WorkPool};
use super::queue::Wakes;
use super::slots::Phase;
use crate::atomic::Ordering;
use crate::ports::{BlockReason, Resume};
use crate::time::Instant;

/// An item that was executed. Waits for it in a task or, as a future, anywhere. When it is dropped the item goes on alone.
#[must_use = "an item whose join is dropped goes on alone"]
pub struct Join<'p, 's, A, R, K: WorkHost> {
    pool: &'p WorkPool<'s, A, R, K>,
    item: u32,
    /// The result was taken: the slot is not ours any more.
    taken: bool,
}

/// How an item ended.
type Outcome<R> = Result<R, JoinError>;

impl<'p, 's, A, R, K: WorkHost> Join<'p, 's, A, R, K> {
    pub(super) const fn new(pool: &'p WorkPool<'s, A, R, K>, item: u32) -> Self {
        Self { pool, item, taken: false }
    }

    /// Starts nothing more of the item and lets what runs of it know. True if something was not started.
    pub fn cancel(&self) -> bool {
        if self.taken {
            return false;
        }
        let (cancelled, wakes) = self.pool.locked(|state| {
            if let Some(flag) = self.pool.flag(self.item) {
                flag.0.store(true, Ordering::Relaxed);
            }
            match state.item(self.item).phase {
                Phase::Queued => (true, state.give_up(self.item, JoinError::Cancelled)),
                _ => (false, Wakes::NONE),
            }
        });
        self.pool.settle(wakes);
        cancelled
    }

    /// Sleeps until the item has ended and returns its result. Task context.
    ///
    /// # Errors
    /// [`JoinError`]. After [`JoinError::TimedOut`] and [`JoinError::Interrupted`] the item goes on, and the next call waits
    /// again; after the others, and after a result, it has ended: [`JoinError::Cancelled`].
    pub fn wait(&mut self, until: Option<Instant>) -> Result<R, JoinError> {
        let mut resume = Resume::Woken;
        loop {
            let task = self.pool.host().current();
            let sleeps = Some(task).filter(|_| resume == Resume::Woken);
            if let Some(outcome) = self.look(sleeps) {
                return outcome;
            }
            match resume {
                Resume::Woken => resume = self.pool.host().park(until, BlockReason::Wait),
                Resume::TimedOut => return Err(JoinError::TimedOut),
                Resume::Interrupted => return Err(JoinError::Interrupted),
            }
        }
    }

    /// The outcome, if the item has ended; else `task` is woken when it has.
    fn look(&mut self, task: Option<K::Task>) -> Option<Outcome<R>> {
        if self.taken {
            return Some(Err(JoinError::Cancelled));
        }
        let outcome = self.pool.locked(|state| {
            let item = state.item_mut(self.item);
            if item.phase != Phase::Ended {
                item.joiner = task;
                return None;
            }
            let (failure, waker) = (item.failure, item.waker.take());
            Some((failure, waker, state.free_item(self.item)))
        });
        let (failure, waker, result) = outcome?;
        drop(waker);
        self.taken = true;
        Some(match (failure, result) {
            (None, Some(result)) => Ok(result),
            (failure, _) => Err(failure.unwrap_or(JoinError::Cancelled)),
        })
    }
}

impl<A, R, K: WorkHost> Future for Join<'_, '_, A, R, K> {
    type Output = Outcome<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<R>> {
        let mut waker = Some(cx.waker().clone());
        if !self.taken {
            // What is replaced is dropped without the lock.
            self.pool.locked(|state| core::mem::swap(&mut state.item_mut(self.item).waker, &mut waker));
        }
        self.look(None).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<A, R, K: WorkHost> Drop for Join<'_, '_, A, R, K> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let left = self.pool.locked(|state| {
            let item = state.item_mut(self.item);
            item.joined = false;
            let left = (item.waker.take(), item.joiner.take());
            let ended = item.phase == Phase::Ended;
            (left, ended.then(|| state.free_item(self.item)))
        });
        drop(left);
    }
}

impl<A, R, K: WorkHost> fmt::Debug for Join<'_, '_, A, R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").field("item", &self.item).field("taken", &self.taken).finish_non_exhaustive()
    }
}
