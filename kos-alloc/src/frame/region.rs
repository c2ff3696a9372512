//! Which frames are managed, and where their bits are: [`Managed`], [`RegionTable`].
//!
//! The bitmaps do not number frames from 0, because physical memory has huge holes. They cover only *cells*, aligned
//! groups of `2^cell_order` frames, in which at least one frame is managed, one cell directly behind the other. A frame's
//! *index* is its place in these cells. As cells are whole, an index is aligned like its frame number up to the size of
//! a cell, and neighbours in a cell are neighbours in memory. Neighbours in different cells need not be: who looks past
//! a cell asks for the region.
//!
//! Invariant of the table: regions are sorted, disjoint and not adjacent, so that managed frames that follow each other
//! lie in one region.

use super::error::InitError;
use crate::error::Corruption;
use crate::types::{FrameRange, Pfn};

/// Words of one entry of the table: first frame, number of frames, index of the first frame.
pub(super) const ENTRY: usize = 3;

/// The usable ranges without the reserved ones, as sorted, disjoint ranges that are not adjacent. The slices may be in
/// any order; each step looks at all of them, so that a walk is quadratic in their number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Managed<'a> {
    usable: &'a [FrameRange],
    reserved: &'a [FrameRange],
    at: usize,
    /// Frames from here on do not count.
    end: usize,
}

impl<'a> Managed<'a> {
    /// Fails if two usable ranges overlap. Reserved ranges may overlap and may lie anywhere.
    pub(super) fn new(usable: &'a [FrameRange], reserved: &'a [FrameRange]) -> Result<Self, InitError> {
        for (index, added) in usable.iter().enumerate() {
            let earlier = usable.iter().take(index);
            if let Some(existing) = earlier.copied().find(|range| !range.intersection(added).is_empty()) {
                return Err(InitError::Overlap { existing, added: *added });
            }
        }
        Ok(Self { usable, reserved, at: 0, end: usize::MAX })
    }

    /// Those frames that lie in `window`.
    pub(super) const fn within(self, window: FrameRange) -> Self {
        Self { at: window.start().0, end: window.end().0, ..self }
    }

    fn first_from(&self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let ahead = self.usable.iter().filter(|range| !range.is_empty() && range.end().0 > at);
            at = ahead.map(|range| range.start().0.max(at)).min().filter(|&at| at < self.end)?;
            match self.reserved.iter().find(|range| range.contains(Pfn(at))) {
                Some(range) => at = range.end().0,
                None => return Some(at),
            }
        }
    }

    /// The end of the managed frames that one usable range gives from `from`; `from` itself if it is not managed.
    fn stretch(&self, from: usize) -> usize {
        let Some(range) = self.usable.iter().find(|range| range.contains(Pfn(from))) else { return from };
        if self.reserved.iter().any(|range| range.contains(Pfn(from))) {
            return from;
        }
        let ahead = self.reserved.iter().filter(|range| !range.is_empty() && range.start().0 > from);
        ahead.map(|range| range.start().0).fold(range.end().0.min(self.end), usize::min)
    }
}

impl Iterator for Managed<'_> {
    type Item = FrameRange;

    fn next(&mut self) -> Option<FrameRange> {
        let start = self.first_from(self.at)?;
        let mut end = self.stretch(start);
        loop {
            let further = self.stretch(end);
            if further == end {
                break;
            }
            end = further;
        }
        self.at = end;
        Some(FrameRange::between(Pfn(start), Pfn(end)))
    }
}

/// Frames of the largest of `ranges`; fails if there is no frame at all.
pub(super) fn largest(ranges: impl Iterator<Item = FrameRange>) -> Result<usize, InitError> {
    ranges.map(|range| range.count()).max().ok_or(InitError::NoFrames)
}

/// Words of a table of all `ranges`, ascending, and the bits that their cells take.
pub(super) fn size(
    ranges: impl Iterator<Item = FrameRange>,
    cell_order: u32,
) -> Result<(usize, usize), InitError> {
    let mut words = 0;
    let mut packer = Packer::new(cell_order);
    for range in ranges {
        words += ENTRY;
        packer.index_of(range).ok_or(InitError::TooLarge)?;
    }
    Ok((words, packer.bits().ok_or(InitError::TooLarge)?))
}

/// Gives ascending ranges their indices: cell behind cell.
struct Packer {
    cell_order: u32,
    /// Cells in use.
    cells: usize,
    /// The number of the last cell in use, counted from frame 0.
    last: Option<usize>,
}

impl Packer {
    const fn new(cell_order: u32) -> Self {
        Self { cell_order, cells: 0, last: None }
    }

