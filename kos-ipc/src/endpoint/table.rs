//! Calls under way, in lent slots: `Table`.
//!
//! Invariants: a slot is free and in the list of free ones, or QUEUED and in the list of its urgency, or in no list; a slot's
//! generation grows whenever it is freed, and a slot whose generations are used up is in no list for good.

use super::error::{CallError, SendReason};
use super::slot::{CallSlot, End, Phase, Ticket};
use crate::error::WaitError;
use crate::sync::{Bug, seeded};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// Urgencies that are told apart.
pub(super) const CLASSES: usize = 8;

/// First and last of a list of slots.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

/// What the endpoint's lock guards, beside those who receive.
pub(super) struct Table<'e, T, M, A> {
    pub(super) slots: &'e mut [CallSlot<T, M, A>],
    free: u32,
    queued: [List; CLASSES],
    /// The lists that are not empty: bit for bit.
    urgencies: u32,
    /// Who serves it, where that is one thread.
    pub(super) server: Option<T>,
}

impl<'e, T, M, A> Table<'e, T, M, A> {
    pub(super) fn new(slots: &'e mut [CallSlot<T, M, A>]) -> Self {
        let mut free = NONE;
        for (number, slot) in (0..NONE).zip(slots.iter_mut()) {
            *slot = CallSlot { generation: slot.generation, next: free, ..CallSlot::new() };
            free = number;
        }
        let queued = [List { first: NONE, last: NONE }; CLASSES];
        Self { slots, free, queued, urgencies: 0, server: None }
    }

    #[inline]
    pub(super) fn slot(&mut self, number: u32) -> Option<&mut CallSlot<T, M, A>> {
        self.slots.get_mut(number as usize)
    }

    /// The slot of a call that stands at `phase`, if that is still the call of `ticket`.
    #[inline]
    pub(super) fn at(&mut self, ticket: Ticket, phase: Phase) -> Option<&mut CallSlot<T, M, A>> {
        let slot = self.slot(ticket.slot)?;
        (slot.generation == ticket.generation && slot.phase == phase).then_some(slot)
    }

    /// The slot of a call that is being served.
    #[inline]
    pub(super) fn served(&mut self, ticket: Ticket) -> Option<&mut CallSlot<T, M, A>> {
        self.at(ticket, Phase::Served)
    }

    /// Takes a slot from the list of free ones.
    #[inline]
    pub(super) fn allocate(&mut self) -> Option<(u32, &mut CallSlot<T, M, A>)> {
        let number = self.free;
        let slot = self.slots.get_mut(number as usize)?;
        self.free = slot.next;
        Some((number, slot))
    }

    /// Puts a call that is in no list at the end of its list.
    pub(super) fn enqueue(&mut self, number: u32) {
        let Some(class) = self.slot(number).map(|slot| slot.class) else { return };
        let last = self.queued.get(class).map_or(NONE, |list| list.last);
        self.link(last, NONE, class, number);
    }

    /// Puts a call that is in no list at the head of its list.
    #[cold]
    pub(super) fn enqueue_first(&mut self, number: u32) {
        let Some(class) = self.slot(number).map(|slot| slot.class) else { return };
        let first = self.queued.get(class).map_or(NONE, |list| list.first);
        self.link(NONE, first, class, number);
    }

    fn link(&mut self, previous: u32, next: u32, class: usize, number: u32) {
        let Some(slot) = self.slot(number) else { return };
        slot.phase = Phase::Queued;
        (slot.previous, slot.next) = (previous, next);
        self.set_next(previous, class, number);
        self.set_previous(next, class, number);
        self.urgencies |= 1 << class;
    }

