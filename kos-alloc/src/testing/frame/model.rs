//! What a frame allocator must answer: [`FrameModel`].

use alloc::vec::Vec;

use super::intervals::{self, Intervals};
use crate::error::{FrameError, FreeError};
use crate::frame::{FrameStats, Histogram, InitError, MAX_ORDER, ReserveError};
use crate::types::{FrameRange, FrameRequest, Pfn};

/// How an allocator rounds a request. Any allocator takes the lowest run that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Not at all, as [`Bitmap`](crate::Bitmap).
    Exact,
    /// To one aligned block up to the top order, else to aligned blocks of it, as [`Buddy`](crate::Buddy).
    Blocks {
        /// The order of the largest block.
        top: u32,
    },
}

impl Fit {
    /// Length and alignment of the free run that a request needs, if they can be counted.
    fn run(self, request: &FrameRequest) -> Option<(usize, usize)> {
        let FrameRequest { count, align, .. } = *request;
        let Self::Blocks { top } = self else { return Some((count, align)) };
        let block = count.max(align).checked_next_power_of_two()?;
        if block <= 1 << top {
            Some((block, block))
        } else {
            Some((count.checked_next_multiple_of(1 << top)?, align.max(1 << top)))
        }
    }

    const fn top(self) -> u32 {
        match self {
            Self::Exact => MAX_ORDER,
            Self::Blocks { top } => top,
        }
    }
}

/// The naive allocator: lists of intervals that are searched from the front.
#[derive(Clone, Debug)]
pub struct FrameModel {
    fit: Fit,
    managed: Intervals,
    free: Intervals,
    live: Vec<FrameRange>,
    stats: FrameStats,
}

impl FrameModel {
    /// Manages the usable frames that are not reserved.
    #[must_use]
    pub fn new(fit: Fit, usable: &[FrameRange], reserved: &[FrameRange]) -> Self {
        let mut managed = Intervals::default();
        usable.iter().for_each(|&range| managed.insert(range));
        reserved.iter().for_each(|&range| managed.remove(range));
        let count = managed.count();
        let stats = FrameStats { managed: count, free: count, ..FrameStats::default() };
        Self { fit, free: managed.clone(), managed, live: Vec::new(), stats }
    }

    /// What was allocated and not freed, in ascending order.
    #[must_use]
    pub fn live(&self) -> &[FrameRange] {
        &self.live
    }

    /// The managed ranges in ascending order.
    #[must_use]
    pub fn managed(&self) -> Vec<FrameRange> {
        self.managed.iter().collect()
    }

    /// The free runs in ascending order.
    #[must_use]
    pub fn free_runs(&self) -> Vec<FrameRange> {
        self.free.iter().collect()
    }

    /// The counters that the allocator must show.
    #[must_use]
    pub const fn stats(&self) -> FrameStats {
        self.stats
    }

    /// The free blocks that the allocator must show: each free run as the largest aligned blocks.
    #[must_use]
    pub fn histogram(&self) -> Histogram {
        let mut histogram = Histogram::EMPTY;
        for run in self.free.iter() {
            let mut at = run.start().0;
            while at < run.end().0 {
                let fits = |order: &u32| at % (1 << order) == 0 && 1 << order <= run.end().0 - at;
                let order = (0..=self.fit.top()).rev().find(fits).unwrap_or(0);
                histogram.0.iter_mut().skip(order as usize).take(1).for_each(|blocks| *blocks += 1);
                at += 1 << order;
            }
        }
        histogram
    }

    /// The largest count that can be had.
    #[must_use]
    pub fn largest_free(&self) -> usize {
        let Fit::Blocks { top } = self.fit else {
            return self.free.iter().map(|run| run.count()).max().unwrap_or(0);
        };
        let aligned = |run: FrameRange| {
            let start = run.start().0.checked_next_multiple_of(1 << top).unwrap_or(usize::MAX);
            run.end().0.saturating_sub(start) >> top << top
        };
        let of_blocks = self.free.iter().map(aligned).max().unwrap_or(0);
        let below = self.histogram().0.iter().rposition(|&blocks| blocks > 0).map_or(0, |order| 1 << order);
        of_blocks.max(below)
    }

