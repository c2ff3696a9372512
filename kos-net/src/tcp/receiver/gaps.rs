//! Ranges that came out of order: [`Gaps`], a count over lent storage of [`Gap`]s.
//!
//! Sorted, disjoint and not touching each other; at most [`MAX_GAPS`], and at most as many as the storage holds.

use core::ops::Range;

/// The most ranges a connection keeps, whatever its storage.
pub const MAX_GAPS: usize = 32;

/// A range of bytes that came before some of those in front of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// Its first byte.
    pub(crate) start: u64,
    /// The byte behind its last.
    pub(crate) end: u64,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    count: u8,
}

impl Gaps {
    pub(super) const fn count(self) -> usize {
        self.count as usize
    }

    pub(super) fn all(self, storage: &[Gap]) -> &[Gap] {
        storage.get(..self.count()).unwrap_or_default()
    }

    /// Adds `range`, joined with those that it overlaps or touches; false if there is no room for one more.
    pub(super) fn insert(&mut self, storage: &mut [Gap], range: &Range<u64>) -> bool {
        let all = self.all(storage);
        let first = all.partition_point(|gap| gap.end < range.start);
        let last = all.partition_point(|gap| gap.start <= range.end);
        if first == last {
            return self.open(storage, first, range);
        }
        let end = all.get(last - 1).map_or(range.end, |gap| gap.end.max(range.end));
        if let Some(gap) = storage.get_mut(first) {
            *gap = Gap { start: gap.start.min(range.start), end };
        }
        self.remove(storage, first + 1..last);
        true
    }

    fn open(&mut self, storage: &mut [Gap], at: usize, range: &Range<u64>) -> bool {
        let count = self.count();
        if count >= storage.len().min(MAX_GAPS) {
            return false;
        }
        storage.copy_within(at..count, at + 1);
        if let Some(gap) = storage.get_mut(at) {
            *gap = Gap { start: range.start, end: range.end };
        }
        self.count += 1;
        true
    }

    fn remove(&mut self, storage: &mut [Gap], which: Range<usize>) {
        let count = self.count();
        self.count -= u8::try_from(which.len()).unwrap_or(0);
        storage.copy_within(which.end..count, which.start);
    }

    /// All up to `end` came in order: how far that reaches now.
    pub(super) fn absorb(&mut self, storage: &mut [Gap], end: u64) -> u64 {
        let passed = self.all(storage).partition_point(|gap| gap.start <= end);
        let reach =
            passed.checked_sub(1).and_then(|last| self.all(storage).get(last)).map_or(0, |gap| gap.end);
        self.remove(storage, 0..passed);
        end.max(reach)
    }

    /// The part of `range` that is in the first one it overlaps.
    pub(super) fn overlap(self, storage: &[Gap], range: Range<u64>) -> Range<u64> {
        let hit = self.all(storage).iter().find(|gap| gap.start < range.end && range.start < gap.end);
        hit.map_or(0..0, |gap| gap.start.max(range.start)..gap.end.min(range.end))
    }

    pub(super) fn is_sound(self, storage: &[Gap], nxt: u64, right: u64) -> bool {
        let all = self.all(storage);
        let apart = all.windows(2).all(|pair| matches!(pair, [a, b] if a.end < b.start));
        let inside = all.iter().all(|gap| gap.start < gap.end && gap.start > nxt && gap.end <= right);
        self.count() <= storage.len().min(MAX_GAPS) && apart && inside
    }
}
