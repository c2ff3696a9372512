//! Where the words of the tree are: [`Shape`].

use super::{bits, bytes};
use crate::frame::error::InitError;

/// Levels of units that a tree can have: the word of the highest covers as many indices as can be counted.
const LEVELS: usize = ((usize::BITS - bits::ORDER) / bytes::ORDER) as usize;

/// A level of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// Its first word.
    pub(super) start: usize,
    /// The order of a unit.
    pub(super) unit: u32,
}

impl Level {
    /// The order of a word.
    #[inline]
    pub(super) const fn word(&self) -> u32 {
        self.unit + bytes::ORDER
    }

    /// The place of the word with unit `number`.
    #[inline]
    pub(super) const fn word_of(&self, number: usize) -> usize {
        self.start + (number >> bytes::ORDER)
    }
}

/// The words of the frames, behind them the levels of units, the lowest first. The highest has one word.
#[derive(Clone, Copy, Debug)]
pub(in crate::frame) struct Shape {
    levels: [Level; LEVELS],
    height: usize,
    top: u32,
    bits: usize,
    words: usize,
}

impl Shape {
    /// For blocks up to order `top` over `bits` indices, a multiple of `2^top`.
    pub(in crate::frame) fn new(bits: usize, top: u32) -> Result<Self, InitError> {
        // Above, the order of a word could not be shifted by.
        if bits > usize::MAX / 4 {
            return Err(InitError::TooLarge);
        }
        let levels = [Level { start: 0, unit: 0 }; LEVELS];
        let mut words = bits.div_ceil(1 << bits::ORDER);
        let mut shape = Self { levels, height: 0, top, bits, words };
        let mut unit = bits::ORDER;
        for level in &mut shape.levels {
            words = words.div_ceil(1 << bytes::ORDER);
            *level = Level { start: shape.words, unit };
            (shape.height, shape.words) = (shape.height + 1, shape.words + words);
            unit = level.word();
            if words == 1 && unit > top {
                break;
            }
        }
        Ok(shape)
    }

    /// The order of the largest blocks.
    #[inline]
    pub(in crate::frame) const fn top(&self) -> u32 {
        self.top
    }

    /// Indices.
    #[inline]
    pub(super) const fn bits(&self) -> usize {
        self.bits
    }

    /// Words of all levels.
    pub(in crate::frame) const fn words(&self) -> usize {
        self.words
    }

    /// Words of the frames, behind which the lowest level of units begins.
    #[inline]
    pub(super) const fn frames_words(&self) -> usize {
        self.bits.div_ceil(1 << bits::ORDER)
    }

    /// The levels of units, the lowest first.
    #[inline]
    pub(super) fn levels(&self) -> &[Level] {
        self.levels.get(..self.height).unwrap_or(&[])
    }

    /// The level whose units tell of a block of `order`; none if bits do.
    #[inline]
    pub(super) fn level_of(&self, order: u32) -> Option<&Level> {
        self.levels.get(place_above(order).checked_sub(1)?)
    }

    /// The levels from [`level_of`](Self::level_of) `order` up, all if bits tell of it.
    #[inline]
    pub(super) fn levels_from(&self, order: u32) -> &[Level] {
        self.levels.get(place_above(order).saturating_sub(1)..self.height).unwrap_or(&[])
    }

    /// The levels above that which tells of a block of `order`.
    #[inline]
    pub(super) fn levels_above(&self, order: u32) -> &[Level] {
        self.levels.get(place_above(order)..self.height).unwrap_or(&[])
    }

    /// The levels from that which tells of a block of order `low` up to that which tells of a block of order `high`.
    #[inline]
    pub(super) fn levels_between(&self, low: u32, high: u32) -> &[Level] {
        self.levels.get(place_above(low).saturating_sub(1)..place_above(high)).unwrap_or(&[])
    }
}

/// The place of the level above that which tells of a block of `order`.
#[inline]
const fn place_above(order: u32) -> usize {
    (order / bytes::ORDER).saturating_sub(1) as usize
}
