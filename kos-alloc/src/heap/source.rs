//! Frames from and to the source. Everything here runs without a lock.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::arena::Arena;
use super::config::{HeapConfig, Mode};
use super::ground::Ground;
use super::mode::SIMPLE;
use crate::error::{AllocError, FrameError, InitError};
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Chain, Class, Slab};
use crate::sync::atomic::Ordering;
use crate::types::{DirectMap, FrameFlags, FrameRange, FrameRequest};

/// Frames that the heap no longer uses: `count` from index `index`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surplus {
    pub(super) index: usize,
    pub(super) count: usize,
}

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Sets the heap up, once, after the frame source: takes the frames of the page map.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the heap holds nothing then and, unless it is initialised already, `init` may be called again.
    pub fn init(&self, config: HeapConfig) -> Result<(), InitError> {
        if self.ground.get().is_some() {
            return Err(InitError::AlreadyInitialised);
        }
        let (map, span) = (self.env.direct_map(), self.frames.span());
        Arena::place(&map, span, E::PAGE_SHIFT)?;
        let page_map_frames = Arena::page_map_frames(span, E::PAGE_SHIFT);
        let page_map =
            self.frames.allocate(&FrameRequest::new(page_map_frames)).map_err(InitError::Frames)?;
        self.counters.hold(page_map_frames);
        self.start(config, &map, page_map).inspect_err(|_| self.give_back(page_map))
    }

    /// The part of [`init`](Self::init) that has the frames of the page map, and may fail.
    fn start(&self, config: HeapConfig, map: &DirectMap, page_map: FrameRange) -> Result<(), InitError> {
        // SAFETY: `Env` promises the map, `FrameAlloc` the span; the frames were handed out to this heap, which keeps
        // them, unless it fails and gives them back without the arena.
        let arena = unsafe { Arena::new(map, self.frames.span(), page_map, E::PAGE_SHIFT) }?;
        let mut ground = Ground {
            arena,
            secret: self.env.secret(),
            page_map_frames: page_map.count(),
            fail_fast: config.fail_fast,
            cache_bytes: config.cache_bytes_per_cpu,
            pool: config.pool,
            initial: FrameRange::EMPTY,
        };
        let hybrid = config.mode == Mode::Hybrid;
        let caches = if hybrid { self.plan_caches(&ground).map_err(InitError::Frames)? } else { None };
        let undo_caches = || caches.iter().for_each(|(_, range)| self.give_back(*range));
        ground.initial =
            self.take_initial(&ground).map_err(InitError::Frames).inspect_err(|_| undo_caches())?;
        if !self.ground.set(ground) {
            undo_caches();
            self.drop_initial(&ground);
            return Err(InitError::AlreadyInitialised);
        }
        self.add_initial(&ground);
        match config.mode {
            Mode::Hybrid => self.enter_hybrid(&ground, caches),
            Mode::SimpleHeap => self.mode.store(SIMPLE, Ordering::Relaxed),
            Mode::TwoTier => {}
        }
        Ok(())
    }

    /// Gives the empty slabs of `class` back to the source; says how many frames they had. Only so many as are empty now:
    /// more may become so at the same rate.
    pub(super) fn shrink_class(&self, ground: &Ground, class: Class) -> usize {
        let empties = self.bin(class).with(&self.env, |bin| bin.empties());
        let release = |_| {
            let mut leaving = Chain::new();
            let slab = self.bin(class).with(&self.env, |bin| {
                bin.release_empty().inspect(|slab| Self::dismiss(ground, *slab, class))
            });
            leaving.push(slab?);
            Some(self.dispose_of_slabs(class, leaving))
        };
        (0..empties).map_while(release).sum()
    }

    /// A block for `layout`, of class `class` if it has one, when no slab can give it: from fresh frames.
    pub(super) fn allocate_frames(
        &self,
        ground: &Ground,
        class: Option<Class>,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let fresh = match class {
            Some(class) => self.grow(ground, class, layout),
            None => self.allocate_large(ground, layout),
        };
        fresh.or_else(|error| {
            // Meanwhile another CPU may have freed one.
            let late = class.and_then(|class| self.cached_or_taken(ground, class, layout.size()));
            late.or_else(|| self.last_resort(error, layout)).ok_or_else(|| self.fail(error))
        })
    }

    /// A block of a new slab, or whole frames where a slab is not to be had.
    fn grow(&self, ground: &Ground, class: Class, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        loop {
            match self.new_slab(ground, class, layout) {
                Ok(()) => {}
                // A slab needs more adjacent frames than the block: try without.
                Err(AllocError::NoMemory { .. }) if self.is_larger_than_block(ground, class) => {
                    return self.allocate_large(ground, layout);
                }
                Err(error) => return Err(error),
            }
            // Other CPUs may have taken all of its blocks already.
            if let Some(block) = self.cached_or_taken(ground, class, layout.size()) {
                return Ok(block);
            }
        }
    }

    /// Whether a slab of `class` has more frames than a block of it would have alone.
    fn is_larger_than_block(&self, ground: &Ground, class: Class) -> bool {
        let slab = Self::geometry(class).slab as usize;
        ground.arena.frames_for(class.size()) < ground.arena.frames_for(slab)
    }

    /// Gives the class a new slab, for the sake of `layout`.
    fn new_slab(&self, ground: &Ground, class: Class, layout: Layout) -> Result<(), AllocError> {
        let geometry = Self::geometry(class);
        let frames = ground.arena.frames_for(geometry.slab as usize);
        let (index, base) = self.obtain(ground, &FrameRequest::new(frames).aligned(frames), layout)?;
        // SAFETY: these frames were handed out to this heap alone, aligned and as many as the slab needs.
        let slab = unsafe { Slab::format(base, geometry, ground.secret) };
        self.bin(class).with(&self.env, |bin| {
            ground.arena.mark_slab(index, frames, class);
            bin.adopt(slab);
        });
        Ok(())
    }

    /// Frames from the source for the sake of `layout`: the index of the first and its address. What rests in the heap goes
    /// back to the source before that may say that there are none, and it is asked to reclaim memory last.
    pub(super) fn obtain(
        &self,
        ground: &Ground,
        request: &FrameRequest,
        layout: Layout,
    ) -> Result<(usize, NonNull<u8>), AllocError> {
        let first = self.allocate_in_span(ground, &request.with(FrameFlags::NO_RECLAIM));
        let range = match first {
            Err(FrameError::NoMemory { .. }) if !ground.fail_fast => {
                self.collect();
                self.allocate_in_span(ground, request)
            }
            result => result,
        };
        let range = range.map_err(|error| explain(&error, layout, &ground.arena))?;
        self.counters.hold(range.count());
        self.place(ground, range, layout)
    }

    /// Frames from the source. Where it has grown since `init` it may hand out some above the span that the heap knows: then
    /// it is asked again, for lower ones. (Sources are slower with a limit, so it is not asked so at first.)
    fn allocate_in_span(&self, ground: &Ground, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let (range, end) = (self.frames.allocate(request)?, ground.arena.end());
        if range.end() <= end {
            return Ok(range);
        }
        // SAFETY: the frames were just handed out to this heap, which has done nothing with them.
        if unsafe { self.frames.free(range) }.is_err() {
            self.counters.lost_frames.add(range.count());
        }
        self.frames.allocate(&request.below(request.below.min(end)))
    }

    /// Frames that the source has at hand, for the sake of `layout`.
    pub(super) fn obtain_at_hand(
        &self,
        ground: &Ground,
        request: &FrameRequest,
        layout: Layout,
    ) -> Result<(usize, NonNull<u8>), AllocError> {
        let range = self.allocate_in_span(ground, &request.with(FrameFlags::NO_RECLAIM));
        let range = range.map_err(|error| explain(&error, layout, &ground.arena))?;
        self.counters.hold(range.count());
        self.place(ground, range, layout)
    }

    /// Where fresh frames lie. Frames outside the source's span are of no use and go back.
    fn place(
        &self,
        ground: &Ground,
        range: FrameRange,
        layout: Layout,
    ) -> Result<(usize, NonNull<u8>), AllocError> {
        let index = ground.arena.index_of_frame(range.start());
        let place = index.and_then(|index| Some((index, ground.arena.address(index)?)));
        place.ok_or_else(|| {
            self.give_back(range);
            AllocError::NoMemory { requested: layout.size(), largest_free: 0 }
        })
    }

    /// Gives frames back that no block lies in any more; says how many.
    pub(super) fn dispose(&self, ground: &Ground, surplus: Surplus) -> usize {
        ground.arena.mark_returned(surplus.index, surplus.count);
        self.give_back(ground.arena.range(surplus.index, surplus.count));
        surplus.count
    }

    /// Counts a failure.
    #[cold]
    pub(super) fn fail(&self, error: AllocError) -> AllocError {
        self.counters.count_failed(&error);
        error
    }

    pub(super) fn give_back(&self, range: FrameRange) {
        // SAFETY: the frames were handed out to this heap, and nothing refers to them any more.
        let refused = unsafe { self.frames.free(range) };
        self.counters.give_up(range.count());
        if refused.is_err() {
            self.counters.lost_frames.add(range.count());
        }
    }
}

/// The frame source's reason in the heap's terms.
fn explain(error: &FrameError, layout: Layout, arena: &Arena) -> AllocError {
    let (size, align) = (layout.size(), layout.align());
    match error {
        FrameError::NotReady => AllocError::NotReady,
        FrameError::BadRequest { .. } => AllocError::BadRequest { size, align },
        FrameError::NoMemory { largest_free, .. } => AllocError::NoMemory {
            requested: size,
            largest_free: largest_free.saturating_mul(arena.frame_bytes()),
        },
        FrameError::LimitReached { max } => {
            AllocError::LimitReached { max: max.saturating_mul(arena.frame_bytes()) }
        }
        _ => AllocError::NoMemory { requested: size, largest_free: 0 },
    }
}
