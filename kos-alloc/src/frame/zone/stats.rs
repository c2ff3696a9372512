//! What zones count: [`ZoneStats`], and what can be seen of [`Zones`].

use core::iter;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::super::{Backend, FrameFailures, FrameStats, Histogram};
use super::Zones;
use super::local::Local;
use super::slot::{Core, Slot};
use super::table::ZoneKind;
use super::watermark::Watermarks;
use crate::error::{Corruption, FrameError, FreeError};
use crate::health::ZoneUsage;
use crate::ports::{Env, FrameAlloc, Inventory};
use crate::types::{FrameRange, FrameRequest, Pfn};

/// One zone, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneStats {
    /// Its entry of the table.
    pub kind: ZoneKind,
    /// Its frames and the calls that reached it. Frames that rest with CPUs are free, but count as allocated for
    /// `peak`. Each attempt to serve a request that failed is one failure here, even if another zone served it.
    pub frames: FrameStats,
    /// Frames among the free ones that rest with CPUs.
    pub cached: usize,
    /// Its watermarks.
    pub watermarks: Watermarks,
    /// Whether its free frames fell below `low` and have not reached `high` since.
    pub pressure: bool,
}

/// Calls that returned an error to the caller, whatever zone it was.
#[derive(Debug)]
pub(super) struct Failures {
    no_memory: AtomicUsize,
    bad_request: AtomicUsize,
    in_use: AtomicUsize,
    not_managed: AtomicUsize,
    double_free: AtomicUsize,
}

impl Failures {
    pub(super) const fn new() -> Self {
        Self {
            no_memory: AtomicUsize::new(0),
            bad_request: AtomicUsize::new(0),
            in_use: AtomicUsize::new(0),
            not_managed: AtomicUsize::new(0),
            double_free: AtomicUsize::new(0),
        }
    }

