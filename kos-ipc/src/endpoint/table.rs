//! Calls under way, in lent slots: [`CallSlot`], `Table`.
//!
//! Invariants: a slot is free and in the list of free ones, or QUEUED and in the list of its urgency, or in no list; a slot's
//! generation grows whenever it is freed, and a slot whose generations are used up is in no list for good.

use core::fmt;

use super::lease::{Lease, MAX_LEASES};
use crate::error::WaitError;
use crate::sync::{Bug, seeded};
use crate::wait::Wake;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// Urgencies that are told apart.
pub(super) const CLASSES: usize = 8;

/// How a call ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Wait(WaitError),
    ReplyDropped,
}

/// Where a call stands.
pub(super) enum Phase<M> {
    Free,
    Queued(M),
    Served,
    Replied(M),
    /// With the message, if nobody received it.
    Ended(End, Option<M>),
}

/// A place for one call, from its beginning to its end.
pub struct CallSlot<T, M, A = ()> {
    pub(super) generation: u32,
    pub(super) phase: Phase<M>,
    pub(super) wake: Option<Wake<T>>,
    pub(super) badge: u64,
    pub(super) class: usize,
    pub(super) previous: u32,
    pub(super) next: u32,
    pub(super) memory: Option<A>,
    pub(super) leases: [Option<Lease>; MAX_LEASES],
    /// Copies from or to lent memory that are under way.
    pub(super) copies: u32,
}

impl<T, M, A> CallSlot<T, M, A> {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            generation: 0,
            phase: Phase::Free,
            wake: None,
            badge: 0,
            class: 0,
            previous: NONE,
            next: NONE,
            memory: None,
            leases: [None; MAX_LEASES],
            copies: 0,
        }
    }
}

impl<T, M, A> CallSlot<T, M, A> {
    /// Whether somebody waits here whose call has not ended.
    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Queued(_) | Phase::Served)
    }
}

impl<T, M, A> Default for CallSlot<T, M, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, M, A> fmt::Debug for CallSlot<T, M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallSlot").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// First and last of a list of slots.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

