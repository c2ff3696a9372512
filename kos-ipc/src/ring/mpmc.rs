//! Many producers, many consumers: [`Mpmc`].
//!
//! Each slot has a sequence number that says for whose turn it is: `i` for the push of index `i`, `i + 1` for its pop, and after that
//! `i + capacity` for the next push there. A side claims an index by compare-and-swap when the number says that it is its turn, touches the
//! slot, and then writes the next number with Release.
//!
//! Who stands between claim and number keeps its slot back: it is not lock-free. Whoever comes to that slot is told `Busy` after a bounded
//! number of steps; all other slots go on.
//!
//! Invariant, on which the unsafe code rests: of all sides one claims an index; it alone touches the slot until it has written the next
//! number; an item is in a slot exactly while its number is `i + 1` for an index `i` of that slot.

use core::error::Error;
use core::fmt;

use super::index::Shape;
use super::slots::Slot;
use super::{CapacityError, Padded, index};
use crate::sync::atomic::{AtomicUsize, Ordering, fence, spin};
use crate::sync::{Bug, const_fn, seeded};

/// Looks at slots in one call at most.
const STEPS: u32 = if cfg!(loom) { 3 } else { 12 };

/// The pauses between looks double up to this power of two: who looks at once again takes the line from who writes it. All of a
/// call are 255 at most.
const LONGEST: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 5 };

/// Pauses behind look number `step`.
fn back_off(step: u32) {
    (0..1 << step.min(LONGEST)).for_each(|_| spin());
}

/// A place for one item and its sequence number.
#[derive(Debug)]
pub struct MpmcSlot<T> {
    turn: AtomicUsize,
    slot: Slot<T>,
}

impl<T> MpmcSlot<T> {
    const_fn! {
        /// Nothing in it.
        #[must_use]
        pub fn new() -> Self {
            Self { turn: AtomicUsize::new(0), slot: Slot::new() }
        }
    }
}

impl<T> Default for MpmcSlot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A ring between any number of producers and consumers.
///
/// ```
/// use kos_ipc::ring::{Mpmc, MpmcSlot, PopError, PushError};
///
/// let mut slots = [const { MpmcSlot::new() }; 2];
/// let ring = Mpmc::new(&mut slots).unwrap();
/// assert!(ring.push(1).is_ok() && ring.push(2).is_ok());
/// assert_eq!(ring.push(3), Err(PushError::Full(3)));
/// assert_eq!((ring.pop(), ring.pop(), ring.pop()), (Ok(1), Ok(2), Err(PopError::Empty)));
/// ```
pub struct Mpmc<'s, T> {
    tail: Padded<AtomicUsize>,
    head: Padded<AtomicUsize>,
    slots: &'s [MpmcSlot<T>],
    shape: Shape,
}

/// Why an item was not put in; it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError<T> {
    /// There are as many items as places.
    Full(T),
    /// There is room, but somebody stands in the middle of a pop where the item would go, or others were always faster. Trying again
    /// is for a thread; an interrupt handler may have interrupted that somebody.
    Busy(T),
}

impl<T> PushError<T> {
    /// The item.
    pub fn into_item(self) -> T {
        match self {
            Self::Full(item) | Self::Busy(item) => item,
        }
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the ring is full",
            Self::Busy(_) => "somebody is in the middle of a pop",
        })
    }
}

impl<T: fmt::Debug> Error for PushError<T> {}

/// Why no item was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopError {
    /// There is none.
    Empty,
    /// There is one, but somebody stands in the middle of its push, or others were always faster.
    Busy,
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the ring is empty",
            Self::Busy => "somebody is in the middle of a push",
        })
    }
}

impl Error for PopError {}

/// An index that the caller has claimed, with its slot.
struct Claim<'r, T> {
    slot: &'r MpmcSlot<T>,
    index: usize,
}

/// Why no index could be claimed.
enum Unclaimed {
    /// The other side has not come so far.
    Nothing,
    Busy,
}

impl<'s, T> Mpmc<'s, T> {
    /// An empty ring in `slots`, as many as a power of two of at least 2.
    ///
    /// # Errors
    /// [`CapacityError`]
    pub fn new(slots: &'s mut [MpmcSlot<T>]) -> Result<Self, CapacityError> {
        let found = Shape::new(slots.len()).filter(|shape| shape.capacity() > 1);
        let shape = found.ok_or(CapacityError { len: slots.len() })?;
        let ring =
            Self { tail: Padded(AtomicUsize::new(0)), head: Padded(AtomicUsize::new(0)), slots, shape };
        ring.number(0);
        Ok(ring)
    }

    /// Lets it be the turn of the indices from `first` on. For who has the ring alone.
    fn number(&self, first: usize) {
        for index in (0..self.shape.capacity()).map(|at| first.wrapping_add(at)) {
            self.slot(index).turn.store(index, Ordering::Relaxed);
        }
    }

    /// Starts at `index` in place of 0, so that tests see it wrap.
    #[cfg(test)]
    pub(crate) fn starting_at(mut self, index: usize) -> Self {
        (self.tail, self.head) = (Padded(AtomicUsize::new(index)), Padded(AtomicUsize::new(index)));
        self.number(index);
        self
    }

