//! A place for one call: [`CallSlot`].

use core::fmt;

use super::lease::{Lease, Lent, MAX_LEASES};
use super::place::Place;
use super::table::NONE;
use crate::error::WaitError;
use crate::wait::Wake;

/// How a call ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Wait(WaitError),
    ReplyDropped,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Free,
    /// In the list of its urgency, with its message.
    Queued,
    /// Given to a receiver that waited and has not taken it, with its message.
    Given,
    Served,
    /// With the answer.
    Replied,
    /// With the message, if nobody received it.
    Ended(End),
}

/// Names a call; stale when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl Ticket {
    /// No call's.
    pub(super) const NONE: Self = Self { slot: NONE, generation: 0 };
}

/// A place for one call, from its beginning to its end.
pub struct CallSlot<T, M, A = ()> {
    pub(super) generation: u32,
    pub(super) phase: Phase,
    /// What was sent, then what was answered.
    pub(super) message: Place<M>,
    pub(super) wake: Option<Wake<T>>,
    pub(super) badge: u64,
    pub(super) class: usize,
    pub(super) previous: u32,
    pub(super) next: u32,
    pub(super) memory: Option<A>,
    /// None, if no memory was lent.
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
            message: Place::EMPTY,
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

    /// Whether somebody waits here whose call has not ended.
    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Queued | Phase::Given | Phase::Served)
    }

    /// Whether it ended without an answer, and nobody copies from or to what was lent.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended(_)) && self.copies == 0
    }

    /// Ends the call with an answer. Says whom to wake.
    #[inline]
    pub(super) fn answer(&mut self, message: M) -> Option<Wake<T>> {
        self.phase = Phase::Replied;
        self.message.put(message);
        self.wake.take()
    }

    /// Makes it free, in front of `next`; false if its generations are used up. Who was to be woken has been, or is nobody.
    #[inline]
    pub(super) fn retire(&mut self, next: u32) -> bool {
        self.phase = Phase::Free;
        if self.memory.is_some() {
            (self.memory, self.leases) = (None, [None; MAX_LEASES]);
        }
        let Some(generation) = self.generation.checked_add(1) else { return false };
        (self.generation, self.next) = (generation, next);
        true
    }

    /// Remembers what the caller lends.
    #[cold]
    pub(super) fn lend(&mut self, lent: Lent<'_, A>) {
        self.leases.iter_mut().zip(lent.leases).for_each(|(place, lease)| *place = Some(*lease));
        self.memory = Some(lent.memory);
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
