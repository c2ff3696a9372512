//! The free blocks of a buddy, by index: [`Blocks`].
//!
//! One [`Tree`] an order has a bit for each block that is free *as a block of that order*. Indices are those of
//! [`super::region`]: aligned like frame numbers up to the top order.
//!
//! Invariants: no two free blocks have a frame in common; no two buddies of one order below the top are both free;
//! counts equal the bits.

use super::MAX_ORDER;
use super::error::InitError;
use super::stats::{Histogram, aligned_blocks};
use super::tree::Tree;

const ORDERS: usize = MAX_ORDER as usize + 1;

/// Shapes of the bitmaps of all orders, and the words that they take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    trees: [Tree; ORDERS],
    top: u32,
    words: usize,
}

impl Shape {
    /// For blocks up to order `top` over `bits` indices, a multiple of `2^top`.
    pub(super) fn new(bits: usize, top: u32) -> Result<Self, InitError> {
        let mut shape = Self { trees: [Tree::EMPTY; ORDERS], top, words: 0 };
        for (tree, order) in shape.trees.iter_mut().zip(0..=top) {
            *tree = Tree::new(shape.words, bits >> order).ok_or(InitError::TooLarge)?;
            shape.words = tree.end();
        }
        Ok(shape)
    }

    /// The order of the largest blocks.
    pub(super) const fn top(&self) -> u32 {
        self.top
    }

    /// Words of storage.
    pub(super) const fn words(&self) -> usize {
        self.words
    }
}

/// `2^order` free frames from index `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) start: usize,
    pub(super) order: u32,
}

impl Block {
    pub(super) const fn frames(&self) -> usize {
        1 << self.order
    }

    pub(super) const fn end(&self) -> usize {
        self.start + self.frames()
    }
}

/// The free blocks in lent words.
#[derive(Debug)]
pub(super) struct Blocks<'m> {
    words: &'m mut [u64],
    shape: Shape,
    counts: Histogram,
    /// Frames in all free blocks.
    free: usize,
}

impl<'m> Blocks<'m> {
    /// No free block; `words` has as many words as `shape` needs.
    pub(super) fn new(words: &'m mut [u64], shape: Shape) -> Self {
        words.fill(0);
        Self { words, shape, counts: Histogram::EMPTY, free: 0 }
    }

    /// The order of the largest blocks.
    pub(super) const fn top(&self) -> u32 {
        self.shape.top
    }

    /// Frames in all free blocks.
    pub(super) const fn free(&self) -> usize {
        self.free
    }

    /// Free blocks by order.
    pub(super) const fn counts(&self) -> Histogram {
        self.counts
    }

    /// The bitmaps of the orders from `order` up that have a free block.
    fn occupied(&self, order: u32) -> impl Iterator<Item = (u32, &Tree)> {
        let orders = self.shape.trees.iter().zip(0..).zip(&self.counts.0).skip(order as usize);
        orders.filter(|&(_, &blocks)| blocks > 0).map(|((tree, order), _)| (order, tree))
    }

    /// The lowest free block of `order` or above.
    pub(super) fn lowest(&self, order: u32) -> Option<Block> {
        let first = |(order, tree): (u32, &Tree)| {
            tree.first(self.words).map(|number| Block { start: number << order, order })
        };
        self.occupied(order).filter_map(first).min_by_key(|block| block.start)
    }

    /// The lowest free block that starts at `from` or above.
    pub(super) fn next(&self, from: usize) -> Option<Block> {
        let next = |(order, tree): (u32, &Tree)| {
            let number = from.div_ceil(1 << order);
            tree.next(self.words, number).map(|number| Block { start: number << order, order })
        };
        self.occupied(0).filter_map(next).min_by_key(|block| block.start)
    }

    /// The free block in which `index` lies.
    pub(super) fn containing(&self, index: usize) -> Option<Block> {
        let found = self.occupied(0).find(|(order, tree)| tree.get(self.words, index >> order));
        found.map(|(order, _)| Block { start: index >> order << order, order })
    }

