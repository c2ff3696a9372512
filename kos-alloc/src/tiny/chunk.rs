//! One lent range: [`Chunk`], with its free lists, its live map and its counters in front.
//!
//! ```text
//! lent range │ Chunk (TLSF lists) │ live map │ pool: header block header block … sentinel │
//! ```
//!
//! rlsf cannot give a range back, so each range has lists of its own and goes as it came, with all that describes it.
//! Freeing a block twice breaks rlsf, so a bit says of each block whether it is live, and no address reaches rlsf whose
//! bit is clear.
//!
//! Invariants, on which the unsafe code rests; the fields are private and written in this file alone:
//! - a bit is set if and only if a block of `lists` starts there, and `lists` has no block that has no bit;
//! - a block of an alignment of a granule or more starts at a multiple of a granule, every other block half a granule
//!   behind one: the address says which.

use core::alloc::Layout;
use core::ptr::NonNull;

use rlsf::{GRANULARITY, Tlsf};

use super::live::{LiveMap, STEP};
use super::place::Place;
use super::{LendError, TinyStats};
use crate::error::FreeError;

type Lists<const DOUBLINGS: usize, const STEPS: usize> = Tlsf<'static, usize, u16, DOUBLINGS, STEPS>;

/// Blocks of a power of two are taken to be aligned to their size up to here, where their layout is not known.
const NATURAL: usize = 64 << 10;

/// The head of a lent range.
#[derive(Debug)]
pub(super) struct Chunk<const DOUBLINGS: usize, const STEPS: usize> {
    pub(super) next: Option<NonNull<Self>>,
    lent: NonNull<[u8]>,
    lists: Lists<DOUBLINGS, STEPS>,
    live: LiveMap,
    blocks: usize,
    /// Bytes that live blocks have.
    granted: usize,
    /// The largest alignment of any block since the chunk was empty: no block has so many bytes of lead in front.
    widest: usize,
}

impl<const DOUBLINGS: usize, const STEPS: usize> Chunk<DOUBLINGS, STEPS> {
    /// Bytes of the largest pool that the lists can describe; less two granules, of the largest block.
    pub(super) const MAX_POOL: usize =
        if DOUBLINGS < GRANULARITY.leading_zeros() as usize { GRANULARITY << DOUBLINGS } else { usize::MAX };

    /// Makes a chunk of `lent`, in it.
    ///
    /// # Errors
    ///
    /// [`LendError`] if it has no room for the head and one block, or more than the lists can describe.
    ///
    /// # Safety
    ///
    /// The range is writable memory that nobody else uses as long as the chunk is.
    pub(super) unsafe fn create(lent: NonNull<[u8]>) -> Result<NonNull<Self>, LendError> {
        let place =
            Place::of::<Self>(lent).map_err(|needed| LendError::TooSmall { given: lent.len(), needed })?;
        if place.pool_bytes > Self::MAX_POOL {
            return Err(LendError::TooLarge { given: lent.len(), max: Self::MAX_POOL });
        }
        // SAFETY: passed on from the caller.
        let (head, live) = unsafe { place.carve(lent) };
        let mut lists = Lists::new();
        // SAFETY: the bytes are the chunk's own, and live as long as it.
        let taken = unsafe { lists.insert_free_block_ptr(live.range()) };
        debug_assert_eq!(taken.map(usize::from), Some(place.pool_bytes));
        // SAFETY: the place is in the range, aligned, and overlaps neither words nor pool.
        unsafe { head.write(Self { next: None, lent, lists, live, blocks: 0, granted: 0, widest: STEP }) };
        Ok(head)
    }

