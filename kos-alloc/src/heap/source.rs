//! Frames from and to the source, and blocks made of them. Everything here runs without the heap's lock.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::arena::Arena;
use super::state::Surplus;
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
        let entered = arena.and_then(|arena| self.publish(arena, count));
        entered.inspect_err(|_| self.give_back(page_map))
    }

    /// Starts to use `arena`, unless another `init` came first.
    fn publish(&self, arena: Arena, page_map_frames: usize) -> Result<(), InitError> {
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

    /// A block for `layout`, of class `class` if it has one, when no slab can give it: from fresh frames.
    #[cold]
    pub(super) fn allocate_frames(
        &self,
        class: Option<Class>,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let fresh = match class {
            Some(class) => self.new_slab(class, layout),
            None => self.large_block(layout),
        };
        fresh.or_else(|error| {
            // Meanwhile another CPU may have freed one.
            let late = self.state.with(|state| class.and_then(|class| state.take(class, layout.size())));
            late.ok_or_else(|| self.fail(error))
        })
    }

    /// The first block of a new slab, or whole frames where a slab is not to be had.
    fn new_slab(&self, class: Class, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let plan = self.state.with(|state| state.plan(class)).ok_or(AllocError::NotReady)?;
        let arena = &plan.arena;
        let frames = arena.frames_for(plan.geometry.slab as usize);
        let range = match self.obtain(&FrameRequest::new(frames).aligned(frames)) {
            Ok(range) => range,
            // A slab needs more adjacent frames than the block: try without.
            Err(FrameError::NoMemory { .. }) if arena.frames_for(class.size()) < frames => {
                return self.large_block(layout);
            }
            Err(error) => return Err(explain(&error, layout, arena)),
        };
        let (index, base) = self.locate_frames(arena, range, layout)?;
        // SAFETY: these frames were handed out to this heap alone, aligned and as many as the slab needs.
        let slab = unsafe { Slab::format(base, &plan.geometry, plan.secret) };
        let block = self.state.with(|state| state.adopt(class, slab, index, layout.size()));
        block.ok_or(AllocError::NoMemory { requested: layout.size(), largest_free: 0 })
    }

    /// A block of whole frames.
    fn large_block(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let arena = self.state.with(|state| state.arena);
        if !arena.is_ready() {
            return Err(AllocError::NotReady);
        }
        if !arena.keeps(layout.align()) {
            return Err(AllocError::BadRequest { size: layout.size(), align: layout.align() });
        }
        let count = arena.frames_for(layout.size());
        let align = (layout.align() >> E::PAGE_SHIFT).max(1);
        let range = self.obtain(&FrameRequest::new(count).aligned(align));
        let range = range.map_err(|error| explain(&error, layout, &arena))?;
        let (index, block) = self.locate_frames(&arena, range, layout)?;
        arena.mark_tails(index, count);
        self.state.with(|state| state.enter_large(index, count, layout.size()));
        Ok(block)
    }

    /// Where fresh frames lie. Frames outside the source's span are of no use and go back.
    fn locate_frames(
        &self,
        arena: &Arena,
        range: FrameRange,
        layout: Layout,
    ) -> Result<(usize, NonNull<u8>), AllocError> {
        let index = arena.index_of_frame(range.start());
        let place = index.and_then(|index| Some((index, arena.address(index)?)));
        place.ok_or_else(|| {
            self.give_back(range);
            AllocError::NoMemory { requested: layout.size(), largest_free: 0 }
        })
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
