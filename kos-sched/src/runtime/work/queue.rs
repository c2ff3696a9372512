//! What is behind the lock of a pool: queues of items, cut into pieces for workers.

use core::ops::Range;
use core::task::Waker;

use super::error::JoinError;
use super::pool::WorkStats;
use super::slots::{Item, Phase, Registration, WorkerSlot};
use super::worker::Work;
use crate::ring::{NONE, Ring};
use crate::time::Instant;

pub(super) struct State<'s, A, R, T> {
    pub(super) registrations: &'s mut [Registration<'s, A, R>],
    pub(super) items: &'s mut [Item<A, R, T>],
    pub(super) workers: &'s mut [WorkerSlot<T>],
    pub(super) free: u32,
    /// The worker that got the last item.
    pub(super) last: usize,
    pub(super) closed: bool,
    pub(super) stats: WorkStats,
}

/// A piece of work for a worker.
pub(super) struct Piece<'s, A, R> {
    pub(super) item: u32,
    pub(super) work: &'s dyn Work<A, R>,
    pub(super) args: A,
    pub(super) range: Range<u64>,
}

/// Two results and what makes one of them.
pub(super) type Fold<R> = (fn(R, R) -> R, R, R);

/// Who waits for an item that has ended, and what is to be dropped without the lock.
pub(super) struct Wakes<A, R, T> {
    pub(super) joiner: Option<T>,
    pub(super) waker: Option<Waker>,
    pub(super) left: (Option<A>, Option<R>),
}

impl<A, R, T> Wakes<A, R, T> {
    pub(super) const NONE: Self = Self { joiner: None, waker: None, left: (None, None) };
}

/// What a worker finds.
pub(super) enum Found<'s, A, R, T> {
    Piece(Piece<'s, A, R>),
    /// An item that ends without being run.
    Ended(Wakes<A, R, T>),
    Nothing,
}

#[expect(clippy::indexing_slicing, reason = "indices come from rings and joins, whose slots exist")]
impl<A, R, T> State<'_, A, R, T> {
    pub(super) fn item(&self, index: u32) -> &Item<A, R, T> {
        &self.items[index as usize]
    }

    pub(super) fn item_mut(&mut self, index: u32) -> &mut Item<A, R, T> {
        &mut self.items[index as usize]
    }

    fn queue(&mut self, item: u32) -> &mut u32 {
        let Item { home, options, .. } = self.items[item as usize];
        &mut self.workers[home as usize].queues[options.class as usize]
    }
}

impl<'s, A, R, T: Copy> State<'s, A, R, T> {
    const LINKS: Ring<Item<A, R, T>> = Item::LINKS;

    /// Queues an item whose slot was filled, and returns whom to wake.
    pub(super) fn enqueue(&mut self, index: u32) -> Option<T> {
        let options = self.item(index).options;
        let count = self.workers.len();
        let order = (1..=count).map(|step| (self.last + step) % count);
        let mut allowed = order.filter(|&worker| options.allows(worker));
        let idle = allowed.clone().find(|&worker| self.workers.get(worker).is_some_and(|slot| slot.idle));
        let home = idle.or_else(|| allowed.next())?;
        self.last = home;
        self.item_mut(index).home = u32::try_from(home).unwrap_or(NONE);
        let head = *self.queue(index);
        *self.queue(index) = Self::LINKS.push_back(self.items, head, index);
        self.call(home)
    }

    /// Ends the sleep of an idle worker.
    fn call(&mut self, worker: usize) -> Option<T> {
        let slot = self.workers.get_mut(worker)?;
        let idle = core::mem::replace(&mut slot.idle, false);
        slot.task.filter(|_| idle)
    }

    /// An idle worker that may help with `item`.
    pub(super) fn call_helper(&mut self, item: u32) -> Option<T> {
        let options = self.item(item).options;
        let helper = (0..self.workers.len()).find(|&worker| {
            options.allows(worker) && self.workers.get(worker).is_some_and(|slot| slot.idle)
        })?;
        self.call(helper)
    }

    fn unqueue(&mut self, index: u32) {
        let head = *self.queue(index);
        *self.queue(index) = Self::LINKS.remove(self.items, head, index);
        self.item_mut(index).phase = Phase::Running;
    }

