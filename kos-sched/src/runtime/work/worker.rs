//! [`Work`] and the loop of a worker.

use core::fmt;
use core::ops::Range;

use super::error::WorkError;
use super::pool::{WorkHost, WorkPool};
use super::queue::{Found, Piece};
use super::slots::WorkFlag;
use crate::atomic::Ordering;
use crate::ports::{BlockReason, Resume};
use crate::time::Instant;

/// Something that can be executed by name. Interpreted code is another implementation.
pub trait Work<A, R>: Sync {
    /// Does it. In task context, on a worker.
    fn run(&self, cx: &WorkContext<'_>, args: A) -> R;
}

impl<A, R, F: Fn(&WorkContext<'_>, A) -> R + Sync> Work<A, R> for F {
    fn run(&self, cx: &WorkContext<'_>, args: A) -> R {
        self(cx, args)
    }
}

/// What work knows of where it runs.
pub struct WorkContext<'a> {
    worker: usize,
    range: Range<u64>,
    deadline: Option<Instant>,
    flag: Option<&'a WorkFlag>,
}

impl WorkContext<'_> {
    /// The number of the worker.
    #[must_use]
    pub const fn worker(&self) -> usize {
        self.worker
    }

    /// The numbers to work on: empty unless executed over a range.
    #[must_use]
    pub const fn range(&self) -> Range<u64> {
        self.range.start..self.range.end
    }

    /// The deadline of the item.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the item was cancelled: long work looks now and then, and ends early.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.flag.is_some_and(|flag| flag.0.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for WorkContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkContext")
            .field("worker", &self.worker)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl<A, R, K: WorkHost> WorkPool<'_, A, R, K> {
    /// Makes the calling task worker number `worker` until the pool is closed and empty, or the task is to die.
    ///
    /// # Errors
    /// [`WorkError::NoWorker`] if there is no such worker, or another task is it.
    pub fn run(&self, worker: usize) -> Result<(), WorkError> {
        let task = self.host().current();
        self.locked(|state| {
            let slot = state.workers.get_mut(worker).filter(|slot| slot.task.is_none());
            slot.ok_or(WorkError::NoWorker { worker })?.task = Some(task);
            Ok(())
        })?;
        while self.run_one(worker) || self.rest(worker) {}
        self.locked(|state| {
            if let Some(slot) = state.workers.get_mut(worker) {
                (slot.task, slot.idle) = (None, false);
            }
        });
        Ok(())
    }

    /// Does one piece as worker `worker`; false if there is none for it.
    pub(super) fn run_one(&self, worker: usize) -> bool {
        let now = self.host().now();
        let (found, helper) = self.locked(|state| {
            state.workers.get_mut(worker).into_iter().for_each(|slot| slot.idle = false);
            let found = state.take(worker, now);
            let helper = match &found {
                Found::Piece(piece) if state.is_queued(piece.item) => state.call_helper(piece.item),
                _ => None,
            };
            (found, helper)
        });
        if let Some(helper) = helper {
            self.host().unpark(helper);
        }
        match found {
            Found::Piece(piece) => self.do_piece(worker, piece),
            Found::Ended(wakes) => self.settle(wakes),
            Found::Nothing => return false,
        }
        true
    }

    fn do_piece(&self, worker: usize, piece: Piece<'_, A, R>) {
        let Piece { item, work, args, range } = piece;
        let deadline = self.locked(|state| state.item(item).options.deadline);
        let cx = WorkContext { worker, range, deadline, flag: self.flag(item) };
        let mut result = work.run(&cx, args);
        loop {
            match self.locked(|state| state.offer(item, result)) {
                Ok(wakes) => return self.settle(wakes),
                Err((fold, one, other)) => result = fold(one, other),
            }
        }
    }

    /// Sleeps until there may be something to do; false if the worker is to end.
    fn rest(&self, worker: usize) -> bool {
        let (closed, empty) = self.locked(|state| {
            let empty = state.next_for(worker).is_none();
            if let Some(slot) = state.workers.get_mut(worker) {
                slot.idle = empty && !state.closed;
            }
            (state.closed, empty)
        });
        if closed || !empty {
            return !empty;
        }
        self.host().park(None, BlockReason::Wait) != Resume::Interrupted
    }
}
