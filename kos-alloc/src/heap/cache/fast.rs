//! The way of most calls: a magazine of the own CPU, with interrupts masked and without a lock.

use core::ptr::NonNull;

use super::cpu::CpuCache;
use crate::heap::KernelHeap;
use crate::heap::ground::Ground;
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Class, Slab};

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// A block of `class` from the loaded magazine of this CPU, if there is one.
    #[inline]
    pub(in crate::heap) fn pop(&self, class: Class, size: usize) -> Option<NonNull<u8>> {
        let caches = self.caches.active();
        if caches.is_empty() {
            return None;
        }
        let _masked = self.env.irq_save();
        caches.get(self.env.cpu()?)?.enter()?.pop(class, size)
    }

    /// Puts a block of `class` into the loaded magazine of this CPU, if it is a live block and there is room. What is wrong
    /// otherwise is for the slow way to say.
    ///
    /// # Safety
    ///
    /// If `ptr` is a live block, its owner gave it up.
    #[inline]
    pub(in crate::heap) unsafe fn push(&self, class: Class, ptr: NonNull<u8>, size: usize) -> bool {
        let caches = self.caches.active();
        if caches.is_empty() {
            return false;
        }
        let Some(ground) = self.ground.get() else { return false };
        if !Self::is_block(ground, ptr, class) {
            return false;
        }
        let _masked = self.env.irq_save();
        let Some(cpu) = self.env.cpu() else { return false };
        let Some(turn) = caches.get(cpu).and_then(CpuCache::enter) else { return false };
        // SAFETY: it is a block of a live slab; the rest is the caller's promise.
        unsafe { turn.push(class, ptr, size) }
    }

    /// Whether `ptr` is the start of a block of `class`, live or free. The quick form of [`locate`](super::super::locate).
    #[inline]
    fn is_block(ground: &Ground, ptr: NonNull<u8>, class: Class) -> bool {
        let (arena, geometry, address) = (&ground.arena, Self::geometry(class), ptr.addr().get());
        let offset = geometry.offset_in_slab(address);
        let Some(index) = arena.index_by_shift(address, E::PAGE_SHIFT) else { return false };
        if !arena.is_slab(index, class) {
            return false;
        }
        // SAFETY: the frame is marked as of a slab of this class, so all frames of the slab are in the span.
        let base = unsafe { arena.pointer_within(address - offset) };
        // SAFETY: as for `slab_at`.
        let slab = unsafe { Slab::at(base) };
        slab.is_sound(ground.secret) && geometry.is_start(offset)
    }
}