    /// The whole range, as it was lent.
    pub(super) const fn lent(&self) -> NonNull<[u8]> {
        self.lent
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    /// Whether `address` lies among the blocks.
    #[inline]
    pub(super) fn covers(&self, address: usize) -> bool {
        self.live.covers(address)
    }

    /// An upper bound of the largest free block.
    pub(super) const fn free_bytes(&self) -> usize {
        self.live.bytes().saturating_sub(GRANULARITY + self.granted + self.blocks * STEP)
    }

    /// Adds what this chunk has to `stats`.
    pub(super) fn count(&self, stats: &mut TinyStats) {
        stats.chunks += 1;
        stats.lent += self.lent.len();
        stats.live_blocks += self.blocks;
        stats.live += self.granted;
    }

    /// A block of `layout`, which has at least a byte, and how many it has; `None` if no free block is large enough.
    pub(super) fn allocate(&mut self, layout: Layout) -> Option<(NonNull<u8>, usize)> {
        let block = self.lists.allocate(layout)?;
        let bytes = granted(layout);
        self.live.set(block.addr().get(), true);
        self.blocks += 1;
        self.granted += bytes;
        self.widest = self.widest.max(layout.align());
        Some((block, bytes))
    }

    /// Takes back the block of `layout` at `ptr`; says how many bytes it had.
    pub(super) fn free(&mut self, ptr: NonNull<u8>, layout: Layout) -> Result<usize, FreeError<NonNull<u8>>> {
        let bytes = self.verify(ptr, layout)?;
        self.release(ptr, bytes);
        Ok(bytes)
    }

    /// Takes back the block at `ptr`, if its alignment can be known: at most [`STEP`], or that of a power of two.
    pub(super) fn free_without_layout(&mut self, ptr: NonNull<u8>) -> Result<usize, FreeError<NonNull<u8>>> {
        let bytes = self.usable_size(ptr)?;
        let natural = bytes.is_power_of_two() && ptr.addr().get().is_multiple_of(bytes.min(NATURAL));
        if on_granule(ptr) && !natural {
            return Err(FreeError::LayoutRequired(ptr));
        }
        self.release(ptr, bytes);
        Ok(bytes)
    }

    /// Gives the live block of `old` at `ptr` `new_size` bytes where it lies, if it can; says by how many bytes it grew
    /// (less than none wraps).
    pub(super) fn resize(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<Option<usize>, FreeError<NonNull<u8>>> {
        let (before, after) = (self.verify(ptr, old)?, granted(new));
        if after > before && !self.has_room_behind(ptr.addr().get() + before, after - before) {
            return Ok(None);
        }
        let block = self.own(ptr);
        // SAFETY: the block is live, so `lists` handed it out, with an alignment on the same side of a granule as the
        // layout's. What is behind it suffices, so it stays.
        let moved = unsafe { self.lists.reallocate(block, new) };
        debug_assert_eq!(moved, Some(ptr));
        let more = after.wrapping_sub(before);
        self.granted = self.granted.wrapping_add(more);
        Ok(Some(more))
    }

    /// Bytes of the live block at `ptr`.
    pub(super) fn usable_size(&self, ptr: NonNull<u8>) -> Result<usize, FreeError<NonNull<u8>>> {
        if !self.live.is_live(ptr.addr().get()) {
            return Err(self.refuse(ptr));
        }
        // SAFETY: the bit is set, so the block is one of `lists` and live.
        Ok(unsafe { Lists::<DOUBLINGS, STEPS>::allocation_usable_size(self.own(ptr)) })
    }

    /// The bytes that live blocks have, if bits, headers and counters agree; else what does not.
    pub(super) fn check(&self) -> Result<usize, &'static str> {
        let end = self.live.bytes() - GRANULARITY;
        let (mut blocks, mut bytes, mut behind) = (0, 0, 0);
        for step in self.live.iter() {
            let start = LiveMap::offset(step);
            let has = self.usable_size(self.at(start)).unwrap_or(0);
            if start < behind + STEP || has == 0 || has > end - start.min(end) {
                return Err("blocks of the tiny heap overlap, or the header of one was overwritten");
            }
            (blocks, bytes, behind) = (blocks + 1, bytes + has, start + has);
        }
        if (blocks, bytes) != (self.blocks, self.granted) {
            return Err("the counters of the tiny heap are not those of its blocks");
        }
        Ok(bytes)
    }

    /// Bytes of the live block at `ptr`, if one of `layout` has as many there.
    #[inline]
    fn verify(&self, ptr: NonNull<u8>, layout: Layout) -> Result<usize, FreeError<NonNull<u8>>> {
        let actual = self.usable_size(ptr)?;
        let aligned =
            ptr.addr().get().is_multiple_of(layout.align()) && on_granule(ptr) == is_wide(layout.align());
        if !aligned || granted(layout) != actual {
            return Err(FreeError::WrongSize { at: ptr, given: layout.pad_to_align().size(), actual });
        }
        Ok(actual)
    }

    /// Frees a live block of `bytes` bytes.
    fn release(&mut self, ptr: NonNull<u8>, bytes: usize) {
        self.live.set(ptr.addr().get(), false);
        self.blocks -= 1;
        self.granted -= bytes;
        if self.blocks == 0 {
            self.widest = STEP;
        }
        let align = if on_granule(ptr) { GRANULARITY } else { 1 };
        // SAFETY: the block was live until now. Of the alignment rlsf asks only whether it is a granule or more, and that
        // the address says.
        unsafe { self.lists.deallocate(self.own(ptr), align) };
    }

    /// Why `ptr`, an address among the blocks, is none of a live one.
    #[cold]
    fn refuse(&self, ptr: NonNull<u8>) -> FreeError<NonNull<u8>> {
        let offset = ptr.addr().get() - self.live.base().addr().get();
        if let Some(step) = self.live.last_to(offset / STEP) {
            let block = self.at(LiveMap::offset(step));
            let bytes = self.usable_size(block).unwrap_or(0);
            if offset < LiveMap::offset(step) + bytes {
                return FreeError::Interior { at: ptr, block };
            }
        }
        if offset.is_multiple_of(STEP) { FreeError::DoubleFree(ptr) } else { FreeError::NotManaged(ptr) }
    }

    /// Whether a block that ends at `end` can have `more` bytes: no header lies there. Where the next block's header
    /// lies is not known exactly, only that its lead is less than the widest alignment.
    fn has_room_behind(&self, end: usize, more: usize) -> bool {
        let from = end - self.live.base().addr().get();
        let room = self.live.bytes() - GRANULARITY - from;
        let window = from.saturating_add(more).saturating_add(self.widest + STEP);
        more <= room && self.live.first_from(from / STEP, window.div_ceil(STEP)).is_none()
    }

    /// The same address through the chunk's own memory, whatever the caller's pointer was derived from.
    #[inline]
    fn own(&self, ptr: NonNull<u8>) -> NonNull<u8> {
        self.live.base().with_addr(ptr.addr())
    }

    /// The address `offset` bytes into the pool.
    fn at(&self, offset: usize) -> NonNull<u8> {
        self.live.base().map_addr(|base| base.saturating_add(offset))
    }
}

/// Bytes that a block of `layout` has: whole granules, of which half a one holds the header if it starts behind one.
#[inline]
pub(super) fn granted(layout: Layout) -> usize {
    let header = if is_wide(layout.align()) { 0 } else { STEP };
    (layout.size() + header).next_multiple_of(GRANULARITY) - header
}

#[inline]
const fn is_wide(align: usize) -> bool {
    align >= GRANULARITY
}

#[inline]
fn on_granule(ptr: NonNull<u8>) -> bool {
    ptr.addr().get().is_multiple_of(GRANULARITY)
}
