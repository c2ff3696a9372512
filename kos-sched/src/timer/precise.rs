//! Timers that are never late: [`PreciseQueue`], a 4-ary heap over lent slots.
//!
//! Slot `i` holds two things: the heap's entry at position `i`, and where timer `i` stands in the heap.
//!
//! Invariants (walked by [`PreciseQueue::check`]): no entry fires before its parent; entry and timer name each other; timers
//! that are not armed stand nowhere. Equal times fire in the order of the timers' numbers, so the order never depends on the
//! past.
//!
//! Source: Johnson, "Priority queues with update and finding minimum spanning trees", 1975 (d-ary heaps).

use super::{Cancel, Expiry, TimerId};
use crate::error::{QueueCorruption, TimerError};
use crate::time::Instant;

/// Children of an entry: four lie in one or two cache lines.
const ARITY: usize = 4;

/// Not in the heap.
const NOWHERE: u32 = u32::MAX;

/// When a timer fires. The order is that of the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: u64,
    timer: u32,
}

impl Entry {
    /// Stands where there is none: not before any other.
    const NONE: Self = Self { at: u64::MAX, timer: NOWHERE };
}

/// Memory for one timer of a [`PreciseQueue`].
#[derive(Clone, Copy, Debug)]
pub struct PreciseSlot {
    /// Of the heap's position with this number.
    entry: Entry,
    /// Of the timer with this number.
    position: u32,
    generation: u32,
    fired: bool,
}

impl PreciseSlot {
    /// A slot whose timer was never armed.
    pub const EMPTY: Self = Self { entry: Entry::NONE, position: NOWHERE, generation: 0, fired: false };
}

impl Default for PreciseSlot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Exact timers, numbered from 0: for sleeps, budgets and quotas. Who has number `i`, a task for instance, can always arm it.
///
/// Has no lock: it belongs under its owner's, a run queue's for instance. Takes O(log n) and never allocates.
///
/// ```
/// use kos_sched::Instant;
/// use kos_sched::timer::{Cancel, PreciseQueue, PreciseSlot};
///
/// let mut slots = [PreciseSlot::EMPTY; 8];
/// let mut timers = PreciseQueue::new(&mut slots);
/// let sleep = timers.arm(3, Instant::from_ticks(500))?;
/// let budget = timers.arm(5, Instant::from_ticks(200))?;
/// assert_eq!(timers.next_event(), Some(Instant::from_ticks(200)));
///
/// let mut fired = Vec::new();
/// let _ = timers.expire(Instant::from_ticks(300), 16, |timer| fired.push(timer));
/// assert_eq!(fired, [budget]);
/// assert_eq!(timers.cancel(sleep), Cancel::Cancelled);
/// assert_eq!(timers.cancel(budget), Cancel::Fired);
/// # Ok::<(), kos_sched::TimerError>(())
/// ```
#[derive(Debug)]
pub struct PreciseQueue<'s> {
    slots: &'s mut [PreciseSlot],
    armed: usize,
}

impl<'s> PreciseQueue<'s> {
    /// Timers numbered `0..slots.len()`, at most 2^32 - 1 of them, none armed.
    #[must_use]
    pub fn new(slots: &'s mut [PreciseSlot]) -> Self {
        let most = slots.len().min(NOWHERE as usize);
        let slots = slots.get_mut(..most).unwrap_or_default();
        slots.fill(PreciseSlot::EMPTY);
        Self { slots, armed: 0 }
    }

    /// Lets timer `timer` fire at `at`, and no longer when it was to.
    ///
    /// # Errors
    /// [`TimerError`] if there is no such timer.
    pub fn arm(&mut self, timer: u32, at: Instant) -> Result<TimerId, TimerError> {
        let slots = self.slots.len();
        let slot = self.slots.get_mut(timer as usize).ok_or(TimerError { timer, slots })?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.fired = false;
        let id = TimerId { index: timer, generation: slot.generation };
        let mut position = slot.position as usize;
        if slot.position == NOWHERE {
            position = self.armed;
            self.armed += 1;
        }
        self.settle(position, Entry { at: at.as_ticks(), timer });
        Ok(id)
    }

    /// Ends the arming `id`, if it has not fired.
    pub fn cancel(&mut self, id: TimerId) -> Cancel {
        let Some(slot) = self.slots.get(id.index as usize).filter(|slot| slot.generation == id.generation)
        else {
            return Cancel::Stale;
        };
        match slot.position {
            NOWHERE if slot.fired => Cancel::Fired,
            NOWHERE => Cancel::Stale,
            position => {
                self.remove(position as usize);
                Cancel::Cancelled
            }
        }
    }

