//! Blocks from and to the slabs of a class, under the lock of that class.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::ground::Ground;
use super::source::Surplus;
use crate::error::{FreeError, Violation};
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Bin, Chain, Class, Slab, seal};

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Takes a free block of `class` for `size` bytes, if a slab has one.
    pub(super) fn take(&self, ground: &Ground, class: Class, size: usize) -> Option<NonNull<u8>> {
        loop {
            let taken = self.bin(class).with(&self.env, |bin| Self::take_one(ground, bin, class, size));
            match taken? {
                Ok(block) => return Some(block),
                Err(written_to) => self.tell(FreeError::Corrupt(written_to), class.layout()),
            }
        }
    }

    /// Takes a block out of a slab, if one has any; an error if it was written to while it was free, and is lost. Under the
    /// lock of the class.
    pub(super) fn take_one(
        ground: &Ground,
        bin: &mut Bin,
        class: Class,
        size: usize,
    ) -> Option<Result<NonNull<u8>, NonNull<u8>>> {
        let block = bin.take(Self::geometry(class))?;
        // SAFETY: the bin's slabs are live, and the block just came from one.
        if unsafe { seal::unseal(block, ground.secret) } {
            bin.count_requested(size, 0);
            return Some(Ok(block));
        }
        bin.leak();
        Some(Err(block))
    }

    /// Puts the block at `ptr` back, of a slab of `class`, as which the page map has its frame.
    pub(super) fn put(
        &self,
        ground: &Ground,
        ptr: NonNull<u8>,
        class: Class,
        size: usize,
    ) -> Result<(), FreeError<NonNull<u8>>> {
        let place = Self::locate_block(ground, ptr, class)?;
        let surplus = self.bin(class).with(&self.env, |bin| {
            Self::put_one(ground, bin, class, ptr, place, size)?;
            Ok(bin.trim().inspect(|slab| Self::dismiss(ground, *slab, class)))
        })?;
        if let Some(slab) = surplus {
            let mut leaving = Chain::new();
            leaving.push(slab);
            self.dispose_of_slabs(class, leaving);
        }
        Ok(())
    }

    /// Puts the block at `ptr`, which lies at `place`, back if it is live. Under the lock of the class.
    pub(super) fn put_one(
        ground: &Ground,
        bin: &mut Bin,
        class: Class,
        ptr: NonNull<u8>,
        (slab, block): (Slab, usize),
        size: usize,
    ) -> Result<(), FreeError<NonNull<u8>>> {
        let geometry = Self::geometry(class);
        // SAFETY: the page map, the cookie and the slot say that this is a block of a live slab.
        if unsafe { seal::is_sealed(ptr, ground.secret) } || slab.is_free(geometry, block) {
            return Err(FreeError::DoubleFree(ptr));
        }
        // SAFETY: as above; it is not free, and the caller of `free` gave it up.
        unsafe { seal::seal(ptr, ground.secret) };
        bin.count_requested(0, size);
        bin.put(geometry, slab, block);
        Ok(())
    }

    /// Forgets a slab that its bin let go. Under the lock of the class.
    pub(super) fn dismiss(ground: &Ground, slab: Slab, class: Class) {
        if let Some(Surplus { index, count }) = Self::surplus_of(ground, slab, class) {
            ground.arena.mark_returned(index, count);
        }
    }

    /// The frames of a slab.
    pub(super) fn surplus_of(ground: &Ground, slab: Slab, class: Class) -> Option<Surplus> {
        let index = ground.arena.index_of(slab.base().addr().get())?;
        Some(Surplus { index, count: ground.arena.frames_for(Self::geometry(class).slab as usize) })
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
