//! Owners of what the allocators hand out: dropped, it goes back. So commands and tests need no `unsafe` and cannot leak.
//!
//! Invariant: a [`Space`], [`Block`] or [`Run`] is live and belongs to its value alone, from its making to its drop; the fields are
//! private, and only this file frees. A block in a [`Mailbox`] belongs to nobody but the mailbox.
#![expect(unsafe_code, reason = "freeing is unsafe; here is the proof that nobody uses what is freed")]

use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use kos_alloc::{AllocError, Env, FrameAlloc, FrameError, FrameRange, FrameRequest, FreeError, KernelHeap};

use crate::kernel::SharedFrames;
use crate::platform::Platform;

/// A block of the kernel's heap.
pub type HeapBlock<'k, P> = Block<'k, <P as Platform>::Env, SharedFrames<P>>;

/// What a block that nobody zeroed holds, so that nobody relies on it.
pub const JUNK: u8 = 0xa5;

/// A live block of the heap whose content nobody looks at.
#[derive(Debug)]
pub struct Space<'k, E: Env, F: FrameAlloc> {
    heap: &'k KernelHeap<E, F>,
    start: NonNull<u8>,
    layout: Layout,
}

impl<'k, E: Env, F: FrameAlloc> Space<'k, E, F> {
    /// A block with any content.
    ///
    /// # Errors
    /// As [`kos_alloc::KernelHeap::allocate`].
    #[inline]
    pub fn new(heap: &'k KernelHeap<E, F>, layout: Layout) -> Result<Self, AllocError> {
        Ok(Self { heap, start: heap.allocate(layout)?, layout })
    }

    /// The owner of a block that a transaction left when it committed.
    ///
    /// # Safety
    /// It is a live block of `heap` with this layout, and nobody else owns it.
    pub const unsafe fn adopt(heap: &'k KernelHeap<E, F>, start: NonNull<u8>, layout: Layout) -> Self {
        Self { heap, start, layout }
    }

    /// Gives it back.
    ///
    /// # Errors
    /// The heap says that it is no block of its: the heap is corrupt.
    pub fn free(self) -> Result<(), FreeError<NonNull<u8>>> {
        let space = ManuallyDrop::new(self);
        // SAFETY: the block is live, and with its owner gone nobody uses it.
        unsafe { space.heap.free(space.start, space.layout) }
    }
}

impl<E: Env, F: FrameAlloc> Drop for Space<'_, E, F> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the block is live, and with its owner gone nobody uses it.
        let freed = unsafe { self.heap.free(self.start, self.layout) };
        // A refusal would be the heap's fault: it counts it, `memstat` shows it.
        let _ = freed;
    }
}

/// A live block of the heap, every byte of which was written.
#[derive(Debug)]
pub struct Block<'k, E: Env, F: FrameAlloc>(Space<'k, E, F>);

impl<'k, E: Env, F: FrameAlloc> Block<'k, E, F> {
    /// A zeroed block.
    ///
    /// # Errors
    /// As [`kos_alloc::KernelHeap::allocate_zeroed`].
    pub fn zeroed(heap: &'k KernelHeap<E, F>, layout: Layout) -> Result<Self, AllocError> {
        Ok(Self(Space { heap, start: heap.allocate_zeroed(layout)?, layout }))
    }

    /// A block filled with [`JUNK`].
    ///
    /// # Errors
    /// As [`kos_alloc::KernelHeap::allocate`].
    pub fn new(heap: &'k KernelHeap<E, F>, layout: Layout) -> Result<Self, AllocError> {
        let space = Space::new(heap, layout)?;
        // SAFETY: the block was just allocated with so many bytes.
        unsafe { space.start.write_bytes(JUNK, layout.size()) };
        Ok(Self(space))
    }

    /// Where it starts.
    #[must_use]
    pub const fn start(&self) -> NonNull<u8> {
        self.0.start
    }

    /// Its bytes.
    pub const fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the block has so many bytes (for 0 the pointer is aligned and not null, which suffices), they were written
        // by `zeroed` or `new`, and belong to this value, which is borrowed.
        unsafe { core::slice::from_raw_parts_mut(self.0.start.as_ptr(), self.0.layout.size()) }
    }

    /// Gives it back.
    ///
    /// # Errors
    /// As [`Space::free`].
    pub fn free(self) -> Result<(), FreeError<NonNull<u8>>> {
        self.0.free()
    }
}

