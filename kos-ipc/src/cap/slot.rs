//! One place for a capability, and the word that says who may touch it: [`CapSlot`].
//!
//! ```text
//!  63          32 31    28 27          0
//! | generation   | state  | pins        |     FREE -> LIVE -> CLOSING -> EMPTYING -> FREE of the next generation
//!                                                   | ^      ^
//!                                                   v |      |
//!                                                   HELD ────┘
//! ```
//!
//! A lookup adds a pin and reads the word in one step. If generation and state are what it wants, the slot is pinned; if not, it
//! takes the pin away and has touched nothing. So close and lookup cannot miss each other: one of the two comes first on the word.
//!
//! Invariants, on which the unsafe code rests:
//! 1. Only the holder of the space's lock makes a slot LIVE, HELD or CLOSING. It fills the slot before it makes it LIVE, with
//!    Release. A slot is HELD for one transfer, which alone makes it LIVE again, or CLOSING.
//! 2. What is in the slot is read only by who pinned it LIVE, and until he unpins it, and by the transfer for which it is HELD,
//!    while it is. A pin that was added to anything else is
//!    taken away again and counts for nothing, but may delay the end of a close: whoever takes the last pin of a CLOSING slot
//!    away ends it.
//! 3. One compare-and-swap from CLOSING without pins to EMPTYING succeeds; its caller alone touches what is in the slot, until he
//!    makes it FREE.
//! 4. Half of the pins are never handed out, so that those of lookups that fail cannot carry into the state.

use core::fmt;

use super::cell::{NONE, Stamp};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::sync::{Bug, UnsafeCell, const_fn, seeded};

const FREE: u64 = 0;
const LIVE: u64 = 1;
const CLOSING: u64 = 2;
const EMPTYING: u64 = 3;
/// All generations are used.
const RETIRED: u64 = 4;
/// On its way to another space, or back.
const HELD: u64 = 5;

const STATE_SHIFT: u32 = 28;
const GENERATION_SHIFT: u32 = 32;
const PINS: u64 = (1 << STATE_SHIFT) - 1;
/// Pins that are handed out at most.
const HALF: u64 = 1 << (STATE_SHIFT - 1);

const fn word(generation: u32, state: u64) -> u64 {
    (generation as u64) << GENERATION_SHIFT | state << STATE_SHIFT
}

const fn generation_of(word: u64) -> u32 {
    (word >> GENERATION_SHIFT) as u32
}

const fn state_of(word: u64) -> u64 {
    word >> STATE_SHIFT & 0xf
}

/// A place for one capability.
pub struct CapSlot<O> {
    word: AtomicU64,
    /// Changed while it is LIVE by narrowing only.
    rights: AtomicU32,
    badge: AtomicU64,
    kind: AtomicU32,
    /// The [`Stamp`] of the capability.
    under: AtomicU64,
    /// The cell by which what is made of it is revoked.
    own: AtomicU32,
    object: UnsafeCell<Option<O>>,
    /// Of a FREE slot: the next free one. For the holder of the space's lock.
    next: AtomicU32,
}

// SAFETY: an object is shared between those who pinned the slot, and goes from the thread that filled it to the one that empties
// it (invariants 1 to 3).
unsafe impl<O: Send + Sync> Sync for CapSlot<O> {}

/// Why a slot was not pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PinError {
    /// Not of that generation. If `last`, the caller tries to [`empty`](CapSlot::empty) the slot: it is closing.
    Stale {
        last: bool,
    },
    TooMany,
}

/// What is known of a capability without its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) rights: u32,
    pub(super) badge: u64,
    pub(super) kind: u32,
    pub(super) under: Stamp,
}

impl<O> CapSlot<O> {
    const_fn! {
        /// Free.
        #[must_use]
        pub fn new() -> Self {
            Self {
                word: AtomicU64::new(0),
                rights: AtomicU32::new(0),
                badge: AtomicU64::new(0),
                kind: AtomicU32::new(0),
                under: AtomicU64::new(Stamp::FREE.word()),
                own: AtomicU32::new(NONE),
                object: UnsafeCell::new(None),
                next: AtomicU32::new(0),
            }
        }
    }

