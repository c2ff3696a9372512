//! The buddy allocator: [`Buddy`].

use core::mem;

use super::blocks::{Block, Blocks, Shape};
use super::region::{self, ENTRY, Managed, RegionTable};
use super::stats::aligned_blocks;
use super::{Backend, FrameStats, Grow, Histogram, InitError, MAX_ORDER, NotAdded, ReserveError, validate};
use crate::error::{Corruption, FrameError, FreeError};
use crate::types::{FrameRange, FrameRequest, Pfn};

/// What an integrator may choose of a [`Buddy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The order of the largest block. Never above [`MAX_ORDER`], nor above what the largest region has room for: a
    /// higher value means just that.
    ///
    /// A lower one makes the tables for many small regions that lie far apart smaller: each takes the bits of at least
    /// one whole block of this order.
    pub max_order: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_order: MAX_ORDER }
    }
}

impl Config {
    fn top(self, managed: impl Iterator<Item = FrameRange>) -> Result<u32, InitError> {
        Ok(self.max_order.min(MAX_ORDER).min(region::largest(managed)?.ilog2()))
    }
}

/// Blocks of `2^order` frames, split and joined with their buddies; free ones stand in a tree outside the frames.
///
/// - A block's first frame number is a multiple of its size, absolutely, whatever the start of its region.
/// - Any count is given exactly: the request is rounded up to a block and the tail goes back at once. A request fails,
///   therefore, if enough adjacent frames are free but not as one aligned block.
/// - A count or alignment above the top order is served from adjacent free blocks of the top order; the search looks at
///   all of those.
/// - Of all blocks that are large enough the one with the lowest address is taken, even if a smaller one would do. So
///   what is in use gathers at low addresses, and large blocks survive at high ones.
/// - Adjacent regions are one region: blocks coalesce across the border.
/// - Metadata: 1.15 bits for each frame of the top-order blocks that hold a managed frame.
///
/// ```
/// use kos_alloc::frame::{Backend, Buddy, Config};
/// use kos_alloc::{FrameRange, FrameRequest, Pfn};
///
/// let ram = [FrameRange::new(Pfn(0x100), 0x7f00).unwrap()];
/// let mut storage = vec![0; Buddy::storage_words(Config::default(), &ram, &[])?];
/// let mut buddy = Buddy::new(&mut storage, Config::default(), &ram, &[])?;
/// let three = buddy.allocate(&FrameRequest::new(3))?;
/// assert_eq!(three.count(), 3);
/// buddy.free(three)?;
/// assert_eq!(buddy.stats().free, 0x7f00);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Buddy<'m> {
    regions: RegionTable<'m>,
    blocks: Blocks<'m>,
    stats: FrameStats,
    config: Config,
}

impl<'m> Buddy<'m> {
    /// Words of storage for [`new`](Self::new) with the same arguments. They also suffice after one more range was cut
    /// out of `usable`, such as the storage itself. Quadratic in the number of ranges.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new), except for the storage.
    pub fn storage_words(
        config: Config,
        usable: &[FrameRange],
        reserved: &[FrameRange],
    ) -> Result<usize, InitError> {
        let words = Self::words_for(config, Managed::new(usable, reserved)?)?;
        words.checked_add(ENTRY).ok_or(InitError::TooLarge)
    }

    /// Words that [`over`](Self::over) with the same arguments needs.
    pub(super) fn words_for(
        config: Config,
        managed: impl Iterator<Item = FrameRange> + Clone,
    ) -> Result<usize, InitError> {
        let (table, shape) = Self::layout(config, managed)?;
        table.checked_add(shape.words()).ok_or(InitError::TooLarge)
    }

    /// Manages the `usable` frames that are not `reserved`; all of them are free. The lists may be in any order and are
    /// not needed afterwards. Reserved ranges may overlap and lie anywhere; empty ranges count for nothing. What the
    /// storage holds does not matter. Quadratic in the number of ranges, linear in the storage.
    ///
    /// # Errors
    ///
    /// [`InitError::Overlap`] if two usable ranges do, [`InitError::Storage`], [`InitError::NoFrames`],
    /// [`InitError::TooLarge`].
    pub fn new(
        storage: &'m mut [u64],
        config: Config,
        usable: &[FrameRange],
        reserved: &[FrameRange],
    ) -> Result<Self, InitError> {
        Self::over(storage, config, Managed::new(usable, reserved)?)
    }

