//! A set of numbers that is too simple to be wrong: [`Intervals`].

use alloc::vec::Vec;

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
        self.iter().any(|own| own.contains_range(&range))
    }

    /// Whether any of `range` is in the set.
    pub(super) fn intersects(&self, range: FrameRange) -> bool {
        self.iter().any(|own| !own.intersection(&range).is_empty())
    }

    /// Adds a range of which nothing is in the set.
    pub(super) fn insert(&mut self, range: FrameRange) {
        assert!(!self.intersects(range), "{range:?} is in the set already");
        let mut sorted: Vec<_> = self.iter().chain((!range.is_empty()).then_some(range)).collect();
        sorted.sort_by_key(FrameRange::start);
        self.0 = sorted.iter().fold(Vec::new(), |mut joined: Vec<FrameRange>, next| {
            match joined.last_mut() {
                Some(last) if last.end() == next.start() => {
                    *last = FrameRange::between(last.start(), next.end());
                }
                _ => joined.push(*next),
            }
            joined
        });
    }

    /// Takes out what is in the set of `range`.
    pub(super) fn remove(&mut self, range: FrameRange) {
        let rest = self.iter().flat_map(|own| {
            let cut = own.intersection(&range);
            if cut.is_empty() {
                return [own, FrameRange::EMPTY];
            }
            [FrameRange::between(own.start(), cut.start()), FrameRange::between(cut.end(), own.end())]
        });
        self.0 = rest.filter(|part| !part.is_empty()).collect();
    }
}
