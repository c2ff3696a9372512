//! Looking for free blocks: reads a few words a level, writes none.

use super::shape::Level;
use super::{Block, Blocks, bits, bytes};

impl Blocks<'_> {
    /// The lowest free block of `order` or above.
    #[inline(always)]
    pub(in crate::frame) fn lowest(&self, order: u32) -> Option<Block> {
        if order > self.top() {
            return None;
        }
        let word = if order == 0 && self.first < self.shape.bits() { self.bits(self.first) } else { 0 };
        if word != 0 {
            return Some(self.in_bits(self.first, word));
        }
        self.descend(self.shape.levels(), 0, order)
    }

    /// The block of the lowest of `found`, lowest bits of free groups in the word of `index`.
    #[inline]
    fn in_bits(&self, index: usize, found: u64) -> Block {
        let at = found.trailing_zeros();
        let order = bits::order_around(!self.bits(index), at).min(self.top());
        Block { start: (index >> bits::ORDER << bits::ORDER) + at as usize, order }
    }

    /// The lowest free block of `order` or above in the part of the tree below the word of `index` at the highest of
    /// `levels`; where there are none, in the bits.
    #[inline(never)]
    fn descend(&self, levels: &[Level], mut index: usize, order: u32) -> Option<Block> {
        for level in levels.iter().rev() {
            let word = self.units(level, index);
            let found = candidates(level, word, order);
            if found == 0 {
                return None;
            }
            index = (index >> level.word() << level.word()) + (bytes::first(found) << level.unit);
            if let Some(block) = self.in_units(level, word, index, order) {
                return Some(block);
            }
        }
        let found = bits::runs(self.bits(index), 0, order);
        (found != 0).then(|| self.in_bits(index, found))
    }

    /// The free block that begins at `index`, a candidate in `word`, unless it lies further below.
    #[inline]
    fn in_units(&self, level: &Level, word: u64, index: usize, order: u32) -> Option<Block> {
        let number = index >> level.unit;
        let here = order >= level.unit || bytes::get(word, number) > level.unit;
        let order = || bytes::order_around(word, number, level.unit).min(self.top());
        here.then(|| Block { start: index, order: order() })
    }

    /// The lowest free block of `order` or above that starts at `from` or above. `from` is a multiple of its size and
    /// does not lie in a larger block that starts below.
    fn seek(&self, from: usize, order: u32) -> Option<Block> {
        let mut index = from;
        if order < bits::ORDER {
            let found = bits::runs(self.bits(index), 0, order) & !0 << bits::place(index);
            if found != 0 && index < self.shape.bits() {
                return Some(self.in_bits(index, found));
            }
            // A word that was looked at whole may be part of a free unit above.
            index = index.div_ceil(1 << bits::ORDER) << bits::ORDER;
        }
        for (place, level) in self.shape.levels().iter().enumerate() {
            if level.word() <= order {
                continue;
            }
            if index >= self.shape.bits() {
                break;
            }
            let word = self.units(level, index);
            let found = candidates(level, word, order) & !0 << bytes::place(index >> level.unit);
            if found != 0 {
                index = (index >> level.word() << level.word()) + (bytes::first(found) << level.unit);
                let below = self.shape.levels().get(..place).unwrap_or(&[]);
                return self
                    .in_units(level, word, index, order)
                    .or_else(|| self.descend(below, index, order));
            }
            index = index.div_ceil(1 << level.word()) << level.word();
        }
        None
    }

    /// The lowest free block that starts at `from` or above.
    pub(in crate::frame) fn next(&self, from: usize) -> Option<Block> {
        match self.containing(from) {
            _ if from >= self.shape.bits() => None,
            Some(block) if block.start == from => Some(block),
            Some(block) => self.seek(block.end(), 0),
            None => self.seek(from, 0),
        }
    }

    /// The free block in which `index` lies.
    #[inline]
    pub(in crate::frame) fn containing(&self, index: usize) -> Option<Block> {
        let (word, at) = (self.bits(index), bits::place(index));
        if word == 0 {
            return self.in_larger(index);
        }
        let free = word >> at & 1 != 0;
        free.then(|| Block::around(index, bits::order_around(!word, at).min(self.top())))
    }

    /// The free block in which `index` lies, if units tell of it.
    fn in_larger(&self, index: usize) -> Option<Block> {
        let told = |level: &&Level| self.units(level, index) != 0;
        let level = self.shape.levels().iter().find(told)?;
        let (word, number) = (self.units(level, index), index >> level.unit);
        let free = bytes::get(word, number) > level.unit;
        free.then(|| Block::around(index, bytes::order_around(word, number, level.unit).min(self.top())))
    }

    /// Whether anything in `block` is free.
    #[inline(always)]
    pub(in crate::frame) fn any_free(&self, block: Block) -> bool {
        let (word, mask) = if block.is_bits() {
            (self.bits(block.start), bits::mask(bits::place(block.start), block.order))
        } else {
            self.told_by_units(block)
        };
        if word == 0 { self.any_above(block) } else { word & mask != 0 }
    }

    /// The word that tells of `block`, and the bits that do.
    #[inline(never)]
    fn told_by_units(&self, block: Block) -> (u64, u64) {
        let level = self.shape.level_of(block.order);
        level.map_or((0, 0), |level| {
            let mask = bytes::mask(block.start >> level.unit, block.order - level.unit);
            (self.units(level, block.start), mask)
        })
    }

    /// Whether `block` is in a larger free block.
    #[inline(never)]
    fn any_above(&self, block: Block) -> bool {
        let told = |level: &&Level| self.units(level, block.start) != 0;
        let level = self.shape.levels_above(block.order).iter().find(told);
        level.is_some_and(|level| {
            bytes::get(self.units(level, block.start), block.start >> level.unit) > level.unit
        })
    }

    /// One more than the order of the largest free block; 0 if there is none.
    pub(in crate::frame) fn largest(&self) -> u32 {
        let root = self.shape.levels().last();
        root.map_or(0, |root| bytes::largest(self.units(root, 0), root.unit, self.top() + 1))
    }

    /// The lowest free block of the top order with number `from` or above, as its number.
    pub(in crate::frame) fn next_top(&self, from: usize) -> Option<usize> {
        let top = self.top();
        self.seek(from << top, top).map(|block| block.start >> top)
    }

    /// The number of the first block of the top order from number `from` that is not free; at most `limit`.
    pub(in crate::frame) fn top_run_end(&self, from: usize, limit: usize) -> usize {
        let top = self.top();
        let free = |number: usize| self.containing(number << top).is_some_and(|block| block.order == top);
        (from..limit).find(|&number| !free(number)).unwrap_or(limit.max(from))
    }
}

/// A bit in each unit of `word` with a free block of `order` or above, or in the lowest of each such block.
#[inline]
fn candidates(level: &Level, word: u64, order: u32) -> u64 {
    match order.checked_sub(level.unit) {
        None => bytes::at_least(word, order + 1),
        Some(units) => bytes::runs(word, level.unit, units),
    }
}
