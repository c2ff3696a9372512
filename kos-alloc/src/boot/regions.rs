//! Sets of frames: [`RegionSet`]. From bytes to frames: [`FrameRange::inside`], [`FrameRange::covering`].

use core::ops::{Deref, Range};

use super::error::RegionError;
use crate::types::{FrameRange, Pfn};

/// A set of frames as sorted, disjoint ranges that are not adjacent, in a lent slice. Reads as that slice.
///
/// Each change is linear in the number of ranges.
#[derive(Debug)]
pub struct RegionSet<'m> {
    storage: &'m mut [FrameRange],
    len: usize,
}

impl<'m> RegionSet<'m> {
    /// The empty set; it can have as many ranges as `storage` has entries.
    pub const fn new(storage: &'m mut [FrameRange]) -> Self {
        Self { storage, len: 0 }
    }

    /// The ranges, in ascending order.
    #[must_use]
    pub fn as_slice(&self) -> &[FrameRange] {
        self.storage.get(..self.len).unwrap_or(&[])
    }

    /// Number of frames in the set.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.iter().map(FrameRange::count).sum()
    }

    /// Adds frames; adjacent ranges become one.
    ///
    /// # Errors
    ///
    /// [`RegionError::Empty`], [`RegionError::Overlap`], [`RegionError::Full`]; the set is as before then.
    pub fn add(&mut self, added: FrameRange) -> Result<(), RegionError> {
        if added.is_empty() {
            return Err(RegionError::Empty(added));
        }
        if let Some(&existing) = self.iter().find(|range| !range.intersection(&added).is_empty()) {
            return Err(RegionError::Overlap { existing, added });
        }
        // Those that touch it, at most one on each side, are replaced by the union.
        let first = self.partition_point(|range| range.end() < added.start());
        let end = self.partition_point(|range| range.start() <= added.end());
        let touching = self.get(first..end).unwrap_or(&[]).iter();
        let union = touching.fold(added, |union, range| {
            FrameRange::between(union.start().min(range.start()), union.end().max(range.end()))
        });
        self.replace(first..end, [union, FrameRange::EMPTY])
    }

    /// Takes frames away; those that are not in the set do not matter. Returns how many were taken.
    ///
    /// # Errors
    ///
    /// [`RegionError::Full`] if a range would fall in two and there is no room; the set is as before then.
    pub fn remove(&mut self, removed: FrameRange) -> Result<usize, RegionError> {
        let first = self.partition_point(|range| range.end() <= removed.start());
        let end = self.partition_point(|range| range.start() < removed.end());
        let Some(cut @ [lowest, ..]) = self.get(first..end) else { return Ok(0) };
        let highest = cut.last().unwrap_or(lowest);
        let taken = cut.iter().map(|range| range.intersection(&removed).count()).sum();
        let below = FrameRange::between(lowest.start(), removed.start());
        let above = FrameRange::between(removed.end(), highest.end());
        if taken > 0 {
            self.replace(first..end, [below, above])?;
        }
        Ok(taken)
    }

    /// Puts those of `new` that are not empty in the place of the ranges at `old`.
    fn replace(&mut self, old: Range<usize>, new: [FrameRange; 2]) -> Result<(), RegionError> {
        let new = new.into_iter().filter(|range| !range.is_empty());
        let (behind, end) = (old.end, old.start + new.clone().count());
        let len = self.len - (behind - old.start) + (end - old.start);
        let capacity = self.storage.len();
        if len > capacity {
            return Err(RegionError::Full { capacity });
        }
        self.storage.copy_within(behind..self.len, end);
        self.storage.iter_mut().skip(old.start).zip(new).for_each(|(slot, range)| *slot = range);
        self.len = len;
        Ok(())
    }
}

impl Deref for RegionSet<'_> {
    type Target = [FrameRange];

    fn deref(&self) -> &[FrameRange] {
        self.as_slice()
    }
}

impl FrameRange {
    /// The frames that lie wholly in `bytes` bytes from the physical address `start`; none if they are too few. For
    /// memory that may be used.
    ///
    /// # Errors
    ///
    /// [`RegionError::Wraps`] if the end is past the last physical address or the last frame number.
    pub fn inside(start: u64, bytes: u64, page_shift: u32) -> Result<Self, RegionError> {
        let wraps = RegionError::Wraps { start, bytes };
        let end = start.checked_add(bytes).ok_or(wraps)?;
        let first = frame_number(start, page_shift, true).ok_or(wraps)?;
        let behind = frame_number(end, page_shift, false).ok_or(wraps)?;
        Ok(Self::between(first, behind))
    }

