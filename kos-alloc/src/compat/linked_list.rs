//! The public names of linked_list_allocator 0.10, but for the module `hole` and the nightly `Allocator`.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use super::engine::Engine;

/// The least that a block counts for, and a heap is made of.
const MIN_SIZE: usize = 2 * size_of::<usize>();

/// A heap of one contiguous range.
pub struct Heap {
    engine: Engine,
    bottom: *mut u8,
    size: usize,
    /// Bytes behind `size` that are too few to count.
    pending: usize,
    used: usize,
}

// SAFETY: the range is the heap's own, and moves with it.
unsafe impl Send for Heap {}

impl Heap {
    /// A heap without memory; every allocation fails.
    #[must_use]
    pub const fn empty() -> Self {
        Self { engine: Engine::new(), bottom: ptr::null_mut(), size: 0, pending: 0, used: 0 }
    }

    /// Gives an empty heap the `heap_size` bytes from `heap_bottom`.
    ///
    /// # Panics
    ///
    /// If there are fewer than two words.
    ///
    /// # Safety
    ///
    /// At most once; the range is valid for ever, and nobody else uses it.
    pub unsafe fn init(&mut self, heap_bottom: *mut u8, heap_size: usize) {
        let bottom = align_up(heap_bottom, align_of::<usize>());
        let size = heap_size.saturating_sub(bottom.addr().wrapping_sub(heap_bottom.addr()));
        assert!(align_down_size(size, align_of::<usize>()) >= MIN_SIZE, "the heap is too small");
        *self = Self { bottom, ..Self::empty() };
        // SAFETY: passed on from the caller.
        unsafe { self.grow(size) };
    }

    /// Gives an empty heap the memory of a slice.
    ///
    /// # Panics
    ///
    /// If it is initialised already, or there are fewer than two words.
    pub fn init_from_slice(&mut self, mem: &'static mut [MaybeUninit<u8>]) {
        assert!(self.bottom.is_null(), "The heap has already been initialized.");
        // SAFETY: the slice is given up for ever, and the heap is empty.
        unsafe { self.init(mem.as_mut_ptr().cast(), mem.len()) }
    }

    /// A heap of the `heap_size` bytes from `heap_bottom`.
    ///
    /// # Panics
    ///
    /// If there are fewer than two words.
    ///
    /// # Safety
    ///
    /// As for [`init`](Self::init).
    #[must_use]
    pub unsafe fn new(heap_bottom: *mut u8, heap_size: usize) -> Self {
        let mut heap = Self::empty();
        // SAFETY: passed on from the caller.
        unsafe { heap.init(heap_bottom, heap_size) };
        heap
    }

    /// A heap of the memory of a slice.
    ///
    /// # Panics
    ///
    /// If there are fewer than two words.
    pub fn from_slice(mem: &'static mut [MaybeUninit<u8>]) -> Self {
        let mut heap = Self::empty();
        heap.init_from_slice(mem);
        heap
    }

    /// A block of `layout`, in constant time; not the first that fits, whatever the name says.
    ///
    /// # Errors
    ///
    /// If there is no memory.
    #[expect(clippy::result_unit_err, reason = "the peer's signature")]
    pub fn allocate_first_fit(&mut self, layout: Layout) -> Result<NonNull<u8>, ()> {
        let counted = counted(layout).ok_or(())?;
        let block = self.engine.allocate(layout).ok_or(())?;
        self.used += counted;
        Ok(block)
    }

    /// Frees a block. Nothing is done if `ptr` is no live block, but where the heap was [extended](Self::extend).
    ///
    /// # Safety
    ///
    /// It is a live block of this heap that nobody uses any more, and `layout` is its own.
    pub unsafe fn deallocate(&mut self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: passed on from the caller.
        if unsafe { self.engine.free(ptr) } {
            self.used = self.used.saturating_sub(counted(layout).unwrap_or(0));
        }
    }

    /// The first address, aligned to a word; null before `init`.
    #[must_use]
    pub fn bottom(&self) -> *mut u8 {
        self.bottom
    }

    /// Bytes of the heap, its own books included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The address behind the heap.
    #[must_use]
    pub fn top(&self) -> *mut u8 {
        self.bottom.wrapping_add(self.size + self.pending)
    }

