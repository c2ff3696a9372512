//! What eight bytes say of the free blocks in the eight words below them.
//!
//! Such a word lies at a level above the frames. Each byte stands for a *unit*, a word of the level below: 0 if nothing
//! in it is free, else one more than the order of the largest free block; for a unit that is free as a whole, one more
//! than the unit's own order, and nothing below tells of it.

use super::bits;

/// Units of a word, and bits of a unit, as powers of two.
pub(super) const ORDER: u32 = 3;
const BYTE: u32 = 3;

/// The bits of the lowest unit.
pub(super) const UNIT: u64 = 0xff;

/// In each byte 1, and in each byte the highest bit.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// The word all of whose units, of order `unit`, are free.
#[inline]
pub(super) const fn full(unit: u32) -> u64 {
    ONES * (unit as u64 + 1)
}

/// The lowest bit of unit `number` in its word.
#[inline]
pub(super) const fn place(number: usize) -> u32 {
    bits::place(number << BYTE)
}

/// What unit `number` says.
#[inline]
pub(super) const fn get(word: u64, number: usize) -> u32 {
    ((word >> place(number)) & UNIT) as u32
}

/// Makes unit `number` say `value`.
#[inline]
pub(super) const fn set(word: u64, number: usize, value: u32) -> u64 {
    word & !(0xff << place(number)) | (value as u64) << place(number)
}

/// The bits of the aligned block of `2^units` units, less than a word, from unit `number`.
#[inline]
pub(super) const fn mask(number: usize, units: u32) -> u64 {
    bits::mask(place(number), units + BYTE)
}

/// The highest bit of each byte that is `least` or more; neither is above 127.
#[inline]
pub(super) const fn at_least(word: u64, least: u32) -> u64 {
    (word + (0x80 - least as u64) * ONES) & HIGHS
}

/// The order of the largest free block around unit `number`, which is free; the order of a unit is `unit`.
#[inline]
pub(super) const fn order_around(word: u64, number: usize, unit: u32) -> u32 {
    let holes = at_least(word, unit + 1) ^ HIGHS;
    bits::order_around(holes, place(number) + (1 << BYTE) - 1) - BYTE + unit
}

/// A bit in the lowest unit of each aligned free block of `2^units` units.
#[inline]
pub(super) fn runs(word: u64, unit: u32, units: u32) -> u64 {
    bits::runs(at_least(word, unit + 1) >> 7, BYTE, units + BYTE)
}

/// One more than the order of the largest free block, which is below `most`; 0 if there is none.
#[inline]
pub(super) fn largest(word: u64, unit: u32, most: u32) -> u32 {
    if most > unit {
        let whole = bits::largest(at_least(word, unit + 1) >> 7, BYTE, most - unit + BYTE);
        if whole > 0 {
            return whole - BYTE + unit;
        }
    }
    let mut value = most.min(unit);
    while value > 0 && at_least(word, value) == 0 {
        value -= 1;
    }
    value
}

/// The place among the units of a word of the lowest bit of `found`, not 0.
#[inline]
pub(super) const fn first(found: u64) -> usize {
    (found.trailing_zeros() >> BYTE) as usize
}