    /// The index of the first frame of `range`, which lies above all ranges before it. `None` if it cannot be counted.
    fn index_of(&mut self, range: FrameRange) -> Option<usize> {
        let first = range.start().0 >> self.cell_order;
        let last = range.end().0.checked_sub(1)? >> self.cell_order;
        let shared = usize::from(self.last == Some(first));
        let cell = self.cells - shared;
        self.cells = cell.checked_add(last - first)?.checked_add(1)?;
        self.last = Some(last);
        self.bits()?;
        Some((cell << self.cell_order) + (range.start().0 - (first << self.cell_order)))
    }

    /// Bits of all cells in use.
    fn bits(&self) -> Option<usize> {
        self.cells.checked_mul(1_usize.checked_shl(self.cell_order)?)
    }
}

/// Adjacent managed frames and the index of the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) range: FrameRange,
    pub(super) index: usize,
}

impl Region {
    const EMPTY: Self = Self { range: FrameRange::EMPTY, index: 0 };

    /// The index behind the last frame.
    pub(super) const fn end_index(&self) -> usize {
        self.index + self.range.count()
    }

    /// The first index at `index` or above whose frame number is a multiple of `align`, a power of two, if it is in the
    /// region.
    pub(super) fn aligned(&self, index: usize, align: usize) -> Option<usize> {
        let rest = align - 1;
        let frame = Pfn(self.frame(index).0.checked_add(rest)? & !rest);
        self.range.contains(frame).then(|| self.index + (frame.0 - self.range.start().0))
    }

    /// The frame with `index`, which is in the region.
    pub(super) const fn frame(&self, index: usize) -> Pfn {
        Pfn(self.range.start().0 + (index - self.index))
    }
}

/// The managed regions in ascending order, in lent words; those behind the last entry are for more.
#[derive(Debug)]
pub(super) struct RegionTable<'m> {
    words: &'m mut [u64],
    /// Entries.
    len: usize,
    frames: usize,
    /// A region that was asked for before: the next question is mostly about the same.
    recent: Region,
}

impl<'m> RegionTable<'m> {
    /// Writes `ranges`, ascending and apart, into `words`, of which it needs as many as [`size`] told for them.
    pub(super) fn new(
        words: &'m mut [u64],
        ranges: impl Iterator<Item = FrameRange>,
        cell_order: u32,
    ) -> Self {
        let (mut frames, mut len) = (0, 0);
        let mut packer = Packer::new(cell_order);
        for (entry, range) in words.chunks_exact_mut(ENTRY).zip(ranges) {
            // Else `size` had failed.
            let Some(index) = packer.index_of(range) else { break };
            encode(entry, Region { range, index });
            (frames, len) = (frames + range.count(), len + 1);
        }
        let recent = words.get(..ENTRY).map_or(Region::EMPTY, decode);
        Self { words, len, frames, recent }
    }

