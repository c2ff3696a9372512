//! The global allocator: the kernel's heap, from the moment the kernel is up.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

/// Forwards to the heap of the one kernel; before that there is nothing to allocate from.
struct KernelHeap;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

/// See [`kos_demo_kernel::zeroing_allocation`].
#[used]
static ZEROING: fn() -> unsafe fn(Layout) -> *mut u8 = kos_demo_kernel::zeroing_allocation;

// SAFETY: the kernel's heap keeps the contract, and null means failure.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        crate::kernel().map_or(ptr::null_mut(), |kernel| unsafe { kernel.heap().alloc(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(kernel) = crate::kernel() {
            // SAFETY: the caller's promise is passed on.
            unsafe { kernel.heap().dealloc(block, layout) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        crate::kernel()
            .map_or(ptr::null_mut(), |kernel| unsafe { kernel.heap().realloc(block, layout, new_size) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        crate::kernel().map_or(ptr::null_mut(), |kernel| unsafe { kernel.heap().alloc_zeroed(layout) })
    }
}
