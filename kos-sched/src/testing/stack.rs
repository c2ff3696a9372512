//! [`HeapStack`]: a stack from the heap of the host.
#![expect(
    unsafe_code,
    reason = "allocates and frees by hand: a `Box` may not be written through another pointer"
)]

use alloc::alloc::{alloc, dealloc, handle_alloc_error};
use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use crate::ports::KernelStack;

/// A stack from the heap, without guard page. Freed on drop: nobody may run on it then.
#[derive(Debug)]
pub struct HeapStack {
    low: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it owns its memory, as a box does.
unsafe impl Send for HeapStack {}

// SAFETY: a shared one only tells its bounds.
unsafe impl Sync for HeapStack {}

impl HeapStack {
    /// A stack of `bytes`, rounded up to whole pages.
    ///
    /// # Panics
    /// If that is more than the address space has.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes.max(1).next_multiple_of(4096), 4096);
        #[expect(clippy::expect_used, reason = "a test helper; the size comes from the test")]
        let layout = layout.expect("a stack is small");
        // SAFETY: the size is not zero.
        let memory = unsafe { alloc(layout) };
        let low = NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout));
        low.as_ptr().expose_provenance();
        Self { low, layout }
    }
}

impl Drop for HeapStack {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with the same layout, and not freed since.
        unsafe { dealloc(self.low.as_ptr(), self.layout) };
    }
}

// SAFETY: the memory is owned, of fixed place, aligned to a page at both ends, and exposed in `new`.
unsafe impl KernelStack for HeapStack {
    const GUARD: usize = 0;

    fn bounds(&self) -> Range<usize> {
        let low = self.low.as_ptr().addr();
        low..low + self.layout.size()
    }
}
