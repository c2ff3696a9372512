//! [`Shared`]: what the lock of an executor guards, which futures are ready and which runners sleep.
//!
//! A slot is free, waiting, ready (in the queue), being polled, or being polled and woken meanwhile. While a runner polls a
//! future it has it; else the slot has it. Slots are linked by number, free ones and ready ones.

use super::{FutureId, LentFuture};
use crate::time::Duration;

/// No slot.
const NONE: u32 = u32::MAX;
/// Generations that a waker tells apart; see `waker`.
pub(super) const TAGS: u32 = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Waiting,
    Ready,
    Polling,
    Woken,
}

struct Slot {
    future: Option<LentFuture>,
    state: State,
    generation: u32,
    next: u32,
    /// Nanoseconds of CPU time.
    spent: u64,
}

/// A future on its way through a poll.
pub(super) struct Job {
    pub(super) id: FutureId,
    pub(super) future: LentFuture,
    /// Nanoseconds of CPU time that the poll took.
    pub(super) spent: u64,
}

pub(super) struct Shared<T, const N: usize, const RUNNERS: usize> {
    slots: [Slot; N],
    free: u32,
    first: u32,
    last: u32,
    runners: usize,
    sleeping: [Option<T>; RUNNERS],
}

impl<T: Copy + Eq, const N: usize, const RUNNERS: usize> Shared<T, N, RUNNERS> {
    /// All slots free, no runners.
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "the loop ends at the length, which is small"
    )]
    pub(super) const fn new() -> Self {
        const EMPTY: Slot = Slot { future: None, state: State::Free, generation: 0, next: NONE, spent: 0 };
        let mut slots = [const { EMPTY }; N];
        let mut index = 1;
        while index < N {
            slots[index - 1].next = index as u32;
            index += 1;
        }
        let free = if N == 0 { NONE } else { 0 };
        Self { slots, free, first: NONE, last: NONE, runners: 0, sleeping: [None; RUNNERS] }
    }

    /// Takes a future in, and a runner out to poll it.
    pub(super) fn add(&mut self, future: LentFuture) -> Result<(FutureId, Option<T>), LentFuture> {
        let index = self.free;
        let Some(slot) = self.slots.get_mut(index as usize) else { return Err(future) };
        self.free = slot.next;
        slot.future = Some(future);
        slot.spent = 0;
        let id = FutureId { index, generation: slot.generation };
        self.push(index);
        Ok((id, self.rouse()))
    }

    /// One more runner, if there is room.
    pub(super) fn join(&mut self) -> bool {
        let room = self.runners < RUNNERS;
        self.runners += usize::from(room);
        room
    }

    /// A runner leaves; who polls in its place, as a wake-up meant for it may be lost with it.
    pub(super) fn leave(&mut self, runner: T) -> Option<T> {
        self.runners -= 1;
        self.sleeping.iter_mut().filter(|seat| **seat == Some(runner)).for_each(|seat| *seat = None);
        if self.first == NONE { None } else { self.rouse() }
    }

    /// The future that was ready first. If there is none, `runner` counts as asleep from now on.
    pub(super) fn take(&mut self, runner: T) -> Option<Job> {
        let index = self.first;
        let Some(slot) = self.slots.get_mut(index as usize) else {
            self.sleep(runner);
            return None;
        };
        self.first = slot.next;
        slot.state = State::Polling;
        let id = FutureId { index, generation: slot.generation };
        slot.future.take().map(|future| Job { id, future, spent: 0 })
    }

    /// The future is not ready, or was woken while it was polled.
    pub(super) fn put_back(&mut self, job: Job) {
        let Some(slot) = self.slots.get_mut(job.id.index as usize) else { return };
        slot.spent += job.spent;
        slot.future = Some(job.future);
        let woken = slot.state == State::Woken;
        slot.state = State::Waiting;
        if woken {
            self.push(job.id.index);
        }
    }

    /// The future is ready: its slot is free, and wakers and ids of it mean nothing any more.
    pub(super) fn remove(&mut self, job: &Job) {
        let Some(slot) = self.slots.get_mut(job.id.index as usize) else { return };
        slot.generation = slot.generation.wrapping_add(1);
        slot.state = State::Free;
        slot.next = self.free;
        self.free = job.id.index;
    }

    /// A waker was used. A runner to poll, if there is more to do now and one sleeps.
    pub(super) fn wake(&mut self, index: u32, tag: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize).filter(|slot| slot.generation % TAGS == tag)?;
        match slot.state {
            State::Waiting => {
                self.push(index);
                self.rouse()
            }
            State::Polling => {
                slot.state = State::Woken;
                None
            }
            State::Free | State::Ready | State::Woken => None,
        }
    }

    pub(super) fn usage(&self, id: FutureId) -> Option<Duration> {
        let slot = self.slots.get(id.index as usize)?;
        let is_it = slot.state != State::Free && slot.generation == id.generation;
        is_it.then(|| Duration::from_ticks(slot.spent))
    }

    /// Makes a slot the last of those that are ready.
    fn push(&mut self, index: u32) {
        if let Some(last) = self.slots.get_mut(self.last as usize).filter(|_| self.first != NONE) {
            last.next = index;
        } else {
            self.first = index;
        }
        self.last = index;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.state = State::Ready;
            slot.next = NONE;
        }
    }

    fn sleep(&mut self, runner: T) {
        if self.sleeping.contains(&Some(runner)) {
            return;
        }
        // There are as many seats as runners.
        if let Some(seat) = self.sleeping.iter_mut().find(|seat| seat.is_none()) {
            *seat = Some(runner);
        }
    }

    fn rouse(&mut self) -> Option<T> {
        self.sleeping.iter_mut().find_map(Option::take)
    }
}