/// What the endpoint's lock guards.
pub(super) struct Table<'e, T, M, A> {
    pub(super) slots: &'e mut [CallSlot<T, M, A>],
    free: u32,
    queued: [List; CLASSES],
    pub(super) closed: bool,
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
        Self { slots, free, queued: [List { first: NONE, last: NONE }; CLASSES], closed: false, server: None }
    }

    pub(super) fn slot(&mut self, number: u32) -> Option<&mut CallSlot<T, M, A>> {
        self.slots.get_mut(number as usize)
    }

    /// The slot of a call that is being served, if it is still that of `generation`.
    pub(super) fn served(&mut self, number: u32, generation: u32) -> Option<&mut CallSlot<T, M, A>> {
        let slot = self.slot(number)?;
        (slot.generation == generation && matches!(slot.phase, Phase::Served)).then_some(slot)
    }

    /// Puts a call at the end of its list. The message comes back if no slot is free.
    pub(super) fn push(
        &mut self,
        message: M,
        class: usize,
        fill: impl FnOnce(&mut CallSlot<T, M, A>),
    ) -> Result<u32, M> {
        let (number, class) = (self.free, class.min(CLASSES - 1));
        let last = self.queued.get(class).map_or(NONE, |list| list.last);
        let Some(slot) = self.slots.get_mut(number as usize) else { return Err(message) };
        self.free = slot.next;
        (slot.phase, slot.class, slot.copies) = (Phase::Queued(message), class, 0);
        (slot.previous, slot.next) = (last, NONE);
        fill(slot);
        self.link(last, class, number, |slot, to| slot.next = to);
        self.set_last(class, number);
        Ok(number)
    }

    /// Lets what stands before a place, another slot or the list itself, point to `to`.
    fn link(&mut self, before: u32, class: usize, to: u32, set: impl FnOnce(&mut CallSlot<T, M, A>, u32)) {
        match self.slots.get_mut(before as usize) {
            Some(slot) => set(slot, to),
            None => self.queued.get_mut(class).into_iter().for_each(|list| list.first = to),
        }
    }

    fn set_last(&mut self, class: usize, to: u32) {
        self.queued.get_mut(class).into_iter().for_each(|list| list.last = to);
    }

    /// Takes a queued call from its list.
    pub(super) fn unlink(&mut self, number: u32) {
        let Some(slot) = self.slot(number) else { return };
        let (previous, next, class) = (slot.previous, slot.next, slot.class);
        (slot.previous, slot.next) = (NONE, NONE);
        self.link(previous, class, next, |slot, to| slot.next = to);
        match self.slot(next) {
            Some(next) => next.previous = previous,
            None => self.set_last(class, previous),
        }
    }

    /// Whether a call can be received.
    pub(super) fn has_queued(&self) -> bool {
        self.queued.iter().any(|list| list.first != NONE)
    }

    /// The most urgent queued call, of those the first; it is served from now on. Its message, badge and generation.
    pub(super) fn pop(&mut self) -> Option<(u32, M, u64, u32)> {
        let number = self.queued.iter().rev().map(|list| list.first).find(|&first| first != NONE)?;
        self.unlink(number);
        let slot = self.slot(number)?;
        let Phase::Queued(message) = core::mem::replace(&mut slot.phase, Phase::Served) else { return None };
        Some((number, message, slot.badge, slot.generation))
    }

    /// Ends a call for `cause`, unless it has ended.
    pub(super) fn end(&mut self, number: u32, cause: WaitError) {
        let Some(slot) = self.slot(number) else { return };
        let unseen = matches!(slot.phase, Phase::Replied(_)) && seeded(Bug::ReplyUnseen);
        if !slot.is_under_way() && !unseen {
            return;
        }
        let before = core::mem::replace(&mut slot.phase, Phase::Ended(End::Wait(cause), None));
        let Phase::Queued(message) = before else { return };
        slot.phase = Phase::Ended(End::Wait(cause), Some(message));
        self.unlink(number);
    }

    /// Frees the slot of a call that is in no list; its token is stale from now on.
    pub(super) fn release(&mut self, number: u32) {
        let free = self.free;
        let Some(slot) = self.slot(number) else { return };
        (slot.phase, slot.wake, slot.memory) = (Phase::Free, None, None);
        slot.leases = [None; MAX_LEASES];
        let Some(generation) = slot.generation.checked_add(1) else { return };
        (slot.generation, slot.next) = (generation, free);
        self.free = number;
    }

    /// Walks the invariants.
    pub(super) fn check(&mut self) -> Result<(), &'static str> {
        let (mut listed, mut next) = (0_usize, self.free);
        while let Some(slot) = self.slots.get(next as usize).filter(|_| listed <= self.slots.len()) {
            if !matches!(slot.phase, Phase::Free) {
                return Err("a call in a free slot");
            }
            (listed, next) = (listed + 1, slot.next);
        }
        for (class, list) in self.queued.iter().enumerate() {
            let (mut previous, mut next) = (NONE, list.first);
            while let Some(slot) = self.slots.get(next as usize).filter(|_| listed <= self.slots.len()) {
                if !matches!(slot.phase, Phase::Queued(_)) || (slot.previous, slot.class) != (previous, class)
                {
                    return Err("a queued call that is linked wrongly");
                }
                (listed, previous, next) = (listed + 1, next, slot.next);
            }
            if list.last != previous {
                return Err("a list of calls that ends elsewhere");
            }
        }
        let in_lists = |slot: &&CallSlot<T, M, A>| matches!(slot.phase, Phase::Free | Phase::Queued(_));
        let all = self.slots.iter().filter(in_lists).filter(|slot| slot.generation < u32::MAX).count();
        if listed >= all { Ok(()) } else { Err("a call that is in no list") }
    }
}
