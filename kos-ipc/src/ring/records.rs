//! Byte strings, written and read where they lie: [`Records`].
//!
//! A record is a word with its length and then its bytes, in one piece: where the memory's end is too near, a mark fills it and the
//! record begins at the front. A record takes half of the memory at most, so that with the ring empty there is room for it wherever
//! the indices stand.
//!
//! Invariant, on which the unsafe code rests: [head, tail) is whole records and marks, each with its length in its first word; the
//! producer alone touches [tail, head + capacity), the consumer alone [head, tail); each stores its index with Release after it has
//! touched bytes and loads the other's with Acquire before. Indices are multiples of a word, so a word is in one piece.
//!
//! Source: Cooke, "The Bip Buffer" (2003), for records in one piece; the mark in place of its second region is as in Aeron.

use core::error::Error;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;

use super::event::Event;
use super::index::Shape;
use super::{CapacityError, Padded};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes before each record.
const WORD: usize = 4;

/// In place of a length: the rest of the memory holds nothing.
const MARK: u32 = u32::MAX;

/// A ring of byte strings between one producer and one consumer.
///
/// ```
/// use kos_ipc::ring::Records;
///
/// let mut memory = [0; 64];
/// let mut ring = Records::new(&mut memory).unwrap();
/// let (mut producer, mut consumer) = ring.split();
/// let mut grant = producer.grant(16).unwrap(); // room for what will be there
/// grant[..5].copy_from_slice(b"hello");
/// grant.commit(5); // what is there
/// let record = consumer.read().unwrap();
/// assert_eq!(&*record, b"hello");
/// record.release();
/// ```
pub struct Records<'s> {
    memory: Memory<'s>,
    tail: Padded<AtomicUsize>,
    head: Padded<AtomicUsize>,
    event: Event,
    closed: AtomicBool,
}

/// Borrowed bytes, touched by index.
#[derive(Clone, Copy)]
struct Memory<'s> {
    base: NonNull<u8>,
    shape: Shape,
    _borrowed: PhantomData<&'s mut [u8]>,
}

// SAFETY: the bytes are borrowed exclusively; who touches which is said by the indices (the invariant).
unsafe impl Send for Memory<'_> {}
// SAFETY: as above.
unsafe impl Sync for Memory<'_> {}

impl Memory<'_> {
    /// # Safety
    /// `at` is a place that is a multiple of a word, and the caller alone may touch the word there.
    unsafe fn put_word(self, at: usize, word: u32) {
        // SAFETY: a place is below the capacity.
        let to = unsafe { self.base.add(at) };
        // SAFETY: the capacity is a multiple of a word, so it ends within the memory; bytes need no alignment.
        unsafe { to.cast::<[u8; WORD]>().write_unaligned(word.to_le_bytes()) };
    }

    /// # Safety
    /// As for [`put_word`](Self::put_word).
    unsafe fn word(self, at: usize) -> u32 {
        // SAFETY: as in `put_word`.
        let from = unsafe { self.base.add(at) };
        // SAFETY: as in `put_word`; all of the memory was initialized when it was lent.
        u32::from_le_bytes(unsafe { from.cast::<[u8; WORD]>().read_unaligned() })
    }
}

/// Why there is no grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrantError {
    /// It would never fit.
    TooLong {
        /// What was asked for.
        len: usize,
        /// The longest record.
        max: usize,
    },
    /// There is no room now.
    Full,
    /// One of the ends has closed the ring.
    Closed,
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => write!(f, "a record of {len} bytes, of {max} at most"),
            Self::Full => f.write_str("the ring is full"),
            Self::Closed => f.write_str("the ring is closed"),
        }
    }
}

impl Error for GrantError {}

/// Why there is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing is there now.
    Empty,
    /// Nothing is there, and one of the ends has closed the ring.
    Closed,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the ring is empty",
            Self::Closed => "the ring is closed",
        })
    }
}

impl Error for ReadError {}

