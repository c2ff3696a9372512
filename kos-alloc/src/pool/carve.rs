//! The lent buffer cut into words and blocks, and the only code that makes pointers to them: [`Blocks`].
//!
//! ```text
//! buffer    8-aligned          block-aligned
//! │ padding │ words of the books │ padding │ block 0 │ block 1 │ … │ rest │
//! ```
//!
//! Invariant, on which the unsafe code rests: `base` is the first of `count * stride` bytes of the buffer, which is lent
//! for `'m` and borrowed by nobody else.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::{InitError, MAX_BLOCK, MIN_BLOCK};

const WORD: usize = size_of::<u64>();

/// Where the blocks lie.
#[derive(Debug)]
pub(super) struct Blocks<'m> {
    base: NonNull<u8>,
    stride: usize,
    count: usize,
    lent: PhantomData<&'m mut [MaybeUninit<u8>]>,
}

// SAFETY: the blocks are plain memory that was lent to this value alone.
unsafe impl Send for Blocks<'_> {}

impl<'m> Blocks<'m> {
    /// As many blocks as `memory` holds, and the words of a bitmap over them, which are zero.
    pub(super) fn carve(
        memory: &'m mut [MaybeUninit<u8>],
        block: Layout,
    ) -> Result<(Self, &'m mut [u64]), InitError> {
        let stride = stride(block);
        if block.size() < MIN_BLOCK || stride > MAX_BLOCK {
            return Err(InitError::BlockSize { size: block.size() });
        }
        let (start, given) = (memory.as_ptr().addr(), memory.len());
        let count = most(given / stride, |count| extent(start, block, count) <= given);
        let blocks_at = extent(start, block, count) - count * stride;
        let Some((head, blocks)) = memory.split_at_mut_checked(blocks_at).filter(|_| count > 0) else {
            return Err(InitError::Memory { needed: bytes_for(block, 1), given });
        };
        let base = NonNull::from(blocks).cast();
        Ok((Self { base, stride, count, lent: PhantomData }, zeroed_words(head)))
    }

    /// Bytes from one block to the next.
    pub(super) const fn stride(&self) -> usize {
        self.stride
    }

    /// Number of blocks.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The address of block `index`.
    pub(super) fn address(&self, index: usize) -> Option<NonNull<u8>> {
        if index >= self.count {
            return None;
        }
        // SAFETY: the block is one of `count`, which all lie in the buffer that starts at `base`.
        Some(unsafe { self.base.add(index * self.stride) })
    }

    /// The number and the start of the block in which `at` lies.
    pub(super) fn locate(&self, at: NonNull<u8>) -> Option<(usize, NonNull<u8>)> {
        let index = at.addr().get().checked_sub(self.base.addr().get())? / self.stride;
        Some((index, self.address(index)?))
    }
}

/// Bytes from a block of this layout to the next.
const fn stride(block: Layout) -> usize {
    block.size().next_multiple_of(block.align())
}

/// Words of a bitmap of `bits` bits with its summaries, as [`Tree`](crate::frame::Tree) lays them out.
const fn words(bits: usize) -> usize {
    let mut level = bits.div_ceil(64);
    let mut sum = level;
    while level > 1 {
        level = level.div_ceil(64);
        sum += level;
    }
    sum
}

pub(super) const fn bytes_for(block: Layout, capacity: usize) -> usize {
    (WORD - 1) + words(capacity) * WORD + (block.align() - 1) + capacity * stride(block)
}

/// Bytes from `start` to the end of block number `count`, with the words and all padding.
const fn extent(start: usize, block: Layout, count: usize) -> usize {
    let words_end = padding(start, WORD) + words(count) * WORD;
    words_end + padding(start.wrapping_add(words_end), block.align()) + count * stride(block)
}

/// Bytes from `address` to the next multiple of `align`.
const fn padding(address: usize, align: usize) -> usize {
    address.wrapping_neg() & (align - 1)
}

/// The largest number up to `limit` that `fits`; every smaller one does too.
fn most(limit: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, limit);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// The whole words in `memory`, made zero.
fn zeroed_words(memory: &mut [MaybeUninit<u8>]) -> &mut [u64] {
    // SAFETY: memory that may hold anything may be seen as words that may hold anything.
    let (_, words, _) = unsafe { memory.align_to_mut::<MaybeUninit<u64>>() };
    for word in &mut *words {
        word.write(0);
    }
    // SAFETY: every word was written.
    unsafe { words.assume_init_mut() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Tree;

    #[test]
    fn words_are_counted_as_the_tree_does() {
        for bits in [1, 2, 63, 64, 65, 4096, 4097, 64 * 4096, 64 * 4096 + 1, 1 << 30] {
            assert_eq!(Tree::new(0, bits).unwrap().end(), words(bits), "{bits} bits");
        }
    }

    #[test]
    fn the_search_finds_the_largest_that_fits() {
        for limit in 0..40 {
            for largest in 0..=limit {
                assert_eq!(most(limit, |n| n <= largest), largest);
            }
        }
    }
}
