//! The content of frames: zero, copy, read, write.
//!
//! A program may write the same bytes on another CPU at any moment, so that every access is an atomic one, a word at a
//! time where it can be. Nothing here tears a word that is aligned.
//!
//! Invariant: stores go only to frames that a space owns or that an object gave to be written.
#![expect(
    unsafe_code,
    reason = "turns the mapper's pointer into atomics; nothing leaves but copies of bytes"
)]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};

use crate::addr::PhysAddr;
use crate::ports::{Frame, PhysMapper};

const FRAME: usize = 4096;
const WORD: usize = size_of::<usize>();

/// Bytes of one frame.
#[derive(Clone, Copy)]
struct Bytes {
    base: NonNull<u8>,
    len: usize,
}

impl Bytes {
    /// `len` bytes from `at`, or up to the end of the 4 KiB that they are in.
    fn open<M: PhysMapper>(mapper: &M, at: PhysAddr, len: usize) -> Option<Self> {
        let inside = usize::try_from(at.get() % 4096).ok()?;
        let base = mapper.table(PhysAddr::new(at.get() - at.get() % 4096), FRAME)?;
        // SAFETY: the offset is below the 4096 bytes that the mapper answers for.
        let base = unsafe { base.add(inside) };
        Some(Self { base, len: len.min(FRAME - inside) })
    }

    fn byte(&self, index: usize) -> &AtomicU8 {
        debug_assert!(index < self.len, "a byte outside");
        // SAFETY: the index is below `len`.
        let at = unsafe { self.base.add(index) };
        // SAFETY: the mapper ensures that the bytes are valid for atomic access as long as it lives.
        unsafe { AtomicU8::from_ptr(at.as_ptr()) }
    }

    /// The word at an index at which one is aligned and whole.
    fn word(&self, index: usize) -> Option<&AtomicUsize> {
        if index + WORD > self.len {
            return None;
        }
        // SAFETY: the index is below `len`.
        let at = unsafe { self.base.add(index) }.cast::<usize>();
        if !at.is_aligned() {
            return None;
        }
        // SAFETY: the word is aligned and inside; the mapper ensures validity for atomic access.
        Some(unsafe { AtomicUsize::from_ptr(at.as_ptr()) })
    }
}

/// Reads bytes; how many were read: fewer where the mapper knows no memory.
pub(crate) fn read<M: PhysMapper>(mapper: &M, mut at: PhysAddr, out: &mut [u8]) -> usize {
    let mut done = 0;
    while done < out.len() {
        let Some(bytes) = Bytes::open(mapper, at, out.len() - done) else { break };
        let mut index = 0;
        while index < bytes.len {
            let Some(rest) = out.get_mut(done + index..) else { break };
            if let (Some(word), Some(place)) = (bytes.word(index), rest.first_chunk_mut()) {
                *place = word.load(Relaxed).to_ne_bytes();
                index += WORD;
            } else {
                rest.iter_mut().take(1).for_each(|place| *place = bytes.byte(index).load(Relaxed));
                index += 1;
            }
        }
        done += bytes.len;
        at = PhysAddr::new(at.get().wrapping_add(bytes.len as u64));
    }
    done
}

/// Writes bytes; how many were written.
pub(crate) fn write<M: PhysMapper>(mapper: &M, at: PhysAddr, data: &[u8]) -> usize {
    put(mapper, at, data.len(), |done| data.get(done..).unwrap_or_default())
}

/// Writes the same byte `len` times; how often it was written.
pub(crate) fn fill<M: PhysMapper>(mapper: &M, at: PhysAddr, len: usize, byte: u8) -> usize {
    let pattern = [byte; WORD];
    put(mapper, at, len, |_| &pattern)
}

/// Makes a frame zeros; whether the mapper knows it.
pub(crate) fn zero<M: PhysMapper>(mapper: &M, at: PhysAddr, bytes: usize) -> bool {
    fill(mapper, at, bytes, 0) == bytes
}

fn put<'d, M: PhysMapper>(
    mapper: &M,
    mut at: PhysAddr,
    len: usize,
    data: impl Fn(usize) -> &'d [u8],
) -> usize {
    let mut done = 0;
    while done < len {
        let Some(bytes) = Bytes::open(mapper, at, len - done) else { break };
        let mut index = 0;
        while index < bytes.len {
            let rest = data(done + index);
            if let (Some(word), Some(new)) = (bytes.word(index), rest.first_chunk()) {
                word.store(usize::from_ne_bytes(*new), Relaxed);
                index += WORD;
            } else {
                bytes.byte(index).store(rest.first().copied().unwrap_or_default(), Relaxed);
                index += 1;
            }
        }
        done += bytes.len;
        at = PhysAddr::new(at.get().wrapping_add(bytes.len as u64));
    }
    done
}

/// Copies one frame into another; whether the mapper knows both.
pub(crate) fn copy<M: PhysMapper>(mapper: &M, from: PhysAddr, to: PhysAddr, bytes: usize) -> bool {
    let at = |base: PhysAddr, offset: usize| PhysAddr::new(base.get() + offset as u64);
    (0..bytes).step_by(FRAME).all(|offset| {
        let from = Bytes::open(mapper, at(from, offset), FRAME);
        let to = Bytes::open(mapper, at(to, offset), FRAME);
        let (Some(from), Some(to)) = (from, to) else { return false };
        (0..FRAME).step_by(WORD).all(|index| match (from.word(index), to.word(index)) {
            (Some(from), Some(to)) => {
                to.store(from.load(Relaxed), Relaxed);
                true
            }
            _ => false,
        })
    })
}

/// Works on the number at `at`, a multiple of 4.
pub(crate) fn with_u32<M: PhysMapper, R>(
    mapper: &M,
    at: PhysAddr,
    work: impl FnOnce(&AtomicU32) -> R,
) -> Option<R> {
    let bytes = Bytes::open(mapper, at, 4).filter(|bytes| bytes.len == 4)?;
    let at = bytes.base.cast::<u32>();
    if !at.is_aligned() {
        return None;
    }
    // SAFETY: four bytes, aligned; the mapper ensures validity for atomic access as long as it lives.
    let number = unsafe { AtomicU32::from_ptr(at.as_ptr()) };
    Some(work(number))
}

/// Works on the bytes of a frame that nobody else has.
pub(crate) fn with_bytes<M: PhysMapper, R>(
    mapper: &M,
    frame: &mut Frame,
    bytes: usize,
    work: impl FnOnce(&mut [u8]) -> R,
) -> Option<R> {
    let base = mapper.table(frame.address(), FRAME).filter(|_| bytes <= FRAME)?;
    // SAFETY: who holds the `Frame` alone uses its bytes, and it is borrowed mutably for as long as the slice lives.
    let slice = unsafe { core::slice::from_raw_parts_mut(base.as_ptr(), bytes) };
    Some(work(slice))
}
