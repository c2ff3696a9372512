//! Which bytes of a datagram came: [`Ranges`], sorted, with gaps between them.

use core::ops::Range;

/// The most ranges of one datagram.
pub const MAX_RANGES: usize = 32;

/// What a fragment is to the bytes that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// None of it came.
    New,
    /// All of it came.
    Known,
    /// Some of it came.
    Overlap,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ranges {
    /// First byte, and the one behind the last.
    ranges: [(u16, u16); MAX_RANGES],
    count: u8,
}

impl Ranges {
    pub(super) const NONE: Self = Self { ranges: [(0, 0); MAX_RANGES], count: 0 };

    pub(super) fn as_slice(&self) -> &[(u16, u16)] {
        self.ranges.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// How far the bytes go that came; 0 if none did.
    pub(super) fn end(&self) -> u16 {
        self.as_slice().last().map_or(0, |&(_, end)| end)
    }

    pub(super) fn relation(&self, new: &Range<u16>) -> Relation {
        let mut meeting = self.as_slice().iter().filter(|&&(start, end)| start < new.end && new.start < end);
        match meeting.next() {
            None => Relation::New,
            Some(&(start, end)) if start <= new.start && new.end <= end => Relation::Known,
            Some(_) => Relation::Overlap,
        }
    }

    /// Adds bytes of which none came; says whether there was room to note them.
    pub(super) fn add(&mut self, new: Range<u16>) -> bool {
        let place = self.as_slice().partition_point(|&(start, _)| start < new.start);
        let before = place.checked_sub(1).and_then(|place| self.as_slice().get(place));
        let joins_before = before.is_some_and(|&(_, end)| end == new.start);
        let joins_after = self.as_slice().get(place).is_some_and(|&(start, _)| start == new.end);
        match (joins_before, joins_after) {
            (true, true) => {
                let end = self.remove(place).1;
                self.set(place - 1, |range| range.1 = end);
            }
            (true, false) => self.set(place - 1, |range| range.1 = new.end),
            (false, true) => self.set(place, |range| range.0 = new.start),
            (false, false) => return self.insert(place, (new.start, new.end)),
        }
        true
    }

    fn set(&mut self, place: usize, change: impl FnOnce(&mut (u16, u16))) {
        if let Some(range) = self.ranges.get_mut(place) {
            change(range);
        }
    }

    fn insert(&mut self, place: usize, range: (u16, u16)) -> bool {
        if usize::from(self.count) == MAX_RANGES {
            return false;
        }
        self.count += 1;
        let moved = self.ranges.get_mut(place..usize::from(self.count)).unwrap_or_default();
        moved.rotate_right(1);
        self.set(place, |slot| *slot = range);
        true
    }

    fn remove(&mut self, place: usize) -> (u16, u16) {
        let moved = self.ranges.get_mut(place..usize::from(self.count)).unwrap_or_default();
        moved.rotate_left(1);
        let removed = moved.last().copied().unwrap_or_default();
        self.count -= 1;
        removed
    }

    /// Whether they are sorted, with a gap before each.
    pub(super) fn hold(&self) -> bool {
        let full = self.as_slice().iter().all(|(start, end)| start < end);
        full && self.as_slice().is_sorted_by(|(_, end), (start, _)| end < start)
    }
}
