//! The content of frames: zero, copy, read, write.
//!
//! A program may write the same bytes on another CPU at any moment, so that every access to what is mapped is an atomic
//! one, a word at a time where it can be, and nothing here tears a word that is aligned. A frame that nobody else has
//! yet is plain memory.
//!
//! Invariant: stores go only to frames that a space owns or that an object gave to be written.
#![expect(
    unsafe_code,
    reason = "turns the mapper's pointer into atomics; nothing leaves but copies of bytes"
)]

use core::slice;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};

use crate::addr::PhysAddr;
use crate::ports::{Frame, PhysMapper};

const FRAME: usize = 4096;
const WORD: usize = size_of::<usize>();

/// Bytes of one frame, as they are read and written beside a program: words, and what is no whole one at either end.
#[derive(Clone, Copy)]
struct Bytes<'m> {
    head: &'m [AtomicU8],
    words: &'m [AtomicUsize],
    tail: &'m [AtomicU8],
}

impl<'m> Bytes<'m> {
    /// `len` bytes from `at`, or up to the end of the 4 KiB that they are in.
    fn open<M: PhysMapper>(mapper: &'m M, at: PhysAddr, len: usize) -> Option<Self> {
        let inside = usize::try_from(at.get() % 4096).ok()?;
        let base = mapper.table(PhysAddr::new(at.get() - at.get() % 4096), FRAME)?;
        // SAFETY: the offset is below the 4096 bytes that the mapper answers for.
        let base = unsafe { base.add(inside) }.cast::<AtomicU8>();
        // SAFETY: they end with those 4096; the mapper ensures that all are valid for atomic access as long as it lives.
        let bytes = unsafe { slice::from_raw_parts(base.as_ptr(), len.min(FRAME - inside)) };
        // SAFETY: any bytes are a word.
        let (head, words, tail) = unsafe { bytes.align_to() };
        Some(Self { head, words, tail })
    }

    const fn len(&self) -> usize {
        self.head.len() + WORD * self.words.len() + self.tail.len()
    }

    /// Reads all of them into as many bytes.
    fn read(&self, into: &mut [u8]) {
        let mut places = into.iter_mut();
        self.head.iter().zip(&mut places).for_each(|(byte, place)| *place = byte.load(Relaxed));
        let middle = WORD * self.words.len();
        let (words, tail) = places.into_slice().split_at_mut_checked(middle).unwrap_or_default();
        let words = words.as_chunks_mut().0.iter_mut();
        self.words.iter().zip(words).for_each(|(word, place)| *place = word.load(Relaxed).to_ne_bytes());
        self.tail.iter().zip(tail).for_each(|(byte, place)| *place = byte.load(Relaxed));
    }

    /// Writes all of them from as many bytes.
    fn write(&self, from: &[u8]) {
        let mut data = from.iter();
        self.head.iter().zip(&mut data).for_each(|(byte, new)| byte.store(*new, Relaxed));
        let middle = WORD * self.words.len();
        let (words, tail) = data.as_slice().split_at_checked(middle).unwrap_or_default();
        let words = words.as_chunks().0;
        self.words.iter().zip(words).for_each(|(word, new)| word.store(usize::from_ne_bytes(*new), Relaxed));
        self.tail.iter().zip(tail).for_each(|(byte, new)| byte.store(*new, Relaxed));
    }

    /// Writes the same byte to all of them.
    fn fill(&self, byte: u8) {
        let word = usize::from_ne_bytes([byte; WORD]);
        self.head.iter().chain(self.tail).for_each(|place| place.store(byte, Relaxed));
        self.words.iter().for_each(|place| place.store(word, Relaxed));
    }
}

/// Goes over `len` bytes from `at` frame by frame: `work` gets how many were before. How many there were in all: fewer
/// where the mapper knows no memory.
fn pieces<'m, M: PhysMapper>(
    mapper: &'m M,
    at: PhysAddr,
    len: usize,
    mut work: impl FnMut(usize, Bytes<'m>),
) -> usize {
    let mut done = 0;
    while done < len {
        let at = PhysAddr::new(at.get().wrapping_add(done as u64));
        let Some(bytes) = Bytes::open(mapper, at, len - done) else { break };
        work(done, bytes);
        done += bytes.len();
    }
    done
}

