//! The heap as Rust's global allocator and as a [`BlockAlloc`].

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use super::KernelHeap;
use crate::error::{AllocError, FreeError, ReallocError};
use crate::ports::{BlockAlloc, Env, FrameAlloc};

/// Never panics: failure is null, and a wrong free goes to [`Env::violation`].
// SAFETY: blocks are unique, aligned and as large as asked until freed; none is freed by anything but its free.
unsafe impl<E: Env, F: FrameAlloc> GlobalAlloc for KernelHeap<E, F> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.allocate_zeroed(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let Some(ptr) = NonNull::new(ptr) else { return };
        // SAFETY: the caller promises that nobody uses the block.
        if let Err(error) = unsafe { self.free(ptr, layout) } {
            self.tell(error, layout);
        }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Some(old) = NonNull::new(ptr) else { return ptr::null_mut() };
        // SAFETY: the caller promises that nobody uses the old block, unless null comes back.
        match unsafe { self.reallocate(old, layout, new_size) } {
            Ok(new) => new.as_ptr(),
            Err(ReallocError::Allocate(_)) => ptr::null_mut(),
            Err(ReallocError::Free(error)) => {
                self.tell(error, layout);
                ptr::null_mut()
            }
        }
    }
}

// SAFETY: as above.
unsafe impl<E: Env, F: FrameAlloc> BlockAlloc for KernelHeap<E, F> {
    type Frames = F;

    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.allocate(layout)
    }

    #[inline]
    unsafe fn free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.free(block, layout) }
    }

    fn frames(&self) -> &F {
        self.frames()
    }
}
