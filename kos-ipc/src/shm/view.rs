//! Bytes that other domains write at any time: [`SharedBytes`].
//!
//! Every access is a relaxed one of a whole, aligned word, so that no two accesses of this crate overlap in part. There is no
//! reference to a byte: what was read is a copy, and may be different the next time.
//!
//! Source: Rust reference, memory model of atomics; Tock's and Hubris's rules for memory of a peer.

use core::error::Error;
use core::fmt;
#[cfg(target_has_atomic = "ptr")]
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
#[cfg(not(target_has_atomic = "ptr"))]
use portable_atomic::AtomicUsize;

/// Bytes of a word.
const WORD: usize = size_of::<usize>();

/// Shared memory as bytes, for who has it mapped. Order between domains is made by other means: a notification, a lock.
///
/// Bytes that two write at a time may get any value.
#[derive(Clone, Copy)]
pub struct SharedBytes<'a>(&'a [AtomicUsize]);

/// Not within the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds {
    /// The first byte.
    pub at: usize,
    /// How many.
    pub len: usize,
    /// How many there are.
    pub size: usize,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {} of {}", self.len, self.at, self.size)
    }
}

impl Error for OutOfBounds {}

impl<'a> SharedBytes<'a> {
    /// The words of some memory.
    #[must_use]
    pub const fn new(words: &'a [AtomicUsize]) -> Self {
        Self(words)
    }

    /// `len` bytes of mapped memory at `start`, as many as are whole words.
    ///
    /// # Safety
    /// `start` is aligned for a word. As long as `'a` lasts the bytes are mapped, to be read and written; and nothing of this program
    /// accesses them but by atomic words, as other views do. What other domains do, programs in their own address spaces and
    /// devices, does not matter.
    #[must_use]
    #[expect(unsafe_code, reason = "takes a mapping for memory")]
    pub const unsafe fn from_mapping(start: core::ptr::NonNull<u8>, len: usize) -> Self {
        // SAFETY: the caller says that it is aligned, mapped for `'a` and accessed atomically; any bits are a word. The words lie within
        // the `len` bytes, which one mapping has, so they do not wrap.
        Self(unsafe { core::slice::from_raw_parts(start.cast::<AtomicUsize>().as_ptr(), len / WORD) })
    }

    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len() * WORD
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A part of it.
    ///
    /// # Errors
    /// [`OutOfBounds`], also if it does not begin and end with words.
    pub fn words(&self, at: usize, len: usize) -> Result<Self, OutOfBounds> {
        self.bounds(at, len)?;
        let whole = at.is_multiple_of(WORD) && len.is_multiple_of(WORD);
        let part = self.0.get(at / WORD..(at + len) / WORD).filter(|_| whole);
        part.map(Self).ok_or(OutOfBounds { at, len, size: self.len() })
    }

    /// Copies the bytes from `at` on. Each is what somebody wrote there, at some time.
    ///
    /// # Errors
    /// [`OutOfBounds`]: nothing was copied.
    pub fn read(&self, at: usize, to: &mut [u8]) -> Result<(), OutOfBounds> {
        self.bounds(at, to.len())?;
        let mut rest = to;
        for (word, skip) in self.from(at) {
            let bytes = word.load(Relaxed).to_ne_bytes();
            let there = bytes.get(skip..).unwrap_or_default();
            let (now, later) = rest.split_at_mut(there.len().min(rest.len()));
            now.iter_mut().zip(there).for_each(|(to, from)| *to = *from);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Writes `from` to the bytes from `at` on.
    ///
    /// # Errors
    /// [`OutOfBounds`]: nothing was written.
    pub fn write(&self, at: usize, from: &[u8]) -> Result<(), OutOfBounds> {
        self.bounds(at, from.len())?;
        let mut rest = from;
        for (word, skip) in self.from(at) {
            let (now, later) = rest.split_at((WORD - skip).min(rest.len()));
            write_part(word, skip, now);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn bounds(&self, at: usize, len: usize) -> Result<(), OutOfBounds> {
        let size = self.len();
        let inside = at.checked_add(len).is_some_and(|end| end <= size);
        if inside { Ok(()) } else { Err(OutOfBounds { at, len, size }) }
    }

    /// The words from that of byte `at` on, each with how many of its bytes to skip.
    fn from(&self, at: usize) -> impl Iterator<Item = (&'a AtomicUsize, usize)> {
        let words = self.0.get(at / WORD..).unwrap_or_default().iter();
        words.enumerate().map(move |(number, word)| (word, if number == 0 { at % WORD } else { 0 }))
    }
}

/// Writes bytes of a word. Those beside them stay whatever they are, though others change them meanwhile: one read-modify-write changes
/// exactly the bits that differ.
fn write_part(word: &AtomicUsize, skip: usize, bytes: &[u8]) {
    if let Ok(whole) = bytes.try_into() {
        return word.store(usize::from_ne_bytes(whole), Relaxed);
    }
    let old = word.load(Relaxed);
    let mut new = old.to_ne_bytes();
    let part = new.get_mut(skip..).unwrap_or_default();
    part.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    word.fetch_xor(old ^ usize::from_ne_bytes(new), Relaxed);
}

impl fmt::Debug for SharedBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBytes").field("len", &self.len()).finish()
    }
}
