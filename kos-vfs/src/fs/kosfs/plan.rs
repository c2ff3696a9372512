//! Where the fixed parts of a volume lie: [`Plan`], arithmetic alone.

use super::layout::{BLOCK, GROUP_BLOCKS, HEADER, RawGroup};

/// Blocks of the smallest volume: 4 MiB.
pub(super) const BLOCKS_MIN: u64 = 1024;

/// Blocks of the largest volume: 2^63 - 1 bytes.
pub(super) const BLOCKS_MAX: u64 = (1 << 51) - 1;

/// Groups that one block of the table describes.
pub(super) const GROUPS_PER_TABLE: usize = (BLOCK - HEADER) / size_of::<RawGroup>();

/// Places that a bitmap or table block takes in rotation.
pub(super) const HOMES: u8 = 3;

/// The first block that is not fixed for all volumes.
const TABLES: u64 = 273;

/// The fixed parts of a volume of `blocks` blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    blocks: u64,
}

impl Plan {
    /// `None` for fewer than [`BLOCKS_MIN`] blocks or more than [`BLOCKS_MAX`].
    pub(super) const fn new(blocks: u64) -> Option<Self> {
        if blocks < BLOCKS_MIN || blocks > BLOCKS_MAX { None } else { Some(Self { blocks }) }
    }

    pub(super) const fn blocks(self) -> u64 {
        self.blocks
    }

    /// The superblock of `generation`.
    pub(super) const fn superblock(generation: u64) -> u64 {
        if generation.is_multiple_of(2) { 16 } else { 272 }
    }

    /// Groups of blocks.
    pub(super) const fn groups(self) -> u64 {
        self.blocks.div_ceil(GROUP_BLOCKS)
    }

    /// Blocks of one home of the table of groups.
    pub(super) const fn tables(self) -> u64 {
        self.groups().div_ceil(GROUPS_PER_TABLE as u64)
    }

    pub(super) const fn table(self, index: u64, home: u8) -> u64 {
        TABLES + home as u64 * self.tables() + index
    }

    pub(super) const fn bitmap(self, group: u64, home: u8) -> u64 {
        self.table(self.tables(), HOMES - 1) + home as u64 * self.groups() + group
    }

    /// The first block behind the fixed parts.
    pub(super) const fn first(self) -> u64 {
        self.bitmap(self.groups(), HOMES - 1)
    }

    /// The last block, where the parameters stand once more.
    pub(super) const fn last(self) -> u64 {
        self.blocks - 1
    }

    /// Blocks that trees and data may have.
    pub(super) const fn usable(self) -> u64 {
        self.last() - self.first()
    }

    /// Whether a tree may point to `block`.
    pub(super) const fn is_usable(self, block: u64) -> bool {
        block >= self.first() && block < self.last()
    }

    /// The usable blocks of `group`.
    pub(super) fn usable_in(self, group: u64) -> core::ops::Range<u64> {
        let start = (group * GROUP_BLOCKS).max(self.first());
        start..((group + 1) * GROUP_BLOCKS).min(self.last()).max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_parts_follow_each_other_and_groups_cover_the_rest() {
        for blocks in [BLOCKS_MIN, GROUP_BLOCKS, GROUP_BLOCKS + 1, 1 << 20, (1 << 32) + 7] {
            let plan = Plan::new(blocks).unwrap();
            assert_eq!(plan.table(0, 0), TABLES);
            assert_eq!(plan.table(plan.tables(), 0), plan.table(0, 1));
            assert_eq!(plan.table(plan.tables(), 2), plan.bitmap(0, 0));
            assert_eq!(plan.bitmap(plan.groups(), 1), plan.bitmap(0, 2));
            let sum: u64 = (0..plan.groups())
                .map(|group| plan.usable_in(group))
                .map(|range| range.end - range.start)
                .sum();
            assert_eq!(sum, plan.usable(), "{blocks}");
        }
        assert_eq!((Plan::new(BLOCKS_MIN - 1), Plan::new(BLOCKS_MAX + 1)), (None, None));
        assert!(Plan::new(BLOCKS_MAX).unwrap().first() < BLOCKS_MAX / 1000);
    }
}