    /// [`new`](Self::new) for the `managed` frames, ascending and apart.
    pub(super) fn over(
        storage: &'m mut [u64],
        config: Config,
        managed: impl Iterator<Item = FrameRange> + Clone,
    ) -> Result<Self, InitError> {
        let (table, shape) = Self::layout(config, managed.clone())?;
        check_storage(storage.len(), table, shape.words())?;
        let mut buddy = Self::without_free(storage, config, managed, shape);
        for region in buddy.regions.iter() {
            buddy.blocks.release(region.index, region.end_index());
        }
        Ok(buddy)
    }

    /// The same with nothing free, in storage that is large enough.
    fn without_free(
        storage: &'m mut [u64],
        config: Config,
        managed: impl Iterator<Item = FrameRange>,
        shape: Shape,
    ) -> Self {
        let (words, table) = storage.split_at_mut_checked(shape.words()).unwrap_or_default();
        let regions = RegionTable::new(table, managed, shape.top());
        let stats = FrameStats::new(regions.frames());
        Self { regions, blocks: Blocks::new(words, shape), stats, config }
    }

    /// Words of the region table, and the shape of the tree.
    fn layout(
        config: Config,
        managed: impl Iterator<Item = FrameRange> + Clone,
    ) -> Result<(usize, Shape), InitError> {
        let top = config.top(managed.clone())?;
        let (table, bits) = region::size(managed, top)?;
        Ok((table, Shape::new(bits, top)?))
    }

    /// The order of the largest block.
    #[must_use]
    pub const fn max_order(&self) -> u32 {
        self.blocks.top()
    }

