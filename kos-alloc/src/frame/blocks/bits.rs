//! What 64 bits say of aligned blocks among 64 frames; a set bit is a free frame.

/// Bits of a word, as a power of two.
pub(super) const ORDER: u32 = 6;

/// The lowest bit of each aligned group of `2^(n + 1)` bits, for each n.
const LOWEST: [u64; 5] = [
    0x5555_5555_5555_5555,
    0x1111_1111_1111_1111,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0000_0001_0000_0001,
];

/// The place of `index` in its word.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "below 64")]
pub(super) const fn place(index: usize) -> u32 {
    index as u32 % u64::BITS
}

/// The bits of the aligned block of `order`, less than a word, from place `at`.
#[inline]
pub(super) const fn mask(at: u32, order: u32) -> u64 {
    (!0 >> (u64::BITS - (1 << order))) << at
}

/// The order of the largest aligned group of bits around place `at` that has none of `holes`; 6 if there is none at all.
/// The hole that shares the most leading digits with `at` is the next one above or below.
#[inline]
pub(super) const fn order_around(holes: u64, at: u32) -> u32 {
    let above = at + (holes >> at).trailing_zeros();
    let below = at.wrapping_sub((holes << (u64::BITS - 1 - at)).leading_zeros());
    let (above, below) = (above ^ at, below ^ at);
    (if above < below { above } else { below }).ilog2()
}

/// The lowest bit of each aligned group of `2^to` bits of `runs`, which are the lowest bits of such groups of `2^from`.
#[inline]
pub(super) fn runs(mut runs: u64, from: u32, to: u32) -> u64 {
    for (order, lowest) in (from..to).zip(LOWEST.iter().skip(from as usize)) {
        runs &= (runs >> (1 << order)) & lowest;
    }
    runs
}

/// One more than the order of the largest aligned group of bits, up to `most`; 0 if `runs`, the lowest bits of groups of
/// `2^from`, is 0.
#[inline]
pub(super) fn largest(mut runs: u64, from: u32, most: u32) -> u32 {
    let mut order = from;
    for lowest in LOWEST.iter().skip(from as usize).take(most.saturating_sub(from + 1) as usize) {
        let next = runs & (runs >> (1 << order)) & lowest;
        if next == 0 {
            break;
        }
        (runs, order) = (next, order + 1);
    }
    if runs == 0 { 0 } else { order + 1 }
}
