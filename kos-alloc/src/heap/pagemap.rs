//! What the page map's bytes mean. Frees decide from it, never from memory that the caller names.
//!
//! | byte | the frame |
//! |---|---|
//! | 0 | was never the heap's |
//! | 1 | was the heap's and went back to the frame source |
//! | 2 … 37 | part of a slab of class 0 … 35; slabs are naturally aligned, so this gives the base |
//! | 38 | part of a chunk of the simple pool |
//! | 64 + d | first of a large block whose frame count stands in the d tails that follow |
//! | 128 + n | tail of a large block; the first tails carry the frame count, seven bits each, lowest first |
//!
//! A block of two frames has one tail and 128 values for its count, a longer block more of both, so the count always
//! fits. It is exact, and read in constant time whatever the length.

use super::arena::Arena;
use crate::slab::{CLASSES, Class};

const NEVER: u8 = 0;
const RETURNED: u8 = 1;
const SLAB: u8 = Class::FIRST;
const SIMPLE: u8 = 38;
const HEAD: u8 = 64;
const TAIL: u8 = 128;
const DIGIT_BITS: u32 = 7;

/// Most tails that carry the count: as many as a `usize` has digits.
const DIGITS: u8 = digits(usize::MAX);

const _: () = assert!(SLAB as usize + CLASSES <= SIMPLE as usize && HEAD + DIGITS < TAIL);

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// It was never the heap's.
    Never,
    /// It was the heap's once.
    Returned,
    /// Part of a slab.
    Slab(Class),
    /// Part of a chunk of the simple pool.
    Simple,
    /// The first of a large block, with so many count digits.
    Head(u8),
    /// Another of a large block, with its count digit.
    Tail(u8),
    /// No byte that the heap writes.
    Damaged,
}

impl Arena {
    /// What frame `index` is.
    #[inline]
    pub(super) fn look(&self, index: usize) -> Frame {
        match self.mark(index) {
            NEVER => Frame::Never,
            RETURNED => Frame::Returned,
            SIMPLE => Frame::Simple,
            mark @ SLAB..HEAD => Class::new(mark - SLAB).map_or(Frame::Damaged, Frame::Slab),
            mark @ HEAD..TAIL => Frame::Head(mark - HEAD),
            mark @ TAIL.. => Frame::Tail(mark - TAIL),
        }
    }

    /// Whether frame `index` is part of a slab of `class`: the quick question of a right free.
    #[inline]
    pub(super) fn is_slab(&self, index: usize, class: Class) -> bool {
        self.mark(index) == class.mark()
    }

    /// Marks the frames of a slab. Under the lock of its class.
    pub(super) fn mark_slab(&self, index: usize, count: usize, class: Class) {
        self.fill(index, count, class.mark());
    }

    /// Marks the frames of a chunk of the simple pool, which the caller owns.
    pub(super) fn mark_simple(&self, index: usize, count: usize) {
        self.fill(index, count, SIMPLE);
    }

    /// Marks frames that are about to go back to the source.
    pub(super) fn mark_returned(&self, index: usize, count: usize) {
        self.fill(index, count, RETURNED);
    }

    /// Marks all but the first frame of a large block that the caller owns; the block exists with its head.
    pub(super) fn mark_tails(&self, index: usize, count: usize) {
        let mut rest = count;
        for tail in index + 1..index + count {
            self.set_mark(tail, TAIL | low_digit(rest));
            rest >>= DIGIT_BITS;
        }
    }

    /// Marks the first frame of a large block: from now on there is the block.
    pub(super) fn mark_head(&self, index: usize, count: usize) {
        let digits = if count == 1 { 0 } else { digits(count) };
        self.set_mark(index, HEAD + digits);
    }

    /// Takes the block away whose first frame is `index`: of several callers one gets it.
    pub(super) fn take_head(&self, index: usize, digits: u8) -> bool {
        self.replace_mark(index, HEAD + digits, RETURNED)
    }

    /// The frames of the large block at `index`, whose head says that it has `digits` digits.
    pub(super) fn large_count(&self, index: usize, digits: u8) -> Option<usize> {
        let mut count = usize::from(digits == 0);
        for place in 0..digits.min(DIGITS) {
            let Frame::Tail(digit) = self.look(index + 1 + usize::from(place)) else { return None };
            count |= usize::from(digit) << (u32::from(place) * DIGIT_BITS);
        }
        Some(count)
    }

    /// The head before the tail at `index`. Walks the block: not under a lock.
    pub(super) fn head_before(&self, index: usize) -> Option<usize> {
        let before = (0..index).rev().find(|&frame| !matches!(self.look(frame), Frame::Tail(_)))?;
        matches!(self.look(before), Frame::Head(_)).then_some(before)
    }

    fn fill(&self, index: usize, count: usize, mark: u8) {
        for frame in index..index + count {
            self.set_mark(frame, mark);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
const fn low_digit(count: usize) -> u8 {
    count as u8 & (TAIL - 1)
}

/// Number of seven-bit digits of `count`, which is not 0.
#[expect(clippy::cast_possible_truncation, reason = "at most ten digits")]
const fn digits(count: usize) -> u8 {
    (count.ilog2() / DIGIT_BITS + 1) as u8
}