    /// Puts `item` in. Any context, a bounded number of steps.
    ///
    /// # Errors
    /// [`PushError`], with the item. It is full only if a moment ago there were as many items as places.
    #[inline]
    pub fn push(&self, item: T) -> Result<(), PushError<T>> {
        match self.claim(&self.tail.0, 0, |index| self.is_full(index)) {
            Ok(claim) => {
                // SAFETY: the caller claimed the index for a push: the slot is empty and nobody else's.
                unsafe { claim.slot.slot.put(item) };
                claim.finish(1);
                Ok(())
            }
            Err(Unclaimed::Nothing) => Err(PushError::Full(item)),
            Err(Unclaimed::Busy) => Err(PushError::Busy(item)),
        }
    }

    /// Takes the oldest item. Any context, a bounded number of steps.
    ///
    /// # Errors
    /// [`PopError`]. It is empty only if a moment ago there was nothing.
    #[inline]
    pub fn pop(&self) -> Result<T, PopError> {
        match self.claim(&self.head.0, 1, |index| self.is_untouched(index)) {
            Ok(claim) => {
                // SAFETY: the caller claimed the index for a pop: an item is in the slot, which is nobody else's.
                let item = unsafe { claim.slot.slot.take() };
                claim.finish(self.shape.capacity());
                Ok(item)
            }
            Err(Unclaimed::Nothing) => Err(PopError::Empty),
            Err(Unclaimed::Busy) => Err(PopError::Busy),
        }
    }

    /// Items at some moment, those included that are just being put in or taken out.
    #[must_use]
    pub fn len(&self) -> usize {
        let head = self.head.0.load(Ordering::Relaxed);
        index::len(head, self.tail.0.load(Ordering::Relaxed)).min(self.shape.capacity())
    }

    /// Whether it was empty at some moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Claims the next index of `counter`, whose slot must have the number index + `turn`; `nothing` says whether it is the other side
    /// that has not come so far.
    #[inline]
    fn claim(
        &self,
        counter: &AtomicUsize,
        turn: usize,
        nothing: impl Fn(usize) -> bool,
    ) -> Result<Claim<'_, T>, Unclaimed> {
        let mut index = counter.load(Ordering::Relaxed);
        for step in 0..STEPS {
            let slot = self.slot(index);
            let ahead =
                slot.turn.load(Ordering::Acquire).wrapping_sub(index.wrapping_add(turn)).cast_signed();
            if ahead == 0 {
                let next = index.wrapping_add(1);
                match counter.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return Ok(Claim { slot, index }),
                    Err(now) => index = now,
                }
                back_off(step);
                continue;
            }
            // The slot is a lap behind: the other side has not come there, or is in the middle of it.
            if ahead < 0 && nothing(index) {
                return Err(Unclaimed::Nothing);
            }
            back_off(step);
            index = counter.load(Ordering::Relaxed);
        }
        Err(Unclaimed::Busy)
    }

    /// Whether the push of `tail` finds as many items as places.
    #[cold]
    fn is_full(&self, tail: usize) -> bool {
        if seeded(Bug::StalledIsFull) {
            return true;
        }
        fence(Ordering::SeqCst);
        index::len(self.head.0.load(Ordering::Relaxed), tail) == self.shape.capacity()
    }

    /// Whether the pop of `head` finds that no push was begun.
    #[cold]
    fn is_untouched(&self, head: usize) -> bool {
        fence(Ordering::SeqCst);
        self.tail.0.load(Ordering::Relaxed) == head
    }

    #[inline]
    fn slot(&self, index: usize) -> &'s MpmcSlot<T> {
        // SAFETY: a place is below the capacity, which is the number of slots.
        unsafe { self.slots.get_unchecked(self.shape.place(index)) }
    }

    /// Claims an index for a push and does nothing with it, as a producer that was stopped there.
    #[cfg(test)]
    pub(crate) fn stall_push(&self) -> impl FnOnce(T) + use<'_, 's, T> {
        let claim = self.claim(&self.tail.0, 0, |_| true).ok();
        move |item| {
            let claim = claim.unwrap();
            // SAFETY: as in `push`.
            unsafe { claim.slot.slot.put(item) };
            claim.finish(1);
        }
    }

    /// The same for a pop.
    #[cfg(test)]
    pub(crate) fn stall_pop(&self) -> impl FnOnce() -> T + use<'_, 's, T> {
        let claim = self.claim(&self.head.0, 1, |_| true).ok();
        move || {
            let claim = claim.unwrap();
            // SAFETY: as in `pop`.
            let item = unsafe { claim.slot.slot.take() };
            claim.finish(self.shape.capacity());
            item
        }
    }
}

impl<T> Claim<'_, T> {
    /// Gives the slot on: to the pop after a push (1), to the push of the next lap after a pop (the capacity).
    #[inline]
    fn finish(&self, on: usize) {
        let order = if seeded(Bug::TurnUnordered) { Ordering::Relaxed } else { Ordering::Release };
        self.slot.turn.store(self.index.wrapping_add(on), order);
    }
}

impl<T> Drop for Mpmc<'_, T> {
    fn drop(&mut self) {
        // Loom takes the threads of a failed schedule down without a schedule.
        #[cfg(all(test, any(loom, shuttle)))]
        if std::thread::panicking() {
            return;
        }
        while self.pop().is_ok() {}
    }
}

impl<T> fmt::Debug for Mpmc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpmc").field("len", &self.len()).finish_non_exhaustive()
    }
}
