//! The heaps that are one structure over one arena: a list of holes, buddies, two-level segregated fit.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::harness::memory::{ARENA_BYTES, Arena};
use crate::harness::must;
use crate::heap::Heap;

/// `linked_list_allocator::Heap`.
pub(super) struct LinkedList {
    heap: linked_list_allocator::Heap,
    _arena: Arena,
}

impl Heap for LinkedList {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let mut heap = linked_list_allocator::Heap::empty();
        // SAFETY: the arena lives as long as the heap and is used by nobody else.
        unsafe { heap.init(arena.start().as_ptr(), arena.bytes()) };
        Self { heap, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.allocate_first_fit(layout).ok()
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.deallocate(block, layout) };
    }
}

/// `buddy_system_allocator::Heap`.
pub(super) struct BuddySystem {
    heap: buddy_system_allocator::Heap<33>,
    _arena: Arena,
}

impl Heap for BuddySystem {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let mut heap = buddy_system_allocator::Heap::new();
        // SAFETY: the arena lives as long as the heap and is used by nobody else.
        unsafe { heap.init(arena.start().addr().get(), arena.bytes()) };
        Self { heap, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.alloc(layout).ok()
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.dealloc(block, layout) };
    }
}

/// The parameters of rlsf's own `GlobalTlsf`.
const LISTS: usize = usize::BITS as usize;

/// `rlsf::Tlsf`.
pub(super) struct Tlsf {
    heap: rlsf::Tlsf<'static, usize, usize, LISTS, LISTS>,
    _arena: Arena,
}

impl Heap for Tlsf {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let mut heap = rlsf::Tlsf::new();
        let memory = NonNull::slice_from_raw_parts(arena.start(), arena.bytes());
        // SAFETY: the arena lives as long as the heap and is used by nobody else.
        must(unsafe { heap.insert_free_block_ptr(memory) });
        Self { heap, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.allocate(layout)
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.deallocate(block, layout.align()) };
    }

    #[inline]
    unsafe fn reallocate(&mut self, block: NonNull<u8>, old: Layout, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.reallocate(block, Layout::from_size_align(size, old.align()).ok()?) }
    }
}

/// `good_memory_allocator::Allocator`, with its default bins.
pub(super) struct Galloc {
    // Boxed: it must not move once it has its memory.
    heap: Box<good_memory_allocator::Allocator>,
    _arena: Arena,
}

impl Heap for Galloc {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let mut heap = Box::new(good_memory_allocator::Allocator::empty());
        // SAFETY: the arena lives as long as the heap and is used by nobody else.
        unsafe { heap.init(arena.start().addr().get(), arena.bytes()) };
        Self { heap, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: no question asks for 0 bytes.
        NonNull::new(unsafe { self.heap.alloc(layout) })
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, _: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.dealloc(block.as_ptr()) };
    }
}