    /// Whether any index from `start` up to, not including, `end` is free. Not for an empty range.
    pub(super) fn any_free(&self, start: usize, end: usize) -> bool {
        self.occupied(0).any(|(order, tree)| tree.any(self.words, start >> order, (end - 1) >> order))
    }

    /// The lowest free block of the top order with number `from` or above, as its number.
    pub(super) fn next_top(&self, from: usize) -> Option<usize> {
        self.top_tree().next(self.words, from)
    }

    /// The number of the first block of the top order from number `from` that is not free, at most `limit`.
    pub(super) fn top_run_end(&self, from: usize, limit: usize) -> usize {
        self.top_tree().next_clear(self.words, from, limit)
    }

    fn top_tree(&self) -> Tree {
        self.tree(self.shape.top)
    }

    fn tree(&self, order: u32) -> Tree {
        self.shape.trees.get(order as usize).copied().unwrap_or(Tree::EMPTY)
    }

    /// Makes the indices from `start` up to `end`, all of them free, not free.
    pub(super) fn carve(&mut self, start: usize, end: usize) {
        let mut at = start;
        while at < end {
            let Some(block) = self.containing(at) else { return };
            self.remove(block);
            self.release(block.start, at);
            self.release(end, block.end());
            at = block.end();
        }
    }

    /// Makes the indices from `start` up to `end`, none of them free, free; coalesces. Nothing for an empty range.
    pub(super) fn release(&mut self, start: usize, end: usize) {
        for (start, order) in aligned_blocks(start, end, self.shape.top) {
            self.merge(Block { start, order });
        }
    }

    fn merge(&mut self, mut block: Block) {
        while block.order < self.shape.top {
            let buddy = Block { start: block.start ^ block.frames(), ..block };
            if !self.tree(buddy.order).get(self.words, buddy.start >> buddy.order) {
                break;
            }
            self.remove(buddy);
            block = Block { start: block.start.min(buddy.start), order: block.order + 1 };
        }
        self.insert(block);
    }

    fn insert(&mut self, block: Block) {
        self.tree(block.order).set(self.words, block.start >> block.order);
        if let Some(blocks) = self.counts.0.get_mut(block.order as usize) {
            *blocks += 1;
        }
        self.free += block.frames();
    }

    fn remove(&mut self, block: Block) {
        self.tree(block.order).clear(self.words, block.start >> block.order);
        if let Some(blocks) = self.counts.0.get_mut(block.order as usize) {
            *blocks -= 1;
        }
        self.free -= block.frames();
    }

    /// Walks the invariants; the index and the sentence of the first that is broken. O(orders) for each free block.
    pub(super) fn check(&self) -> Result<(), (usize, &'static str)> {
        let mut free = 0;
        for order in 0..=self.shape.top {
            let tree = self.tree(order);
            tree.check(self.words).map_err(|number| (number << order, "a summary must tell its words"))?;
            let blocks = self.check_order(tree, order)?;
            if blocks != self.counts.of(order) {
                return Err((0, "the count of an order must equal its bits"));
            }
            free += blocks << order;
        }
        if free == self.free { Ok(()) } else { Err((0, "the count of free frames must equal the bits")) }
    }

    /// Number of free blocks of `order`.
    fn check_order(&self, tree: Tree, order: u32) -> Result<usize, (usize, &'static str)> {
        let (mut blocks, mut from) = (0, 0);
        while let Some(number) = tree.next(self.words, from) {
            let block = Block { start: number << order, order };
            if order < self.shape.top && number % 2 == 0 && tree.get(self.words, number + 1) {
                return Err((block.start, "two free buddies must be one block"));
            }
            let smaller = self.shape.trees.iter().zip(0..order);
            let inside = |(tree, order): (&Tree, u32)| {
                tree.any(self.words, block.start >> order, (block.end() - 1) >> order)
            };
            if smaller.into_iter().any(inside) {
                return Err((block.start, "free blocks must not overlap"));
            }
            (blocks, from) = (blocks + 1, number + 1);
        }
        Ok(blocks)
    }
}