    /// The lent words.
    pub(super) fn into_words(self) -> &'m mut [u64] {
        self.words
    }

    /// Takes `range`, which is managed, out: no frame of it has an index any more, all others keep theirs. If it lies
    /// within a region an entry more is needed: else the words that the table has, and those that it would need.
    pub(super) fn remove(&mut self, range: FrameRange) -> Result<(), (usize, usize)> {
        let Some(position) = self.position(|region| region.range.end().0 <= range.start().0) else {
            return Ok(());
        };
        let Some(region) = self.get(position) else { return Ok(()) };
        let around = [
            FrameRange::between(region.range.start(), range.start()),
            FrameRange::between(range.end(), region.range.end()),
        ];
        let left = || around.iter().filter(|part| !part.is_empty());
        let len = self.len - 1 + left().count();
        if len * ENTRY > self.words.len() {
            return Err((self.words.len(), len * ENTRY));
        }
        let behind = (position + 1) * ENTRY..self.len * ENTRY;
        self.words.copy_within(behind, (position + left().count()) * ENTRY);
        let entries = self.words.chunks_exact_mut(ENTRY).skip(position);
        for (entry, part) in entries.zip(left()) {
            let index = region.index + (part.start().0 - region.range.start().0);
            encode(entry, Region { range: *part, index });
        }
        (self.len, self.frames) = (len, self.frames - range.count());
        self.recent = Region::EMPTY;
        Ok(())
    }

    /// The regions and `added`, ascending; what is adjacent is one. Fails if a frame of `added` is managed, or there is
    /// none.
    pub(super) fn with(
        &self,
        added: FrameRange,
    ) -> Result<impl Iterator<Item = FrameRange> + Clone, InitError> {
        if added.is_empty() {
            return Err(InitError::NoFrames);
        }
        let regions = self.iter().map(|region| region.range);
        if let Some(existing) = regions.clone().find(|region| !region.intersection(&added).is_empty()) {
            return Err(InitError::Overlap { existing, added });
        }
        let touches =
            move |region: &FrameRange| region.end() == added.start() || region.start() == added.end();
        let joined = regions.clone().filter(touches).fold(added, |joined, region| {
            FrameRange::between(joined.start().min(region.start()), joined.end().max(region.end()))
        });
        let below = regions.clone().filter(move |region| region.end() < added.start());
        let above = regions.filter(move |region| region.start() > added.end());
        Ok(below.chain(core::iter::once(joined)).chain(above))
    }

    /// Number of managed frames.
    pub(super) const fn frames(&self) -> usize {
        self.frames
    }

    /// All regions, in ascending order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Region> + Clone {
        self.words.chunks_exact(ENTRY).take(self.len).map(decode)
    }

    /// The smallest range with all regions in it.
    pub(super) fn span(&self) -> FrameRange {
        let first = self.iter().next().map_or(FrameRange::EMPTY, |region| region.range);
        let last = self.iter().next_back().map_or(FrameRange::EMPTY, |region| region.range);
        FrameRange::between(first.start(), last.end())
    }

    /// The region in which the whole of `range` lies, if it has a frame. Logarithmic.
    #[inline]
    pub(super) fn region_of(&self, range: FrameRange) -> Option<Region> {
        if self.recent.range.contains_range(&range) && !range.is_empty() {
            return Some(self.recent);
        }
        let region = self.after(|region| region.range.end().0 <= range.start().0)?;
        (!range.is_empty() && region.range.contains_range(&range)).then_some(region)
    }

    /// The index of the first frame of `range`, if all of it is managed. Logarithmic.
    #[inline]
    pub(super) fn index_of(&mut self, range: FrameRange) -> Option<usize> {
        let region = self.region_of(range)?;
        self.recent = region;
        Some(region.index + (range.start().0 - region.range.start().0))
    }

    /// The index of the first managed frame at `from` or above. Logarithmic.
    pub(super) fn index_from(&self, from: Pfn) -> Option<usize> {
        let region = self.after(|region| region.range.end().0 <= from.0)?;
        Some(region.index + from.0.saturating_sub(region.range.start().0))
    }

    /// The region of the managed frame with `index`. Logarithmic.
    #[inline]
    pub(super) fn region_at(&self, index: usize) -> Option<Region> {
        if self.recent.index <= index && index < self.recent.end_index() {
            return Some(self.recent);
        }
        let region = self.after(|region| region.end_index() <= index)?;
        (region.index <= index).then_some(region)
    }

    /// The `count` frames from `index`, if all of them are managed. Logarithmic.
    pub(super) fn range(&self, index: usize, count: usize) -> Option<FrameRange> {
        let region = self.region_at(index)?;
        let fits = count <= region.end_index() - index;
        if fits { FrameRange::new(region.frame(index), count) } else { None }
    }

    /// The first region for which `before` no longer holds; it must hold for a prefix of the table.
    fn after(&self, before: impl Fn(&Region) -> bool) -> Option<Region> {
        self.get(self.position(before)?)
    }

    fn position(&self, before: impl Fn(&Region) -> bool) -> Option<usize> {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            if before(&self.get(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(low)
    }

    fn get(&self, position: usize) -> Option<Region> {
        let start = position * ENTRY;
        self.words.get(start..start + ENTRY).filter(|_| position < self.len).map(decode)
    }

    /// Whether the regions are as the invariant says.
    pub(super) fn check(&self) -> Result<(), Corruption> {
        let mut below: Option<Region> = None;
        for region in self.iter() {
            let frame = region.range.start();
            if below.is_some_and(|below| below.range.end() >= frame || below.end_index() > region.index) {
                return Err(Corruption { what: "regions must be sorted and apart", frame });
            }
            below = Some(region);
        }
        Ok(())
    }
}

fn encode(entry: &mut [u64], region: Region) {
    let values = [region.range.start().0, region.range.count(), region.index];
    entry.iter_mut().zip(values).for_each(|(word, value)| *word = value as u64);
}

/// Reads an entry that [`encode`] wrote.
#[expect(clippy::cast_possible_truncation, reason = "each word was a usize when it was written")]
fn decode(entry: &[u64]) -> Region {
    let word = |at| entry.get(at).copied().unwrap_or(0) as usize;
    let range = FrameRange::new(Pfn(word(0)), word(1)).unwrap_or(FrameRange::EMPTY);
    Region { range, index: word(2) }
}
