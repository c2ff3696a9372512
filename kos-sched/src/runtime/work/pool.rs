//! [`WorkPool`]: names, execution, counters.

use core::fmt;
use core::ops::Range;

use super::error::{ExecuteError, ExecuteReason, WorkError};
use super::join::Join;
use super::queue::{State, Wakes};
use super::slots::{Item, Phase, Pieces, Registration, WorkFlag, WorkId, WorkOptions, WorkerSlot};
use super::worker::Work;
use crate::atomic::Ordering;
use crate::error::QueueCorruption;
use crate::guarded::Guarded;
use crate::ports::{Clock, CriticalSection, Park};
use crate::ring::NONE;

/// What named work needs of a kernel. Whatever implements the three ports is one.
pub trait WorkHost: Park + CriticalSection + Clock {}

impl<K: Park + CriticalSection + Clock> WorkHost for K {}

/// The memory of a pool. Its lengths are the limits of the pool; what was in it is overwritten.
#[derive(Debug)]
pub struct WorkStorage<'s, A, R, T> {
    /// One for each name.
    pub registrations: &'s mut [Registration<'s, A, R>],
    /// One for each item that was executed and is neither ended nor joined.
    pub items: &'s mut [Item<A, R, T>],
    /// One for each item. If there are fewer, there are so many items less.
    pub flags: &'s [WorkFlag],
    /// One for each worker.
    pub workers: &'s mut [WorkerSlot<T>],
}

/// Named work of arguments `A` and result `R`, and its workers. See the [module](super).
pub struct WorkPool<'s, A, R, K: WorkHost> {
    host: K,
    flags: &'s [WorkFlag],
    state: Guarded<K::Lock, State<'s, A, R, K::Task>>,
}

/// What a pool holds, and what it has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkStats {
    /// Items that have not ended.
    pub pending: usize,
    /// Slots of items in use.
    pub slots: usize,
    /// Workers that sleep.
    pub idle: usize,
    /// Items executed.
    pub executed: u64,
    /// Items refused.
    pub refused: u64,
    /// Items that came to an end.
    pub ended: u64,
}

impl<'s, A, R, K: WorkHost> WorkPool<'s, A, R, K> {
    /// A pool without names and workers.
    pub fn new(host: K, storage: WorkStorage<'s, A, R, K::Task>) -> Self {
        let WorkStorage { registrations, items, flags, workers } = storage;
        let items = items.get_mut(..flags.len()).unwrap_or_default();
        registrations.iter_mut().for_each(|slot| *slot = Registration::EMPTY);
        items.iter_mut().for_each(|slot| *slot = Item::EMPTY);
        workers.iter_mut().for_each(|slot| *slot = WorkerSlot::EMPTY);
        let free = (0..)
            .zip(0..items.len())
            .fold(NONE, |head, (index, _)| Item::LINKS.push_back(items, head, index));
        let stats = WorkStats::default();
        let state = State { registrations, items, workers, free, last: 0, closed: false, stats };
        Self { host, flags, state: Guarded::new(state) }
    }

    /// The kernel below.
    pub const fn host(&self) -> &K {
        &self.host
    }

