//! One producer, one consumer: [`Spsc`].
//!
//! Invariant, on which the unsafe code rests: items are in the slots of [head, tail) and in no other; the producer alone writes
//! the tail and touches the slots of [tail, head + capacity), the consumer alone the head and those of [head, tail). Each stores
//! its index with Release after it has touched a slot, and loads the other's with Acquire before. There is one of each, since
//! [`Spsc::split`] borrows the ring for both.

use core::error::Error;
use core::fmt;

use super::event::Event;
use super::slots::{Slot, Slots};
use super::{CapacityError, Padded, index};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Bug, seeded};

/// A ring between one producer and one consumer: an interrupt handler and a thread, two CPUs.
///
/// ```
/// use kos_ipc::ring::{Slot, Spsc};
///
/// let mut slots = [const { Slot::new() }; 4];
/// let mut ring = Spsc::new(&mut slots).unwrap();
/// let (mut producer, mut consumer) = ring.split();
/// assert_eq!(producer.push("first"), Ok(()));
/// assert_eq!((consumer.pop(), consumer.pop()), (Some("first"), None));
/// ```
pub struct Spsc<'s, T> {
    slots: Slots<'s, T>,
    tail: Padded<AtomicUsize>,
    head: Padded<AtomicUsize>,
    event: Event,
}

/// There is no room; the item comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ring is full")
    }
}

impl<T: fmt::Debug> Error for Full<T> {}

impl<'s, T> Spsc<'s, T> {
    /// An empty ring in `slots`, as many as a power of two.
    ///
    /// # Errors
    /// [`CapacityError`]
    pub fn new(slots: &'s mut [Slot<T>]) -> Result<Self, CapacityError> {
        let (tail, head) = (Padded(AtomicUsize::new(0)), Padded(AtomicUsize::new(0)));
        Ok(Self { slots: Slots::new(slots)?, tail, head, event: Event::new() })
    }

    /// Both ends, each for one thread. When they are gone the ring can be split again; what is in it stays.
    pub fn split(&mut self) -> (Producer<'_, T>, Consumer<'_, T>) {
        let (tail, head) = (self.tail.0.load(Ordering::Relaxed), self.head.0.load(Ordering::Relaxed));
        let (ring, slots): (&Spsc<'_, T>, _) = (self, self.slots);
        (Producer { ring, slots, tail, head, told: tail }, Consumer { ring, slots, tail, head })
    }

    /// Starts at `index` in place of 0, so that tests see it wrap.
    #[cfg(test)]
    pub(crate) fn starting_at(mut self, index: usize) -> Self {
        (self.tail, self.head) = (Padded(AtomicUsize::new(index)), Padded(AtomicUsize::new(index)));
        self
    }
}

impl<T> Drop for Spsc<'_, T> {
    fn drop(&mut self) {
        let (_, mut consumer) = self.split();
        while consumer.pop().is_some() {}
    }
}

/// The end that puts items in.
pub struct Producer<'r, T> {
    ring: &'r Spsc<'r, T>,
    slots: Slots<'r, T>,
    /// Own, the truth.
    tail: usize,
    /// The consumer's, when last looked at.
    head: usize,
    /// The tail at the last [`must_wake`](Self::must_wake).
    told: usize,
}

impl<T> Producer<'_, T> {
    /// Puts `item` in. Any context, a bounded number of steps.
    ///
    /// # Errors
    /// [`Full`], with the item.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), Full<T>> {
        if self.slots.shape().free(self.head, self.tail) == 0 && self.look() == 0 {
            return Err(Full(item));
        }
        // SAFETY: the slot of the tail is free, so it is the producer's and empty (the invariant).
        unsafe { self.slots.slot(self.tail).put(item) };
        self.advance(1);
        Ok(())
    }

    /// Puts in as many of the first `items` as there is room for, and returns how many.
    #[inline]
    pub fn push_slice(&mut self, items: &[T]) -> usize
    where
        T: Copy,
    {
        let mut room = self.slots.shape().free(self.head, self.tail);
        if room < items.len() {
            room = self.look();
        }
        let (items, _) = items.split_at(items.len().min(room));
        // SAFETY: the slots from the tail on are free, as many as there is room, so they are the producer's.
        unsafe { self.slots.copy_in(self.tail, items) };
        self.advance(items.len());
        items.len()
    }

    /// Places that are free at least.
    pub fn room(&mut self) -> usize {
        self.look()
    }

    /// Whether the consumer waits for something that was put in since the last call: then wake it. Called after pushes, once for
    /// many if they belong together.
    #[must_use]
    pub fn must_wake(&mut self) -> bool {
        let old = core::mem::replace(&mut self.told, self.tail);
        self.ring.event.is_due(old, self.tail)
    }

    /// Looks where the consumer is. Returns how much room there is.
    #[inline]
    fn look(&mut self) -> usize {
        self.head = self.ring.head.0.load(Ordering::Acquire);
        self.slots.shape().free(self.head, self.tail)
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.tail = self.tail.wrapping_add(count);
        let order = if seeded(Bug::TailUnordered) { Ordering::Relaxed } else { Ordering::Release };
        self.ring.tail.0.store(self.tail, order);
    }
}

impl<T> fmt::Debug for Producer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("tail", &self.tail).finish_non_exhaustive()
    }
}

/// The end that takes items out.
pub struct Consumer<'r, T> {
    ring: &'r Spsc<'r, T>,
    slots: Slots<'r, T>,
    /// The producer's, when last looked at.
    tail: usize,
    /// Own, the truth.
    head: usize,
}

impl<T> Consumer<'_, T> {
    /// Takes the oldest item. Any context, a bounded number of steps.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.tail == self.head && self.look() == 0 {
            return None;
        }
        // SAFETY: the slot of the head is below the tail, so it is the consumer's and an item is in it (the invariant).
        let item = unsafe { self.slots.slot(self.head).take() };
        self.advance(1);
        Some(item)
    }

    /// Takes as many of the oldest items as there are and fit into `items`, and returns how many.
    #[inline]
    pub fn pop_slice(&mut self, items: &mut [T]) -> usize
    where
        T: Copy,
    {
        let mut there = index::len(self.head, self.tail);
        if there < items.len() {
            there = self.look();
        }
        let count = items.len().min(there);
        let (items, _) = items.split_at_mut(count);
        // SAFETY: the slots from the head on have items, as many as are there, and are the consumer's.
        unsafe { self.slots.copy_out(self.head, items) };
        self.advance(count);
        count
    }

    /// Items that are there at least.
    pub fn available(&mut self) -> usize {
        self.look()
    }

    /// Wants to be woken by the next push. True if there is still nothing, so that the consumer may sleep; false if something has
    /// come. One [`must_wake`](Producer::must_wake) is then true.
    #[must_use]
    pub fn arm(&mut self) -> bool {
        self.ring.event.arm(self.head);
        self.look() == 0
    }

    /// Looks where the producer is. Returns how many items are there.
    #[inline]
    fn look(&mut self) -> usize {
        self.tail = self.ring.tail.0.load(Ordering::Acquire);
        index::len(self.head, self.tail)
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.head = self.head.wrapping_add(count);
        let order = if seeded(Bug::HeadUnordered) { Ordering::Relaxed } else { Ordering::Release };
        self.ring.head.0.store(self.head, order);
    }
}

impl<T> fmt::Debug for Consumer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("head", &self.head).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Spsc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spsc").field("slots", &self.slots).finish_non_exhaustive()
    }
}