    /// Manages one region, in storage that comes back if it is too small.
    pub(super) fn of_region(
        storage: &'m mut [u64],
        config: Config,
        region: FrameRange,
    ) -> Result<Self, NotAdded<'m>> {
        let regions = [region];
        let planned = Managed::new(&regions, &[]).and_then(|managed| {
            let (table, shape) = Self::layout(config, managed)?;
            check_storage(storage.len(), table, shape.words()).map(|()| (managed, shape))
        });
        let (managed, shape) = match planned {
            Ok(planned) => planned,
            Err(reason) => return Err(NotAdded { reason, storage }),
        };
        let mut buddy = Self::without_free(storage, config, managed, shape);
        buddy.release(region);
        Ok(buddy)
    }

    /// Whether `range` has a frame and all its frames are managed.
    pub(super) fn manages(&self, range: FrameRange) -> bool {
        self.regions.region_of(range).is_some()
    }

    /// The lowest frames that can be had as blocks of `block` frames, a power of two: one block, or as many adjacent ones
    /// as lie in the same free block, `most` frames together. As if allocated one by one.
    pub(super) fn allocate_up_to(&mut self, block: usize, most: usize) -> Option<FrameRange> {
        let found = self.blocks.lowest(block.ilog2())?;
        let count = found.frames().min(most / block * block).max(block);
        let range = self.regions.range(found.start, count)?;
        self.blocks.take(found, count.next_power_of_two().ilog2(), count);
        let result = Ok(range);
        self.stats.count_allocation(self.blocks.free(), &result);
        result.ok()
    }

    #[inline]
    fn take(&mut self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        // Known orders make the code of the common case short.
        let single = request.count == 1 && request.align == 1;
        let taken = if single { self.take_block(request, 0) } else { self.take_many(request)? };
        match taken {
            Some(range) => Ok(range),
            None => Err(self.no_memory(request)),
        }
    }

    #[inline(never)]
    fn take_many(&mut self, request: &FrameRequest) -> Result<Option<FrameRange>, FrameError> {
        validate(request)?;
        let Some(frames) = request.count.max(request.align).checked_next_power_of_two() else {
            return Ok(None);
        };
        Ok(self.take_block(request, frames.ilog2()).or_else(|| self.take_run(request)))
    }

    #[cold]
    fn no_memory(&self, request: &FrameRequest) -> FrameError {
        FrameError::NoMemory { requested: request.count, largest_free: self.largest_free() }
    }

    /// Takes the frames out of the lowest block of `order`, which holds them, or above.
    #[inline(always)]
    fn take_block(&mut self, request: &FrameRequest, order: u32) -> Option<FrameRange> {
        let block = self.blocks.lowest(order)?;
        let range = self.reachable(block.start, request)?;
        self.blocks.take(block, order, request.count);
        Some(range)
    }

    /// Takes frames above the top order, or aligned above it, out of adjacent blocks.
    #[cold]
    fn take_run(&mut self, request: &FrameRequest) -> Option<FrameRange> {
        if request.count.max(request.align) <= 1 << self.max_order() {
            return None;
        }
        let start = self.find_run(request)?;
        let range = self.reachable(start, request)?;
        self.blocks.carve(start, start + request.count);
        Some(range)
    }

    /// The frames of `request` from index `start`, unless they reach its limit. Every other place for it is higher.
    #[inline]
    fn reachable(&self, start: usize, request: &FrameRequest) -> Option<FrameRange> {
        self.regions.range(start, request.count).filter(|range| range.end() <= request.below)
    }

    /// The lowest run of adjacent top-order blocks that serves `request`.
    fn find_run(&self, request: &FrameRequest) -> Option<usize> {
        let top = self.max_order();
        let blocks = request.count.div_ceil(1 << top);
        let mut from = 0;
        while let Some(first) = self.blocks.next_top(from) {
            let region = self.regions.region_at(first << top)?;
            let limit = region.end_index() >> top;
            let start = region.aligned(first << top, request.align).map_or(limit, |index| index >> top);
            let end = start.checked_add(blocks)?;
            let run_end = self.blocks.top_run_end(start, limit.min(end));
            if run_end == end {
                return Some(start << top);
            }
            from = run_end.max(first + 1);
        }
        None
    }

    /// Frames of the longest run of adjacent top-order blocks.
    fn longest_run(&self) -> usize {
        let top = self.max_order();
        let (mut longest, mut from) = (0, 0);
        while let Some(first) = self.blocks.next_top(from) {
            let limit = self.regions.region_at(first << top).map_or(0, |region| region.end_index() >> top);
            from = self.blocks.top_run_end(first, limit).max(first + 1);
            longest = longest.max(from - first);
        }
        longest << top
    }

    fn claim(&mut self, range: FrameRange) -> Result<FrameRange, FrameError> {
        let start = self.regions.index_of(range).ok_or(FrameError::NotManaged(range))?;
        let end = start + range.count();
        if !self.is_free(start, end) {
            return Err(FrameError::InUse(range));
        }
        self.blocks.carve(start, end);
        Ok(range)
    }

    /// Whether all from `start` up to `end` is free.
    fn is_free(&self, start: usize, end: usize) -> bool {
        let mut at = start;
        while at < end {
            let Some(block) = self.blocks.containing(at) else { return false };
            at = block.end();
        }
        true
    }

    fn give_back(&mut self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        let start = self.regions.index_of(range).ok_or(FreeError::NotManaged(range))?;
        // Known orders make the code of the common case short.
        let free = match range.count() {
            1 => self.give_back_block(Block { start, order: 0 }),
            count => self.give_back_many(start, start + count),
        };
        if free { Err(FreeError::DoubleFree(range)) } else { Ok(()) }
    }

    /// Makes `block` free, unless something of it is: that it says then.
    #[inline(always)]
    fn give_back_block(&mut self, block: Block) -> bool {
        let free = self.blocks.any_free(block);
        if !free {
            self.blocks.release_block(block);
        }
        free
    }

    /// The same for all from `start` up to `end`.
    #[inline(never)]
    fn give_back_many(&mut self, start: usize, end: usize) -> bool {
        if let Some(block) = Block::exactly(start, end, self.max_order()) {
            return self.give_back_block(block);
        }
        let mut blocks = aligned_blocks(start, end, self.max_order());
        let free = blocks.any(|(start, order)| self.blocks.any_free(Block { start, order }));
        if !free {
            self.blocks.release(start, end);
        }
        free
    }

    fn frame(&self, index: usize) -> Pfn {
        self.regions.region_at(index).map_or(Pfn(0), |region| region.frame(index))
    }
}

/// Refuses `given` words of storage for `table` words of regions and `words` others if they do not suffice.
pub(super) fn check_storage(given: usize, table: usize, words: usize) -> Result<(), InitError> {
    let needed = words.checked_add(table).ok_or(InitError::TooLarge)?;
    if needed <= given { Ok(()) } else { Err(InitError::Storage { needed, given }) }
}

