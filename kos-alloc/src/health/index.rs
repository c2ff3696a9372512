//! The three indices of fragmentation, exactly as Linux computes them.
//!
//! Each asks about blocks of `2^order` frames. With `suit` = how many such blocks the free blocks could be cut into:
//!
//! | index | unit | asks |
//! |---|---|---|
//! | [`unusable_free`] | 0 … 1000 | how much of the free memory is in smaller blocks? |
//! | [`external`] | 0 … 100 | the same in per cent, and 0 where nothing is free |
//! | [`fragmentation`] | -1000, or up to 1000 | a block is not to be had: for lack of memory (towards 0) or of order (1000)? |
//!
//! An order above every block is allowed: nothing suits it. Counts may be anything; nothing overflows.
//!
//! Source: Linux, `mm/vmstat.c`: `fill_contig_page_info`, `unusable_free_index`, `extfrag_for_order`,
//! `__fragmentation_index`. M. Gorman and A. Whitcroft, The What, The Why and the Where To of Anti-Fragmentation,
//! Ottawa Linux Symposium 2006.

use crate::frame::Histogram;

/// Free memory as a request for `2^order` frames sees it. Sums of 19 counts, each at most `2^64 * 2^18`: below `2^87`.
struct Contiguity {
    frames: u128,
    blocks: u128,
    /// Frames in blocks that are large enough.
    suitable: u128,
}

impl Contiguity {
    fn of(histogram: &Histogram, order: u32) -> Self {
        let mut sum = Self { frames: 0, blocks: 0, suitable: 0 };
        for (&blocks, size) in histogram.0.iter().zip(0..) {
            let blocks = blocks as u128;
            sum.blocks += blocks;
            sum.frames += blocks << size;
            sum.suitable += if size >= order { blocks << size } else { 0 };
        }
        sum
    }

    /// The unsuitable share of the free frames, in parts of `scale`; `empty` if nothing is free.
    fn unusable(&self, scale: u32, empty: u32) -> u32 {
        let parts = (self.frames - self.suitable) * u128::from(scale);
        // A share of `scale` is at most `scale`.
        parts.checked_div(self.frames).map_or(empty, |share| u32::try_from(share).unwrap_or(scale))
    }
}

/// Free memory that a request for `2^order` frames cannot use, in thousandths: 0 (all of it suits) to 1000. Without free
/// memory: 1000. Linux's `unusable_index`.
#[must_use]
pub fn unusable_free(histogram: &Histogram, order: u32) -> u32 {
    Contiguity::of(histogram, order).unusable(1000, 1000)
}

/// Free memory that a request for `2^order` frames cannot use, in per cent. Without free memory: 0. Linux's
/// `extfrag_for_order`.
#[must_use]
pub fn external(histogram: &Histogram, order: u32) -> u32 {
    Contiguity::of(histogram, order).unusable(100, 0)
}

/// Why a request for `2^order` frames fails: towards 0, and below, for lack of memory; towards 1000 because memory is in
/// pieces. -1000 if it would not fail; 0 without free memory. Linux's `extfrag_index`.
///
/// Between 0 and -500, the last for half of such a block, if there is but one free block.
#[must_use]
pub fn fragmentation(histogram: &Histogram, order: u32) -> i32 {
    let Contiguity { frames, blocks, suitable } = Contiguity::of(histogram, order);
    if blocks == 0 {
        return 0;
    }
    if suitable != 0 {
        return -1000;
    }
    // Each block is at most half of what is asked, so this is at most 1500, for a single one.
    let requested = 1u128.checked_shl(order).unwrap_or(u128::MAX);
    let lack = (1000 + frames * 1000 / requested) / blocks;
    1000 - i32::try_from(lack).unwrap_or(1500)
}