impl<'s> Records<'s> {
    /// An empty ring in `memory`, whose length is a power of two of 16 bytes to 2 GiB.
    ///
    /// # Errors
    /// [`CapacityError`]
    pub fn new(memory: &'s mut [u8]) -> Result<Self, CapacityError> {
        let len = memory.len();
        let fits = |shape: &Shape| (4 * WORD..=MARK as usize / 2 + 1).contains(&shape.capacity());
        let shape = Shape::new(len).filter(fits).ok_or(CapacityError { len })?;
        let memory = Memory { base: NonNull::from(memory).cast(), shape, _borrowed: PhantomData };
        let (tail, head) = (Padded(AtomicUsize::new(0)), Padded(AtomicUsize::new(0)));
        Ok(Self { memory, tail, head, event: Event::new(), closed: AtomicBool::new(false) })
    }

    /// Both ends, each for one thread. When they are gone the ring can be split again; what is in it stays.
    pub fn split(&mut self) -> (RecordProducer<'_>, RecordConsumer<'_>) {
        let (tail, head) = (self.tail.0.load(Ordering::Relaxed), self.head.0.load(Ordering::Relaxed));
        let ring: &Records<'_> = self;
        (RecordProducer { ring, tail, head, told: tail }, RecordConsumer { ring, head })
    }

    /// The longest record, in bytes.
    #[must_use]
    pub const fn max_len(&self) -> usize {
        self.memory.shape.capacity() / 2 - WORD
    }

    /// Starts at `index` in place of 0, so that tests see it wrap.
    #[cfg(test)]
    pub(crate) fn starting_at(mut self, index: usize) -> Self {
        (self.tail, self.head) = (Padded(AtomicUsize::new(index)), Padded(AtomicUsize::new(index)));
        self
    }
}

/// Bytes that a record of `len` takes.
const fn total(len: usize) -> usize {
    WORD + len.next_multiple_of(WORD)
}

/// The end that writes records.
pub struct RecordProducer<'r> {
    ring: &'r Records<'r>,
    /// Own, the truth.
    tail: usize,
    /// The consumer's, when last looked at.
    head: usize,
    told: usize,
}

impl RecordProducer<'_> {
    /// Room for a record of `len` bytes. Any context, a bounded number of steps.
    ///
    /// # Errors
    /// [`GrantError`]. What would never fit is refused at once.
    pub fn grant(&mut self, len: usize) -> Result<Grant<'_>, GrantError> {
        let max = self.ring.max_len();
        if len > max {
            return Err(GrantError::TooLong { len, max });
        }
        if self.ring.closed.load(Ordering::Relaxed) {
            return Err(GrantError::Closed);
        }
        let shape = self.ring.memory.shape;
        let to_end = shape.capacity() - shape.place(self.tail);
        let skip = if total(len) <= to_end { 0 } else { to_end };
        let need = skip + total(len);
        if shape.free(self.head, self.tail) < need {
            self.head = self.ring.head.0.load(Ordering::Acquire);
        }
        if shape.free(self.head, self.tail) < need {
            return Err(GrantError::Full);
        }
        let memory = self.ring.memory;
        let at = shape.place(self.tail.wrapping_add(skip));
        // SAFETY: a place below the capacity, and behind the word there are `len` bytes before the end of the memory.
        let bytes = unsafe { memory.base.add(at + WORD) };
        // SAFETY: from the tail on `need` bytes are free, so they are the producer's, who is borrowed by the grant; all of the memory
        // was initialized when it was lent.
        let bytes = unsafe { slice::from_raw_parts_mut(bytes.as_ptr(), len) };
        Ok(Grant { bytes, skip, ring: self.ring, tail: &mut self.tail })
    }

    /// Copies one record in.
    ///
    /// # Errors
    /// [`GrantError`]
    pub fn push(&mut self, record: &[u8]) -> Result<(), GrantError> {
        let mut grant = self.grant(record.len())?;
        grant.copy_from_slice(record);
        grant.commit(record.len());
        Ok(())
    }

    /// As [`Producer::must_wake`](super::Producer::must_wake).
    #[must_use]
    pub fn must_wake(&mut self) -> bool {
        let old = core::mem::replace(&mut self.told, self.tail);
        self.ring.event.is_due(old, self.tail)
    }

    /// No more grants; what is in the ring can be read.
    pub fn close(&self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}

