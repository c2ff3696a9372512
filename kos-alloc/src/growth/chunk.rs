//! Adjacent frames taken at once, and which of them are free: [`Chunk`].

use crate::frame::Tree;
use crate::types::{FrameRange, FrameRequest, Pfn, ZoneSet};

/// One chunk in the books. Opaque: lent as [`NONE`](Self::NONE).
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    range: FrameRange,
    /// Frames that are not handed out.
    free: usize,
    /// First word of its bitmap, in which a set bit is a free frame.
    at: usize,
    /// The zones from which it was asked: all its frames lie in these.
    zones: ZoneSet,
    /// Whether it is the initial one.
    stays: bool,
}

impl Chunk {
    /// No chunk.
    pub const NONE: Self =
        Self { range: FrameRange::EMPTY, free: 0, at: 0, zones: ZoneSet::ALL, stays: true };

    /// The chunk of `range` with its bitmap from word `at`.
    pub(super) const fn new(range: FrameRange, at: usize, zones: ZoneSet, stays: bool) -> Self {
        Self { range, free: range.count(), at, zones, stays }
    }

    pub(super) const fn range(&self) -> FrameRange {
        self.range
    }

    pub(super) const fn free(&self) -> usize {
        self.free
    }

    /// Whether it may go back.
    pub(super) const fn is_spare(&self) -> bool {
        !self.stays && self.free == self.range.count()
    }

    fn tree(&self) -> Tree {
        Tree::new(self.at, self.range.count()).unwrap_or(Tree::EMPTY)
    }

    /// The words of its bitmap.
    pub(super) fn words(&self) -> core::ops::Range<usize> {
        self.at..self.tree().end().max(self.at)
    }

    /// Follows its bitmap, which moved down by `words`.
    pub(super) fn moved_down(&mut self, words: usize) {
        self.at -= words;
    }

    /// Makes every frame free.
    pub(super) fn clear(&self, bits: &mut [u64]) {
        if let Some(words) = bits.get_mut(self.words()) {
            words.fill(0);
        }
        self.tree().fill(bits, 0, self.range.count(), true);
    }

    /// Hands out the lowest frames that serve `request`. Linear in the words of the bitmap in the worst case.
    pub(super) fn take(&mut self, bits: &mut [u64], request: &FrameRequest) -> Option<FrameRange> {
        if self.free < request.count || !request.zones.contains(self.zones) {
            return None;
        }
        let first = self.find(bits, request)?;
        let range = FrameRange::new(Pfn(self.range.start().0 + first), request.count)?;
        self.mark(bits, range, false);
        Some(range)
    }

    fn find(&self, bits: &[u64], request: &FrameRequest) -> Option<usize> {
        let (tree, start) = (self.tree(), self.range.start().0);
        let limit = self.range.end().min(request.below).0.checked_sub(start)?;
        let mut from = 0;
        loop {
            let free = tree.next(bits, from)?;
            let first = (start + free).checked_next_multiple_of(request.align)? - start;
            let end = first.checked_add(request.count).filter(|&end| end <= limit)?;
            from = tree.next_clear(bits, free, end);
            if from == end {
                return Some(first);
            }
        }
    }

    /// Hands out exactly `range` if all of it is free.
    pub(super) fn claim(&mut self, bits: &mut [u64], range: FrameRange) -> bool {
        let (first, end) = self.indexes(range);
        let free = self.tree().next_clear(bits, first, end) == end;
        if free {
            self.mark(bits, range, false);
        }
        free
    }

    /// Takes `range` back if none of it is free.
    pub(super) fn put(&mut self, bits: &mut [u64], range: FrameRange) -> bool {
        let (first, end) = self.indexes(range);
        let live = !self.tree().any(bits, first, end - 1);
        if live {
            self.mark(bits, range, true);
        }
        live
    }

    fn mark(&mut self, bits: &mut [u64], range: FrameRange, free: bool) {
        let (first, end) = self.indexes(range);
        self.tree().fill(bits, first, end, free);
        self.free = if free { self.free + range.count() } else { self.free - range.count() };
    }

    /// The bits of a range within the chunk.
    const fn indexes(&self, range: FrameRange) -> (usize, usize) {
        let start = self.range.start().0;
        (range.start().0 - start, range.end().0 - start)
    }

    /// Whether bitmap, summaries and count agree.
    pub(super) fn is_consistent(&self, bits: &[u64]) -> bool {
        let tree = self.tree();
        let (mut free, mut from) = (0, 0);
        while let Some(first) = tree.next(bits, from) {
            from = tree.next_clear(bits, first, self.range.count());
            free += from - first;
        }
        free == self.free && tree.check(bits).is_ok()
    }
}
