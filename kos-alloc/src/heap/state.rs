//! What stands behind the heap's lock: [`State`]. Every method takes bounded time.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::arena::Arena;
use super::locate::{Found, Miss};
use super::stats::{ClassStats, FailedStats, HeapStats, LargeStats, RefusedStats};
use crate::error::FreeError;
use crate::slab::{Bin, CLASSES, Class, Geometry, Slab, bytes_needed};

/// Frames that the heap no longer uses: `count` from index `index`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surplus {
    pub(super) index: usize,
    pub(super) count: usize,
}

/// What it takes to make a slab without the lock.
#[derive(Debug)]
pub(super) struct SlabPlan {
    pub(super) arena: Arena,
    pub(super) secret: u64,
    pub(super) geometry: Geometry,
}

/// The state of a heap.
#[derive(Debug)]
pub(super) struct State {
    pub(super) arena: Arena,
    pub(super) secret: u64,
    bins: [Bin; CLASSES],
    requested: usize,
    live: usize,
    peak: usize,
    large: LargeStats,
    pub(super) failed: FailedStats,
    pub(super) refused: RefusedStats,
    pub(super) page_map_frames: usize,
    pub(super) lost_frames: usize,
}

impl State {
    /// A heap without memory, with frames of 2^`shift` bytes.
    pub(super) const fn new(shift: u32) -> Self {
        Self {
            arena: Arena::none(shift),
            secret: 0,
            bins: bins(1 << shift),
            requested: 0,
            live: 0,
            peak: 0,
            large: LargeStats { blocks: 0, frames: 0 },
            failed: FailedStats::NONE,
            refused: RefusedStats::NONE,
            page_map_frames: 0,
            lost_frames: 0,
        }
    }

    /// The slabs of `class`. Always there: a class is below their number.
    #[inline]
    pub(super) fn bin(&self, class: Class) -> Option<&Bin> {
        self.bins.get(usize::from(class.index()))
    }

    #[inline]
    fn bin_mut(&mut self, class: Class) -> Option<&mut Bin> {
        self.bins.get_mut(usize::from(class.index()))
    }

    /// Takes a free block of `class` for `size` bytes, if a slab has one.
    #[inline]
    pub(super) fn take(&mut self, class: Class, size: usize) -> Option<NonNull<u8>> {
        let bin = self.bin_mut(class)?;
        let block = bin.take()?;
        let granted = bin.geometry().size as usize;
        self.grant(size, granted);
        Some(block)
    }

    /// How to make a slab of `class`; `None` before `init`.
    pub(super) fn plan(&self, class: Class) -> Option<SlabPlan> {
        let geometry = *self.bin(class)?.geometry();
        let plan = SlabPlan { arena: self.arena, secret: self.secret, geometry };
        self.arena.is_ready().then_some(plan)
    }

    /// Takes in a formatted slab of `class` in the frames from `index`, and its first block for `size` bytes.
    pub(super) fn adopt(
        &mut self,
        class: Class,
        slab: Slab,
        index: usize,
        size: usize,
    ) -> Option<NonNull<u8>> {
        let bin = self.bins.get_mut(usize::from(class.index()))?;
        self.arena.mark_slab(index, self.arena.frames_for(bin.geometry().slab as usize), class);
        let block = bin.adopt(slab)?;
        self.grant(size, class.size());
        Some(block)
    }

    /// Enters a large block of `count` frames whose tails are marked.
    pub(super) fn enter_large(&mut self, index: usize, count: usize, size: usize) {
        self.arena.mark_head(index, count);
        self.large.blocks += 1;
        self.large.frames += count;
        self.grant(size, count * self.arena.frame_bytes());
    }

    /// Frees the block at `ptr`; hands out the frames that this leaves without use. `class` is that of the layout.
    #[inline]
    pub(super) fn free(
        &mut self,
        ptr: NonNull<u8>,
        class: Option<Class>,
        layout: Layout,
    ) -> Result<Option<Surplus>, Miss> {
        match (self.arena.index_of(ptr.addr().get()), class) {
            (Some(index), Some(class)) if self.arena.is_slab(index, class) => {
                self.free_block(ptr, class, layout.size())
            }
            _ => self.free_unlike(ptr, layout),
        }
    }

    /// Frees a block of a slab of `class`, as which the page map has its frame.
    #[inline]
    fn free_block(&mut self, ptr: NonNull<u8>, class: Class, size: usize) -> Result<Option<Surplus>, Miss> {
        let (slab, block) = self.locate_block(ptr, class)?;
        let Some(bin) = self.bin_mut(class) else { return Ok(None) };
        let granted = bin.geometry().size as usize;
        let empty = bin.put(slab, block);
        self.revoke(size, granted);
        match empty {
            None => Ok(None),
            Some(empty) => Ok(self.dismiss(empty, class)),
        }
    }

