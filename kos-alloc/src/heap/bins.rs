//! Blocks from and to the slabs of a class, under the lock of that class.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::ground::Ground;
use super::source::Surplus;
use crate::error::{FreeError, Violation};
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Class, Slab, seal};

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Takes a free block of `class` for `size` bytes, if a slab has one.
    pub(super) fn take(&self, ground: &Ground, class: Class, size: usize) -> Option<NonNull<u8>> {
        loop {
            let block = self.bin(class).with(&self.env, |bin| {
                let block = bin.take(Self::geometry(class))?;
                // SAFETY: the bin's slabs are live, and the block just came from one.
                let whole = unsafe { seal::unseal(block, ground.secret) };
                if whole {
                    bin.count_requested(size, 0);
                } else {
                    bin.leak();
                }
                Some(whole.then_some(block).ok_or(block))
            })?;
            match block {
                Ok(block) => return Some(block),
                Err(written_to) => self.tell(FreeError::Corrupt(written_to), class.layout()),
            }
        }
    }

    /// Puts the block at `ptr` back, of a slab of `class`, as which the page map has its frame.
    pub(super) fn put(
        &self,
        ground: &Ground,
        ptr: NonNull<u8>,
        class: Class,
        size: usize,
    ) -> Result<(), FreeError<NonNull<u8>>> {
        let (slab, block) = Self::locate_block(ground, ptr, class)?;
        let geometry = Self::geometry(class);
        let surplus = self.bin(class).with(&self.env, |bin| {
            // SAFETY: the page map, the cookie and the slot say that this is a block of a live slab.
            if unsafe { seal::is_sealed(ptr, ground.secret) } || slab.is_free(geometry, block) {
                return Err(FreeError::DoubleFree(ptr));
            }
            // SAFETY: as above; it is not free, and the caller of `free` gave it up.
            unsafe { seal::seal(ptr, ground.secret) };
            bin.count_requested(0, size);
            let released = bin.put(geometry, slab, block);
            Ok(released.and_then(|slab| Self::dismiss(ground, slab, class)))
        })?;
        if let Some(surplus) = surplus {
            self.dispose(ground, surplus);
        }
        Ok(())
    }

    /// Forgets a slab that its bin let go. Under the lock of the class.
    pub(super) fn dismiss(ground: &Ground, slab: Slab, class: Class) -> Option<Surplus> {
        let arena = &ground.arena;
        let index = arena.index_of(slab.base().addr().get())?;
        let count = arena.frames_for(Self::geometry(class).slab as usize);
        arena.mark_returned(index, count);
        Some(Surplus { index, count })
    }

    /// Tells the kernel of what has no caller to return an error to. Without a lock.
    #[cold]
    pub(super) fn tell(&self, error: FreeError<NonNull<u8>>, layout: Layout) {
        let cpu = {
            let _masked = self.env.irq_save();
            self.env.cpu()
        };
        self.env.violation(&Violation { error, layout, cpu });
    }
}
