//! The free blocks of one order: [`Order`].
//!
//! A free block is a bit of a [`Tree`], all but the lowest: that one is known by its start and has no bit. A memory
//! that is hardly used has few free blocks an order; splitting a large block down to one frame and joining it again
//! then reads and writes no bitmap at all. And each allocation compares the lowest blocks of all orders.
//!
//! Invariants: no bit of the tree is at or below the lowest block; an order without a block has no bit.

use super::blocks::Block;
use super::tree::Tree;

/// The start of the lowest block where there is none: behind all others.
const NOWHERE: usize = usize::MAX;

/// The free blocks of one order. Its bits lie in words that the caller passes to each call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// A bit for each free block but the lowest, by number: its index divided by its size.
    tree: Tree,
    /// Start of the lowest free block; [`NOWHERE`] if there is none.
    first: usize,
    /// Free blocks.
    blocks: usize,
}

impl Order {
    /// Without a block; the words of `tree` are 0.
    pub(super) const fn new(tree: Tree) -> Self {
        Self { tree, first: NOWHERE, blocks: 0 }
    }

    /// Number of free blocks.
    pub(super) const fn blocks(&self) -> usize {
        self.blocks
    }

    /// Start of the lowest free block; above every index if there is none.
    pub(super) const fn first(&self) -> usize {
        self.first
    }

    /// Whether `block` is free.
    #[inline]
    pub(super) fn holds(&self, words: &[u64], block: Block) -> bool {
        self.first == block.start || (self.first < block.start && self.tree.get(words, block.number()))
    }

    /// Adds `block`, which is not free.
    #[inline]
    pub(super) fn insert(&mut self, words: &mut [u64], block: Block) {
        let higher = self.first.max(block.start);
        self.first = self.first.min(block.start);
        self.blocks += 1;
        if higher != NOWHERE {
            self.tree.set(words, higher >> block.order);
        }
    }

    /// Takes `block` out; says whether it was free.
    #[inline]
    pub(super) fn remove(&mut self, words: &mut [u64], block: Block) -> bool {
        if !self.holds(words, block) {
            return false;
        }
        self.blocks -= 1;
        if self.first != block.start {
            self.tree.clear(words, block.number());
        } else if self.blocks == 0 {
            self.first = NOWHERE;
        } else {
            self.advance(words, block);
        }
        true
    }

    /// The block behind `lowest` becomes the lowest.
    fn advance(&mut self, words: &mut [u64], lowest: Block) {
        let next = self.tree.next(words, lowest.number() + 1);
        self.first = next.map_or(NOWHERE, |number| number << lowest.order);
        next.into_iter().for_each(|number| self.tree.clear(words, number));
    }

    /// The number of the lowest free block with number `from` or above; `order` is this order's.
    pub(super) fn next(&self, words: &[u64], order: u32, from: usize) -> Option<usize> {
        let first = self.first >> order;
        if self.first != NOWHERE && from <= first { Some(first) } else { self.tree.next(words, from) }
    }

    /// Whether any index from `start` up to, not including, `end` is free in a block of this order, which is `order`.
    /// Not for an empty range.
    #[inline]
    pub(super) fn any(&self, words: &[u64], order: u32, start: usize, end: usize) -> bool {
        self.first < end
            && (start >> order <= self.first >> order
                || (self.blocks > 1 && self.tree.any(words, start >> order, (end - 1) >> order)))
    }

    /// The number of the first block from number `from` that is not free; at most `limit`.
    pub(super) fn run_end(&self, words: &[u64], order: u32, from: usize, limit: usize) -> usize {
        let lowest = usize::from(from == self.first >> order);
        self.tree.next_clear(words, from + lowest, limit)
    }

    /// Walks what can be told of one order alone; the number of a block and the sentence that is broken.
    pub(super) fn check(&self, words: &[u64], order: u32) -> Result<(), (usize, &'static str)> {
        self.tree.check(words).map_err(|number| (number, "a summary must tell its words"))?;
        match self.tree.next(words, 0) {
            Some(number) if number << order <= self.first => {
                Err((number, "the lowest block of an order must be known"))
            }
            _ => Ok(()),
        }
    }
}