/// Room for one record, to be written and committed. Dropped, it was never there.
pub struct Grant<'p> {
    bytes: &'p mut [u8],
    skip: usize,
    ring: &'p Records<'p>,
    tail: &'p mut usize,
}

impl Grant<'_> {
    /// Lets the first `len` bytes be the record; all of them, if there are not so many.
    #[expect(clippy::cast_possible_truncation, reason = "a length is below 2 GiB")]
    pub fn commit(self, len: usize) {
        let len = len.min(self.bytes.len());
        let (memory, tail) = (self.ring.memory, *self.tail);
        if self.skip > 0 {
            // SAFETY: the place of the tail is a multiple of a word, and the bytes from there on are the producer's.
            unsafe { memory.put_word(memory.shape.place(tail), MARK) };
        }
        let start = tail.wrapping_add(self.skip);
        // SAFETY: as above; both indices are multiples of a word.
        unsafe { memory.put_word(memory.shape.place(start), len as u32) };
        *self.tail = start.wrapping_add(total(len));
        self.ring.tail.0.store(*self.tail, Ordering::Release);
    }
}

impl Deref for Grant<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl DerefMut for Grant<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}

/// The end that reads records.
pub struct RecordConsumer<'r> {
    ring: &'r Records<'r>,
    /// Own, the truth.
    head: usize,
}

impl RecordConsumer<'_> {
    /// The oldest record, where it lies. It stays the oldest until it is [released](Record::release).
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn read(&mut self) -> Result<Record<'_>, ReadError> {
        // Before the tail: what was committed before the close is seen.
        let closed = self.ring.closed.load(Ordering::Acquire);
        if self.ring.tail.0.load(Ordering::Acquire) == self.head {
            return Err(if closed { ReadError::Closed } else { ReadError::Empty });
        }
        let memory = self.ring.memory;
        // SAFETY: the head is below the tail, so a record or a mark begins there, and it is the consumer's.
        let mut word = unsafe { memory.word(memory.shape.place(self.head)) };
        let mut start = self.head;
        if word == MARK {
            start = start.wrapping_add(memory.shape.capacity() - memory.shape.place(start));
            // SAFETY: behind a mark comes a record, committed in the same step.
            word = unsafe { memory.word(memory.shape.place(start)) };
        }
        let len = word as usize;
        // SAFETY: the record lies in one piece behind its word.
        let bytes = unsafe { memory.base.add(memory.shape.place(start) + WORD) };
        // SAFETY: it is below the tail, so it is the consumer's, who is borrowed by the record.
        let bytes = unsafe { slice::from_raw_parts(bytes.as_ptr(), len) };
        Ok(Record { bytes, end: start.wrapping_add(total(len)), ring: self.ring, head: &mut self.head })
    }

    /// As [`Consumer::arm`](super::Consumer::arm); false, too, when the ring was closed.
    #[must_use]
    pub fn arm(&mut self) -> bool {
        self.ring.event.arm(self.head);
        self.ring.tail.0.load(Ordering::Acquire) == self.head && !self.ring.closed.load(Ordering::Acquire)
    }

    /// No more grants: the producer learns of it at the next one.
    pub fn close(&self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}

/// A record that is being read.
pub struct Record<'c> {
    bytes: &'c [u8],
    end: usize,
    ring: &'c Records<'c>,
    head: &'c mut usize,
}

impl Record<'_> {
    /// Gives its room back.
    pub fn release(self) {
        *self.head = self.end;
        self.ring.head.0.store(self.end, Ordering::Release);
    }
}

impl Deref for Record<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

macro_rules! debug_as_len {
    ($($name:ident: $($field:tt).+),*) => {$(
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field(stringify!($($field).+), &self.$($field).+).finish_non_exhaustive()
            }
        }
    )*};
}
debug_as_len!(Records: closed, RecordProducer: tail, RecordConsumer: head, Grant: skip, Record: end);