    pub(super) fn locked<T>(&self, work: impl FnOnce(&mut State<'s, A, R, K::Task>) -> T) -> T {
        self.state.with(&self.host, work)
    }

    pub(super) fn flag(&self, item: u32) -> Option<&WorkFlag> {
        self.flags.get(item as usize)
    }

    /// Wakes and drops what the lock does not cover.
    pub(super) fn settle(&self, wakes: Wakes<A, R, K::Task>) {
        if let Some(joiner) = wakes.joiner {
            self.host.unpark(joiner);
        }
        if let Some(waker) = wakes.waker {
            waker.wake();
        }
        drop(wakes.left);
    }

    /// Gives `work` a name.
    ///
    /// # Errors
    /// [`WorkError::NameLength`], [`WorkError::NameTaken`], [`WorkError::Full`].
    pub fn register(&self, name: &[u8], work: &'s dyn Work<A, R>) -> Result<WorkId, WorkError> {
        let mut padded = [0; 32];
        let length = name.len();
        let place = padded.get_mut(..length).filter(|place| !place.is_empty());
        place.ok_or(WorkError::NameLength { length })?.copy_from_slice(name);
        self.locked(|state| {
            if let Some(id) = state.find(name) {
                return Err(WorkError::NameTaken(id));
            }
            let mut entries = (0..).zip(state.registrations.iter_mut());
            let (index, entry) = entries.find(|(_, entry)| entry.work.is_none()).ok_or(WorkError::Full)?;
            (entry.work, entry.name) = (Some(work), padded);
            entry.length = u8::try_from(length).unwrap_or(0);
            Ok(WorkId { index, generation: entry.generation })
        })
    }

    /// The work of this name.
    ///
    /// # Errors
    /// [`WorkError::NotFound`].
    pub fn find(&self, name: &[u8]) -> Result<WorkId, WorkError> {
        self.locked(|state| state.find(name).ok_or(WorkError::NotFound))
    }

    /// Takes a name back.
    ///
    /// # Errors
    /// [`WorkError::NotFound`], [`WorkError::Busy`].
    pub fn unregister(&self, id: WorkId) -> Result<(), WorkError> {
        self.locked(|state| match state.registration(id) {
            None => Err(WorkError::NotFound),
            Some(&mut Registration { items, .. }) if items > 0 => Err(WorkError::Busy { items }),
            Some(entry) => {
                let generation = entry.generation.wrapping_add(1);
                *entry = Registration { generation, ..Registration::EMPTY };
                Ok(())
            }
        })
    }

    /// Queues work. Any context; never blocks.
    ///
    /// # Errors
    /// [`ExecuteError`] with the arguments.
    pub fn execute(
        &self,
        work: WorkId,
        args: A,
        options: WorkOptions,
    ) -> Result<Join<'_, 's, A, R, K>, ExecuteError<A>> {
        self.queue(work, args, options, None)
    }

    /// Queues work on the numbers of `range`, `grain` at a time and each once, by as many workers as want to; results are put
    /// together by `fold`, in any order. Each piece finds its numbers in [`WorkContext::range`](super::WorkContext::range) and
    /// gets a copy of the arguments, made under the lock: it takes constant time. Any context; never blocks.
    ///
    /// # Errors
    /// [`ExecuteError`] with the arguments.
    pub fn execute_range(
        &self,
        work: WorkId,
        args: A,
        range: Range<u64>,
        grain: u64,
        fold: fn(R, R) -> R,
        options: WorkOptions,
    ) -> Result<Join<'_, 's, A, R, K>, ExecuteError<A>>
    where
        A: Clone,
    {
        if range.is_empty() || grain == 0 {
            return Err(ExecuteError { reason: ExecuteReason::EmptyRange, args });
        }
        self.queue(work, args, options, Some(Pieces { rest: range, grain, copy: A::clone, fold }))
    }

    fn queue(
        &self,
        work: WorkId,
        args: A,
        options: WorkOptions,
        range: Option<Pieces<A, R>>,
    ) -> Result<Join<'_, 's, A, R, K>, ExecuteError<A>> {
        let queued = self.locked(|state| match state.place(work, options) {
            Err(reason) => {
                state.stats.refused += 1;
                Err(ExecuteError { reason, args })
            }
            Ok(item) => {
                let registration = work.index;
                let filled = Item {
                    phase: Phase::Queued,
                    registration,
                    args: Some(args),
                    range,
                    options,
                    joined: true,
                    ..Item::EMPTY
                };
                *state.item_mut(item) = filled;
                if let Some(flag) = self.flag(item) {
                    flag.0.store(false, Ordering::Relaxed);
                }
                state.stats.executed += 1;
                Ok((item, state.enqueue(item)))
            }
        });
        let (item, wake) = queued?;
        if let Some(task) = wake {
            self.host.unpark(task);
        }
        Ok(Join::new(self, item))
    }

    /// Takes no more items; workers return when they find none.
    pub fn close(&self) {
        let mut next = self.locked(|state| {
            state.closed = true;
            state.call_any()
        });
        while let Some(task) = next {
            self.host.unpark(task);
            next = self.locked(State::call_any);
        }
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> WorkStats {
        self.locked(|state| WorkStats {
            pending: state
                .items
                .iter()
                .filter(|item| !matches!(item.phase, Phase::Free | Phase::Ended))
                .count(),
            slots: state.items.iter().filter(|item| item.phase != Phase::Free).count(),
            idle: state.workers.iter().filter(|worker| worker.idle).count(),
            ..state.stats
        })
    }

    /// Walks every queue.
    ///
    /// # Errors
    /// [`QueueCorruption`] with the first thing that does not hold.
    pub fn check(&self) -> Result<(), QueueCorruption> {
        self.locked(|state| state.check())
    }
}

impl<A, R, K: WorkHost> fmt::Debug for WorkPool<'_, A, R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkPool").finish_non_exhaustive()
    }
}

