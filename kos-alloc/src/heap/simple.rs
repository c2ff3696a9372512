//! The simple pool: blocks by TLSF, in chunks of frames that come in steps and go when they are empty.
//!
//! It serves new blocks in the mode `SimpleHeap`, and in the others when neither slabs nor whole frames are to be had: a
//! heap whose pool has an initial chunk keeps that for the last resort. The page map says which frames are the pool's, so
//! that a block is freed here whatever the mode is.
//!
//! Invariant: a frame that the page map calls the pool's was handed out to this heap and lies in a chunk, or is about to.
//! One lock guards the chunks; frames are asked for, made chunks and given back without it. To name a wrong free reads the
//! live map of its chunk under it: a word for each KiB at most.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::config::Mode;
use super::counters::Counter;
use super::ground::Ground;
use super::source::Surplus;
use crate::error::{AllocError, Corruption, FrameError, FreeError};
use crate::ports::{Env, FrameAlloc};
use crate::sync::{Guarded, const_fn};
use crate::tiny::Tiny;
use crate::types::{FrameRange, FrameRequest};

/// Chunks of up to a gigabyte (half of one on 32-bit machines).
pub(super) type Pool = Tiny<25, 8>;

/// The pool and what it holds.
pub(super) struct Simple<E: Env> {
    pool: Guarded<E, Pool>,
    /// Frames of the chunks, and of those that are being fetched.
    frames: Counter,
    /// How many chunks are being fetched or given back.
    moving: Counter,
    /// A number that changes whenever the chunks do.
    changes: Counter,
}

/// The simple pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimpleStats {
    /// Chunks of frames.
    pub chunks: usize,
    /// Their frames.
    pub frames: usize,
    /// Blocks handed out.
    pub blocks: usize,
    /// Bytes that these have.
    pub live: usize,
}

type Freed = Result<(), FreeError<NonNull<u8>>>;

impl<E: Env> Simple<E> {
    const_fn! {
        pub(super) fn new() -> Self {
            Self {
                pool: Guarded::new(Pool::new()),
                frames: Counter::new(),
                moving: Counter::new(),
                changes: Counter::new(),
            }
        }
    }

    /// A number that changes whenever the chunks do; `None` while they are changing.
    pub(super) fn settled(&self) -> Option<usize> {
        (self.moving.get() == 0).then(|| self.changes.get())
    }

    fn begin(&self) {
        self.moving.add(1);
        self.changes.add(1);
    }

