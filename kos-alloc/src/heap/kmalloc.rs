//! The family that C and old kernels have: blocks that are freed by their address alone.
//!
//! Their sizes come from the page map and the headers of the simple pool, as [`usable_size`](KernelHeap::usable_size) says.
//! Blocks of `kmalloc` and of [`allocate`](KernelHeap::allocate) are the same blocks: each may be freed in the other way,
//! but for one of the simple pool whose alignment is neither small nor that of its size, which needs its layout.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::ground::Ground;
use super::locate::Found;
use crate::error::{AllocError, FreeError, ReallocError};
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Class, SLAB_LIMIT};

/// The alignment of every block: two words.
const LEAST_ALIGN: usize = 2 * size_of::<usize>();

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// A block of at least `size` bytes, of one at least, with any content. It is aligned to two words, and if `size` is a
    /// power of two, to `size` or 64 KiB.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; nothing changed then but the count of failures.
    pub fn kmalloc(&self, size: usize) -> Result<NonNull<u8>, AllocError> {
        let layout =
            layout_of(size).ok_or_else(|| self.fail(AllocError::BadRequest { size, align: LEAST_ALIGN }))?;
        let block = self.allocate(layout)?;
        // The block is going to be freed as one of all its bytes.
        let unasked = self.usable_size(block).map_or(0, |usable| usable.wrapping_sub(layout.size()));
        if unasked != 0 {
            self.counters.requested.add(unasked);
        }
        Ok(block)
    }

    /// As [`kmalloc`](Self::kmalloc), of `count` times `size` bytes, each of them 0.
    ///
    /// # Errors
    ///
    /// As [`kmalloc`](Self::kmalloc); [`BadRequest`](AllocError::BadRequest) if the product overflows.
    pub fn kcalloc(&self, count: usize, size: usize) -> Result<NonNull<u8>, AllocError> {
        let bytes = count.saturating_mul(size);
        let block = self.kmalloc(bytes)?;
        // SAFETY: the block was just allocated with so many bytes.
        unsafe { block.write_bytes(0, bytes) };
        Ok(block)
    }

    /// Makes the block at `ptr` one of `size` bytes: where it is if it has so many and not more than twice as many, else
    /// its content moves to a block as of [`kmalloc`](Self::kmalloc). A null `ptr` is no block, so there is a new one. Where
    /// memory is short, a block that is to shrink stays as it is.
    ///
    /// # Errors
    ///
    /// [`ReallocError`]: `ptr` is refused as [`kfree`](Self::kfree) does, or there is no new block. The old one is whole and
    /// live then.
    ///
    /// # Safety
    ///
    /// As for [`kfree`](Self::kfree), unless an error or the same pointer comes back.
    pub unsafe fn krealloc(&self, ptr: *mut u8, size: usize) -> Result<NonNull<u8>, ReallocError> {
        let Some(old) = NonNull::new(ptr) else { return self.kmalloc(size).map_err(ReallocError::Allocate) };
        let usable = self.usable_size(old).map_err(|error| ReallocError::Free(self.refuse(error)))?;
        if size <= usable && size > usable / 2 {
            return Ok(old);
        }
        let new = match self.kmalloc(size) {
            Ok(new) => new,
            Err(_) if size <= usable => return Ok(old),
            Err(error) => return Err(ReallocError::Allocate(error)),
        };
        // SAFETY: the blocks are two, and have so many bytes.
        unsafe { old.copy_to_nonoverlapping(new, usable.min(size)) };
        // SAFETY: passed on from the caller.
        if let Err(error) = unsafe { self.kfree(ptr) } {
            // SAFETY: the new block is live and nobody knows of it.
            let _ = unsafe { self.kfree(new.as_ptr()) };
            return Err(ReallocError::Free(error));
        }
        Ok(new)
    }

    /// Gives a block back. Nothing is done for null.
    ///
    /// # Errors
    ///
    /// [`FreeError`] as [`free`](Self::free), but for wrong sizes; and [`LayoutRequired`](FreeError::LayoutRequired) for a
    /// block of the simple pool whose alignment cannot be known from its size. Nothing changed then.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free).
    pub unsafe fn kfree(&self, ptr: *mut u8) -> Result<(), FreeError<NonNull<u8>>> {
        let Some(ptr) = NonNull::new(ptr) else { return Ok(()) };
        match self.find(ptr).map_err(|error| self.refuse(error))? {
            (ground, Found::Simple) => {
                self.free_simple_by_address(ground, ptr).map_err(|error| self.refuse(error))
            }
            // SAFETY: passed on from the caller.
            (_, Found::Block(class)) => unsafe { self.free(ptr, class.layout()) },
            (ground, Found::Large { count, .. }) => {
                let bytes = count * ground.arena.frame_bytes();
                let layout = Layout::from_size_align(bytes, 1).map_err(|_| FreeError::Corrupt(ptr))?;
                // SAFETY: passed on from the caller.
                unsafe { self.free(ptr, layout) }
            }
        }
    }

    /// Bytes that the live block at `ptr` has, at least as many as were asked.
    ///
    /// # Errors
    ///
    /// [`FreeError`] as [`free`](Self::free), but for wrong sizes.
    pub fn usable_size(&self, ptr: NonNull<u8>) -> Result<usize, FreeError<NonNull<u8>>> {
        match self.find(ptr)? {
            (_, Found::Block(class)) => Ok(class.size()),
            (ground, Found::Large { count, .. }) => Ok(count * ground.arena.frame_bytes()),
            (_, Found::Simple) => self.simple_size(ptr),
        }
    }

    fn find(&self, ptr: NonNull<u8>) -> Result<(&Ground, Found), FreeError<NonNull<u8>>> {
        let ground = self.ground.get().ok_or(FreeError::NotReady(ptr))?;
        Ok((ground, Self::locate(ground, ptr)?))
    }
}

/// The layout of `kmalloc`: all the bytes of a class, so that what was asked is what is freed.
fn layout_of(size: usize) -> Option<Layout> {
    let size = size.max(1);
    let natural = if size.is_power_of_two() { size.min(SLAB_LIMIT) } else { 1 };
    let layout = Layout::from_size_align(size, natural.max(LEAST_ALIGN)).ok()?;
    let bytes = Class::of(layout).map_or(size, Class::size);
    Layout::from_size_align(bytes, layout.align()).ok()
}