impl<'s, A, R, T: Copy> State<'s, A, R, T> {
    fn find(&self, name: &[u8]) -> Option<WorkId> {
        let mut entries = (0..).zip(self.registrations.iter());
        let (index, entry) = entries.find(|(_, entry)| entry.work.is_some() && entry.name() == name)?;
        Some(WorkId { index, generation: entry.generation })
    }

    fn registration(&mut self, id: WorkId) -> Option<&mut Registration<'s, A, R>> {
        let entry = self.registrations.get_mut(id.index as usize)?;
        Some(entry).filter(|entry| entry.work.is_some() && entry.generation == id.generation)
    }

    /// A slot for an item of `work`, counted.
    fn place(&mut self, work: WorkId, options: WorkOptions) -> Result<u32, ExecuteReason> {
        if self.closed {
            return Err(ExecuteReason::Closed);
        }
        if !(0..self.workers.len()).any(|worker| options.allows(worker)) {
            return Err(ExecuteReason::NoAllowedWorker);
        }
        if self.registration(work).is_none() {
            return Err(ExecuteReason::NotFound);
        }
        let item = self.take_free().ok_or(ExecuteReason::QueueFull)?;
        if let Some(entry) = self.registration(work) {
            entry.items += 1;
        }
        Ok(item)
    }

    fn call_any(&mut self) -> Option<T> {
        let slot = self.workers.iter_mut().find(|slot| slot.idle)?;
        slot.idle = false;
        slot.task
    }

    fn check(&self) -> Result<(), QueueCorruption> {
        let fail = |what, index| Err(QueueCorruption { what, index });
        let mut queued = 0;
        for (index, head) in self.workers.iter().flat_map(|worker| worker.queues).enumerate() {
            match Item::LINKS.checked_len(self.items, head) {
                Some(length) => queued += length,
                None => return fail("broken queue", index),
            }
            for item in Item::LINKS.iter(self.items, head) {
                if self.item(item).phase != Phase::Queued || self.item(item).args.is_none() {
                    return fail("an item in a queue that is not queued", index);
                }
            }
        }
        let Some(free) = Item::LINKS.checked_len(self.items, self.free) else {
            return fail("broken free ring", 0);
        };
        let count = |phase| self.items.iter().filter(|item| item.phase == phase).count();
        if count(Phase::Queued) != queued || count(Phase::Free) != free {
            return fail("items outside their queue", queued);
        }
        let pending = self.items.len() - free - count(Phase::Ended);
        let counted: u32 = self.registrations.iter().map(|entry| entry.items).sum();
        if counted as usize != pending { fail("items of works", pending) } else { Ok(()) }
    }
}
