//! The bitmap allocator: [`Bitmap`].

use core::mem;

use super::buddy::check_storage;
use super::region::{self, ENTRY, Managed, RegionTable};
use super::tree::Tree;
use super::{Backend, FrameStats, Grow, Histogram, InitError, NotAdded, ReserveError, validate};
use crate::error::{Corruption, FrameError, FreeError};
use crate::types::{FrameRange, FrameRequest, Pfn};

/// One bit a managed frame, set while it is free; first fit from a hint below which nothing is free.
///
/// Every run of free frames is used exactly, at any alignment, so nothing is lost to rounding. A single frame is found
/// through the summaries in constant time; a run is found by looking at each free run in order, in the worst case all
/// words: 1 KiB of bits for 32 MiB of memory.
///
/// Invariant: only bits of managed frames are set; those of a region lie behind those of the region below.
#[derive(Debug)]
pub struct Bitmap<'m> {
    regions: RegionTable<'m>,
    words: &'m mut [u64],
    map: Tree,
    /// No index below is free.
    hint: usize,
    stats: FrameStats,
}

/// A cell of one frame: the bits of all regions lie without a gap.
const CELL_ORDER: u32 = 0;

impl<'m> Bitmap<'m> {
    /// Words of storage for [`new`](Self::new) with the same arguments. They also suffice after one more range was cut
    /// out of `usable`, such as the storage itself. Quadratic in the number of ranges.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new), except for the storage.
    pub fn storage_words(usable: &[FrameRange], reserved: &[FrameRange]) -> Result<usize, InitError> {
        let (table, map) = Self::layout(Managed::new(usable, reserved)?)?;
        let spare = ENTRY;
        table.checked_add(spare).and_then(|words| words.checked_add(map.end())).ok_or(InitError::TooLarge)
    }

    /// Manages the `usable` frames that are not `reserved`; all of them are free. As [`Buddy::new`](super::Buddy::new).
    ///
    /// # Errors
    ///
    /// [`InitError::Overlap`] if two usable ranges do, [`InitError::Storage`], [`InitError::NoFrames`],
    /// [`InitError::TooLarge`].
    pub fn new(
        storage: &'m mut [u64],
        usable: &[FrameRange],
        reserved: &[FrameRange],
    ) -> Result<Self, InitError> {
        let managed = Managed::new(usable, reserved)?;
        let (table, map) = Self::layout(managed)?;
        check_storage(storage.len(), table, map.end())?;
        let bitmap = Self::without_free(storage, managed, map);
        bitmap.map.fill(bitmap.words, 0, bitmap.regions.frames(), true);
        Ok(bitmap)
    }

    /// Nothing free, in storage that is large enough. The counters say that all is.
    fn without_free(storage: &'m mut [u64], managed: impl Iterator<Item = FrameRange>, map: Tree) -> Self {
        let (words, table) = storage.split_at_mut_checked(map.end()).unwrap_or_default();
        let regions = RegionTable::new(table, managed, CELL_ORDER);
        words.fill(0);
        let stats = FrameStats::new(regions.frames());
        Self { regions, words, map, hint: 0, stats }
    }

    /// Words of the region table, and the shape of the bitmap.
    fn layout(managed: impl Iterator<Item = FrameRange> + Clone) -> Result<(usize, Tree), InitError> {
        region::largest(managed.clone())?;
        let (table, bits) = region::size(managed, CELL_ORDER)?;
        Ok((table, Tree::new(0, bits).ok_or(InitError::TooLarge)?))
    }

    #[inline]
    fn take(&mut self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        if request.count == 1 && request.align == 1 { self.take_one(request) } else { self.take_run(request) }
    }

    #[inline]
    fn take_one(&mut self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let lowest = self.map.next(self.words, self.hint);
        let range = lowest.and_then(|index| self.regions.range(index, 1));
        let (Some(index), Some(range)) = (lowest, range.filter(|range| range.end() <= request.below)) else {
            return Err(self.no_memory(1));
        };
        self.map.clear(self.words, index);
        self.hint = index + 1;
        self.stats.free -= 1;
        Ok(range)
    }

    #[inline(never)]
    fn take_run(&mut self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        validate(request)?;
        let count = request.count;
        let start = self.find(request);
        let start = start.map_err(|largest_free| FrameError::NoMemory { requested: count, largest_free })?;
        let range = self.regions.range(start, count).filter(|range| range.end() <= request.below);
        let range = range.ok_or_else(|| self.no_memory(count))?;
        self.mark_used(start, start + count);
        Ok(range)
    }

    #[cold]
    fn no_memory(&self, requested: usize) -> FrameError {
        FrameError::NoMemory { requested, largest_free: self.largest_free() }
    }

    /// The lowest run that serves `request`, else the length of the longest free run.
    fn find(&self, request: &FrameRequest) -> Result<usize, usize> {
        let (mut longest, mut from) = (0, self.hint);
        while let Some(first) = self.map.next(self.words, from) {
            let Some(region) = self.regions.region_at(first) else { break };
            let start = region.aligned(first, request.align).unwrap_or(region.end_index());
            let end = start.saturating_add(request.count);
            let run_end = self.map.next_clear(self.words, first, end.min(region.end_index()));
            if run_end == end {
                return Ok(start);
            }
            longest = longest.max(run_end - first);
            from = run_end;
        }
        Err(longest)
    }

    fn mark_used(&mut self, start: usize, end: usize) {
        self.map.fill(self.words, start, end, false);
        if start == self.hint {
            self.hint = end;
        }
        self.stats.free -= end - start;
    }

    fn claim(&mut self, range: FrameRange) -> Result<FrameRange, FrameError> {
        let start = self.regions.index_of(range).ok_or(FrameError::NotManaged(range))?;
        let end = start + range.count();
        if self.map.next_clear(self.words, start, end) != end {
            return Err(FrameError::InUse(range));
        }
        self.mark_used(start, end);
        Ok(range)
    }

