//! The way of most calls: a magazine of the own CPU, with interrupts masked and without a lock.

use core::ptr::NonNull;

use super::cpu::CpuCache;
use crate::heap::KernelHeap;
use crate::heap::ground::Ground;
use crate::ports::{Env, FrameAlloc};
use crate::slab::Class;

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// A block of `class` from the loaded magazine of this CPU, if there is one.
    #[inline]
    pub(in crate::heap) fn pop(&self, class: Class, size: usize) -> Option<NonNull<u8>> {
        let caches = self.caches.active()?;
        let _masked = self.env.irq_save();
        caches.get(self.env.cpu()?.0)?.enter()?.pop(class, size)
    }

    /// Puts a block of `class` into the loaded magazine of this CPU, if it is a live block and there is room. What is wrong
    /// otherwise is for the slow way to say.
    ///
    /// # Safety
    ///
    /// If `ptr` is a live block, its owner gave it up.
    #[inline]
    pub(in crate::heap) unsafe fn push(&self, class: Class, ptr: NonNull<u8>, size: usize) -> bool {
        let Some((ground, caches)) = self.ground.get().zip(self.caches.active()) else { return false };
        if !Self::is_block(ground, ptr, class) {
            return false;
        }
        let _masked = self.env.irq_save();
        let cache = self.env.cpu().and_then(|cpu| caches.get(cpu.0));
        let Some(turn) = cache.and_then(CpuCache::enter) else { return false };
        // SAFETY: it is a block of a live slab; the rest is the caller's promise.
        unsafe { turn.push(class, ptr, size) }
    }

    /// Whether `ptr` is the start of a block of `class`, live or free. The quick form of [`locate`](super::super::locate).
    #[inline]
    fn is_block(ground: &Ground, ptr: NonNull<u8>, class: Class) -> bool {
        let (geometry, address) = (Self::geometry(class), ptr.addr().get());
        let Some(index) = ground.arena.index_of(address) else { return false };
        ground.arena.is_slab(index, class)
            && Self::slab_at(ground, address, class).is_some_and(|slab| slab.is_sound(ground.secret))
            && geometry.is_start(address & (geometry.slab as usize - 1))
    }
}
