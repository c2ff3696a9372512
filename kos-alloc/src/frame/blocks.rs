//! The free blocks of a buddy, by index: [`Blocks`].
//!
//! An [`Order`] knows the blocks that are free *as blocks of that order*. Indices are those of [`super::region`]:
//! aligned like frame numbers up to the top order.
//!
//! Invariants: no two free blocks have a frame in common; no two buddies of one order below the top are both free;
//! counts equal the blocks.

use super::MAX_ORDER;
use super::error::InitError;
use super::order::Order;
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

    /// The block of `order` in which `index` lies.
    const fn around(index: usize, order: u32) -> Self {
        Self { start: index >> order << order, order }
    }

    /// Its place among the blocks of its order.
    pub(super) const fn number(&self) -> usize {
        self.start >> self.order
    }

    /// The other half of the next larger block.
    const fn buddy(&self) -> Self {
        Self { start: self.start ^ self.frames(), order: self.order }
    }
}

/// The free blocks in lent words.
#[derive(Debug)]
pub(super) struct Blocks<'m> {
    words: &'m mut [u64],
    orders: [Order; ORDERS],
    top: u32,
    /// Frames in all free blocks.
    free: usize,
}

impl<'m> Blocks<'m> {
    /// No free block; `words` has as many words as `shape` needs.
    pub(super) fn new(words: &'m mut [u64], shape: Shape) -> Self {
        words.fill(0);
        let orders = shape.trees.map(Order::new);
        Self { words, orders, top: shape.top, free: 0 }
    }

    /// The order of the largest blocks.
    pub(super) const fn top(&self) -> u32 {
        self.top
    }

    /// Frames in all free blocks.
    pub(super) const fn free(&self) -> usize {
        self.free
    }

    /// Free blocks by order.
    pub(super) fn counts(&self) -> Histogram {
        Histogram(self.orders.map(|order| order.blocks()))
    }

    /// The orders from `from` up.
    #[inline]
    fn orders(&self, from: u32) -> impl Iterator<Item = (u32, &Order)> {
        (from..).zip(self.orders.get(from as usize..=self.top as usize).unwrap_or(&[]))
    }

    /// The lowest free block of `order` or above. Reads no bitmap.
    pub(super) fn lowest(&self, order: u32) -> Option<Block> {
        let (order, found) = self.orders(order).min_by_key(|(_, found)| found.first())?;
        (found.blocks() > 0).then(|| Block { start: found.first(), order })
    }

    /// The lowest free block that starts at `from` or above.
    pub(super) fn next(&self, from: usize) -> Option<Block> {
        let next = |(order, found): (u32, &Order)| {
            let number = found.next(self.words, order, from.div_ceil(1 << order))?;
            Some(Block { start: number << order, order })
        };
        self.orders(0).filter_map(next).min_by_key(|block| block.start)
    }

    /// The free block in which `index` lies.
    pub(super) fn containing(&self, index: usize) -> Option<Block> {
        let mut around = self.orders(0).map(|(order, found)| (found, Block::around(index, order)));
        around.find(|(found, block)| found.holds(self.words, *block)).map(|(_, block)| block)
    }

    /// Whether any index from `start` up to, not including, `end` is free. Not for an empty range.
    pub(super) fn any_free(&self, start: usize, end: usize) -> bool {
        self.orders(0).any(|(order, found)| found.any(self.words, order, start, end))
    }

    /// The lowest free block of the top order with number `from` or above, as its number.
    pub(super) fn next_top(&self, from: usize) -> Option<usize> {
        self.orders.get(self.top as usize)?.next(self.words, self.top, from)
    }

    /// The number of the first block of the top order from number `from` that is not free; at most `limit`.
    pub(super) fn top_run_end(&self, from: usize, limit: usize) -> usize {
        let top = self.orders.get(self.top as usize);
        top.map_or(limit, |order| order.run_end(self.words, self.top, from, limit))
    }

    /// Makes the first `count` frames of the free `block` not free.
    pub(super) fn take(&mut self, block: Block, count: usize) {
        self.remove(block);
        self.free -= count;
        let order = count.next_power_of_two().ilog2();
        let halves = self.orders.get_mut(order as usize..block.order as usize).unwrap_or(&mut []);
        for (order, half) in (order..).zip(halves) {
            half.insert(self.words, Block { start: block.start + (1 << order), order });
        }
        self.insert_all(block.start + count, block.start + (1 << order));
    }

    /// Makes the indices from `start` up to `end`, all of them free, not free.
    pub(super) fn carve(&mut self, start: usize, end: usize) {
        self.free -= end - start;
        let mut at = start;
        while at < end {
            let Some(block) = self.containing(at) else { return };
            self.remove(block);
            // What is left over has its buddies in what is taken: nothing coalesces.
            self.insert_all(block.start, at);
            self.insert_all(end, block.end());
            at = block.end();
        }
    }

    fn insert_all(&mut self, start: usize, end: usize) {
        for (start, order) in aligned_blocks(start, end, self.top) {
            self.insert(Block { start, order });
        }
    }

    /// Makes the indices from `start` up to `end`, none of them free, free; coalesces. Nothing for an empty range.
    pub(super) fn release(&mut self, start: usize, end: usize) {
        self.free += end - start;
        for (start, order) in aligned_blocks(start, end, self.top) {
            self.merge(Block { start, order });
        }
    }

    /// Adds `block`, joined with its buddy as long as that is free.
    fn merge(&mut self, mut block: Block) {
        let below_top = self.orders.get_mut(block.order as usize..self.top as usize).unwrap_or(&mut []);
        for order in below_top {
            if !order.remove(self.words, block.buddy()) {
                order.insert(self.words, block);
                return;
            }
            block = Block::around(block.start, block.order + 1);
        }
        self.insert(block);
    }

    fn holds(&self, block: Block) -> bool {
        self.orders.get(block.order as usize).is_some_and(|order| order.holds(self.words, block))
    }

    fn insert(&mut self, block: Block) {
        if let Some(order) = self.orders.get_mut(block.order as usize) {
            order.insert(self.words, block);
        }
    }

    fn remove(&mut self, block: Block) {
        if let Some(order) = self.orders.get_mut(block.order as usize) {
            order.remove(self.words, block);
        }
    }

    /// Walks the invariants; the index and the sentence of the first that is broken. O(orders) for each free block.
    pub(super) fn check(&self) -> Result<(), (usize, &'static str)> {
        for (order, found) in self.orders(0) {
            found.check(self.words, order).map_err(|(number, what)| (number << order, what))?;
            if self.check_order(order, found)? != found.blocks() {
                return Err((0, "the count of an order must equal its blocks"));
            }
        }
        let free = self.counts().frames() == self.free;
        if free { Ok(()) } else { Err((0, "the count of free frames must equal the bits")) }
    }

    /// Number of free blocks of `order`.
    fn check_order(&self, order: u32, found: &Order) -> Result<usize, (usize, &'static str)> {
        let (mut blocks, mut from) = (0, 0);
        while let Some(number) = found.next(self.words, order, from) {
            let block = Block { start: number << order, order };
            if order < self.top && number % 2 == 0 && self.holds(block.buddy()) {
                return Err((block.start, "two free buddies must be one block"));
            }
            let mut smaller = (0..order).zip(&self.orders);
            let overlaps =
                smaller.any(|(order, found)| found.any(self.words, order, block.start, block.end()));
            if overlaps {
                return Err((block.start, "free blocks must not overlap"));
            }
            (blocks, from) = (blocks + 1, number + 1);
        }
        Ok(blocks)
    }
}
