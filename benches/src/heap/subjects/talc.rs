//! talc: alone, and behind a lock as in its README.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use talc::TalcLock;
use talc::source::Manual;

use crate::harness::memory::{ARENA_BYTES, Arena};
use crate::harness::must;
use crate::heap::Heap;
use crate::lock::Spin;

type RawTalc = talc::base::Talc<Manual, talc::DefaultBinning>;

/// `Talc`.
pub(super) struct Alone {
    heap: RawTalc,
    _arena: Arena,
}

impl Heap for Alone {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let mut heap = RawTalc::new(Manual);
        // SAFETY: the arena lives as long as the heap and is used by nobody else.
        must(unsafe { heap.claim(arena.start().as_ptr(), arena.bytes()) });
        Self { heap, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: no question asks for 0 bytes.
        unsafe { self.heap.allocate(layout) }
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.deallocate(block.as_ptr(), layout) };
    }

    #[inline]
    unsafe fn reallocate(&mut self, block: NonNull<u8>, old: Layout, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise is passed on.
        if unsafe { self.heap.try_realloc_in_place(block.as_ptr(), old, size) } {
            return Some(block);
        }
        let new = self.allocate(Layout::from_size_align(size, old.align()).ok()?)?;
        // SAFETY: the old block has `old.size()` bytes, the new one `size`, and they are two.
        unsafe { core::ptr::copy_nonoverlapping(block.as_ptr(), new.as_ptr(), old.size().min(size)) };
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.deallocate(block.as_ptr(), old) };
        Some(new)
    }
}

/// `TalcLock`.
pub(super) struct Locked {
    heap: TalcLock<Spin, Manual>,
    _arena: Arena,
}

impl Heap for Locked {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let heap = TalcLock::new(Manual);
        // SAFETY: the arena lives as long as the heap and is used by nobody else.
        must(unsafe { heap.lock().claim(arena.start().as_ptr(), arena.bytes()) });
        Self { heap, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: no question asks for 0 bytes.
        NonNull::new(unsafe { self.heap.alloc(layout) })
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.dealloc(block.as_ptr(), layout) };
    }

    #[inline]
    unsafe fn reallocate(&mut self, block: NonNull<u8>, old: Layout, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise is passed on.
        NonNull::new(unsafe { self.heap.realloc(block.as_ptr(), old, size) })
    }
}
