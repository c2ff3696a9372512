//! Callers who must not wait: non-maskable interrupts, and whoever says so.
//!
//! They use the cache of their CPU unless they interrupted its owner, and a bin whose lock is free. Nothing here waits for a
//! lock, asks the frame source, or gives a slab back.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::ground::Ground;
use crate::error::{AllocError, FreeError};
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Class, seal};

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// As [`allocate`](Self::allocate), from what is at hand: waits for no lock and asks nobody for memory. Blocks of at
    /// most 8 KiB only, but for what the simple pool has at hand. For NMI handlers, in which [`allocate`](Self::allocate) is the same.
    ///
    /// # Errors
    ///
    /// [`AllocError::WouldBlock`] if nothing is at hand, [`AllocError::NotReady`]; nothing changed then but the count of
    /// failures.
    pub fn allocate_nolock(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if layout.size() == 0 {
            return Ok(layout.dangling_ptr());
        }
        let Some(ground) = self.ground.get() else { return Err(self.fail(AllocError::NotReady)) };
        let class = Class::of(layout);
        let block = class.and_then(|class| {
            self.pop(class, layout.size()).or_else(|| self.try_take(ground, class, layout.size()))
        });
        block.or_else(|| self.try_take_simple(layout)).ok_or_else(|| self.fail(AllocError::WouldBlock))
    }

    /// As [`take`](Self::take), if the lock of the class is free.
    fn try_take(&self, ground: &Ground, class: Class, size: usize) -> Option<NonNull<u8>> {
        let taken = self.bin(class).try_with(&self.env, |bin| Self::take_one(ground, bin, class, size));
        match taken?? {
            Ok(block) => Some(block),
            Err(written_to) => {
                self.tell(FreeError::Corrupt(written_to), class.layout());
                None
            }
        }
    }

    /// As [`put`](Self::put), if the lock of the class is free; else leaves the block to whoever comes next.
    pub(super) fn try_put(
        &self,
        ground: &Ground,
        ptr: NonNull<u8>,
        class: Class,
        size: usize,
    ) -> Result<(), FreeError<NonNull<u8>>> {
        let (slab, block) = Self::locate_block(ground, ptr, class)?;
        let put = self
            .bin(class)
            .try_with(&self.env, |bin| Self::put_one(ground, bin, class, ptr, (slab, block), size));
        put.unwrap_or_else(|| self.defer(ground, ptr, size))
    }

    /// Leaves a block of a slab to whoever next does something slow.
    fn defer(&self, ground: &Ground, ptr: NonNull<u8>, size: usize) -> Result<(), FreeError<NonNull<u8>>> {
        // SAFETY: page map, cookie and slot say that it is a block of a live slab.
        if unsafe { seal::is_sealed(ptr, ground.secret) } {
            return Err(FreeError::DoubleFree(ptr));
        }
        // SAFETY: as above; it is not free, and the caller of `free` gave it up.
        unsafe { seal::seal(ptr, ground.secret) };
        if self.deferred.put(ptr) {
            self.counters.requested.subtract(size);
            return Ok(());
        }
        // SAFETY: as above; it stays the caller's.
        unsafe { seal::unseal(ptr, ground.secret) };
        Err(FreeError::WouldBlock(ptr))
    }
}
