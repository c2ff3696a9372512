//! The heap as `Allocator` of allocator-api2, of 0.2 and of 0.4: containers that tell failure, on a heap of their own.
//!
//! Both are the same trait by two names, implemented for `&KernelHeap`, so that every container carries a reference and
//! containers of both lie side by side on one heap. Neither panics nor aborts: failure is `AllocError`, and a wrong free,
//! which the trait cannot answer, goes to [`Env::violation`].
//!
//! A block is lent with exactly the length asked: the slack of its size class serves [`KernelHeap::reallocate`] in place.
//!
//! Source: allocator-api2, which mirrors `core::alloc::Allocator` (rust-lang/rust#32838).

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use crate::heap::KernelHeap;
use crate::ports::{Env, FrameAlloc};

#[cfg(test)]
mod tests;

/// Makes the block at `old` one of layout `new`: in place if the heap can, else in another place, with the content up to
/// the shorter length. `None`: no memory, or a wrong block (then [`Env::violation`] knows); the old block is whole.
///
/// # Safety
///
/// `old` is a live block of `heap` and of layout `from`; nobody uses it any more, unless `None` comes back.
unsafe fn resize<E: Env, F: FrameAlloc>(
    heap: &KernelHeap<E, F>,
    old: NonNull<u8>,
    from: Layout,
    new: Layout,
) -> Option<NonNull<u8>> {
    if from.align() == new.align() {
        // SAFETY: the caller's promise; the size is one of a layout with this alignment.
        return NonNull::new(unsafe { heap.realloc(old.as_ptr(), from, new.size()) });
    }
    let block = heap.allocate(new).ok()?;
    // SAFETY: both blocks are live and two, and as long as their layouts.
    unsafe { old.copy_to_nonoverlapping(block, from.size().min(new.size())) };
    // SAFETY: passed on from the caller.
    unsafe { heap.dealloc(old.as_ptr(), from) };
    Some(block)
}

/// As [`resize`] to a longer layout, with every byte behind the old length 0.
///
/// # Safety
///
/// As for [`resize`]; and `new` is not shorter than `from`.
unsafe fn resize_zeroed<E: Env, F: FrameAlloc>(
    heap: &KernelHeap<E, F>,
    old: NonNull<u8>,
    from: Layout,
    new: Layout,
) -> Option<NonNull<u8>> {
    // SAFETY: passed on from the caller.
    let block = unsafe { resize(heap, old, from, new) }?;
    // SAFETY: the block is as long as `new`, which is not shorter than `from`.
    let tail = unsafe { block.add(from.size()) };
    // SAFETY: as above, and the block is the caller's.
    unsafe { tail.write_bytes(0, new.size().saturating_sub(from.size())) };
    Some(block)
}

/// The impl for the `Allocator` of `$api`, whose versions differ in nothing but their name.
macro_rules! allocator {
    ($api:ident) => {
        use core::alloc::{GlobalAlloc, Layout};
        use core::ptr::NonNull;

        use $api::alloc::{AllocError, Allocator};

        use super::{resize, resize_zeroed};
        use crate::heap::KernelHeap;
        use crate::ports::{Env, FrameAlloc};

        // SAFETY: blocks are unique, aligned and as long as asked, and live until freed, however the reference is copied.
        unsafe impl<E: Env, F: FrameAlloc> Allocator for &KernelHeap<E, F> {
            fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                let block = KernelHeap::allocate(self, layout).map_err(|_| AllocError)?;
                Ok(NonNull::slice_from_raw_parts(block, layout.size()))
            }

            fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                let block = KernelHeap::allocate_zeroed(self, layout).map_err(|_| AllocError)?;
                Ok(NonNull::slice_from_raw_parts(block, layout.size()))
            }

            unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
                // SAFETY: the caller's promise is passed on.
                unsafe { self.dealloc(ptr.as_ptr(), layout) };
            }

            unsafe fn grow(
                &self,
                ptr: NonNull<u8>,
                old_layout: Layout,
                new_layout: Layout,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller's promise is passed on.
                let block = unsafe { resize(self, ptr, old_layout, new_layout) }.ok_or(AllocError)?;
                Ok(NonNull::slice_from_raw_parts(block, new_layout.size()))
            }

            unsafe fn grow_zeroed(
                &self,
                ptr: NonNull<u8>,
                old_layout: Layout,
                new_layout: Layout,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller's promise is passed on.
                let block = unsafe { resize_zeroed(self, ptr, old_layout, new_layout) }.ok_or(AllocError)?;
                Ok(NonNull::slice_from_raw_parts(block, new_layout.size()))
            }

            unsafe fn shrink(
                &self,
                ptr: NonNull<u8>,
                old_layout: Layout,
                new_layout: Layout,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller's promise is passed on.
                unsafe { self.grow(ptr, old_layout, new_layout) }
            }
        }
    };
}

#[cfg(feature = "allocator-api2-02")]
mod api2_02 {
    allocator!(allocator_api2_02);
}

#[cfg(feature = "allocator-api2-04")]
mod api2_04 {
    allocator!(allocator_api2_04);
}
