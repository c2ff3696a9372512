//! Heaps: the subjects, and one file per question.
//!
//! Every heap manages one arena of the same size and alignment, except mimalloc and the host's malloc, which take
//! theirs from the operating system. Heaps that are made to stand behind a lock are asked twice: behind the same spin
//! lock as ours, and alone. No subject masks interrupts here: ours does so through its `Env`, whose mask is empty.

pub(crate) mod batch;
pub(crate) mod churn;
pub(crate) mod efficiency;
pub(crate) mod fragmented;
pub(crate) mod pair;
pub(crate) mod realloc;
mod subjects;
pub(crate) mod threads;

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use crate::harness::question::Body;

pub(crate) use subjects::subjects;

/// A heap with its memory.
pub(crate) trait Heap: 'static {
    /// A heap with everything free.
    fn new() -> Self;

    /// A block, or `None` without memory.
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// The block came from [`allocate`](Self::allocate) with the same layout and was not freed since.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout);

    /// Makes a block one of `size` bytes, in place where the heap can; by a copy where it offers nothing.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free).
    #[inline]
    unsafe fn reallocate(&mut self, block: NonNull<u8>, old: Layout, size: usize) -> Option<NonNull<u8>> {
        let new = self.allocate(Layout::from_size_align(size, old.align()).ok()?)?;
        // SAFETY: the old block has `old.size()` bytes, the new one `size`, and they are two.
        unsafe { ptr::copy_nonoverlapping(block.as_ptr(), new.as_ptr(), old.size().min(size)) };
        // SAFETY: the caller's promise is passed on.
        unsafe { self.free(block, old) };
        Some(new)
    }

    /// Bytes of books that lie outside the arena.
    fn books_outside(&self) -> usize {
        0
    }
}

/// What a question does with any heap.
pub(crate) trait Workload: Copy + 'static {
    /// The body that does it with `heap`.
    fn body<H: Heap>(self, heap: H) -> Box<dyn Body>;
}

/// The layout of `bytes` aligned as any word is.
pub(crate) fn layout(bytes: usize) -> Layout {
    aligned(bytes, 8)
}

/// The layout of `bytes` aligned to `align`.
fn aligned(bytes: usize, align: usize) -> Layout {
    crate::harness::must(Layout::from_size_align(bytes, align).ok())
}