    pub(super) fn is_queued(&self, item: u32) -> bool {
        self.item(item).phase == Phase::Queued
    }

    /// The next item for `worker`: of the highest class, its own before those of others, the oldest first.
    pub(super) fn next_for(&self, worker: usize) -> Option<u32> {
        let count = self.workers.len();
        (0..super::slots::CLASSES).find_map(|class| {
            (0..count).map(|step| (worker + step) % count).find_map(|victim| {
                let &head = self.workers.get(victim)?.queues.get(class)?;
                Self::LINKS.iter(self.items, head).find(|&item| self.item(item).options.allows(worker))
            })
        })
    }

    /// Takes a piece of the next item for `worker`.
    pub(super) fn take(&mut self, worker: usize, now: Instant) -> Found<'s, A, R, T> {
        let Some(index) = self.next_for(worker) else { return Found::Nothing };
        let late = self.item(index).options.deadline.is_some_and(|deadline| deadline <= now);
        if late {
            return Found::Ended(self.give_up(index, JoinError::DeadlinePassed));
        }
        let registration = self.item(index).registration;
        let work = self.registrations.get(registration as usize).and_then(|entry| entry.work);
        let item = self.item_mut(index);
        let (range, last) = match &mut item.range {
            Some(pieces) => {
                let end = pieces.rest.start.saturating_add(pieces.grain).min(pieces.rest.end);
                let piece = core::mem::replace(&mut pieces.rest.start, end)..end;
                (piece, end == pieces.rest.end)
            }
            None => (0..0, true),
        };
        let args = match (&item.range, last) {
            (Some(pieces), false) => item.args.as_ref().map(pieces.copy),
            _ => item.args.take(),
        };
        if last {
            self.unqueue(index);
        }
        // Both are there: an item has arguments until its last piece, and a work cannot go before its items.
        let (Some(work), Some(args)) = (work, args) else { return Found::Nothing };
        self.item_mut(index).running += 1;
        Found::Piece(Piece { item: index, work, args, range })
    }

    /// Starts nothing more of a queued item.
    pub(super) fn give_up(&mut self, index: u32, why: JoinError) -> Wakes<A, R, T> {
        self.unqueue(index);
        let item = self.item_mut(index);
        item.failure = Some(why);
        let args = item.args.take();
        let mut wakes = self.end_if_done(index);
        wakes.left.0 = args;
        wakes
    }

    /// Takes note of the result of a piece. If there is one to fold it with, both come back.
    pub(super) fn offer(&mut self, index: u32, result: R) -> Result<Wakes<A, R, T>, Fold<R>> {
        let item = self.item_mut(index);
        if let (Some(pieces), Some(other)) = (&item.range, item.result.take()) {
            return Err((pieces.fold, other, result));
        }
        item.result = Some(result);
        item.running -= 1;
        Ok(self.end_if_done(index))
    }

    fn end_if_done(&mut self, index: u32) -> Wakes<A, R, T> {
        let item = self.item_mut(index);
        if item.phase != Phase::Running || item.running > 0 {
            return Wakes::NONE;
        }
        item.phase = Phase::Ended;
        let mut wakes = Wakes { joiner: item.joiner.take(), waker: item.waker.take(), left: (None, None) };
        let (joined, registration) = (item.joined, item.registration);
        if let Some(entry) = self.registrations.get_mut(registration as usize) {
            entry.items -= 1;
        }
        self.stats.ended += 1;
        if !joined {
            wakes.left.1 = self.free_item(index);
        }
        wakes
    }

    /// Makes the slot of an item that has ended free.
    pub(super) fn free_item(&mut self, index: u32) -> Option<R> {
        let item = core::mem::replace(self.item_mut(index), Item::EMPTY);
        self.free = Self::LINKS.push_back(self.items, self.free, index);
        item.result
    }

    pub(super) fn take_free(&mut self) -> Option<u32> {
        let index = Some(self.free).filter(|&index| index != NONE)?;
        self.free = Self::LINKS.remove(self.items, index, index);
        Some(index)
    }
}
