//! The free blocks of a buddy, by index: [`Blocks`].
//!
//! A tree in lent words. Below are the frames, a bit each. A word of the level above has a byte for each of eight words
//! below it, a *unit*, and so has every further level ([`bits`], [`bytes`]). Its search goes straight to the lowest
//! block that is large enough; splitting and joining within a word is one step, whatever the orders. So a call touches a
//! few words a level, however many blocks are free: six levels of units for 64 GiB of 4 KiB frames.
//!
//! A free block is told at one level only, the highest whose units it is not smaller than. Indices are those of
//! [`super::region`]: aligned like frame numbers up to the top order.
//!
//! Invariants: below a unit that is free as a whole, or not at all, all words are 0; any other unit tells the word
//! below; a word that is free as a whole is a unit that says so, up to the top order; the counts equal the blocks;
//! nothing below `first` is free. So two free buddies cannot be told from the block that they make, and no free block
//! lies in another.
//!
//! Source: D. Knuth, The Art of Computer Programming 1, 2.5, for the buddy system; a tree of the largest blocks replaces
//! its lists of free blocks.

mod bits;
mod bytes;
mod check;
mod counts;
mod search;
mod shape;
#[cfg(test)]
mod tests;

use super::stats::{Histogram, aligned_blocks};
use counts::Counts;
use shape::Level;

pub(super) use shape::Shape;

/// `2^order` frames from index `start`, a multiple of their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) start: usize,
    pub(super) order: u32,
}

impl Block {
    #[inline]
    pub(super) const fn frames(&self) -> usize {
        1 << self.order
    }

    #[inline]
    pub(super) const fn end(&self) -> usize {
        self.start + self.frames()
    }

    /// The indices from `start` up to `end`, if they are a block and none of an order above `top`.
    #[inline]
    pub(super) const fn exactly(start: usize, end: usize, top: u32) -> Option<Self> {
        let frames = end - start;
        let block = Self { start, order: frames.trailing_zeros() };
        let aligned = frames.is_power_of_two() && start & (frames - 1) == 0;
        if aligned && block.order <= top { Some(block) } else { None }
    }

    /// The block of `order` in which `index` lies.
    #[inline]
    const fn around(index: usize, order: u32) -> Self {
        Self { start: index >> order << order, order }
    }

    /// Whether bits tell of it, not units.
    #[inline]
    const fn is_bits(&self) -> bool {
        self.order < bits::ORDER
    }
}

/// The free blocks in lent words.
#[derive(Debug)]
pub(super) struct Blocks<'m> {
    words: &'m mut [u64],
    shape: Shape,
    counts: Counts,
    /// Frames in all free blocks.
    free: usize,
    /// No index below is free.
    first: usize,
}

impl<'m> Blocks<'m> {
    /// No free block; `words` has as many words as `shape` needs.
    pub(super) fn new(words: &'m mut [u64], shape: Shape) -> Self {
        words.fill(0);
        Self { words, shape, counts: Counts::NONE, free: 0, first: shape.bits() }
    }

    /// The order of the largest blocks.
    #[inline]
    pub(super) const fn top(&self) -> u32 {
        self.shape.top()
    }

    /// Words in use.
    pub(super) const fn words(&self) -> usize {
        self.shape.words()
    }

