//! Frames from and to the source, and blocks made of them. Everything here runs without the heap's lock.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::arena::Arena;
use super::state::{SlabPlan, Surplus};
use crate::error::{AllocError, FrameError, InitError};
use crate::ports::{Env, FrameAlloc};
use crate::slab::{CLASSES, Class, Slab};
use crate::types::{FrameRange, FrameRequest};

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Sets the heap up, once, after the frame source: takes the frames of the page map.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the heap holds nothing then and `init` may be called again.
    pub fn init(&self) -> Result<(), InitError> {
        if self.state.with(|state| state.arena.is_ready()) {
            return Err(InitError::AlreadyInitialised);
        }
        let (map, span) = (self.env().direct_map(), self.frames.span());
        Arena::place(&map, span, E::PAGE_SHIFT)?;
        let count = Arena::page_map_frames(span, E::PAGE_SHIFT);
        let page_map = self.frames.allocate(&FrameRequest::new(count)).map_err(InitError::Frames)?;
        // SAFETY: `Env` promises the map, `FrameAlloc` the span; the frames were handed out to this heap, which keeps
        // them, unless it fails and gives them back without the arena.
        let arena = unsafe { Arena::new(&map, span, page_map, E::PAGE_SHIFT) };
        let entered = arena.and_then(|arena| self.enter(arena, count));
        entered.inspect_err(|_| self.give_back(page_map))
    }

    /// Starts to use `arena`, unless another `init` came first.
    fn enter(&self, arena: Arena, page_map_frames: usize) -> Result<(), InitError> {
        let secret = self.env().secret();
        self.state.with(|state| {
            if state.arena.is_ready() {
                return Err(InitError::AlreadyInitialised);
            }
            state.arena = arena;
            state.secret = secret;
            state.page_map_frames = page_map_frames;
            Ok(())
        })
    }

    /// Gives the frames of empty slabs back to the source; says how many. The heap keeps at most one empty slab a
    /// class between calls; it also does this by itself before it fails for want of memory.
    pub fn shrink(&self) -> usize {
        let mut frames = 0;
        for index in 0..CLASSES {
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            if let Some(surplus) = self.state.with(|state| state.release_empty(index)) {
                frames += surplus.count;
                self.dispose(surplus);
            }
        }
        frames
    }

    /// A block of `class` for `layout` when no slab has one: a new slab, or whole frames where one is not to be had.
    #[cold]
    pub(super) fn allocate_in_new_slab(
        &self,
        class: Class,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let Some(plan) = self.state.with(|state| state.plan(class)) else {
            return Err(self.fail(AllocError::NotReady));
        };
        let frames = plan.arena.frames_for(plan.geometry.slab as usize);
        match self.obtain(&FrameRequest::new(frames).aligned(frames)) {
            Ok(range) => self.enter_slab(&plan, range, layout),
            // A slab needs more adjacent frames than the block: try without.
            Err(FrameError::NoMemory { .. }) if plan.arena.frames_for(class.size()) < frames => {
                self.allocate_large(layout)
            }
            Err(error) => {
                // Meanwhile another CPU may have freed one.
                let late = self.state.with(|state| state.take(class, layout.size()));
                late.ok_or_else(|| self.fail(explain(&error, layout, &plan.arena)))
            }
        }
    }

    fn enter_slab(
        &self,
        plan: &SlabPlan,
        range: FrameRange,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let place = plan.arena.index_of_frame(range.start());
        let Some((index, base)) = place.and_then(|index| Some((index, plan.arena.address(index)?))) else {
            return Err(self.reject(range, layout));
        };
        let cookie = Slab::expected_cookie(base, plan.class, plan.secret);
        // SAFETY: these frames were handed out to this heap alone, aligned and as many as the slab needs.
        let slab = unsafe { Slab::format(base, &plan.geometry, cookie) };
        let block = self.state.with(|state| state.adopt(plan.class, slab, index, layout.size()));
        block.ok_or_else(|| self.fail(AllocError::NoMemory { requested: layout.size(), largest_free: 0 }))
    }

    /// A block of whole frames.
    pub(super) fn allocate_large(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let arena = self.state.with(|state| state.arena);
        if !arena.is_ready() {
            return Err(self.fail(AllocError::NotReady));
        }
        if !arena.keeps(layout.align()) {
            return Err(self.fail(AllocError::BadRequest { size: layout.size(), align: layout.align() }));
        }
        let count = arena.frames_for(layout.size());
        let align = (layout.align() >> E::PAGE_SHIFT).max(1);
        let range = match self.obtain(&FrameRequest::new(count).aligned(align)) {
            Ok(range) => range,
            Err(error) => return Err(self.fail(explain(&error, layout, &arena))),
        };
        let place = arena.index_of_frame(range.start());
        let Some((index, block)) = place.and_then(|index| Some((index, arena.address(index)?))) else {
            return Err(self.reject(range, layout));
        };
        arena.mark_tails(index, count);
        self.state.with(|state| state.enter_large(index, count, layout.size()));
        Ok(block)
    }

    /// Gives frames back that no block lies in any more.
    pub(super) fn dispose(&self, surplus: Surplus) {
        let arena = self.state.with(|state| state.arena);
        arena.mark_returned(surplus.index, surplus.count);
        self.give_back(arena.range(surplus.index, surplus.count));
    }

    /// Counts a failure.
    #[cold]
    pub(super) fn fail(&self, error: AllocError) -> AllocError {
        self.state.with(|state| state.failed.count(&error));
        error
    }

    /// Frames from the source, which gets the empty slabs before it may say that there are none.
    fn obtain(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        match self.frames.allocate(request) {
            Err(FrameError::NoMemory { .. }) if self.shrink() > 0 => self.frames.allocate(request),
            result => result,
        }
    }

    fn give_back(&self, range: FrameRange) {
        // SAFETY: the frames were handed out to this heap, and nothing refers to them any more.
        let refused = unsafe { self.frames.free(range) };
        if refused.is_err() {
            self.state.with(|state| state.lost_frames += range.count());
        }
    }

    /// The source handed out frames outside its span: they are of no use.
    #[cold]
    fn reject(&self, range: FrameRange, layout: Layout) -> AllocError {
        self.give_back(range);
        self.fail(AllocError::NoMemory { requested: layout.size(), largest_free: 0 })
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
        _ => AllocError::NoMemory { requested: size, largest_free: 0 },
    }
}
