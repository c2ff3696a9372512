//! Ours: `KernelHeap` over `Frames<_, Buddy>`, with any lock.

use core::alloc::Layout;
use core::ptr::NonNull;

use kos_alloc::{Frames, KernelHeap, Mode};
use lock_api::RawMutex;

use crate::harness::memory::{ARENA_BYTES, Arena};
use crate::harness::must;
use crate::heap::Heap;
use crate::kos::{self, Host};

/// `KernelHeap` in mode `Hybrid` or `TwoTier`; heap and frames lock with `L`.
pub(super) struct Kos<L: RawMutex + Send + Sync, const HYBRID: bool> {
    heap: KernelHeap<Host<L>, Frames<Host<L>>>,
    books: usize,
    _arena: Arena,
}

impl<L: RawMutex + Send + Sync + 'static, const HYBRID: bool> Heap for Kos<L, HYBRID> {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let mode = if HYBRID { Mode::Hybrid } else { Mode::TwoTier };
        let (heap, books) = kos::heap(&arena, mode);
        Self { heap, books, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.allocate(layout).ok()
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        must(unsafe { self.heap.free(block, layout) }.ok());
    }

    #[inline]
    unsafe fn reallocate(&mut self, block: NonNull<u8>, old: Layout, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.reallocate(block, old, size) }.ok()
    }

    fn books_outside(&self) -> usize {
        self.books
    }
}