    #[inline]
    fn give_back(&mut self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        let start = self.regions.index_of(range).ok_or(FreeError::NotManaged(range))?;
        let freed =
            if range.count() == 1 { self.free_one(start) } else { self.free_run(start, range.count()) };
        if !freed {
            return Err(FreeError::DoubleFree(range));
        }
        self.hint = self.hint.min(start);
        self.stats.free += range.count();
        Ok(())
    }

    #[inline]
    fn free_one(&mut self, index: usize) -> bool {
        let used = !self.map.get(self.words, index);
        if used {
            self.map.set(self.words, index);
        }
        used
    }

    #[inline(never)]
    fn free_run(&mut self, start: usize, count: usize) -> bool {
        let used = !self.map.any(self.words, start, start + count - 1);
        if used {
            self.map.fill(self.words, start, start + count, true);
        }
        used
    }
}

impl Backend for Bitmap<'_> {
    fn span(&self) -> FrameRange {
        self.regions.span()
    }

    /// One frame without alignment: O(1). A run: linear in the words of the map in the worst case.
    fn allocate(&mut self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let result = self.take(request);
        self.stats.count_allocation(self.stats.free, &result);
        result
    }

    /// Linear in the words of the range.
    fn allocate_at(&mut self, range: FrameRange) -> Result<FrameRange, FrameError> {
        let result = self.claim(range);
        self.stats.count_allocation(self.stats.free, &result);
        result
    }

    /// Linear in the words of the range.
    fn free(&mut self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        let result = self.give_back(range);
        self.stats.count_free(self.stats.free, &result);
        result
    }

    /// Linear in the words of the range and the number of regions.
    fn reserve(&mut self, range: FrameRange) -> Result<(), ReserveError> {
        let start = self.regions.index_of(range).ok_or(ReserveError::NotManaged(range))?;
        let end = start + range.count();
        if self.map.next_clear(self.words, start, end) != end {
            return Err(ReserveError::InUse(range));
        }
        let map = self.map.end();
        let storage = |(given, needed)| ReserveError::Storage { needed: map + needed, given: map + given };
        self.regions.remove(range).map_err(storage)?;
        self.map.fill(self.words, start, end, false);
        self.stats.count_reserved(range.count());
        Ok(())
    }

    /// Linear in the words of the map.
    fn largest_free(&self) -> usize {
        self.find(&FrameRequest::new(usize::MAX)).err().unwrap_or(0)
    }

    /// The whole free run. Linear in its words.
    fn next_free(&self, from: Pfn) -> Option<FrameRange> {
        let start = self.map.next(self.words, self.regions.index_from(from)?)?;
        let region = self.regions.region_at(start)?;
        let end = self.map.next_clear(self.words, start, region.end_index());
        self.regions.range(start, end - start)
    }

    /// As if the free runs were the blocks of a buddy. Linear in the words of the map.
    fn histogram(&self) -> Histogram {
        let mut histogram = Histogram::EMPTY;
        let mut from = Pfn(0);
        while let Some(run) = self.next_free(from) {
            histogram.add(run);
            from = run.end();
        }
        histogram
    }

    fn stats(&self) -> FrameStats {
        self.stats
    }

    fn check(&self) -> Result<(), Corruption> {
        self.regions.check()?;
        let corrupt = |what, index| {
            let frame = self.regions.region_at(index).map_or(Pfn(0), |region| region.frame(index));
            Corruption { what, frame }
        };
        self.map.check(self.words).map_err(|index| corrupt("a summary must tell its words", index))?;
        if self.map.next(self.words, 0).is_some_and(|first| first < self.hint) {
            return Err(corrupt("nothing may be free below the hint", self.hint));
        }
        if self.histogram().frames() != self.stats.free {
            return Err(corrupt("statistics must equal the bits", 0));
        }
        Ok(())
    }
}

/// Linear in the words of the map.
impl<'m> Grow<'m> for Bitmap<'m> {
    fn words_with(&self, added: FrameRange) -> Result<usize, InitError> {
        let (table, map) = Self::layout(self.regions.with(added)?)?;
        table.checked_add(ENTRY).and_then(|words| words.checked_add(map.end())).ok_or(InitError::TooLarge)
    }

    fn add(&mut self, storage: &'m mut [u64], added: FrameRange) -> Result<[&'m mut [u64]; 2], NotAdded<'m>> {
        let grown = self.grown(storage, added)?;
        let old = mem::replace(self, grown);
        Ok([old.words, old.regions.into_words()])
    }
}

impl<'m> Bitmap<'m> {
    /// Itself with `added`, in `storage`.
    fn grown(&self, storage: &'m mut [u64], added: FrameRange) -> Result<Self, NotAdded<'m>> {
        let planned = self.regions.with(added).and_then(|managed| {
            let (table, map) = Self::layout(managed.clone())?;
            check_storage(storage.len(), table, map.end()).map(|()| (managed, map))
        });
        let (managed, map) = match planned {
            Ok(planned) => planned,
            Err(reason) => return Err(NotAdded { reason, storage }),
        };
        let mut grown = Self::without_free(storage, managed, map);
        let mut from = Pfn(0);
        while let Some(run) = self.next_free(from) {
            grown.release(run);
            from = run.end();
        }
        grown.release(added);
        grown.stats = self.stats;
        grown.stats.count_added(added.count());
        Ok(grown)
    }

    /// Sets the bits of `range`, which is managed.
    fn release(&mut self, range: FrameRange) {
        if let Some(start) = self.regions.index_of(range) {
            self.map.fill(self.words, start, start + range.count(), true);
        }
    }
}
