//! A set of numbers that is too simple to be wrong: [`Intervals`].

use alloc::vec::Vec;
use core::ops::Range;

use crate::types::FrameRange;

/// Sorted ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<FrameRange>);

impl Intervals {
    pub(super) fn iter(&self) -> impl Iterator<Item = FrameRange> {
        self.0.iter().copied()
    }

    pub(super) fn count(&self) -> usize {
        self.iter().map(|range| range.count()).sum()
    }

    /// Whether the whole of `range` is in the set. Not for an empty range.
    pub(super) fn contains(&self, range: FrameRange) -> bool {
        self.0
            .get(touched(&self.0, range))
            .is_some_and(|own| matches!(own, [own] if own.contains_range(&range)))
    }

    /// Whether any of `range` is in the set.
    pub(super) fn intersects(&self, range: FrameRange) -> bool {
        !range.is_empty() && !touched(&self.0, range).is_empty()
    }

    /// Adds a range of which nothing is in the set.
    pub(super) fn insert(&mut self, range: FrameRange) {
        assert!(!self.intersects(range), "{range:?} is in the set already");
        if range.is_empty() {
            return;
        }
        let at = touched(&self.0, range).start;
        let below = at.checked_sub(1).and_then(|below| self.0.get(below));
        let below = below.filter(|below| below.end() == range.start()).copied();
        let above = self.0.get(at).filter(|above| above.start() == range.end()).copied();
        let start = below.unwrap_or(range).start();
        let end = above.unwrap_or(range).end();
        let joined = at - usize::from(below.is_some())..at + usize::from(above.is_some());
        self.0.splice(joined, [FrameRange::between(start, end)]);
    }

    /// Takes out what is in the set of `range`.
    pub(super) fn remove(&mut self, range: FrameRange) {
        cut(&mut self.0, range);
    }
}

/// Which of `ranges`, sorted and disjoint, have a frame of `range`, which is not empty.
fn touched(ranges: &[FrameRange], range: FrameRange) -> Range<usize> {
    let start = ranges.partition_point(|own| own.end() <= range.start());
    start..ranges.partition_point(|own| own.start() < range.end())
}

/// Adds `range` to `ranges`, sorted and disjoint, of which none has a frame of it; joins nothing.
pub(super) fn enter(ranges: &mut Vec<FrameRange>, range: FrameRange) {
    ranges.insert(touched(ranges, range).start, range);
}

/// Cuts `range` out of `ranges`, sorted and disjoint.
pub(super) fn cut(ranges: &mut Vec<FrameRange>, range: FrameRange) {
    if range.is_empty() {
        return;
    }
    let touched = touched(ranges, range);
    let Some([first, ..]) = ranges.get(touched.clone()) else { return };
    let last = ranges.get(touched.end - 1).unwrap_or(first);
    let rest =
        [FrameRange::between(first.start(), range.start()), FrameRange::between(range.end(), last.end())];
    ranges.splice(touched, rest.into_iter().filter(|part| !part.is_empty()));
}
