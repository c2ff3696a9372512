//! `FrameSource` and `PhysMapper` of the kernel's page table: the frame allocator, and the machine's view of memory.
#![expect(unsafe_code, reason = "two unsafe ports meet: each side's promise is the other's proof")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    limit: AtomicU64,
}

impl<F, M> TableFrames<F, M> {
    /// Takes only frames below the physical address `limit`, as long as no others are mapped.
    pub const fn below(limit: u64, frames: F, mapper: M) -> Self {
        Self { frames, mapper, limit: AtomicU64::new(limit) }
    }

    /// From now on takes any frame.
    pub fn lift_limit(&self) {
        self.limit.store(u64::MAX, Relaxed);
    }
}

impl<F: FrameAlloc, M> FrameSource for TableFrames<F, M> {
    fn allocate(&self, request: kos_paging::FrameRequest) -> Result<Frame, OutOfFrames> {
        let limit = self.limit.load(Relaxed).min(request.highest.get().saturating_add(1));
        let count = 1 << request.order;
        let low = FrameRequest::new(count).aligned(count).below(frame_of(PhysAddr::new(limit)));
        let range = self.frames.allocate(&low).map_err(|_| OutOfFrames)?;
        // SAFETY: the frame allocator gives a frame to one owner.
        Ok(unsafe { Frame::of_order(phys_of(range.start()), request.order) })
    }

    fn free(&self, frame: Frame) {
        let range =
            FrameRange::new(frame_of(frame.address()), 1 << frame.order()).unwrap_or(FrameRange::EMPTY);
        // SAFETY: the frame came from `allocate`, and its owner has given it up.
        let freed = unsafe { self.frames.free(range) };
        debug_assert!(freed.is_ok(), "the frame allocator must know its own frame");
    }
}

// SAFETY: the answers are the machine's, which promises the same.
unsafe impl<F, M: PhysMapper> PhysMapper for TableFrames<F, M> {
    const WINDOW: bool = M::WINDOW;

    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        self.mapper.table(frame, bytes)
    }
}
