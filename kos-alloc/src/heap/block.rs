//! Freeing, zeroing and resizing: the operations whose callers promise something about a block.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use super::KernelHeap;
use super::ground::Ground;
use super::locate::{Found, wrong_size};
use crate::error::{AllocError, FreeError, ReallocError};
use crate::ports::{Env, FrameAlloc};
use crate::slab::Class;

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// As [`allocate`](Self::allocate), with every byte of the layout 0. The zeroing is done without a lock and with
    /// interrupts as they are.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate).
    pub fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let block = self.allocate(layout)?;
        // SAFETY: the block was just allocated with so many bytes; for none the pointer may dangle.
        unsafe { block.write_bytes(0, layout.size()) };
        Ok(block)
    }

    /// Gives a block back. Nothing is done for a layout of 0 bytes. Works in interrupt context and in constant time
    /// but for the page map of a block of many frames.
    ///
    /// # Errors
    ///
    /// [`FreeError`] if `ptr` is not a live block of this heap that such a layout gets. Nothing changes then, and nothing
    /// is written through `ptr` to find out; what it points to is read only if it is a block of a slab, live or free:
    /// - [`DoubleFree`](FreeError::DoubleFree): the block is free, or its memory went back to the frame source;
    /// - [`Interior`](FreeError::Interior): it points into a block (of a slab: live or not);
    /// - [`NotManaged`](FreeError::NotManaged): the address never was a block of this heap;
    /// - [`WrongSize`](FreeError::WrongSize): another size class, or number of frames, or alignment;
    /// - [`Corrupt`](FreeError::Corrupt): something wrote over the slab's head;
    /// - [`NotReady`](FreeError::NotReady): before [`init`](Self::init).
    ///
    /// # Safety
    ///
    /// If `ptr` is a live block of this heap, nobody uses it any more. (A pointer that is none is safe: it is refused. One
    /// that was freed and since allocated again *is* live, and cannot be told from the new owner's; and a second free that
    /// comes while another CPU is at the first may be found only when the block is to be handed out again.)
    #[inline]
    pub unsafe fn free(&self, ptr: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        if let Some(class) = Class::of(layout) {
            // SAFETY: the caller gave the block up.
            if unsafe { self.push(class, ptr, layout.size()) } {
                return Ok(());
            }
        }
        self.free_slow(ptr, layout)
    }

    /// Where the cache of this CPU has no room or is not used, and where something is wrong.
    #[cold]
    #[inline(never)]
    fn free_slow(&self, ptr: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        if layout.size() == 0 {
            return Ok(());
        }
        self.free_located(ptr, layout).map_err(|error| self.refuse(error))
    }

    fn free_located(&self, ptr: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        let ground = self.ground.get().ok_or(FreeError::NotReady(ptr))?;
        let index = ground.arena.index_of(ptr.addr().get());
        if let Some((index, class)) = index.zip(Class::of(layout))
            && ground.arena.is_slab(index, class)
        {
            return self.free_block(ground, ptr, class, layout.size());
        }
        match Self::locate(ground, ptr)? {
            Found::Block(class) => Err(wrong_size(ptr, layout, class.size())),
            Found::Simple => self.free_simple(ground, ptr, layout),
            Found::Large { .. } if self.env.in_nmi() => Err(FreeError::WouldBlock(ptr)),
            Found::Large { index, digits, count } => {
                self.free_large(ground, ptr, (index, digits, count), layout)
            }
        }
    }

    /// Frees a block of a slab of `class`, as which the page map has its frame.
    fn free_block(
        &self,
        ground: &Ground,
        ptr: NonNull<u8>,
        class: Class,
        size: usize,
    ) -> Result<(), FreeError<NonNull<u8>>> {
        if self.env.in_nmi() {
            return self.try_put(ground, ptr, class, size);
        }
        self.settle_deferred(ground);
        // SAFETY: the caller of `free` gave the block up.
        if self.make_room(ground, class) && unsafe { self.push(class, ptr, size) } {
            return Ok(());
        }
        self.put(ground, ptr, class, size)
    }

    /// Makes the block at `ptr`, of layout `old`, one of `new_size` bytes and the same alignment. In place if the size
    /// class stays, or the block is of whole frames, and those behind it are free if it grows; else the content moves to a
    /// new block. A `new_size` of 0 frees it.
    ///
    /// # Errors
    ///
    /// [`ReallocError`]: `ptr` and `old` are refused as [`free`](Self::free) does, or there is no new block. The old one
    /// is whole and live then.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free), unless an error or the same pointer comes back.
    pub unsafe fn reallocate(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, ReallocError> {
        let Ok(new) = Layout::from_size_align(new_size, old.align()) else {
            let error = AllocError::BadRequest { size: new_size, align: old.align() };
            return Err(ReallocError::Allocate(self.fail(error)));
        };
        if old.size() != 0 && new_size != 0 {
            let resized = self.resize(ptr, old, new);
            if resized.map_err(|error| ReallocError::Free(self.refuse(error)))? {
                return Ok(ptr);
            }
        }
        let block = self.allocate(new).map_err(ReallocError::Allocate)?;
        // SAFETY: the old block has `old.size()` bytes, the new one `new_size`, and they are two.
        unsafe { ptr::copy_nonoverlapping(ptr.as_ptr(), block.as_ptr(), old.size().min(new_size)) };
        // SAFETY: passed on from the caller.
        if let Err(error) = unsafe { self.free(ptr, old) } {
            // SAFETY: the new block is live and nobody knows of it.
            let _ = unsafe { self.free(block, new) };
            return Err(ReallocError::Free(error));
        }
        Ok(block)
    }

    /// Counts what was wrong.
    #[cold]
    pub(super) fn refuse(&self, error: FreeError<NonNull<u8>>) -> FreeError<NonNull<u8>> {
        self.counters.count_refused(&error);
        error
    }
}