    /// Fires, in order of time, what is due at `now`: calls `fire` for each, at most `limit` times.
    pub fn expire(&mut self, now: Instant, limit: usize, mut fire: impl FnMut(TimerId)) -> Expiry {
        let mut fired = 0;
        while fired < limit
            && let Some(id) = self.pop_due(now)
        {
            fire(id);
            fired += 1;
        }
        Expiry { fired, more: fired == limit && self.first().at <= now.as_ticks() && self.armed > 0 }
    }

    /// The next timer that is due at `now`. It has fired; the caller may arm any before he asks again.
    pub fn pop_due(&mut self, now: Instant) -> Option<TimerId> {
        let Entry { at, timer } = self.first();
        if self.armed == 0 || at > now.as_ticks() {
            return None;
        }
        self.remove(0);
        let slot = self.slots.get_mut(timer as usize)?;
        slot.fired = true;
        Some(TimerId { index: timer, generation: slot.generation })
    }

    /// When the next timer fires.
    #[must_use]
    pub fn next_event(&self) -> Option<Instant> {
        (self.armed > 0).then(|| Instant::from_ticks(self.first().at))
    }

    /// Timers that are armed.
    #[must_use]
    pub const fn armed(&self) -> usize {
        self.armed
    }

    /// Walks every invariant. Takes time in proportion to the slots.
    ///
    /// # Errors
    /// [`QueueCorruption`] names the first slot that breaks one.
    pub fn check(&self) -> Result<(), QueueCorruption> {
        let bad = |position: usize, what| QueueCorruption { what, index: position };
        for position in 0..self.armed {
            let entry = self.entry(position);
            if position > 0 && entry < self.entry((position - 1) / ARITY) {
                return Err(bad(position, "a timer that fires before its parent"));
            }
            let slot = self.slots.get(entry.timer as usize);
            if slot.is_none_or(|slot| slot.position as usize != position) {
                return Err(bad(position, "a timer that stands elsewhere"));
            }
        }
        let armed = self.slots.iter().filter(|slot| slot.position != NOWHERE).count();
        if armed != self.armed { Err(bad(armed, "a timer that is not in the heap")) } else { Ok(()) }
    }

    fn first(&self) -> Entry {
        self.entry(0)
    }

    /// What stands at `position`; nothing behind the end.
    fn entry(&self, position: usize) -> Entry {
        if position < self.armed {
            self.slots.get(position).map_or(Entry::NONE, |slot| slot.entry)
        } else {
            Entry::NONE
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "there are less than 2^32 slots")]
    fn place(&mut self, position: usize, entry: Entry) {
        if let Some(slot) = self.slots.get_mut(position) {
            slot.entry = entry;
        }
        if let Some(slot) = self.slots.get_mut(entry.timer as usize) {
            slot.position = position as u32;
        }
    }

    /// Takes out what stands at `position`; the last entry comes in its place.
    fn remove(&mut self, position: usize) {
        let gone = self.entry(position);
        let last = self.entry(self.armed - 1);
        self.armed -= 1;
        if let Some(slot) = self.slots.get_mut(gone.timer as usize) {
            slot.position = NOWHERE;
        }
        if last != gone {
            self.settle(position, last);
        }
    }

    /// Puts `entry` where it belongs, given that `position` is free.
    fn settle(&mut self, mut position: usize, entry: Entry) {
        while position > 0 && entry < self.entry((position - 1) / ARITY) {
            self.place(position, self.entry((position - 1) / ARITY));
            position = (position - 1) / ARITY;
        }
        while let (least, child) = self.least_child(position)
            && child < entry
        {
            self.place(position, child);
            position = least;
        }
        self.place(position, entry);
    }

    fn least_child(&self, position: usize) -> (usize, Entry) {
        let first = position.saturating_mul(ARITY).saturating_add(1);
        let (mut least, mut child) = (first, self.entry(first));
        for other in first + 1..first.saturating_add(ARITY) {
            let entry = self.entry(other);
            if entry < child {
                (least, child) = (other, entry);
            }
        }
        (least, child)
    }
}

#[cfg(test)]
mod tests {
    use super::{PreciseQueue, PreciseSlot};
    use crate::time::Instant;

    #[test]
    fn a_heap_out_of_order_is_seen() {
        let mut slots = [PreciseSlot::EMPTY; 8];
        let mut queue = PreciseQueue::new(&mut slots);
        (0..8).for_each(|timer| _ = queue.arm(timer, Instant::from_ticks(u64::from(timer))).unwrap());
        assert_eq!(queue.check(), Ok(()));
        queue.slots[7].entry.at = 0;
        assert!(queue.check().is_err());
        queue.slots[7].entry.at = 9;
        queue.slots[3].position = 4;
        assert!(queue.check().is_err());
    }
}
