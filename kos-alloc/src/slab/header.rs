//! The head of a slab in the slab's own memory, and the only code that touches it: [`Slab`].
//!
//! ```text
//! base                 bitmap           first (aligned)                          base + slab
//! │ cookie summary links live │ word 0 … │        │ block 0 │ block 1 │ …            │
//! ```
//!
//! A set bit of the bitmap is a free block, a set bit of the summary a bitmap word that is not 0; so the first free
//! block is two bit scans away. The cookie is a secret mixed with the slab's address: who overruns the block before the
//! slab tramples it first. In the heap every free block bears its seal ([`super::seal`]); an object cache keeps its
//! objects there, and a note of its own in the head.
//!
//! Invariant, on which the unsafe code rests: a `Slab` is only made by [`Slab::format`] or [`Slab::at`], whose callers
//! promise that its memory is a slab's for as long as the value is used, and everything but the cookie is used under the
//! lock of the slab's [`Bin`](super::Bin) alone. The cookie is never written again. The fields are `Cell`s: many `Slab`
//! values of one slab may stand side by side.

use core::cell::Cell;
use core::mem::size_of;
use core::ptr::NonNull;
use core::slice;

use super::class::Geometry;
use super::seal;

#[derive(Debug)]
#[repr(C)]
struct Header {
    cookie: Cell<u64>,
    summary: Cell<u64>,
    next: Cell<Option<Slab>>,
    previous: Cell<Option<Slab>>,
    live: Cell<u32>,
    note: Cell<u32>,
}

/// Where the bitmap starts: its words are aligned.
const BITMAP: usize = size_of::<Header>().next_multiple_of(size_of::<u64>());

/// Bytes of a header with a bitmap of so many words.
pub(super) const fn bytes(words: usize) -> usize {
    BITMAP + words * size_of::<u64>()
}

/// A slab, named by its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slab(NonNull<u8>);

// SAFETY: a slab is plain memory, the same for every CPU; the bin's lock, under which it is used, moves between CPUs.
unsafe impl Send for Slab {}

impl Slab {
    /// Writes the head of a slab all of whose blocks are free, with a cookie made of `secret`, and seals the blocks.
    ///
    /// # Safety
    ///
    /// As of [`format_head`](Self::format_head), and it may write all of the slab.
    pub(crate) unsafe fn format(base: NonNull<u8>, geometry: &Geometry, secret: u64) -> Self {
        // SAFETY: the caller's promise is passed on.
        let slab = unsafe { Self::format_head(base, geometry, secret) };
        for block in 0..geometry.blocks as usize {
            // SAFETY: the block lies within the slab, which the caller owns.
            unsafe { seal::seal(slab.block(geometry, block), secret) };
        }
        slab
    }

    /// Writes the head of a slab all of whose blocks are free, with a cookie made of `secret`, and touches no block.
    ///
    /// # Safety
    ///
    /// `base` is aligned to and owned by the caller for `geometry.slab` bytes, for as long as the value is used; it may
    /// write those below `geometry.first`.
    pub(crate) unsafe fn format_head(base: NonNull<u8>, geometry: &Geometry, secret: u64) -> Self {
        let words = geometry.words as usize;
        // SAFETY: the head lies within the slab, which the caller owns.
        unsafe { base.write_bytes(0, bytes(words)) };
        // Zeroes are a valid header: numbers, and links that are none.
        let slab = Self(base);
        slab.header().cookie.set(slab.cookie(secret));
        for (index, word) in slab.words(geometry).iter().enumerate() {
            let free = (geometry.blocks as usize).saturating_sub(index * 64);
            word.set(low_bits(free));
            let summary = &slab.header().summary;
            summary.set(summary.get() | u64::from(free > 0) << index);
        }
        slab
    }

    /// What [`set_note`](Self::set_note) left, 0 at first.
    pub(crate) fn note(self) -> u32 {
        self.header().note.get()
    }

    /// Leaves a number in the head.
    pub(crate) fn set_note(self, note: u32) {
        self.header().note.set(note);
    }

    /// Whether every free block bears its seal. Under the bin's lock.
    pub(crate) fn is_sealed(self, geometry: &Geometry, secret: u64) -> bool {
        let mut blocks = 0..geometry.blocks as usize;
        blocks.all(|block| {
            // SAFETY: the block is one of this slab, which is live by the module's invariant.
            !self.is_free(geometry, block) || unsafe { seal::is_sealed(self.block(geometry, block), secret) }
        })
    }