impl Backend for Buddy<'_> {
    fn span(&self) -> FrameRange {
        self.regions.span()
    }

    fn allocate(&mut self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let result = self.take(request);
        self.stats.count_allocation(self.blocks.free(), &result);
        result
    }

    fn allocate_at(&mut self, range: FrameRange) -> Result<FrameRange, FrameError> {
        let result = self.claim(range);
        self.stats.count_allocation(self.blocks.free(), &result);
        result
    }

    fn free(&mut self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        let result = self.give_back(range);
        self.stats.count_free(self.blocks.free(), &result);
        result
    }

    fn reserve(&mut self, range: FrameRange) -> Result<(), ReserveError> {
        let start = self.regions.index_of(range).ok_or(ReserveError::NotManaged(range))?;
        if !self.is_free(start, start + range.count()) {
            return Err(ReserveError::InUse(range));
        }
        let tree = self.blocks.words();
        let storage = |(given, needed)| ReserveError::Storage { needed: tree + needed, given: tree + given };
        self.regions.remove(range).map_err(storage)?;
        self.blocks.carve(start, start + range.count());
        self.stats.count_reserved(range.count());
        Ok(())
    }

    fn largest_free(&self) -> usize {
        match self.blocks.largest() {
            0 => 0,
            above if above > self.max_order() => self.longest_run(),
            above => 1 << (above - 1),
        }
    }

    fn next_free(&self, from: Pfn) -> Option<FrameRange> {
        let block = self.blocks.next(self.regions.index_from(from)?)?;
        self.regions.range(block.start, block.frames())
    }

    fn histogram(&self) -> Histogram {
        self.blocks.counts()
    }

    fn stats(&self) -> FrameStats {
        self.stats
    }

    fn check(&self) -> Result<(), Corruption> {
        self.regions.check()?;
        self.blocks.check().map_err(|(index, what)| Corruption { what, frame: self.frame(index) })?;
        if self.stats.free != self.blocks.free() {
            return Err(Corruption { what: "statistics must equal the bits", frame: self.span().start() });
        }
        let mut from = Pfn(0);
        while let Some(index) = self.regions.index_from(from) {
            let Some(block) = self.blocks.next(index) else { break };
            let managed = self.regions.range(block.start, block.frames());
            let frame = self.frame(block.start);
            from = managed.ok_or(Corruption { what: "a free block must be managed", frame })?.end();
        }
        Ok(())
    }
}

impl<'m> Grow<'m> for Buddy<'m> {
    fn words_with(&self, added: FrameRange) -> Result<usize, InitError> {
        let words = Self::words_for(self.config, self.regions.with(added)?)?;
        words.checked_add(ENTRY).ok_or(InitError::TooLarge)
    }

    fn add(&mut self, storage: &'m mut [u64], added: FrameRange) -> Result<[&'m mut [u64]; 2], NotAdded<'m>> {
        let grown = self.grown(storage, added)?;
        let old = mem::replace(self, grown);
        Ok([old.blocks.into_words(), old.regions.into_words()])
    }
}

impl<'m> Buddy<'m> {
    /// Itself with `added`, in `storage`.
    fn grown(&self, storage: &'m mut [u64], added: FrameRange) -> Result<Self, NotAdded<'m>> {
        let planned = self.regions.with(added).and_then(|managed| {
            let (table, shape) = Self::layout(self.config, managed.clone())?;
            check_storage(storage.len(), table, shape.words()).map(|()| (managed, shape))
        });
        let (managed, shape) = match planned {
            Ok(planned) => planned,
            Err(reason) => return Err(NotAdded { reason, storage }),
        };
        let mut grown = Self::without_free(storage, self.config, managed, shape);
        let mut from = Pfn(0);
        while let Some(block) = self.next_free(from) {
            grown.release(block);
            from = block.end();
        }
        grown.release(added);
        grown.stats = self.stats;
        grown.stats.count_added(added.count());
        Ok(grown)
    }

    /// Makes `range`, which is managed and has nothing free, free.
    fn release(&mut self, range: FrameRange) {
        if let Some(start) = self.regions.index_of(range) {
            self.blocks.release(start, start + range.count());
        }
    }
}
