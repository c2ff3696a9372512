//! What every subject gets alike: arenas of the same size and alignment, touched before; the same random choices.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ptr::NonNull;

use super::must;

/// Bytes that each heap manages.
pub(crate) const ARENA_BYTES: usize = 64 << 20;

/// Arenas start at a multiple of it: nobody loses memory to an odd start, and huge pages may back all of them.
const ARENA_ALIGN: usize = 2 << 20;

/// Memory for a subject, freed on drop.
pub(crate) struct Arena {
    start: NonNull<u8>,
    bytes: usize,
    block: NonNull<u8>,
    layout: Layout,
}

impl Arena {
    /// `bytes` of memory; every page was written once, so that no page fault is measured.
    pub(crate) fn touched(bytes: usize) -> Self {
        let arena = Self::untouched(bytes);
        // SAFETY: the arena is `bytes` long and ours alone.
        unsafe { arena.start.as_ptr().write_bytes(0x5a, bytes) };
        arena
    }

    /// `bytes` of zeroed address space, backed by memory only where somebody writes.
    pub(crate) fn untouched(bytes: usize) -> Self {
        // A larger alignment than malloc's own would make the standard library write all of it.
        let layout = must(Layout::from_size_align(bytes + ARENA_ALIGN, 16).ok());
        // SAFETY: the size is not 0.
        let block = must(NonNull::new(unsafe { alloc_zeroed(layout) }));
        let padding = block.as_ptr().align_offset(ARENA_ALIGN);
        // SAFETY: the padding is less than `ARENA_ALIGN`, by which the block is longer than the arena.
        let start = unsafe { block.add(padding) };
        Self { start, bytes, block, layout }
    }

    /// Its first byte.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Its length in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of it, for allocators that want a slice.
    ///
    /// # Safety
    ///
    /// At most one such slice may be in use, and not longer than the arena lives.
    pub(crate) unsafe fn slice<'a>(&self) -> &'a mut [u8] {
        // SAFETY: the memory is initialised and as long as that; the caller promises the rest.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

// SAFETY: it tells addresses and never follows them while it is shared.
unsafe impl Sync for Arena {}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `untouched`, freed only here.
        unsafe { dealloc(self.block.as_ptr(), self.layout) };
    }
}

/// xorshift64*: the same sequence for every subject, in every run.
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize;
        bits % bound
    }
}

/// The numbers below `count` in a random order, always the same.
pub(crate) fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut random = Random::new(0x5eed);
    for last in (1..count).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::shuffled;

    #[test]
    fn a_shuffle_is_a_permutation_and_repeats() {
        let order = shuffled(1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000));
        assert_ne!(order, sorted);
        assert_eq!(order, shuffled(1000));
    }
}