    fn end(&self) {
        self.moving.subtract(1);
    }
}

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// A block of the pool, which grows for it.
    pub(super) fn allocate_simple(&self, ground: &Ground, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        loop {
            match self.take_simple(layout) {
                Some(block) => return Ok(block),
                // Other CPUs may take all of the new chunk; the limit ends it.
                None => self.grow_simple(ground, layout)?,
            }
        }
    }

    /// A block of the chunks at hand.
    pub(super) fn take_simple(&self, layout: Layout) -> Option<NonNull<u8>> {
        if self.simple.frames.get() == 0 {
            return None;
        }
        let block = self.simple.pool.with(&self.env, |pool| pool.allocate(layout)).ok()?;
        self.counters.requested.add(layout.size());
        Some(block)
    }

    /// As [`take_simple`](Self::take_simple), if the lock is free.
    pub(super) fn try_take_simple(&self, layout: Layout) -> Option<NonNull<u8>> {
        let block = self.simple.pool.try_with(&self.env, |pool| pool.allocate(layout))?.ok()?;
        self.counters.requested.add(layout.size());
        Some(block)
    }

    /// The initial frames, at `init`.
    pub(super) fn take_initial(&self, ground: &Ground) -> Result<FrameRange, FrameError> {
        let count = ground.pool.initial;
        if count == 0 {
            return Ok(FrameRange::EMPTY);
        }
        let range = self.frames.allocate(&FrameRequest::new(count))?;
        self.counters.hold(count);
        Ok(range)
    }

    /// Makes the initial frames a chunk.
    pub(super) fn add_initial(&self, ground: &Ground) {
        let (arena, count) = (&ground.arena, ground.initial.count());
        let index = arena.index_of_frame(ground.initial.start());
        match index.and_then(|index| Some((index, arena.address(index)?))) {
            Some(place) if count != 0 => {
                self.simple.frames.add(count);
                self.add_chunk(ground, place, count);
            }
            _ => self.drop_initial(ground),
        }
    }

    /// Gives the initial frames back.
    pub(super) fn drop_initial(&self, ground: &Ground) {
        if !ground.initial.is_empty() {
            self.give_back(ground.initial);
        }
    }

    /// A block of the chunks at hand, where there are no frames.
    pub(super) fn last_resort(&self, error: AllocError, layout: Layout) -> Option<NonNull<u8>> {
        matches!(error, AllocError::NoMemory { .. }).then(|| self.take_simple(layout)).flatten()
    }

    /// Gives back the block at `ptr`, in a frame that is the pool's.
    pub(super) fn free_simple(&self, ground: &Ground, ptr: NonNull<u8>, layout: Layout) -> Freed {
        self.free_from_pool(ground, ptr, |pool| {
            // SAFETY: the caller of `free` gave the block up, if it is one.
            unsafe { pool.free(ptr, layout) }.map(|()| layout.size())
        })
    }

    /// As [`free_simple`](Self::free_simple), for a block whose layout its owner does not know.
    pub(super) fn free_simple_by_address(&self, ground: &Ground, ptr: NonNull<u8>) -> Freed {
        self.free_from_pool(ground, ptr, |pool| {
            // SAFETY: the caller of `kfree` gave the block up, if it is one.
            unsafe { pool.free_without_layout(ptr) }
        })
    }

    /// Frees by `free`, which says how many bytes were asked for; an empty chunk may go. NMIs do not wait, and leave it.
    fn free_from_pool(
        &self,
        ground: &Ground,
        ptr: NonNull<u8>,
        free: impl FnOnce(&mut Pool) -> Result<usize, FreeError<NonNull<u8>>>,
    ) -> Freed {
        if self.env.in_nmi() {
            let freed = self.simple.pool.try_with(&self.env, free).ok_or(FreeError::WouldBlock(ptr))?;
            return freed.map(|size| self.counters.requested.subtract(size));
        }
        // One empty chunk stays while the pool is in use, so that a block at the edge does not fetch one each time.
        let simple = self.mode() == Mode::SimpleHeap;
        let spare = if simple { 1 + usize::from(!ground.initial.is_empty()) } else { 0 };
        let empty = self.simple.pool.with(&self.env, |pool| {
            let size = free(pool)?;
            self.counters.requested.subtract(size);
            Ok(if pool.empties() > spare { self.take_empty_chunk(ground, pool) } else { None })
        })?;
        if let Some(chunk) = empty {
            self.give_back_chunk(ground, chunk);
        }
        Ok(())
    }

    /// Whether the block at `ptr` of layout `old`, in a frame that is the pool's, now is one of `new`, where it is.
    pub(super) fn resize_simple(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<bool, FreeError<NonNull<u8>>> {
        if self.env.in_nmi() {
            return Ok(false);
        }
        // SAFETY: the caller of `reallocate` owns the block, if it is one.
        let resized =
            self.simple.pool.with(&self.env, |pool| unsafe { pool.resize(ptr, old, new.size()) })?;
        if resized {
            self.counters.requested.add(new.size().wrapping_sub(old.size()));
        }
        Ok(resized)
    }

    /// Bytes of the live block at `ptr`, in a frame that is the pool's.
    pub(super) fn simple_size(&self, ptr: NonNull<u8>) -> Result<usize, FreeError<NonNull<u8>>> {
        if self.env.in_nmi() {
            let size = self.simple.pool.try_with(&self.env, |pool| pool.usable_size(ptr));
            return size.unwrap_or(Err(FreeError::WouldBlock(ptr)));
        }
        self.simple.pool.with(&self.env, |pool| pool.usable_size(ptr))
    }

    /// Gives empty chunks back to the source, but for the initial one; says how many frames.
    pub(super) fn shrink_simple(&self, ground: &Ground) -> usize {
        let release = || self.simple.pool.with(&self.env, |pool| self.take_empty_chunk(ground, pool));
        core::iter::from_fn(release).map(|chunk| self.give_back_chunk(ground, chunk)).sum()
    }

    pub(super) fn simple_stats(&self) -> SimpleStats {
        let stats = self.simple.pool.with(&self.env, |pool| pool.stats());
        let frames = stats.lent >> E::PAGE_SHIFT;
        SimpleStats { chunks: stats.chunks, frames, blocks: stats.live_blocks, live: stats.live }
    }

    pub(super) fn check_simple(&self) -> Result<(), Corruption> {
        self.simple.pool.with(&self.env, |pool| pool.check())
    }

    /// A new chunk for the sake of `layout`: a step, or what suffices where a step is not to be had.
    fn grow_simple(&self, ground: &Ground, layout: Layout) -> Result<(), AllocError> {
        let (arena, (size, align)) = (&ground.arena, (layout.size(), layout.align()));
        let bytes = Pool::range_for(layout).ok_or(AllocError::BadRequest { size, align })?;
        let (needed, most) = (arena.frames_for(bytes), Pool::MAX_RANGE >> E::PAGE_SHIFT);
        let step = ground.pool.step.min(most);
        if needed < step
            && self.fetch_chunk(ground, step, |request| self.obtain_at_hand(ground, request, layout)).is_ok()
        {
            return Ok(());
        }
        self.fetch_chunk(ground, needed, |request| self.obtain(ground, request, layout))
    }

    /// A chunk of `count` frames that `obtain` gets, if the limit allows for it.
    fn fetch_chunk(
        &self,
        ground: &Ground,
        count: usize,
        obtain: impl FnOnce(&FrameRequest) -> Result<(usize, NonNull<u8>), AllocError>,
    ) -> Result<(), AllocError> {
        let max = ground.pool.max;
        if !self.simple.frames.add_up_to(count, max) {
            return Err(AllocError::LimitReached { max: max.saturating_mul(ground.arena.frame_bytes()) });
        }
        match obtain(&FrameRequest::new(count)) {
            Ok((index, base)) => {
                self.add_chunk(ground, (index, base), count);
                Ok(())
            }
            Err(error) => {
                self.simple.frames.subtract(count);
                Err(error)
            }
        }
    }

    /// Makes the frames, which are counted already, a chunk.
    pub(super) fn add_chunk(&self, ground: &Ground, (index, base): (usize, NonNull<u8>), count: usize) {
        let range = NonNull::slice_from_raw_parts(base, count * ground.arena.frame_bytes());
        self.simple.begin();
        ground.arena.mark_simple(index, count);
        // SAFETY: the frames were handed out to this heap, and nobody else has them.
        match unsafe { Pool::prepare(range) } {
            Ok(chunk) => self.simple.pool.with(&self.env, |pool| pool.adopt(chunk)),
            Err(_) => {
                self.simple.frames.subtract(count);
                self.dispose(ground, Surplus { index, count });
            }
        }
        self.simple.end();
    }

    /// Takes an empty chunk out of the pool, but not the initial one.
    fn take_empty_chunk(&self, ground: &Ground, pool: &mut Pool) -> Option<NonNull<[u8]>> {
        let arena = &ground.arena;
        let stays = arena.index_of_frame(ground.initial.start()).filter(|_| !ground.initial.is_empty());
        let taken = pool.take_empty_if(|chunk| {
            stays.is_none() || arena.index_of(chunk.cast::<u8>().addr().get()) != stays
        })?;
        self.simple.begin();
        Some(taken)
    }

    /// Gives the frames of a chunk back that was taken out; says how many.
    fn give_back_chunk(&self, ground: &Ground, chunk: NonNull<[u8]>) -> usize {
        let count = chunk.len() >> E::PAGE_SHIFT;
        if let Some(index) = ground.arena.index_of(chunk.cast::<u8>().addr().get()) {
            self.dispose(ground, Surplus { index, count });
        }
        self.simple.frames.subtract(count);
        self.simple.end();
        count
    }
}
