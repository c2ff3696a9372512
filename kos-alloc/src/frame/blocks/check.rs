//! The walk over every invariant of the tree.

use super::shape::Level;
use super::{Blocks, bits, bytes};
use crate::frame::stats::Histogram;

/// The index and the sentence of an invariant that is broken.
type Broken = (usize, &'static str);

impl Blocks<'_> {
    /// Walks the invariants; the first that is broken. Linear in the words.
    pub(in crate::frame) fn check(&self) -> Result<(), Broken> {
        for index in (0..self.shape.bits()).step_by(1 << bits::ORDER) {
            self.check_bits(index)?;
        }
        let mut below = None;
        for level in self.shape.levels() {
            let end = self.shape.bits().next_multiple_of(1 << level.word());
            for index in (0..end).step_by(1 << level.unit) {
                self.check_unit(below, level, index)?;
            }
            below = Some(level);
        }
        self.check_counts()
    }

    fn check_bits(&self, index: usize) -> Result<(), Broken> {
        let (word, behind) = (self.bits(index), self.shape.bits() - index);
        if word == !0 && self.top() >= bits::ORDER {
            return Err((index, "a word that is free as a whole must be a free unit"));
        }
        if behind < 1 << bits::ORDER && word >> behind != 0 {
            return Err((index, "nothing is free behind the last index"));
        }
        Ok(())
    }

    /// Whether the unit of `index` tells the word at `below`, or in the bits.
    fn check_unit(&self, below: Option<&Level>, level: &Level, index: usize) -> Result<(), Broken> {
        let told = bytes::get(self.units(level, index), index >> level.unit);
        if index >= self.shape.bits() {
            return if told == 0 { Ok(()) } else { Err((index, "nothing is free behind the last index")) };
        }
        let most = level.unit.min(self.top() + 1);
        let (word, value) = match below {
            None => (self.bits(index), bits::largest(self.bits(index), 0, most)),
            Some(below) => {
                let word = self.units(below, index);
                (word, bytes::largest(word, below.unit, most))
            }
        };
        let joins = level.unit <= self.top();
        if joins && below.is_some_and(|below| word == bytes::full(below.unit)) {
            return Err((index, "units that are free as a whole must be one free unit"));
        }
        let whole = joins && told == level.unit + 1 && word == 0;
        if whole || told == value { Ok(()) } else { Err((index, "a unit must tell the word below")) }
    }

    /// Walks the free blocks.
    fn check_counts(&self) -> Result<(), Broken> {
        let (mut found, mut from, mut first) = (Histogram::EMPTY, 0, None);
        while let Some(block) = self.next(from) {
            found.0.iter_mut().skip(block.order as usize).take(1).for_each(|blocks| *blocks += 1);
            from = block.end();
            first = first.or(Some(block.start));
        }
        if first.is_some_and(|first| first < self.first) {
            return Err((self.first, "nothing may be free below the hint"));
        }
        let equal = found == self.counts() && found.frames() == self.free;
        if equal { Ok(()) } else { Err((0, "the counts must equal the blocks")) }
    }
}