    /// Counts `result` if it is an error.
    #[inline]
    pub(super) fn count_allocation(
        &self,
        result: Result<FrameRange, FrameError>,
    ) -> Result<FrameRange, FrameError> {
        result.inspect_err(|error| {
            let counter = match error {
                FrameError::NoMemory { .. } => &self.no_memory,
                FrameError::InUse(_) => &self.in_use,
                FrameError::NotManaged(_) => &self.not_managed,
                FrameError::BadRequest { .. } => &self.bad_request,
                _ => return,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Counts `result` if it is an error.
    #[inline]
    pub(super) fn count_free(
        &self,
        result: Result<(), FreeError<FrameRange>>,
    ) -> Result<(), FreeError<FrameRange>> {
        result.inspect_err(|error| {
            let counter = match error {
                FreeError::DoubleFree(_) => &self.double_free,
                FreeError::NotManaged(_) => &self.not_managed,
                _ => return,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn read(&self) -> FrameFailures {
        let value = |counter: &AtomicUsize| counter.load(Ordering::Relaxed) as u64;
        FrameFailures {
            no_memory: value(&self.no_memory),
            bad_request: value(&self.bad_request),
            in_use: value(&self.in_use),
            not_managed: value(&self.not_managed),
            double_free: value(&self.double_free),
        }
    }
}

impl<'m, E: Env> Zones<'m, E> {
    /// All zones together; zero before initialisation. `failures` are those that callers saw; `peak` is the sum of the
    /// zones' peaks, which may lie apart in time.
    pub fn stats(&self) -> FrameStats {
        let zones = (0..self.kinds().len()).filter_map(|index| self.zone_stats(index));
        let sum = zones.fold(FrameStats::default(), |sum, zone| sum.plus(&zone.frames));
        FrameStats { failures: self.failures.read(), ..sum }
    }

    /// Zone number `index`, if the table has one.
    pub fn zone_stats(&self, index: usize) -> Option<ZoneStats> {
        let (kind, slot) = self.kinds().get(index).zip(self.slots.get(index))?;
        let seen = self.look(index, |core| (core.stats, core.buddy.stats(), core.marks));
        let (stats, FrameStats { managed, reserved, free, .. }, watermarks) = seen.unwrap_or_default();
        let (cached, (allocations, frees)) = slot
            .local
            .get()
            .map_or_else(Default::default, |local| (local.caches.resting(), local.caches.calls()));
        let frames = FrameStats {
            managed,
            reserved,
            free: free + cached,
            allocations: stats.allocations + allocations,
            frees: stats.frees + frees,
            ..stats
        };
        Some(ZoneStats { kind: *kind, frames, cached, watermarks, pressure: slot.is_pressed() })
    }

    /// Free blocks of zone number `index` by order, without those that rest with CPUs; none if there is no such zone.
    pub fn zone_histogram(&self, index: usize) -> Histogram {
        self.look(index, |core| core.buddy.histogram()).unwrap_or(Histogram::EMPTY)
    }

    /// Free blocks of all zones by order, without those that rest with CPUs; none before initialisation.
    pub fn histogram(&self) -> Histogram {
        let mut sum = Histogram::EMPTY;
        for index in 0..self.kinds().len() {
            let zone = self.zone_histogram(index);
            sum.0.iter_mut().zip(zone.0).for_each(|(sum, blocks)| *sum += blocks);
        }
        sum
    }

    /// The largest count that a request without flags, limit and zones would get now; 0 before initialisation. Gives back
    /// what rests with this CPU first, as a request that fails does.
    pub fn largest_free(&self) -> usize {
        self.largest_for(&FrameRequest::new(1))
    }

    /// The largest count that could stand in `request` now, if it had no alignment and no limit. As
    /// [`largest_free`](Self::largest_free).
    pub fn largest_for(&self, request: &FrameRequest) -> usize {
        let Some(table) = self.table.get() else { return 0 };
        self.drain_local();
        let request = FrameRequest { below: Pfn::MAX, ..*request };
        let largest = |(slot, floor): (&Slot<'m, E>, usize)| {
            slot.with(&self.env.irq_save(), |core| core.largest(floor)).unwrap_or(0)
        };
        self.candidates(table, &request).map(largest).max().unwrap_or(0)
    }

    /// The smallest range that holds every managed frame.
    pub(super) fn managed_span(&self) -> FrameRange {
        let spans = (0..self.kinds().len()).filter_map(|index| self.look(index, |core| core.buddy.span()));
        spans.reduce(|low, high| FrameRange::between(low.start(), high.end())).unwrap_or(FrameRange::EMPTY)
    }

    /// Hands out as many adjacent frames as one zone has for a plain request, at most `max`.
    ///
    /// # Errors
    ///
    /// [`FrameError`]; nothing is allocated then.
    pub fn allocate_largest(&self, max: usize) -> Result<FrameRange, FrameError> {
        let count = if max <= 1 { max } else { self.largest_free().clamp(1, max) };
        self.allocate(&FrameRequest::new(count))
    }

    /// The free blocks in ascending order, without those that rest with CPUs. A lock is taken anew for each, so that interrupts are not masked long: what
    /// changes meanwhile may be missed.
    pub fn free_blocks(&self) -> impl Iterator<Item = FrameRange> {
        let mut from = Pfn(0);
        iter::from_fn(move || {
            let block = self.next_free(from)?;
            from = block.end();
            Some(block)
        })
    }

    /// Walks every invariant, with the lock of one zone after the other held: for tests and self-tests, while nobody
    /// allocates or frees.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    pub fn check(&self) -> Result<(), Corruption> {
        (0..self.kinds().len())
            .try_for_each(|index| self.look(index, |core| self.check_zone(index, core)).unwrap_or(Ok(())))
    }

    fn check_zone(&self, index: usize, core: &Core<'m>) -> Result<(), Corruption> {
        core.buddy.check()?;
        let span = core.buddy.span();
        let corrupt = |what| Corruption { what, frame: span.start() };
        let bounds = self.table.get().map_or(FrameRange::EMPTY, |table| table.bounds(index));
        if !bounds.contains_range(&span) {
            return Err(corrupt("a zone must have no frame of another"));
        }
        let local = self.slots.get(index).and_then(|slot| slot.local.get());
        local.map_or(Ok(()), |local| check_local(local, core))
    }

    /// Runs `work` on the core of zone number `index`, if it has frames.
    pub(super) fn look<R>(&self, index: usize, work: impl FnOnce(&Core<'m>) -> R) -> Option<R> {
        self.slots.get(index)?.with(&self.env.irq_save(), |core| work(core))
    }
}

/// Walks the caches and counts the live frames of a zone.
fn check_local(local: &Local<'_>, core: &Core<'_>) -> Result<(), Corruption> {
    let (live, window) = (&local.live, local.live.window());
    for block in local.caches.blocks() {
        let corrupt = |what| Err(Corruption { what, frame: block.start() });
        if local.class_of(block).is_none() {
            return corrupt("a block in a cache must be an aligned one of the window");
        }
        if live.any(block) {
            return corrupt("a frame in a cache must not be live");
        }
        if core.buddy.next_free(block.start()).is_some_and(|free| free.start() < block.end()) {
            return corrupt("a frame in a cache must not be free in the buddy");
        }
    }
    let FrameStats { managed, free, .. } = core.buddy.stats();
    let counted = live.count() + local.caches.resting() + free;
    let exact = window.contains_range(&core.buddy.span());
    if counted > managed || (exact && counted < managed) {
        let what = "a frame must be live, in a cache or free in the buddy";
        return Err(Corruption { what, frame: window.start() });
    }
    Ok(())
}

impl<E: Env> Inventory for Zones<'_, E> {
    fn zone(&self, index: usize) -> Option<ZoneUsage> {
        let ZoneStats { kind, frames, cached, watermarks, .. } = self.zone_stats(index)?;
        let FrameStats { managed, free, .. } = frames;
        let Watermarks { min, low, high } = watermarks;
        let blocks = self.zone_histogram(index);
        Some(ZoneUsage { name: kind.name, managed, free, cached, min, low, high, blocks })
    }

    fn next_free(&self, from: Pfn) -> Option<FrameRange> {
        (0..self.kinds().len()).find_map(|zone| self.look(zone, |core| core.buddy.next_free(from)).flatten())
    }

    fn check(&self) -> Result<(), Corruption> {
        self.check()
    }
}
