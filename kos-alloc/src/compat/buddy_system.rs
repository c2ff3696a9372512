//! The public names of buddy_system_allocator 0.13, with `ORDER` 33 where it is not given, which is what 0.6 had; but for
//! the module `linked_list` and the `FrameAllocator` family: [`Buddy`](crate::Buddy) is this crate's.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use super::engine::Engine;

/// A heap of any number of ranges. No block has more than 2^(`ORDER` - 1) bytes.
pub struct Heap<const ORDER: usize = 33> {
    engine: Engine,
    user: usize,
    allocated: usize,
    total: usize,
}

impl<const ORDER: usize> Heap<ORDER> {
    /// A heap without memory; every allocation fails.
    #[must_use]
    pub const fn new() -> Self {
        Self { engine: Engine::new(), user: 0, allocated: 0, total: 0 }
    }

    /// A heap without memory; every allocation fails.
    #[must_use]
    pub const fn empty() -> Self {
        Self::new()
    }

    /// Gives the heap the addresses from `start` up to, not including, `end`. Fewer than a few hundred bytes are counted
    /// and left alone: each range keeps books.
    ///
    /// # Panics
    ///
    /// If `start` is above `end`.
    ///
    /// # Safety
    ///
    /// The range is valid for ever, its provenance is exposed, and nobody else uses it.
    pub unsafe fn add_to_heap(&mut self, start: usize, end: usize) {
        let start = start.next_multiple_of(size_of::<usize>());
        let end = end & !(size_of::<usize>() - 1);
        assert!(start <= end, "a range that ends before it starts");
        self.total += end - start;
        let Some(base) = NonNull::new(ptr::with_exposed_provenance_mut(start)) else { return };
        // SAFETY: passed on from the caller.
        unsafe { self.engine.add(NonNull::slice_from_raw_parts(base, end - start)) };
    }

    /// As [`add_to_heap`](Self::add_to_heap), with the `size` bytes from `start`.
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn init(&mut self, start: usize, size: usize) {
        // SAFETY: passed on from the caller.
        unsafe { self.add_to_heap(start, start + size) };
    }

    /// A block of `layout`, in constant time.
    ///
    /// # Errors
    ///
    /// If there is no memory, or the block is above the order.
    #[expect(clippy::result_unit_err, reason = "the peer's signature")]
    pub fn alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, ()> {
        let rounded = rounded(layout).filter(|size| (size.trailing_zeros() as usize) < ORDER).ok_or(())?;
        let block = self.engine.allocate(layout).ok_or(())?;
        self.user += layout.size();
        self.allocated += rounded;
        Ok(block)
    }

    /// Frees a block. Nothing is done if `ptr` is no live block.
    ///
    /// # Safety
    ///
    /// Nobody uses the block any more, and `layout` is its own.
    pub unsafe fn dealloc(&mut self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: passed on from the caller; nothing is extended here.
        if unsafe { self.engine.free(ptr) } {
            self.user = self.user.saturating_sub(layout.size());
            self.allocated = self.allocated.saturating_sub(rounded(layout).unwrap_or(0));
        }
    }

    /// Bytes asked for in live blocks.
    #[must_use]
    pub fn stats_alloc_user(&self) -> usize {
        self.user
    }

    /// Bytes of live blocks, each rounded up to a power of two, as the peer counts them. (What they take here is less.)
    #[must_use]
    pub fn stats_alloc_actual(&self) -> usize {
        self.allocated
    }

    /// Bytes that were given to the heap, its own books included.
    #[must_use]
    pub fn stats_total_bytes(&self) -> usize {
        self.total
    }
}

impl<const ORDER: usize> Default for Heap<ORDER> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const ORDER: usize> fmt::Debug for Heap<ORDER> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, allocated, total, .. } = self;
        let mut heap = f.debug_struct("Heap");
        heap.field("user", user).field("allocated", allocated).field("total", total).finish()
    }
}

/// The size of the peer's block of `layout`.
fn rounded(layout: Layout) -> Option<usize> {
    Some(layout.size().checked_next_power_of_two()?.max(layout.align()).max(size_of::<usize>()))
}

/// A [`Heap`] behind a spin lock.
#[derive(Default)]
pub struct LockedHeap<const ORDER: usize = 33>(spin::Mutex<Heap<ORDER>>);

impl<const ORDER: usize> LockedHeap<ORDER> {
    /// A heap without memory; every allocation fails.
    #[must_use]
    pub const fn new() -> Self {
        Self(spin::Mutex::new(Heap::new()))
    }

    /// A heap without memory; every allocation fails.
    #[must_use]
    pub const fn empty() -> Self {
        Self::new()
    }
}

impl<const ORDER: usize> Deref for LockedHeap<ORDER> {
    type Target = spin::Mutex<Heap<ORDER>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<const ORDER: usize> fmt::Debug for LockedHeap<ORDER> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedHeap").finish_non_exhaustive()
    }
}

// SAFETY: blocks are unique, aligned and as large as asked until freed.
unsafe impl<const ORDER: usize> GlobalAlloc for LockedHeap<ORDER> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().alloc(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let Some(ptr) = NonNull::new(ptr) else { return };
        // SAFETY: passed on from the caller.
        unsafe { self.0.lock().dealloc(ptr, layout) };
    }
}

/// A [`Heap`] behind a spin lock that calls a function before it fails, once, with the lock held: it may add memory.
pub struct LockedHeapWithRescue<const ORDER: usize = 33> {
    inner: spin::Mutex<Heap<ORDER>>,
    rescue: fn(&mut Heap<ORDER>, &Layout),
}

impl<const ORDER: usize> LockedHeapWithRescue<ORDER> {
    /// A heap without memory that calls `rescue` when there is none for a layout.
    pub const fn new(rescue: fn(&mut Heap<ORDER>, &Layout)) -> Self {
        Self { inner: spin::Mutex::new(Heap::new()), rescue }
    }
}

impl<const ORDER: usize> Deref for LockedHeapWithRescue<ORDER> {
    type Target = spin::Mutex<Heap<ORDER>>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<const ORDER: usize> fmt::Debug for LockedHeapWithRescue<ORDER> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedHeapWithRescue").finish_non_exhaustive()
    }
}

// SAFETY: as for `LockedHeap`.
unsafe impl<const ORDER: usize> GlobalAlloc for LockedHeapWithRescue<ORDER> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut heap = self.inner.lock();
        let block = heap.alloc(layout).or_else(|()| {
            (self.rescue)(&mut heap, &layout);
            heap.alloc(layout)
        });
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let Some(ptr) = NonNull::new(ptr) else { return };
        // SAFETY: passed on from the caller.
        unsafe { self.inner.lock().dealloc(ptr, layout) };
    }
}
