//! `FrameSource` and `PhysMapper` of the kernel's page table: the frame allocator, and the machine's view of memory.
#![expect(unsafe_code, reason = "two unsafe ports meet: each side's promise is the other's proof")]

use core::ptr::NonNull;

use kos_alloc::{FrameAlloc, FrameRange, FrameRequest};
use kos_paging::{Frame, FrameSource, OutOfFrames, PhysAddr, PhysMapper};

use super::address::{frame_of, phys_of};

/// What a page table works with.
#[derive(Debug)]
pub struct TableFrames<F, M> {
    /// Where table frames come from.
    pub frames: F,
    /// How they are seen.
    pub mapper: M,
}

impl<F: FrameAlloc, M> FrameSource for TableFrames<F, M> {
    fn allocate(&self, request: kos_paging::FrameRequest) -> Result<Frame, OutOfFrames> {
        let range = self.frames.allocate(&FrameRequest::new(1)).map_err(|_| OutOfFrames)?;
        // SAFETY: the frame allocator gives a frame to one owner.
        let frame = unsafe { Frame::new(phys_of(range.start())) };
        if frame.address() > request.highest {
            self.free(frame);
            return Err(OutOfFrames);
        }
        Ok(frame)
    }

    fn free(&self, frame: Frame) {
        let range = FrameRange::new(frame_of(frame.address()), 1).unwrap_or(FrameRange::EMPTY);
        // SAFETY: the frame came from `allocate`, and its owner has given it up.
        let freed = unsafe { self.frames.free(range) };
        debug_assert!(freed.is_ok(), "the frame allocator must know its own frame");
    }
}

// SAFETY: the answers are the machine's, which promises the same.
unsafe impl<F, M: PhysMapper> PhysMapper for TableFrames<F, M> {
    fn table(&self, frame: PhysAddr) -> Option<NonNull<u8>> {
        self.mapper.table(frame)
    }
}