/// Reads bytes; how many were read: fewer where the mapper knows no memory.
pub(crate) fn read<M: PhysMapper>(mapper: &M, at: PhysAddr, out: &mut [u8]) -> usize {
    pieces(mapper, at, out.len(), |done, bytes| {
        bytes.read(out.get_mut(done..done + bytes.len()).unwrap_or_default());
    })
}

/// Writes bytes; how many were written.
pub(crate) fn write<M: PhysMapper>(mapper: &M, at: PhysAddr, data: &[u8]) -> usize {
    pieces(mapper, at, data.len(), |done, bytes| {
        bytes.write(data.get(done..done + bytes.len()).unwrap_or_default());
    })
}

/// Writes the same byte `len` times; how often it was written.
pub(crate) fn fill<M: PhysMapper>(mapper: &M, at: PhysAddr, len: usize, byte: u8) -> usize {
    pieces(mapper, at, len, |_, bytes| bytes.fill(byte))
}

/// Makes the first `bytes` of a frame that nobody else has zeros; whether the mapper knows them.
pub(crate) fn zero<M: PhysMapper>(mapper: &M, frame: &mut Frame, bytes: usize) -> bool {
    (0..bytes).step_by(FRAME).all(|offset| part(mapper, frame, offset).map(|part| part.fill(0)).is_some())
}

/// Copies the `bytes` at `from` into a frame that nobody else has; whether the mapper knows both.
pub(crate) fn copy<M: PhysMapper>(mapper: &M, from: PhysAddr, to: &mut Frame, bytes: usize) -> bool {
    (0..bytes).step_by(FRAME).all(|offset| {
        let from = PhysAddr::new(from.get() + offset as u64);
        part(mapper, to, offset).is_some_and(|to| read(mapper, from, to) == FRAME)
    })
}

/// Works on the number at `at`, a multiple of 4.
pub(crate) fn with_u32<M: PhysMapper, R>(
    mapper: &M,
    at: PhysAddr,
    work: impl FnOnce(&AtomicU32) -> R,
) -> Option<R> {
    let inside = usize::try_from(at.get() % 4096).ok()?;
    let base =
        mapper.table(PhysAddr::new(at.get() - at.get() % 4096), FRAME).filter(|_| inside <= FRAME - 4)?;
    // SAFETY: four bytes from the offset are among the 4096 that the mapper answers for.
    let at = unsafe { base.add(inside) }.cast::<u32>();
    if !at.is_aligned() {
        return None;
    }
    // SAFETY: four bytes, aligned; the mapper ensures validity for atomic access as long as it lives.
    let number = unsafe { AtomicU32::from_ptr(at.as_ptr()) };
    Some(work(number))
}

/// Works on the first bytes of a frame that nobody else has.
pub(crate) fn with_bytes<M: PhysMapper, R>(
    mapper: &M,
    frame: &mut Frame,
    bytes: usize,
    work: impl FnOnce(&mut [u8]) -> R,
) -> Option<R> {
    part(mapper, frame, 0)?.get_mut(..bytes).map(work)
}

/// 4 KiB of a frame, `offset` bytes from its begin, a multiple of them; `None` beyond its end.
fn part<'f, M: PhysMapper>(mapper: &'f M, frame: &'f mut Frame, offset: usize) -> Option<&'f mut [u8]> {
    if (offset / FRAME).checked_shr(frame.order().into()).unwrap_or(0) > 0 {
        return None;
    }
    let base = mapper.table(PhysAddr::new(frame.address().get() + offset as u64), FRAME)?;
    // SAFETY: these bytes are of the frame; who holds the `Frame` alone uses its bytes, and it is borrowed mutably for as long as the slice lives.
    Some(unsafe { slice::from_raw_parts_mut(base.as_ptr(), FRAME) })
}
