//! The bits of one group: [`Bitmap`], what the next commit writes and what must not be handed out.
//!
//! Bit *n* of byte *m* behind the header is block 8 *m* + *n* of the group; a bit that is set is taken. Invariant: what `next`
//! has, `taken` has.

use super::super::block::Block;
use super::super::layout::{GROUP_BLOCKS, HEADER};
use super::super::plan::Plan;
use crate::error::FsError;

#[derive(Debug)]
pub(super) struct Bitmap {
    /// What the tree of the open generation has.
    pub(super) next: Block,
    /// That, and what an older tree or nobody yet has.
    pub(super) taken: Block,
}

impl Bitmap {
    /// A bitmap with what `next` says.
    pub(super) fn try_from_next(next: Block) -> Result<Self, FsError> {
        let mut taken = Block::try_new()?;
        taken.bytes_mut().copy_from_slice(next.bytes());
        Ok(Self { next, taken })
    }

    /// Takes up to `count` free blocks, in ascending order; gives their bits to `each`. Returns how many.
    pub(super) fn take(&mut self, count: usize, mut each: impl FnMut(u64)) -> usize {
        let mut done = 0;
        let words = self.taken.bytes_mut().get_mut(HEADER..).unwrap_or_default().as_chunks_mut::<8>().0;
        for (word, first) in words.iter_mut().zip((0..).step_by(64)) {
            let mut bits = u64::from_le_bytes(*word);
            while bits != u64::MAX && done < count {
                each(first + u64::from(bits.trailing_ones()));
                bits |= bits + 1;
                done += 1;
            }
            *word = bits.to_le_bytes();
            if done == count {
                break;
            }
        }
        done
    }
}

/// The bitmap of a group from which nothing was ever taken.
pub(in crate::fs::kosfs) fn fresh(plan: Plan, group: u64) -> Result<Block, FsError> {
    let mut block = Block::try_new()?;
    if let Some(bits) = block.bytes_mut().get_mut(HEADER..) {
        bits.fill(0xff);
    }
    for usable in plan.usable_in(group) {
        change_bit(&mut block, usable % GROUP_BLOCKS, false);
    }
    Ok(block)
}

/// Clear bits of usable blocks; `None` if a block is free that is not usable.
pub(in crate::fs::kosfs) fn free_bits(block: &Block, plan: Plan, group: u64) -> Option<u32> {
    let bits = block.bytes().get(HEADER..)?;
    let free: u32 = bits.iter().map(|byte| byte.count_zeros()).sum();
    let usable = plan.usable_in(group);
    let inside = (usable.start % GROUP_BLOCKS)..(usable.start % GROUP_BLOCKS + (usable.end - usable.start));
    let outside = (0..inside.start).chain(inside.end..GROUP_BLOCKS);
    let free_outside = outside
        .filter(|&bit| bits.get((bit / 8) as usize).is_some_and(|byte| byte & 1 << (bit % 8) == 0))
        .count();
    (free_outside == 0).then_some(free)
}

/// Sets or clears a bit. Whether that changed it.
pub(super) fn change_bit(block: &mut Block, bit: u64, to: bool) -> bool {
    let place = usize::try_from(bit / 8).ok().and_then(|at| block.bytes_mut().get_mut(HEADER + at));
    let Some(byte) = place else { return false };
    let mask = 1 << (bit % 8);
    let was = *byte & mask != 0;
    *byte = if to { *byte | mask } else { *byte & !mask };
    was != to
}