    /// Frees whole frames, or says why nothing is freed.
    #[inline(never)]
    fn free_unlike(&mut self, ptr: NonNull<u8>, layout: Layout) -> Result<Option<Surplus>, Miss> {
        let (index, count) = match self.locate(ptr)? {
            Found::Block { class } => return Err(wrong_size(ptr, layout, class.size())),
            Found::Large { index, count } => (index, count),
        };
        self.check_large(ptr, layout, count)?;
        self.arena.mark_returned(index, 1);
        self.large.blocks = self.large.blocks.wrapping_sub(1);
        self.large.frames = self.large.frames.wrapping_sub(count);
        self.revoke(layout.size(), count * self.arena.frame_bytes());
        Ok(Some(Surplus { index, count }))
    }

    /// Whether the block at `ptr` of layout `old` also serves `new`, of the same alignment; if so it now does.
    pub(super) fn resize(&mut self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Result<bool, Miss> {
        let fits = match self.locate(ptr)? {
            Found::Block { class } if Class::of(old) != Some(class) => {
                return Err(wrong_size(ptr, old, class.size()));
            }
            Found::Block { class } => Class::of(new) == Some(class),
            Found::Large { count, .. } => {
                self.check_large(ptr, old, count)?;
                self.arena.frames_for(new.size()) == count
            }
        };
        if fits {
            self.requested = self.requested.saturating_sub(old.size()).saturating_add(new.size());
        }
        Ok(fits)
    }

    /// Lets the empty slab of class number `index` go, if it keeps one.
    pub(super) fn release_empty(&mut self, index: u8) -> Option<Surplus> {
        let class = Class::new(index)?;
        let slab = self.bin_mut(class)?.release_empty()?;
        self.dismiss(slab, class)
    }

    /// The size classes.
    pub(super) fn bins(&self) -> impl Iterator<Item = (Class, &Bin)> {
        (0..).map_while(Class::new).zip(&self.bins)
    }

    /// The counters.
    pub(super) fn stats(&self) -> HeapStats {
        let mut classes = [ClassStats::default(); CLASSES];
        let mut slab_overhead = 0;
        for (stats, (class, bin)) in classes.iter_mut().zip(self.bins()) {
            let objects = bin.slabs() * bin.geometry().blocks as usize;
            *stats = ClassStats { size: class.size(), slabs: bin.slabs(), objects, live: bin.live() };
            slab_overhead += bin.slabs() * bin.geometry().overhead();
        }
        HeapStats {
            requested: self.requested,
            live: self.live,
            peak: self.peak,
            classes,
            large: self.large,
            failed: self.failed,
            refused: self.refused,
            page_map_frames: self.page_map_frames,
            slab_overhead,
            lost_frames: self.lost_frames,
        }
    }

    /// Forgets a slab that its bin let go.
    #[inline(never)]
    fn dismiss(&self, slab: Slab, class: Class) -> Option<Surplus> {
        let index = self.arena.index_of(slab.base().addr().get())?;
        let count = self.arena.frames_for(self.bin(class)?.geometry().slab as usize);
        self.arena.mark_returned(index, count);
        Some(Surplus { index, count })
    }

    /// Whether a large block of `count` frames at `ptr` is one that `layout` gets.
    fn check_large(&self, ptr: NonNull<u8>, layout: Layout, count: usize) -> Result<(), Miss> {
        let aligned = ptr.addr().get() & (layout.align() - 1) == 0;
        if aligned && self.arena.frames_for(layout.size()) == count {
            return Ok(());
        }
        Err(wrong_size(ptr, layout, count * self.arena.frame_bytes()))
    }

    #[inline]
    fn grant(&mut self, size: usize, granted: usize) {
        self.requested = self.requested.wrapping_add(size);
        self.live += granted;
        self.peak = self.peak.max(self.live);
    }

    #[inline]
    fn revoke(&mut self, size: usize, granted: usize) {
        self.requested = self.requested.saturating_sub(size);
        self.live = self.live.wrapping_sub(granted);
    }
}

fn wrong_size(at: NonNull<u8>, layout: Layout, actual: usize) -> Miss {
    Miss::Refused(FreeError::WrongSize { at, given: bytes_needed(layout), actual })
}

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time; the loop stays within the array")]
const fn bins(frame: usize) -> [Bin; CLASSES] {
    let mut index = 0;
    let Some(first) = Class::new(index) else { unreachable!() };
    let mut bins = [Bin::new(first, frame); CLASSES];
    while let Some(class) = Class::new(index) {
        bins[index as usize] = Bin::new(class, frame);
        index += 1;
    }
    bins
}