    /// The generation that is there or comes next; `None` if all are used.
    pub(super) fn generation(&self) -> Option<u32> {
        let word = self.word.load(Ordering::Relaxed);
        (state_of(word) != RETIRED).then_some(generation_of(word))
    }

    pub(super) fn is_live(&self) -> bool {
        state_of(self.word.load(Ordering::Relaxed)) == LIVE
    }

    pub(super) fn is_free(&self) -> bool {
        state_of(self.word.load(Ordering::Relaxed)) == FREE
    }

    pub(super) fn is_live_of(&self, generation: u32) -> bool {
        self.word.load(Ordering::Acquire) & !PINS == word(generation, LIVE)
    }

    pub(super) fn next(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }

    pub(super) fn set_next(&self, next: u32) {
        self.next.store(next, Ordering::Relaxed);
    }

    /// Makes a free slot hold a capability. Returns its generation. For the holder of the space's lock, who has the slot from
    /// the list of those that are free.
    pub(super) fn fill(&self, object: O, facts: Facts, own: u32) -> u32 {
        self.object.with_mut(|place| {
            // SAFETY: the slot is free, so nobody reads it, and the caller has the lock: nobody else fills it (invariants 1, 2).
            unsafe { *place = Some(object) }
        });
        // Who reads what is written below sees, after his own fence, that the generation before is gone.
        if !seeded(Bug::FactsUnfenced) {
            fence(Ordering::Release);
        }
        self.rights.store(facts.rights, Ordering::Relaxed);
        self.badge.store(facts.badge, Ordering::Relaxed);
        self.kind.store(facts.kind, Ordering::Relaxed);
        self.under.store(facts.under.word(), Ordering::Relaxed);
        self.own.store(own, Ordering::Relaxed);
        let old = self.word.fetch_add((LIVE - FREE) << STATE_SHIFT, Ordering::Release);
        generation_of(old)
    }

    /// What is known of the capability of `generation`, and what `look` finds at its stamp meanwhile: loads only.
    #[inline]
    pub(super) fn facts<R>(&self, generation: u32, look: impl FnOnce(Stamp) -> R) -> Option<(Facts, R)> {
        if !self.is_live_of(generation) {
            return None;
        }
        let facts = self.read();
        let found = look(facts.under);
        // Orders the loads above before the one below: what was read is of that generation if it is still there.
        fence(Ordering::Acquire);
        self.is_live_of(generation).then_some((facts, found))
    }

    /// Pins the slot if it is live and of `generation`.
    #[inline]
    pub(super) fn pin(&self, generation: u32) -> Result<(), PinError> {
        let old = self.word.fetch_add(1, Ordering::Acquire);
        if old & !(HALF - 1) == word(generation, LIVE) {
            return Ok(());
        }
        let last = self.unpin() && !seeded(Bug::FailedPinForgotten);
        Err(if old & !PINS == word(generation, LIVE) { PinError::TooMany } else { PinError::Stale { last } })
    }

    /// Takes a pin away. True if the slot is closing and this was the last: the caller tries to [`empty`](Self::empty) it.
    #[inline]
    pub(super) fn unpin(&self) -> bool {
        let old = self.word.fetch_sub(1, Ordering::Release);
        old & PINS == 1 && state_of(old) == CLOSING
    }

    /// Begins to close: nobody pins it any more. False if `generation` is not there. For the holder of the space's lock.
    pub(super) fn close(&self, generation: u32) -> bool {
        let live = self.is_live_of(generation);
        if live {
            self.word.fetch_add((CLOSING - LIVE) << STATE_SHIFT, Ordering::Relaxed);
        }
        live
    }

