//! The way of most calls: a magazine of the own CPU, with interrupts masked and without a lock.

use core::ptr::NonNull;

use super::caches::Active;
use super::cpu::CpuCache;
use crate::heap::KernelHeap;
use crate::heap::ground::Ground;
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Class, Shape, Slab};

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// A block of `class` from the loaded magazine of this CPU, if there is one.
    #[inline]
    pub(in crate::heap) fn pop(&self, class: Class, size: usize) -> Option<NonNull<u8>> {
        let caches = self.caches.active()?;
        let _masked = self.env.irq_save();
        self.own_cache(caches)?.enter_in(self.env.in_nmi())?.pop(class, size)
    }

    /// Puts a block of `class` into the loaded magazine of this CPU, if it is a live block and there is room. What is wrong
    /// otherwise is for the slow way to say.
    ///
    /// # Safety
    ///
    /// If `ptr` is a live block, its owner gave it up.
    #[inline]
    pub(in crate::heap) unsafe fn push(&self, class: Class, ptr: NonNull<u8>, size: usize) -> bool {
        let Some(caches) = self.caches.active() else { return false };
        // SAFETY: who made the caches active had seen the ground, and did so with Release.
        let ground = unsafe { self.ground.get_published() };
        let _masked = self.env.irq_save();
        let Some(cache) = self.own_cache(caches) else { return false };
        if !Self::is_block(ground, ptr, class, cache.shape(class)) {
            return false;
        }
        let Some(turn) = cache.enter_in(self.env.in_nmi()) else { return false };
        // SAFETY: it is a block of a live slab; the rest is the caller's promise.
        unsafe { turn.push(class, ptr, size) }
    }

    /// The cache of the calling CPU, which has masked interrupts.
    #[inline]
    pub(super) fn own_cache<'c>(&self, caches: Active<'c>) -> Option<&'c CpuCache> {
        let cpu = self.env.cpu()?;
        debug_assert!(cpu.0 < self.env.cpus(), "{cpu:?}");
        // SAFETY: the environment promises a number below that of its CPUs, for which the caches were carved.
        Some(unsafe { caches.of(cpu) })
    }

    /// Whether `ptr` is the start of a block of `class`, live or free; `shape` is that of the class. The quick form of
    /// [`locate`](super::super::locate).
    #[inline]
    fn is_block(ground: &Ground, ptr: NonNull<u8>, class: Class, shape: &Shape) -> bool {
        let (arena, address) = (&ground.arena, ptr.addr().get());
        let Some(index) = arena.index_by_shift(address, E::PAGE_SHIFT) else { return false };
        if !arena.is_slab(index, class) {
            return false;
        }
        let base = shape.base_of(address);
        // SAFETY: the frame is marked as of a slab of this class, so all frames of the slab are in the span.
        let slab = unsafe { arena.pointer_within(base) };
        // SAFETY: as for `slab_at`.
        let slab = unsafe { Slab::at(slab) };
        slab.is_sound(ground.secret) && shape.is_start(address - base)
    }
}
