//! `FrameAlloc` for the heap: the one frame allocator of the kernel, shared by heap and page table.
#![expect(unsafe_code, reason = "an unsafe port, passed on")]

use core::ops::Deref;

use kos_alloc::frame::Buddy;
use kos_alloc::{Env, FrameAlloc, FrameError, FrameRange, FrameRequest, Frames, FreeError};

/// The frame allocator in boot memory. It lives as long as the machine, so only the kernel can share it.
#[derive(Debug)]
pub struct SharedFrames<E: Env + 'static>(&'static Frames<E>);

impl<E: Env> SharedFrames<E> {
    pub(crate) const fn new(frames: &'static Frames<E>) -> Self {
        Self(frames)
    }

    pub(crate) const fn share(&self) -> Self {
        Self(self.0)
    }

    /// Starts the allocator; a second start changes nothing.
    pub(crate) fn start(&self, buddy: Buddy<'static>) {
        // SAFETY: the frames are what the boot allocator handed over as free: nobody uses them.
        let _ = unsafe { self.0.init(buddy) };
    }
}

impl<E: Env> Deref for SharedFrames<E> {
    type Target = Frames<E>;

    fn deref(&self) -> &Frames<E> {
        self.0
    }
}

// SAFETY: it is the shared allocator's promise.
unsafe impl<E: Env> FrameAlloc for SharedFrames<E> {
    fn span(&self) -> FrameRange {
        self.0.span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        self.0.allocate(request)
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.free(range) }
    }
}