    /// Lets what stands before a place, another slot or the list itself, point to `to`.
    fn set_next(&mut self, before: u32, class: usize, to: u32) {
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.next = to,
            None => self.queued.get_mut(class).into_iter().for_each(|list| list.first = to),
        }
    }

    /// As [`set_next`](Self::set_next), for what stands behind it.
    fn set_previous(&mut self, behind: u32, class: usize, to: u32) {
        match self.slots.get_mut(behind as usize) {
            Some(slot) => slot.previous = to,
            None => self.queued.get_mut(class).into_iter().for_each(|list| list.last = to),
        }
    }

    /// Takes a queued call from its list.
    fn unlink(&mut self, number: u32) {
        let Some(slot) = self.slot(number) else { return };
        let (previous, next, class) = (slot.previous, slot.next, slot.class);
        self.set_next(previous, class, next);
        self.set_previous(next, class, previous);
        if self.queued.get(class).is_none_or(|list| list.first == NONE) {
            self.urgencies &= !(1 << class);
        }
    }

    /// Whether a call can be received.
    #[inline]
    pub(super) const fn has_queued(&self) -> bool {
        self.urgencies != 0
    }

    /// The most urgent queued call, of those the first, with its slot; it is in no list from now on.
    pub(super) fn dequeue(&mut self) -> Option<(u32, &mut CallSlot<T, M, A>)> {
        let class = self.urgencies.checked_ilog2()?;
        let number = self.queued.get(class as usize)?.first;
        self.unlink(number);
        Some((number, self.slot(number)?))
    }

    /// Ends a call for `cause`, unless it has ended. A message that nobody received stays in the slot.
    pub(super) fn end(&mut self, number: u32, cause: WaitError) {
        let Some(slot) = self.slot(number) else { return };
        let unseen = slot.phase == Phase::Replied && seeded(Bug::ReplyUnseen);
        if unseen {
            drop(slot.message.take());
        }
        if !slot.is_under_way() && !unseen {
            return;
        }
        let before = core::mem::replace(&mut slot.phase, Phase::Ended(End::Wait(cause)));
        if before == Phase::Queued {
            self.unlink(number);
        }
    }

    /// The answer to a call, if there is one; its slot is free then. Nobody copies from or to what was lent after an answer.
    #[inline]
    pub(super) fn answer(&mut self, number: u32) -> Option<M> {
        let free = self.free;
        let slot = self.slots.get_mut(number as usize)?;
        if slot.phase != Phase::Replied {
            return None;
        }
        if slot.retire(free) {
            self.free = number;
        }
        slot.message.take()
    }

    /// How a call ended, if it did and nobody copies from or to what was lent; its slot is free then. A message that nobody received
    /// comes back.
    pub(super) fn outcome(&mut self, number: u32) -> Option<Result<M, CallError<M>>> {
        self.answer(number).map(Ok).or_else(|| self.failure(number).map(Err))
    }

    /// As [`outcome`](Self::outcome), without an answer.
    #[cold]
    pub(super) fn failure(&mut self, number: u32) -> Option<CallError<M>> {
        let free = self.free;
        let slot = self.slots.get_mut(number as usize).filter(|slot| slot.is_over())?;
        let (phase, message) = (slot.phase, slot.message.take());
        slot.wake = None;
        if slot.retire(free) {
            self.free = number;
        }
        Some(match (phase, message) {
            (Phase::Ended(End::Wait(cause)), Some(message)) => {
                CallError::unsent(SendReason::Wait(cause), message)
            }
            (Phase::Ended(End::Wait(cause)), None) => CallError::Wait(cause),
            _ => CallError::ReplyDropped,
        })
    }

    /// Walks the invariants.
    pub(super) fn check(&mut self) -> Result<(), &'static str> {
        let (mut listed, mut next) = (0_usize, self.free);
        while let Some(slot) = self.slots.get(next as usize).filter(|_| listed <= self.slots.len()) {
            if slot.phase != Phase::Free || slot.message.is_full() {
                return Err("a call in a free slot");
            }
            (listed, next) = (listed + 1, slot.next);
        }
        for (class, list) in self.queued.iter().enumerate() {
            let (mut previous, mut next) = (NONE, list.first);
            while let Some(slot) = self.slots.get(next as usize).filter(|_| listed <= self.slots.len()) {
                if (slot.phase, slot.previous, slot.class) != (Phase::Queued, previous, class)
                    || !slot.message.is_full()
                {
                    return Err("a queued call that is linked wrongly");
                }
                (listed, previous, next) = (listed + 1, next, slot.next);
            }
            if list.last != previous || (self.urgencies & 1 << class != 0) == (list.first == NONE) {
                return Err("a list of calls that ends elsewhere");
            }
        }
        let in_lists = |slot: &&CallSlot<T, M, A>| matches!(slot.phase, Phase::Free | Phase::Queued);
        let all = self.slots.iter().filter(in_lists).filter(|slot| slot.generation < u32::MAX).count();
        if listed >= all { Ok(()) } else { Err("a call that is in no list") }
    }
}
