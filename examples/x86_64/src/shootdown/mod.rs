//! TLB shootdown between CPUs: who changed the page tables waits until every other CPU has forgotten the old translations.
//!
//! Each CPU has a [`Slot`]. An initiator writes what to invalidate into its own, leaves its number in the inbox of each target
//! and interrupts it; a target invalidates, then takes itself out of the initiator's set. Any number of CPUs may do that at once:
//! each has one request of its own, and whoever waits, for acknowledgements here or for a lock elsewhere, serves his own
//! inbox meanwhile ([`serve`]). So it works with interrupts masked on all sides.
//!
//! Order: the tables are written before the inbox is, and an inbox is emptied before anything is invalidated; a target
//! invalidates before it takes itself out, and the initiator goes on after it has seen that.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::cpu_set::CpuSet;

/// What to invalidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Some pages: the first address, the distance from one to the next, how many.
    Pages {
        /// First address.
        first: u64,
        /// Bytes from one to the next.
        stride: u64,
        /// How many, at least one.
        count: u64,
    },
    /// Everything.
    All,
    /// What the machine knows by this number.
    Request(u64),
}

/// No request has so many pages.
const REQUEST: u64 = u64::MAX;

/// One CPU's part.
#[derive(Debug)]
pub struct Slot {
    /// The request of this CPU: [`Stale::Pages`], with a count of 0 [`Stale::All`], with one that no pages have
    /// [`Stale::Request`]. Only this CPU writes it, and only while nobody is in `waiting`.
    request: [AtomicU64; 3],
    /// Who has not yet done what this CPU requests.
    waiting: CpuSet,
    /// Who requests something of this CPU.
    inbox: CpuSet,
}

impl Slot {
    /// A CPU that requests nothing and of which nothing is requested.
    #[must_use]
    pub const fn new() -> Self {
        Self { request: [const { AtomicU64::new(0) }; 3], waiting: CpuSet::new(), inbox: CpuSet::new() }
    }

    fn write(&self, stale: Stale) {
        let words = match stale {
            Stale::Pages { first, stride, count } => [first, stride, count],
            Stale::All => [0; 3],
            Stale::Request(number) => [number, 0, REQUEST],
        };
        for (cell, word) in self.request.iter().zip(words) {
            cell.store(word, Relaxed);
        }
    }

    fn read(&self) -> Stale {
        let [first, stride, count] = self.request.each_ref().map(|cell| cell.load(Relaxed));
        match count {
            0 => Stale::All,
            REQUEST => Stale::Request(first),
            count => Stale::Pages { first, stride, count },
        }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

/// The CPUs as the protocol sees them.
pub trait Cpus {
    /// The slot of `cpu`.
    fn slot(&self, cpu: u32) -> Option<&Slot>;
    /// Makes `cpu` call [`serve`] soon.
    fn interrupt(&self, cpu: u32);
    /// Makes the calling CPU forget translations, at once.
    fn invalidate(&self, stale: Stale);
    /// Called between two looks while the calling CPU waits.
    fn pause(&self);
}

/// Invalidates `stale` on the calling CPU `own` and on all in `targets`; returns when they have done it. Nothing on this CPU may
/// call it again before it returns: interrupts are masked.
pub fn shoot(cpus: &impl Cpus, own: u32, targets: impl Iterator<Item = u32>, stale: Stale) {
    let Some(slot) = cpus.slot(own) else { return cpus.invalidate(stale) };
    slot.write(stale);
    for target in targets.filter(|&target| target != own) {
        let Some(other) = cpus.slot(target) else { continue };
        slot.waiting.insert(target);
        other.inbox.insert(own);
        cpus.interrupt(target);
    }
    cpus.invalidate(stale);
    while !slot.waiting.is_empty() {
        serve(cpus, own);
        cpus.pause();
    }
}

/// Does what others request of the calling CPU `own`.
pub fn serve(cpus: &impl Cpus, own: u32) {
    let Some(slot) = cpus.slot(own) else { return };
    for from in slot.inbox.take() {
        let Some(initiator) = cpus.slot(from) else { continue };
        cpus.invalidate(initiator.read());
        initiator.waiting.remove(own);
    }
}

#[cfg(test)]
mod tests;