    /// Keeps a capability for a transfer: nobody pins it until that ends. False if `generation` is not there. For the holder of
    /// the space's lock.
    pub(super) fn hold(&self, generation: u32) -> bool {
        let live = self.is_live_of(generation);
        if live {
            self.word.fetch_add((HELD - LIVE) << STATE_SHIFT, Ordering::Relaxed);
        }
        live
    }

    /// Lets a held capability be used again. For the transfer that holds it, under the space's lock.
    pub(super) fn unhold(&self) {
        self.word.fetch_sub((HELD - LIVE) << STATE_SHIFT, Ordering::Release);
    }

    /// Begins to close a held capability. For the transfer that holds it, under the space's lock.
    pub(super) fn close_held(&self) {
        self.word.fetch_sub((HELD - CLOSING) << STATE_SHIFT, Ordering::Relaxed);
    }

    /// Takes the object out of a closing slot, and by what it is revoked and revokes, if nobody holds it any more; the caller frees
    /// the slot then.
    pub(super) fn empty(&self) -> Option<(O, Stamp, u32)> {
        let now = self.word.load(Ordering::Relaxed);
        let pinned = now & PINS != 0 && !seeded(Bug::EmptiedWhilePinned);
        if state_of(now) != CLOSING || pinned {
            return None;
        }
        let emptying = now + ((EMPTYING - CLOSING) << STATE_SHIFT);
        self.word.compare_exchange(now, emptying, Ordering::Acquire, Ordering::Relaxed).ok()?;
        let object = self.object.with_mut(|place| {
            // SAFETY: the caller alone made it EMPTYING, without pins, so nobody else touches it (invariant 3).
            unsafe { (*place).take() }
        });
        Some((object?, self.read().under, self.own()))
    }

    /// Makes an emptied slot free for its next generation; false if it had its last and retires.
    pub(super) fn free(&self) -> bool {
        let generation = generation_of(self.word.load(Ordering::Relaxed));
        let (now, next) = match generation.checked_add(1) {
            Some(next) if !seeded(Bug::GenerationKept) => (word(generation, EMPTYING), word(next, FREE)),
            Some(_) => (word(generation, EMPTYING), word(generation, FREE)),
            None => (word(generation, EMPTYING), word(generation, RETIRED)),
        };
        // Added, not stored: lookups that fail come and go.
        self.word.fetch_add(next.wrapping_sub(now), Ordering::Release);
        generation < u32::MAX
    }

    /// Lets the holder of a capability do less.
    pub(super) fn narrow(&self, rights: u32) {
        self.rights.fetch_and(rights, Ordering::Relaxed);
    }

    /// What is in a slot that the caller has pinned, or holds.
    ///
    /// # Safety
    /// The caller has pinned it, or holds it, and keeps it so as long as the reference is used.
    #[inline]
    pub(super) unsafe fn object(&self) -> Option<&O> {
        self.object.with(|place| {
            // SAFETY: it is pinned or held, so it is read only (invariant 2), from after it was filled, as Acquire on the word says.
            unsafe { (*place).as_ref() }
        })
    }

    /// The facts of a pinned or held slot.
    #[inline]
    pub(super) fn read(&self) -> Facts {
        Facts {
            rights: self.rights.load(Ordering::Relaxed),
            badge: self.badge.load(Ordering::Relaxed),
            kind: self.kind.load(Ordering::Relaxed),
            under: Stamp::of(self.under.load(Ordering::Relaxed)),
        }
    }

    /// The cell that the capability in a pinned or held slot owns.
    #[inline]
    pub(super) fn own(&self) -> u32 {
        self.own.load(Ordering::Relaxed)
    }

    /// Starts at `generation`, so that tests see it retire.
    #[cfg(test)]
    pub(crate) fn starting_at(self, generation: u32) -> Self {
        self.word.store(word(generation, FREE), Ordering::Relaxed);
        self
    }
}

impl<O> Default for CapSlot<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> fmt::Debug for CapSlot<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.load(Ordering::Relaxed);
        let (generation, state) = (generation_of(word), state_of(word));
        f.debug_struct("CapSlot")
            .field("generation", &generation)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