    /// The frames that have any of `bytes` bytes from the physical address `start`. For memory that must not be used.
    ///
    /// # Errors
    ///
    /// [`RegionError::Wraps`] if the end is past the last physical address or the last frame number.
    pub fn covering(start: u64, bytes: u64, page_shift: u32) -> Result<Self, RegionError> {
        let wraps = RegionError::Wraps { start, bytes };
        let end = start.checked_add(bytes).ok_or(wraps)?;
        let first = frame_number(start, page_shift, false).ok_or(wraps)?;
        let behind = frame_number(end, page_shift, bytes > 0).ok_or(wraps)?;
        Ok(Self::between(first, behind))
    }
}

/// The frame in which `address` lies or, rounding up, the first that starts at it or above.
fn frame_number(address: u64, page_shift: u32, up: bool) -> Option<Pfn> {
    let page = 1_u64.checked_shl(page_shift)?;
    let number = if up { address.div_ceil(page) } else { address / page };
    usize::try_from(number).ok().map(Pfn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: usize, end: usize) -> FrameRange {
        FrameRange::between(Pfn(start), Pfn(end))
    }

    #[test]
    fn adjacent_regions_join_and_overlaps_are_named() {
        let mut storage = [FrameRange::EMPTY; 3];
        let mut set = RegionSet::new(&mut storage);
        set.add(range(20, 30)).unwrap();
        set.add(range(0, 10)).unwrap();
        assert_eq!(*set, [range(0, 10), range(20, 30)]);
        for (added, existing) in [(range(15, 21), range(20, 30)), (range(5, 21), range(0, 10))] {
            assert_eq!(set.add(added), Err(RegionError::Overlap { existing, added }));
        }
        set.add(range(10, 20)).unwrap();
        assert_eq!(*set, [range(0, 30)]);
        assert_eq!(set.add(range(7, 7)), Err(RegionError::Empty(range(7, 7))));
    }

    #[test]
    fn removal_splits_trims_and_deletes() {
        let mut storage = [FrameRange::EMPTY; 3];
        let mut set = RegionSet::new(&mut storage);
        set.add(range(0, 10)).unwrap();
        set.add(range(20, 30)).unwrap();
        assert_eq!(set.remove(range(4, 6)), Ok(2));
        assert_eq!(*set, [range(0, 4), range(6, 10), range(20, 30)]);
        assert_eq!(set.remove(range(22, 23)), Err(RegionError::Full { capacity: 3 }));
        assert_eq!(set.remove(range(10, 20)), Ok(0));
        assert_eq!(set.remove(range(5, 5)), Ok(0));
        assert_eq!(set.frames(), 18);
        assert_eq!(set.remove(range(2, 25)), Ok(11));
        assert_eq!(*set, [range(0, 2), range(25, 30)]);
        assert_eq!(set.remove(range(0, usize::MAX)), Ok(7));
        assert!(set.is_empty());
    }

    #[test]
    fn a_full_set_still_joins() {
        let mut storage = [FrameRange::EMPTY; 1];
        let mut set = RegionSet::new(&mut storage);
        set.add(range(0, 10)).unwrap();
        assert_eq!(set.add(range(11, 12)), Err(RegionError::Full { capacity: 1 }));
        set.add(range(10, 11)).unwrap();
        assert_eq!(*set, [range(0, 11)]);
    }

    #[test]
    fn bytes_round_to_frames() {
        assert_eq!(FrameRange::inside(1, 0x2fff, 12), Ok(range(1, 3)));
        assert_eq!(FrameRange::inside(1, 0x1000, 12).map(|range| range.count()), Ok(0));
        assert_eq!(FrameRange::covering(0xfff, 2, 12), Ok(range(0, 2)));
        assert_eq!(FrameRange::covering(0xfff, 0, 12).map(|range| range.count()), Ok(0));
        let wraps = RegionError::Wraps { start: u64::MAX - 4, bytes: 6 };
        assert_eq!(FrameRange::inside(u64::MAX - 4, 6, 12), Err(wraps));
        assert_eq!(FrameRange::covering(u64::MAX - 4, 6, 12), Err(wraps));
    }
}