/// A place where one block waits for whoever takes it, in interrupt context or out of it.
#[derive(Debug, Default)]
pub struct Mailbox(AtomicPtr<u8>);

impl Mailbox {
    /// What every block here was allocated with.
    pub const LAYOUT: Layout = Layout::new::<[u64; 12]>();

    /// Takes the block that waits, if any, and lets `block` wait. All of them are blocks of `heap`.
    ///
    /// # Panics
    /// `block` is of another layout.
    pub fn exchange<'k, E: Env, F: FrameAlloc>(
        &self,
        heap: &'k KernelHeap<E, F>,
        block: Option<Block<'k, E, F>>,
    ) -> Option<Block<'k, E, F>> {
        let put = block.map(ManuallyDrop::new);
        assert!(put.as_ref().is_none_or(|block| block.0.layout == Self::LAYOUT), "a mailbox has one layout");
        let put = put.map_or(ptr::null_mut(), |block| block.start().as_ptr());
        let start = NonNull::new(self.0.swap(put, Ordering::AcqRel))?;
        Some(Block(Space { heap, start, layout: Self::LAYOUT }))
    }
}

/// Frees what is *not* a live block with this layout, to see the heap refuse it.
///
/// # Errors
/// The heap's refusal, as it should be.
pub fn free_wrongly<E: Env, F: FrameAlloc>(
    heap: &KernelHeap<E, F>,
    wrong: Wrong<'_, E, F>,
) -> Result<(), FreeError<NonNull<u8>>> {
    let (start, layout) = match wrong {
        Wrong::Twice(block) => {
            let Space { start, layout, .. } = block.0;
            block.free()?;
            (start, layout)
        }
        Wrong::Inside(Block(Space { start, layout, .. })) => {
            (start.map_addr(|at| at.saturating_add(layout.size() / 2)), *layout)
        }
        Wrong::Layout(block, layout) => (block.start(), layout),
        Wrong::Foreign(start, layout) => (NonNull::from(start).cast(), layout),
    };
    // SAFETY: by construction of `Wrong` no live block starts at `start` with this layout, and such a free is refused
    // without touching it.
    unsafe { heap.free(start, layout) }
}

/// Ways to free wrongly.
#[derive(Debug)]
pub enum Wrong<'b, E: Env, F: FrameAlloc> {
    /// A block that was freed just before.
    Twice(Block<'b, E, F>),
    /// A pointer into the middle of a block of at least 2 bytes.
    Inside(&'b Block<'b, E, F>),
    /// A block with a layout of another class.
    Layout(&'b Block<'b, E, F>, Layout),
    /// Memory that the heap never had.
    Foreign(&'b [u8; 64], Layout),
}

/// Live frames.
#[derive(Debug)]
pub struct Run<'k, F: FrameAlloc> {
    frames: &'k F,
    range: FrameRange,
}

impl<'k, F: FrameAlloc> Run<'k, F> {
    /// Frames as requested.
    ///
    /// # Errors
    /// As [`FrameAlloc::allocate`].
    pub fn new(frames: &'k F, request: FrameRequest) -> Result<Self, FrameError> {
        Ok(Self { frames, range: frames.allocate(&request)? })
    }

    /// The owner of frames that a transaction left when it committed.
    ///
    /// # Safety
    /// They are live frames of `frames`, and nobody else owns them.
    pub const unsafe fn adopt(frames: &'k F, range: FrameRange) -> Self {
        Self { frames, range }
    }

    /// Which frames.
    #[must_use]
    pub const fn range(&self) -> FrameRange {
        self.range
    }

    /// Frees the frames, and then once more, to see that refused.
    ///
    /// # Errors
    /// The refusal, as it should be.
    pub fn free_twice(self) -> Result<(), FreeError<FrameRange>> {
        let Self { frames, range } = *ManuallyDrop::new(self);
        // SAFETY: the frames are live, and with their owner gone nobody uses them.
        unsafe { frames.free(range) }?;
        // SAFETY: the frames are free; a free of free frames is refused and changes nothing.
        unsafe { frames.free(range) }
    }
}

impl<F: FrameAlloc> Drop for Run<'_, F> {
    fn drop(&mut self) {
        // SAFETY: the frames were handed out to this value, and with it gone nobody uses them.
        let freed = unsafe { self.frames.free(self.range) };
        debug_assert!(freed.is_ok(), "the frame allocator must know its own frames");
    }
}
