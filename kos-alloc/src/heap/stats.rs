//! What a heap knows about itself: [`HeapStats`].

use core::fmt;
use core::ptr::NonNull;

use super::KernelHeap;
use super::cache::CpuCache;
use super::simple::SimpleStats;
use crate::ports::{Env, FrameAlloc};
use crate::slab::{CLASSES, Class};

/// A snapshot of a heap's counters. Each class is of one moment; where other CPUs use the heap meanwhile, the sums are
/// not.
///
/// The heap holds `frames` frames: `page_map_frames + cache_frames + large.frames + simple.frames` and those of its slabs. `live` bytes of them are
/// handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapStats {
    /// Bytes that the live blocks were asked with (a block freed with another size of its class shifts it).
    pub requested: usize,
    /// Bytes of the live blocks: sizes of their classes, whole frames.
    pub live: usize,
    /// Frames that the heap has from its source.
    pub frames: usize,
    /// The most that [`frames`](Self::frames) ever was.
    pub peak_frames: usize,
    /// Each size class, smallest first.
    pub classes: [ClassStats; CLASSES],
    /// Blocks that are whole frames.
    pub large: LargeStats,
    /// Blocks of the simple pool.
    pub simple: SimpleStats,
    /// Allocations that failed, by reason.
    pub failed: FailedStats,
    /// Frees that were refused, by reason.
    pub refused: RefusedStats,
    /// Frames of the page map.
    pub page_map_frames: usize,
    /// Bytes of the slabs that can never be objects: headers and remainders.
    pub slab_overhead: usize,
    /// Frames of the CPU caches' books.
    pub cache_frames: usize,
    /// Bytes of free blocks that rest in the caches of other CPUs than the calling one, which alone can give them back.
    pub stranded: usize,
    /// Frames that the frame source refused to take back; always 0 with a sound source.
    pub lost_frames: usize,
}

impl HeapStats {
    /// Bytes of all slabs, overhead and free objects included.
    #[must_use]
    pub fn slab_bytes(&self) -> usize {
        self.slab_overhead + self.classes.iter().map(|class| class.size * class.objects).sum::<usize>()
    }

    /// Blocks handed out and not yet freed.
    #[must_use]
    pub fn live_blocks(&self) -> usize {
        self.large.blocks + self.simple.blocks + self.classes.iter().map(|class| class.live).sum::<usize>()
    }

    /// Blocks that were written to while they were free, and are therefore never handed out again.
    #[must_use]
    pub fn leaked_blocks(&self) -> usize {
        self.classes.iter().map(|class| class.leaked).sum()
    }
}