    /// Expected of [`Backend::allocate`](crate::frame::Backend::allocate).
    ///
    /// # Errors
    ///
    /// Those that the allocator must return.
    pub fn allocate(&mut self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let FrameRequest { count, align, .. } = *request;
        if count == 0 || !align.is_power_of_two() {
            self.stats.failures.bad_request += 1;
            return Err(FrameError::BadRequest { count, align });
        }
        let lowest = self.fit.run(request).and_then(|(length, align)| {
            self.free.iter().find_map(|run| {
                let start = Pfn(run.start().0.checked_next_multiple_of(align)?);
                let fits = FrameRange::new(start, length).is_some_and(|needed| run.contains_range(&needed));
                fits.then_some(start)
            })
        });
        let lowest = lowest.and_then(|start| FrameRange::new(start, count));
        let Some(range) = lowest.filter(|range| range.end() <= request.below) else {
            self.stats.failures.no_memory += 1;
            return Err(FrameError::NoMemory { requested: count, largest_free: self.largest_free() });
        };
        Ok(self.take(range))
    }

    /// Expected of [`Backend::allocate_at`](crate::frame::Backend::allocate_at).
    ///
    /// # Errors
    ///
    /// Those that the allocator must return.
    pub fn allocate_at(&mut self, range: FrameRange) -> Result<FrameRange, FrameError> {
        if range.is_empty() || !self.managed.contains(range) {
            self.stats.failures.not_managed += 1;
            Err(FrameError::NotManaged(range))
        } else if self.free.contains(range) {
            Ok(self.take(range))
        } else {
            self.stats.failures.in_use += 1;
            Err(FrameError::InUse(range))
        }
    }

    /// Expected of [`Backend::allocate_largest`](crate::frame::Backend::allocate_largest).
    ///
    /// # Errors
    ///
    /// Those that the allocator must return.
    pub fn allocate_largest(&mut self, max: usize) -> Result<FrameRange, FrameError> {
        // Where nothing is free one frame is asked for in vain.
        self.allocate(&FrameRequest::new(self.largest_free().max(1).min(max)))
    }

    /// Expected of [`Backend::reserve`](crate::frame::Backend::reserve) where the storage has room.
    ///
    /// # Errors
    ///
    /// Those that the allocator must return.
    pub fn reserve(&mut self, range: FrameRange) -> Result<(), ReserveError> {
        if range.is_empty() || !self.managed.contains(range) {
            return Err(ReserveError::NotManaged(range));
        }
        if !self.free.contains(range) {
            return Err(ReserveError::InUse(range));
        }
        self.managed.remove(range);
        self.free.remove(range);
        self.stats.reserved += range.count();
        self.recount();
        Ok(())
    }

    /// Expected of [`Grow::add`](crate::frame::Grow::add) where the storage suffices. `fit` is how the allocator rounds
    /// from then on.
    ///
    /// # Errors
    ///
    /// Those that the allocator must return.
    pub fn add(&mut self, added: FrameRange, fit: Fit) -> Result<(), InitError> {
        if added.is_empty() {
            return Err(InitError::NoFrames);
        }
        if let Some(existing) = self.managed.iter().find(|range| !range.intersection(&added).is_empty()) {
            return Err(InitError::Overlap { existing, added });
        }
        self.managed.insert(added);
        self.free.insert(added);
        self.fit = fit;
        self.recount();
        Ok(())
    }

    fn recount(&mut self) {
        self.stats.managed = self.managed.count();
        self.stats.free = self.free.count();
    }

    /// Expected of [`Backend::free`](crate::frame::Backend::free).
    ///
    /// # Errors
    ///
    /// Those that the allocator must return.
    pub fn free(&mut self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        if range.is_empty() || !self.managed.contains(range) {
            self.stats.failures.not_managed += 1;
            Err(FreeError::NotManaged(range))
        } else if self.free.intersects(range) {
            self.stats.failures.double_free += 1;
            Err(FreeError::DoubleFree(range))
        } else {
            self.give_back(range);
            Ok(())
        }
    }

    fn take(&mut self, range: FrameRange) -> FrameRange {
        self.free.remove(range);
        intervals::enter(&mut self.live, range);
        self.stats.allocations += 1;
        self.stats.free = self.free.count();
        self.stats.peak = self.stats.peak.max(self.stats.allocated());
        range
    }

    fn give_back(&mut self, range: FrameRange) {
        self.free.insert(range);
        intervals::cut(&mut self.live, range);
        self.stats.frees += 1;
        self.stats.free = self.free.count();
    }
}
