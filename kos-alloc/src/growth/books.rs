//! What stands behind the lock: [`Books`].

use super::chunk::Chunk;
use super::config::{Config, Storage};
use super::stats::GrowthStats;
use crate::error::{Corruption, FrameError, FreeError};
use crate::types::{FrameRange, FrameRequest, Pfn, ZoneSet};

/// All chunks, sorted by address, and the words of their bitmaps without a gap.
#[derive(Debug)]
pub(super) struct Books<'m> {
    config: Config,
    storage: Storage<'m>,
    /// Words in use.
    words: usize,
    /// Its `held` counts frames on their way too.
    stats: GrowthStats,
}

/// What to do for a request.
pub(super) enum Step {
    /// Nothing more: these are the frames.
    Taken(FrameRange),
    /// Give this chunk back, which is in the way of the limit; say so to [`Books::returned`]; ask again.
    Release(FrameRange),
    /// Get a chunk of so many frames, or at least of the request's; bring it to [`Books::admit`] or give up.
    Fetch(usize),
}

impl<'m> Books<'m> {
    pub(super) const fn new(config: Config, storage: Storage<'m>) -> Self {
        let stats = GrowthStats {
            max: config.max,
            held: 0,
            free: 0,
            chunks: 0,
            grown: 0,
            shrunk: 0,
            limited: 0,
            lost: 0,
        };
        Self { config, storage, words: 0, stats }
    }