impl fmt::Display for HeapStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, requested, frames, peak_frames, .. } = self;
        writeln!(f, "live {live} B (asked {requested} B) in {frames} frames (peak {peak_frames})")?;
        writeln!(f, "{:>6} {:>6} {:>8} {:>8} {:>8}", "size", "slabs", "objects", "live", "peak")?;
        for class in self.classes.iter().filter(|class| class.slabs > 0) {
            let ClassStats { size, slabs, objects, live, peak, .. } = class;
            writeln!(f, "{size:>6} {slabs:>6} {objects:>8} {live:>8} {peak:>8}")?;
        }
        writeln!(f, "large: {} blocks, {} frames", self.large.blocks, self.large.frames)?;
        let SimpleStats { chunks, frames, blocks, live } = self.simple;
        writeln!(f, "simple: {blocks} blocks, {live} B, {frames} frames in {chunks} chunks")?;
        write!(f, "overhead: page map {} frames, slabs {} B", self.page_map_frames, self.slab_overhead)
    }
}

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// The counters.
    pub fn stats(&self) -> HeapStats {
        let mut classes = [ClassStats::default(); CLASSES];
        let large = self.counters.large();
        let simple = self.simple_stats();
        let mut live = (large.frames << E::PAGE_SHIFT) + simple.live;
        let mut requested = self.requested_outside_bins();
        let mut slab_overhead = 0;
        for (stats, class) in classes.iter_mut().zip(Class::all()) {
            let asked = self.class_stats(class, stats);
            live += stats.live * stats.size;
            requested = requested.wrapping_add(asked);
            slab_overhead += stats.slabs * Self::geometry(class).overhead();
        }
        let (frames, peak_frames) = self.counters.held();
        HeapStats {
            // What was freed with another size of its class can bring it below 0.
            requested: usize::try_from(requested.cast_signed()).unwrap_or(0),
            live,
            frames,
            peak_frames,
            classes,
            large,
            simple,
            failed: self.counters.failed(),
            refused: self.counters.refused(),
            page_map_frames: self.ground.get().map_or(0, |ground| ground.page_map_frames),
            slab_overhead,
            cache_frames: self.counters.cache_frames.get(),
            stranded: self.stranded(),
            lost_frames: self.counters.lost_frames.get(),
        }
    }

    /// Bytes asked for that no bin has entered; wraps.
    fn requested_outside_bins(&self) -> usize {
        let caches = self.caches.all().iter().map(CpuCache::requested);
        caches.fold(self.counters.requested.get(), usize::wrapping_add)
    }

    /// Bytes that rest in the caches of other CPUs.
    fn stranded(&self) -> usize {
        let own = {
            let _masked = self.env.irq_save();
            self.env.cpu().map(|cpu| cpu.0)
        };
        let others = self.caches.all().iter().enumerate().filter(|(cpu, _)| Some(*cpu) != own);
        let bytes =
            |cache: &CpuCache| Class::all().map(|class| class.size() * cache.resting(class)).sum::<usize>();
        others.map(|(_, cache)| bytes(cache)).sum()
    }

    /// Free blocks of `class` that are out of their slabs.
    pub(super) fn resting(&self, class: Class) -> usize {
        let caches = self.caches.all().iter().map(|cache| cache.resting(class)).sum::<usize>();
        let depot = self.depot(class).with(&self.env, |depot| depot.resting());
        caches + depot + self.deferred.iter().filter(|block| self.is_of_class(*block, class)).count()
    }

    fn is_of_class(&self, block: NonNull<u8>, class: Class) -> bool {
        self.ground.get().is_some_and(|ground| {
            let index = ground.arena.index_of(block.addr().get());
            index.is_some_and(|index| ground.arena.is_slab(index, class))
        })
    }

    /// Fills in `stats`; says how many bytes were asked for.
    fn class_stats(&self, class: Class, stats: &mut ClassStats) -> usize {
        let cached = self.resting(class);
        self.bin(class).with(&self.env, |bin| {
            *stats = ClassStats {
                size: class.size(),
                slabs: bin.slabs(),
                objects: bin.slabs() * Self::geometry(class).blocks as usize,
                live: bin.live().saturating_sub(bin.leaked() + cached),
                cached,
                peak: bin.peak(),
                leaked: bin.leaked(),
            };
            bin.requested()
        })
    }
}

/// One size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Bytes of an object.
    pub size: usize,
    /// Slabs held.
    pub slabs: usize,
    /// Objects that these slabs have, free and live.
    pub objects: usize,
    /// Objects handed out.
    pub live: usize,
    /// Free objects that rest in CPU caches and depots.
    pub cached: usize,
    /// The most that were ever out of the slabs at once, live or cached.
    pub peak: usize,
    /// Objects that were written to while they were free: reported, and never handed out again.
    pub leaked: usize,
}

/// Blocks that are whole frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LargeStats {
    /// Blocks handed out.
    pub blocks: usize,
    /// Their frames.
    pub frames: usize,
}

/// Allocations that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedStats {
    /// [`AllocError::NoMemory`](crate::AllocError::NoMemory).
    pub no_memory: usize,
    /// [`AllocError::BadRequest`](crate::AllocError::BadRequest).
    pub bad_request: usize,
    /// [`AllocError::LimitReached`](crate::AllocError::LimitReached).
    pub limit_reached: usize,
    /// [`AllocError::LogFull`](crate::AllocError::LogFull).
    pub log_full: usize,
    /// [`AllocError::WouldBlock`](crate::AllocError::WouldBlock).
    pub would_block: usize,
    /// [`AllocError::NotReady`](crate::AllocError::NotReady).
    pub not_ready: usize,
}

/// Frees (and reallocations) that were refused because the block was not what the caller said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedStats {
    /// [`FreeError::DoubleFree`](crate::FreeError::DoubleFree).
    pub double_free: usize,
    /// [`FreeError::NotManaged`](crate::FreeError::NotManaged).
    pub not_managed: usize,
    /// [`FreeError::Interior`](crate::FreeError::Interior).
    pub interior: usize,
    /// [`FreeError::WrongSize`](crate::FreeError::WrongSize).
    pub wrong_size: usize,
    /// [`FreeError::LayoutRequired`](crate::FreeError::LayoutRequired).
    pub layout_required: usize,
    /// [`FreeError::Corrupt`](crate::FreeError::Corrupt).
    pub corrupt: usize,
    /// [`FreeError::WouldBlock`](crate::FreeError::WouldBlock).
    pub would_block: usize,
    /// [`FreeError::NotReady`](crate::FreeError::NotReady).
    pub not_ready: usize,
}

impl RefusedStats {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> usize {
        let of_the_caller = self.double_free + self.not_managed + self.interior + self.wrong_size;
        of_the_caller + self.layout_required + self.corrupt + self.would_block + self.not_ready
    }
}
