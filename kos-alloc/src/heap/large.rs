//! Blocks of whole frames. The page map knows them; no lock is taken.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::ground::Ground;
use super::locate::wrong_size;
use super::source::Surplus;
use crate::error::{AllocError, FreeError};
use crate::ports::{Env, FrameAlloc};
use crate::types::FrameRequest;

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// A block of whole frames.
    pub(super) fn allocate_large(&self, ground: &Ground, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let arena = &ground.arena;
        if !arena.keeps(layout.align()) {
            return Err(AllocError::BadRequest { size: layout.size(), align: layout.align() });
        }
        let count = arena.frames_for(layout.size());
        let align = (layout.align() >> E::PAGE_SHIFT).max(1);
        let (index, block) = self.obtain(ground, &FrameRequest::new(count).aligned(align), layout)?;
        let _changing = self.counters.change_large();
        arena.mark_tails(index, count);
        self.counters.enter_large(count, layout.size());
        arena.mark_head(index, count);
        Ok(block)
    }

    /// Frees the block of `count` frames whose first is `index`.
    pub(super) fn free_large(
        &self,
        ground: &Ground,
        ptr: NonNull<u8>,
        (index, digits, count): (usize, u8, usize),
        layout: Layout,
    ) -> Result<(), FreeError<NonNull<u8>>> {
        Self::check_large(ground, ptr, layout, count)?;
        let _changing = self.counters.change_large();
        if !ground.arena.take_head(index, digits) {
            return Err(FreeError::DoubleFree(ptr));
        }
        self.counters.leave_large(count, layout.size());
        self.dispose(ground, Surplus { index, count });
        Ok(())
    }

    /// Whether a large block of `count` frames at `ptr` is one that `layout` gets.
    pub(super) fn check_large(
        ground: &Ground,
        ptr: NonNull<u8>,
        layout: Layout,
        count: usize,
    ) -> Result<(), FreeError<NonNull<u8>>> {
        let aligned = ptr.addr().get() & (layout.align() - 1) == 0;
        if aligned && ground.arena.frames_for(layout.size()) == count {
            return Ok(());
        }
        Err(wrong_size(ptr, layout, count * ground.arena.frame_bytes()))
    }
}