    pub(super) fn into_storage(self) -> Storage<'m> {
        self.storage
    }

    pub(super) const fn stats(&self) -> GrowthStats {
        self.stats
    }

    fn chunks(&self) -> &[Chunk] {
        self.storage.chunks.get(..self.stats.chunks).unwrap_or_default()
    }

    /// Serves `request` or says how it may be served. What is to be fetched counts as held from now on.
    pub(super) fn next(&mut self, request: &FrameRequest) -> Result<Step, FrameError> {
        let Storage { chunks, bits } = &mut self.storage;
        let mut chunks = chunks.iter_mut().take(self.stats.chunks);
        if let Some(range) = chunks.find_map(|chunk| chunk.take(bits, request)) {
            self.stats.free -= range.count();
            return Ok(Step::Taken(range));
        }
        let room = self.config.max - self.stats.held;
        if request.count <= room {
            let count = self.config.step.min(room).max(request.count);
            self.stats.held += count;
            return Ok(Step::Fetch(count));
        }
        if let Some(spare) = self.release_spare() {
            return Ok(Step::Release(spare));
        }
        self.stats.limited += 1;
        Err(FrameError::LimitReached { max: self.config.max })
    }

    /// Takes in the frames that came for `request`, of `fetched` that were counted, and hands out what was asked, which
    /// they serve if the source keeps its word. `None` if there is no room to note them: they must go back, and
    /// [`give_up`](Self::give_up) must be told.
    pub(super) fn admit(
        &mut self,
        range: FrameRange,
        fetched: usize,
        request: &FrameRequest,
    ) -> Option<Option<FrameRange>> {
        let index = self.insert(range, request.zones, false)?;
        self.stats.held -= fetched - range.count();
        self.stats.grown += 1;
        let Storage { chunks, bits } = &mut self.storage;
        let taken = chunks.get_mut(index).and_then(|chunk| chunk.take(bits, request));
        self.stats.free -= taken.map_or(0, |taken| taken.count());
        Some(taken)
    }

    /// Takes in the initial frames.
    pub(super) fn admit_initial(&mut self, range: FrameRange) -> bool {
        let admitted = range.is_empty() || self.insert(range, ZoneSet::ALL, true).is_some();
        self.stats.held += if admitted { range.count() } else { 0 };
        admitted
    }

    /// Nothing comes of `fetched` frames that were counted.
    pub(super) const fn give_up(&mut self, fetched: usize) {
        self.stats.held -= fetched;
    }

    /// A released chunk of `count` frames went back, or was refused and is lost.
    pub(super) const fn returned(&mut self, count: usize, taken_back: bool) {
        self.stats.held -= count;
        if !taken_back {
            self.stats.lost += count;
        }
    }

    /// Enters a chunk whose frames are all free; says where. Moves the entries above it.
    fn insert(&mut self, range: FrameRange, zones: ZoneSet, stays: bool) -> Option<usize> {
        let chunk = Chunk::new(range, self.words, zones, stays);
        let end = chunk.words().end;
        let index = self.chunks().partition_point(|other| other.range().start() < range.start());
        if end > self.storage.bits.len() {
            return None;
        }
        let behind = self.storage.chunks.get_mut(index..=self.stats.chunks)?;
        behind.rotate_right(1);
        *behind.first_mut()? = chunk;
        chunk.clear(self.storage.bits);
        self.words = end;
        self.stats.chunks += 1;
        self.stats.free += range.count();
        Some(index)
    }

    /// Strikes a chunk out; moves the entries above it, and the words behind its own.
    fn remove(&mut self, index: usize) -> Option<FrameRange> {
        let Storage { chunks, bits } = &mut self.storage;
        let chunks = chunks.get_mut(..self.stats.chunks)?;
        let (gone, words) = chunks.get(index).map(|chunk| (chunk.range(), chunk.words()))?;
        bits.copy_within(words.end..self.words, words.start);
        for chunk in &mut *chunks {
            if chunk.words().start > words.start {
                chunk.moved_down(words.len());
            }
        }
        chunks.get_mut(index..)?.rotate_left(1);
        self.words -= words.len();
        self.stats.chunks -= 1;
        self.stats.free -= gone.count();
        self.stats.shrunk += 1;
        Some(gone)
    }

    /// Lets a chunk go of which nothing is handed out, if there is one. It counts as held until it is
    /// [`returned`](Self::returned).
    pub(super) fn release_spare(&mut self) -> Option<FrameRange> {
        let index = self.chunks().iter().position(Chunk::is_spare)?;
        self.remove(index)
    }

    /// The number of the chunk that holds all of `range`.
    fn chunk_of(&self, range: FrameRange) -> Option<usize> {
        let behind = self.chunks().partition_point(|chunk| chunk.range().start() <= range.start());
        let index = behind.checked_sub(1)?;
        let chunk = self.chunks().get(index)?;
        (!range.is_empty() && chunk.range().contains_range(&range)).then_some(index)
    }

    pub(super) fn claim(&mut self, range: FrameRange) -> Result<FrameRange, FrameError> {
        let index = self.chunk_of(range).ok_or(FrameError::InUse(range))?;
        let Storage { chunks, bits } = &mut self.storage;
        if !chunks.get_mut(index).is_some_and(|chunk| chunk.claim(bits, range)) {
            return Err(FrameError::InUse(range));
        }
        self.stats.free -= range.count();
        Ok(range)
    }

    /// Takes frames back. A chunk that became empty by it comes out if another empty one stays, or if it is larger than a
    /// step.
    pub(super) fn put(&mut self, range: FrameRange) -> Result<Option<FrameRange>, FreeError<FrameRange>> {
        let index = self.chunk_of(range).ok_or(FreeError::NotManaged(range))?;
        let Storage { chunks, bits } = &mut self.storage;
        let chunk = chunks.get_mut(index).filter(|chunk| chunk.free() < chunk.range().count());
        let chunk = chunk.ok_or(FreeError::DoubleFree(range))?;
        if !chunk.put(bits, range) {
            return Err(FreeError::DoubleFree(range));
        }
        self.stats.free += range.count();
        let (empty, large) = (chunk.is_spare(), chunk.range().count() > self.config.step);
        let surplus = empty && (large || self.chunks().iter().filter(|chunk| chunk.is_spare()).count() > 1);
        Ok(if surplus { self.remove(index) } else { None })
    }

    /// Walks every invariant.
    pub(super) fn check(&self) -> Result<(), Corruption> {
        let (mut frames, mut free, mut words, mut end) = (0, 0, 0, Pfn(0));
        for chunk in self.chunks() {
            let corrupt = |what| Corruption { what, frame: chunk.range().start() };
            if chunk.range().start() < end {
                return Err(corrupt("chunks must be sorted and disjoint"));
            }
            if !chunk.is_consistent(self.storage.bits) {
                return Err(corrupt("a chunk must count its free bits"));
            }
            end = chunk.range().end();
            frames += chunk.range().count();
            free += chunk.free();
            words += chunk.words().len();
        }
        let sums = free == self.stats.free && words == self.words;
        if sums && frames <= self.stats.held && self.stats.held <= self.config.max {
            Ok(())
        } else {
            Err(Corruption { what: "sums over the chunks must equal the statistics", frame: end })
        }
    }
}
