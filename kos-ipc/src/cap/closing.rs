//! Closing capabilities, one and all: `close`, [`Closing`].

use core::fmt;

use super::error::CapError;
use super::id::CapId;
use super::lineage::Lineage;
use super::lookup::stale;
use super::slot::CapSlot;
use super::space::{CapSpace, Object};
use crate::ports::Env;
use crate::quota::Resource;
use crate::wait::Progress;

impl<E: Env, O: Object> CapSpace<'_, E, O> {
    /// Closes a capability: nobody finds it any more. The object is dropped here, or where the last guard is. Needs no right. What
    /// was made of it stays, and goes when what it was made of is revoked.
    ///
    /// # Errors
    /// [`CapError::Malformed`], [`CapError::Stale`]
    pub fn close(&self, id: CapId) -> Result<(), CapError> {
        let (name, slot) = self.open(id)?;
        let (facts, ()) = slot.facts(name.generation, |_| ()).ok_or(stale(name))?;
        if facts.kind != u32::from(name.kind) {
            return Err(CapError::Malformed);
        }
        if self.close_slot(name.slot, slot, name.generation) { Ok(()) } else { Err(stale(name)) }
    }

    /// Seals the space and begins to close all that is in it, a bounded number at a time.
    pub fn close_all(&self) -> Closing<'_, E, O> {
        self.seal();
        Closing { space: self, next: 0 }
    }

    /// False if `generation` is not there.
    fn close_slot(&self, number: u32, slot: &CapSlot<O>, generation: u32) -> bool {
        let closed = self.books.with(|books| {
            let closed = slot.close(generation);
            books.stats.live -= usize::from(closed);
            closed
        });
        if closed {
            self.end_close(number, slot);
        }
        closed
    }

    /// Ends a close, if nobody holds the slot any more.
    pub(super) fn end_close(&self, number: u32, slot: &CapSlot<O>) {
        let Some((object, under, own)) = slot.empty() else { return };
        let usable = slot.free();
        self.books.with(|books| match usable {
            true => books.put_free(number, slot),
            false => books.stats.retired += 1,
        });
        self.quota.refund(Resource::Slots, 1);
        drop(Lineage::left_in(self.cells, under, own));
        drop(object);
    }
}

/// The end of a process: what its space holds is closed step by step.
#[must_use = "nothing is closed but by its steps"]
pub struct Closing<'a, E: Env, O: Object> {
    space: &'a CapSpace<'a, E, O>,
    next: u32,
}

impl<E: Env, O: Object> Closing<'_, E, O> {
    /// Looks at `budget` slots and closes what is there. What a transfer holds just then is left to that.
    pub fn step(&mut self, budget: u32) -> Progress {
        for number in self.next..self.next.saturating_add(budget) {
            let Some(slot) = self.space.slots.get(number as usize) else { return Progress::Done };
            if let Some(generation) = slot.generation() {
                self.space.close_slot(number, slot, generation);
            }
            self.next = number + 1;
        }
        Progress::More
    }
}

impl<E: Env, O: Object> fmt::Debug for Closing<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("next", &self.next).finish_non_exhaustive()
    }
}

impl<E: Env, O: Object> Drop for CapSpace<'_, E, O> {
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, any(loom, shuttle)))]
        if std::thread::panicking() {
            return;
        }
        let mut closing = self.close_all();
        while closing.step(u32::MAX) == Progress::More {}
    }
}
