//! Rings over borrowed memory, between threads, interrupt handlers and CPUs: no lock, no allocation, no scheduler.
//!
//! | ring | between | full, and stalled |
//! |---|---|---|
//! | [`Spsc`] | one producer and one consumer, one item at a time or many | [`Full`]; each step is bounded, whatever the other side does |
//! | [`Mpmc`] | any number of both | [`PushError`] and [`PopError`] tell full and empty from busy: somebody stands in the middle of a push or a pop |
//! | [`Records`] | one producer and one consumer of byte strings, written and read in place | [`GrantError`] |
//!
//! The indices of all run on without end and wrap with the machine's word; capacities are powers of two, so that a slot is an
//! index and a mask (`index`). Each side keeps what it last saw of the other's index, and looks again only when that says full or
//! empty. Indices that different CPUs write lie 128 bytes apart: processors fetch lines in pairs.
//!
//! A consumer that sleeps says at which index it wants to be woken, so that a stream costs few wake-ups: [`Consumer::arm`] and
//! [`Producer::must_wake`].
//!
//! Sources: Lamport, "Specifying concurrent program modules" (1983), for one and one; Vyukov, "Bounded MPMC queue" (2010); the
//! event index of virtio 1.2, section 2.7.10.

mod event;
mod index;
#[expect(unsafe_code, reason = "moves items in and out of slots that a sequence number makes its own")]
mod mpmc;
#[expect(unsafe_code, reason = "hands out parts of borrowed memory that an index makes its own")]
mod records;
#[expect(unsafe_code, reason = "hands out places in borrowed memory by index")]
mod slots;
#[expect(unsafe_code, reason = "moves items in and out of slots that an index makes its own")]
mod spsc;
#[cfg(test)]
mod tests;

use core::error::Error;
use core::fmt;

pub use mpmc::{Mpmc, MpmcSlot, PopError, PushError};
pub use records::{Grant, GrantError, ReadError, Record, RecordConsumer, RecordProducer, Records};
pub use slots::Slot;
pub use spsc::{Consumer, Full, Producer, Spsc};

/// Memory that no ring can be made of: its length is not a power of two, or too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityError {
    /// The length found.
    pub len: usize,
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a ring of {} is not possible: a power of two is wanted", self.len)
    }
}

impl Error for CapacityError {}

/// On cache lines of its own, where there are caches.
#[cfg_attr(target_pointer_width = "64", repr(align(128)))]
#[derive(Debug)]
struct Padded<T>(T);