    /// The lent words.
    pub(super) fn into_words(self) -> &'m mut [u64] {
        self.words
    }

    /// Frames in all free blocks.
    #[inline]
    pub(super) const fn free(&self) -> usize {
        self.free
    }

    /// Free blocks by order.
    pub(super) fn counts(&self) -> Histogram {
        self.counts.histogram()
    }

    /// Makes the first `count` frames of the free `block` not free. `order` is that of the smallest block that holds them.
    #[inline(always)]
    pub(super) fn take(&mut self, block: Block, order: u32, count: usize) {
        self.free -= count;
        let taken = Block { start: block.start, order };
        self.cut(block, taken);
        if count < taken.frames() {
            self.put_all(block.start + count, taken.end());
        }
        if self.first == block.start {
            self.first += count;
        }
    }

    /// Makes the indices from `start` up to `end`, all of them free, not free.
    pub(super) fn carve(&mut self, start: usize, end: usize) {
        self.free -= end - start;
        let mut at = start;
        while let Some(whole) = self.containing(at) {
            let rest = aligned_blocks(at, end.min(whole.end()), self.top()).next();
            let Some((start, order)) = rest else { return };
            let piece = Block { start, order };
            self.cut(whole, piece);
            at = piece.end();
        }
    }

    /// Makes the indices from `start` up to `end`, none of them free, free; coalesces. Nothing for an empty range.
    pub(super) fn release(&mut self, start: usize, end: usize) {
        self.free += end - start;
        self.first = self.first.min(start);
        self.put_all(start, end);
    }

    /// The same for `block`.
    #[inline(always)]
    pub(super) fn release_block(&mut self, block: Block) {
        self.free += block.frames();
        self.first = self.first.min(block.start);
        self.put(block);
    }

    #[inline(never)]
    fn put_all(&mut self, start: usize, end: usize) {
        for (start, order) in aligned_blocks(start, end, self.top()) {
            self.put(Block { start, order });
        }
    }

    /// Adds `block`, of which nothing is free, joined with its buddies as far as they are free.
    #[inline(always)]
    fn put(&mut self, block: Block) {
        if !block.is_bits() {
            return self.put_units(block, block.order);
        }
        let Some(word) = self.words.get_mut(block.start >> bits::ORDER) else { return };
        let at = bits::place(block.start);
        *word |= bits::mask(at, block.order);
        if *word == !0 && self.shape.top() >= bits::ORDER {
            *word = 0;
            return self.put_units(Block::around(block.start, bits::ORDER), block.order);
        }
        let order = bits::order_around(!*word, at).min(self.shape.top());
        self.counts.join(block.order, order);
        if self.told_of_bits(block.start) <= order {
            self.raise(block.start, order);
        }
    }

    /// What the unit of the 64 frames around `index` says.
    #[inline]
    fn told_of_bits(&self, index: usize) -> u32 {
        let (number, start) = (index >> bits::ORDER, self.shape.frames_words());
        let word = self.words.get(start + (number >> bytes::ORDER)).copied();
        bytes::get(word.unwrap_or(0), number)
    }

    /// Adds `block`, which units tell of; what was added first was of the order `piece`.
    #[inline(never)]
    fn put_units(&mut self, block: Block, piece: u32) {
        let top = self.shape.top();
        for level in self.shape.levels_from(block.order) {
            let number = block.start >> level.unit;
            let Some(place) = self.words.get_mut(level.word_of(number)) else { return };
            // Above its own level it became one unit.
            let mask = match block.order.checked_sub(level.unit) {
                Some(units) => bytes::mask(number, units),
                None => bytes::UNIT << bytes::place(number),
            };
            let full = bytes::full(level.unit);
            let word = *place & !mask | full & mask;
            if word != full || level.word() > top {
                *place = word;
                let order = bytes::order_around(word, number, level.unit).min(top);
                self.counts.join(piece, order);
                return self.raise(block.start, order);
            }
            *place = 0;
        }
    }

    /// Tells the levels above that there is a free block of `order` at `index` now.
    #[inline(never)]
    fn raise(&mut self, index: usize, order: u32) {
        for level in self.shape.levels_above(order) {
            let number = index >> level.unit;
            let Some(word) = self.words.get_mut(level.word_of(number)) else { return };
            if bytes::get(*word, number) > order {
                return;
            }
            *word = bytes::set(*word, number, order + 1);
        }
    }

    /// Takes `piece` out of the free block `whole`, in which it lies. What is left coalesces with nothing.
    #[inline(always)]
    fn cut(&mut self, whole: Block, piece: Block) {
        self.counts.split(piece.order, whole.order);
        if !whole.is_bits() {
            return self.cut_units(whole, piece);
        }
        self.cut_bits(piece, None);
        if self.told_of_bits(piece.start) == whole.order + 1 {
            self.lower(piece.start, whole.order);
        }
    }

    /// Takes `piece` out of its word, which told `before`.
    #[inline]
    fn cut_bits(&mut self, piece: Block, before: Option<u64>) {
        if let Some(word) = self.words.get_mut(piece.start >> bits::ORDER) {
            *word = before.unwrap_or(*word) & !bits::mask(bits::place(piece.start), piece.order);
        }
    }

    /// The same if units tell of `whole`.
    #[inline(never)]
    fn cut_units(&mut self, whole: Block, piece: Block) {
        for level in self.shape.levels_between(piece.order, whole.order).iter().rev() {
            let number = piece.start >> level.unit;
            let Some(word) = self.words.get_mut(level.word_of(number)) else { return };
            // Below the level of the whole it was told by the unit above.
            let before = if level.word() > whole.order { *word } else { bytes::full(level.unit) };
            *word = match piece.order.checked_sub(level.unit) {
                Some(units) => before & !bytes::mask(number, units),
                // Half of the unit is left at least: its largest block is one order smaller.
                None => before - (1 << bytes::place(number)),
            };
        }
        if piece.is_bits() {
            self.cut_bits(piece, Some(!0));
        }
        self.lower(piece.start, whole.order);
    }

    /// Tells the levels above that there is one free block of `order` less around `index`.
    #[inline(never)]
    fn lower(&mut self, index: usize, order: u32) {
        let value = order + 1;
        let mut below = self.shape.level_of(order);
        for level in self.shape.levels_above(order) {
            let (word, number) = (self.units(level, index), index >> level.unit);
            if bytes::get(word, number) > value {
                return;
            }
            let left = match below {
                None => bits::largest(self.bits(index), 0, value),
                Some(below) => bytes::largest(self.units(below, index), below.unit, value),
            };
            if left == value {
                return;
            }
            if let Some(place) = self.words.get_mut(level.word_of(number)) {
                *place = bytes::set(word, number, left);
            }
            below = Some(level);
        }
    }

    /// The bits of the 64 frames around `index`.
    #[inline]
    fn bits(&self, index: usize) -> u64 {
        self.words.get(index >> bits::ORDER).copied().unwrap_or(0)
    }

    /// The units around `index` at `level`.
    #[inline]
    fn units(&self, level: &Level, index: usize) -> u64 {
        self.words.get(level.word_of(index >> level.unit)).copied().unwrap_or(0)
    }
}