    /// The slab at `base`.
    ///
    /// # Safety
    ///
    /// `base` was given to [`format`](Self::format), whose promise still holds.
    #[inline]
    pub(crate) const unsafe fn at(base: NonNull<u8>) -> Self {
        Self(base)
    }

    /// Whether the cookie is as `format` wrote it.
    #[inline]
    pub(crate) fn is_sound(self, secret: u64) -> bool {
        self.header().cookie.get() == self.cookie(secret)
    }

    #[inline]
    fn cookie(self, secret: u64) -> u64 {
        secret ^ self.0.addr().get() as u64
    }

    pub(crate) const fn base(self) -> NonNull<u8> {
        self.0
    }

    /// Blocks handed out.
    #[inline]
    pub(crate) fn live(self) -> u32 {
        self.header().live.get()
    }

    /// Whether no block is free.
    #[inline]
    pub(crate) fn is_full(self) -> bool {
        self.header().summary.get() == 0
    }

    pub(crate) fn next(self) -> Option<Self> {
        self.header().next.get()
    }

    pub(crate) fn previous(self) -> Option<Self> {
        self.header().previous.get()
    }

    pub(super) fn set_next(self, next: Option<Self>) {
        self.header().next.set(next);
    }

    pub(super) fn set_previous(self, previous: Option<Self>) {
        self.header().previous.set(previous);
    }

    /// The first word of the bitmap with a free block: its number and its bits. `None` if no block is free, or the bitmap
    /// names one that does not exist.
    pub(super) fn free_word(self, geometry: &Geometry) -> Option<(usize, u64)> {
        let index = self.header().summary.get().trailing_zeros() as usize;
        let free = self.words(geometry).get(index)?.get();
        let exist = low_bits((geometry.blocks as usize).saturating_sub(index * 64));
        (free != 0 && free & !exist == 0).then_some((index, free))
    }

    /// Takes `taken` blocks out of word `index`, of whose bits `rest` remain.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
    pub(super) fn take(self, geometry: &Geometry, index: usize, rest: u64, taken: usize) {
        let header = self.header();
        if let Some(word) = self.words(geometry).get(index) {
            word.set(rest);
        }
        if rest == 0 {
            header.summary.set(header.summary.get() & !(1 << index));
        }
        header.live.set(header.live.get().wrapping_add(taken as u32));
    }

    /// Whether `block` is free.
    #[inline]
    pub(crate) fn is_free(self, geometry: &Geometry, block: usize) -> bool {
        self.words(geometry).get(block / 64).is_some_and(|word| word.get() >> (block % 64) & 1 == 1)
    }

    /// Puts a live block back; says whether the slab was full.
    #[inline]
    pub(super) fn put(self, geometry: &Geometry, block: usize) -> bool {
        let header = self.header();
        let summary = header.summary.get();
        if let Some(word) = self.words(geometry).get(block / 64) {
            word.set(word.get() | 1 << (block % 64));
        }
        header.summary.set(summary | 1 << (block / 64));
        header.live.set(header.live.get().wrapping_sub(1));
        summary == 0
    }

    /// The address of `block`.
    #[inline]
    pub(crate) fn block(self, geometry: &Geometry, block: usize) -> NonNull<u8> {
        debug_assert!(block < geometry.blocks as usize);
        // SAFETY: callers pass a block of this slab, so the offset is below `geometry.slab`.
        unsafe { self.0.add(geometry.offset_of(block)) }
    }

    /// Whether bitmap, summary and count agree.
    pub(crate) fn is_consistent(self, geometry: &Geometry) -> bool {
        let mut free = 0;
        let mut summary = 0u64;
        for (index, word) in self.words(geometry).iter().map(Cell::get).enumerate() {
            let exist = low_bits((geometry.blocks as usize).saturating_sub(index * 64));
            if word & !exist != 0 {
                return false;
            }
            free += word.count_ones();
            summary |= u64::from(word != 0) << index;
        }
        summary == self.header().summary.get() && free.checked_add(self.live()) == Some(geometry.blocks)
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the slab is live and formatted by the module's invariant, and only shared references are made.
        unsafe { self.0.cast::<Header>().as_ref() }
    }

    #[inline]
    fn words(&self, geometry: &Geometry) -> &[Cell<u64>] {
        // SAFETY: the bitmap follows the header within the slab.
        let first = unsafe { self.0.add(BITMAP) }.cast::<Cell<u64>>();
        // SAFETY: `format` made so many words there, and only shared references are made.
        unsafe { slice::from_raw_parts(first.as_ptr(), geometry.words as usize) }
    }
}

/// The lowest `count` bits set.
const fn low_bits(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}