    /// Bytes of the live blocks, each rounded up to words, two at least.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// [`size`](Self::size) less [`used`](Self::used).
    #[must_use]
    pub fn free(&self) -> usize {
        self.size.saturating_sub(self.used)
    }

    /// Gives the heap the `by` bytes behind it. What is too little to use waits for the next extension.
    ///
    /// # Panics
    ///
    /// If the heap is not initialised.
    ///
    /// # Safety
    ///
    /// They lie right behind the heap, are valid for ever, and nobody else uses them.
    pub unsafe fn extend(&mut self, by: usize) {
        assert!(!self.bottom.is_null(), "tried to extend an empty heap");
        let by = self.pending + by;
        self.pending = by;
        if by >= MIN_SIZE {
            // SAFETY: passed on from the caller.
            unsafe { self.grow(by) };
        }
    }

    /// Takes the `by` bytes behind `size`.
    ///
    /// # Safety
    ///
    /// As for [`extend`](Self::extend).
    unsafe fn grow(&mut self, by: usize) {
        let usable = align_down_size(by, align_of::<usize>());
        self.size += usable;
        self.pending = by - usable;
        let Some(bottom) = NonNull::new(self.bottom) else { return };
        if self.engine.is_ready() {
            let end = bottom.map_addr(|address| address.saturating_add(self.size));
            // SAFETY: passed on from the caller.
            unsafe { self.engine.extend_to(end) };
        } else {
            // SAFETY: passed on from the caller; what was there before was too little to use.
            unsafe { self.engine.add(NonNull::slice_from_raw_parts(bottom, self.size)) };
        }
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bottom, size, used, .. } = self;
        f.debug_struct("Heap").field("bottom", bottom).field("size", size).field("used", used).finish()
    }
}

/// Bytes that a block of `layout` counts for.
fn counted(layout: Layout) -> Option<usize> {
    layout.size().max(MIN_SIZE).checked_next_multiple_of(align_of::<usize>())
}

/// A [`Heap`] behind a spin lock.
pub struct LockedHeap(lock_api::Mutex<spin::Mutex<()>, Heap>);

impl LockedHeap {
    /// A heap without memory; every allocation fails.
    #[must_use]
    pub const fn empty() -> Self {
        Self(lock_api::Mutex::new(Heap::empty()))
    }

    /// As [`Heap::new`].
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    #[must_use]
    pub unsafe fn new(heap_bottom: *mut u8, heap_size: usize) -> Self {
        // SAFETY: passed on from the caller.
        Self(lock_api::Mutex::new(unsafe { Heap::new(heap_bottom, heap_size) }))
    }
}

impl Deref for LockedHeap {
    type Target = lock_api::Mutex<spin::Mutex<()>, Heap>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for LockedHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedHeap").finish_non_exhaustive()
    }
}

// SAFETY: blocks are unique, aligned and as large as asked until freed.
unsafe impl GlobalAlloc for LockedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let Some(ptr) = NonNull::new(ptr) else { return };
        // SAFETY: passed on from the caller.
        unsafe { self.0.lock().deallocate(ptr, layout) };
    }
}

/// The greatest multiple of `align`, a power of two, that is not above `size`; `size` if `align` is 0.
///
/// # Panics
///
/// If `align` is neither.
#[must_use]
pub fn align_down_size(size: usize, align: usize) -> usize {
    assert!(align == 0 || align.is_power_of_two(), "`align` must be a power of 2");
    if align == 0 { size } else { size & !(align - 1) }
}

/// The least multiple of `align`, a power of two, that is not below `size`.
///
/// # Panics
///
/// If `align` is none.
#[must_use]
pub fn align_up_size(size: usize, align: usize) -> usize {
    align_down_size(size + align - 1, align)
}

/// The least address with alignment `align`, a power of two, that is not below `addr`.
///
/// # Panics
///
/// If `align` is none.
#[must_use]
pub fn align_up(addr: *mut u8, align: usize) -> *mut u8 {
    let offset = addr.align_offset(align);
    addr.wrapping_add(offset)
}
