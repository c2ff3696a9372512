//! Fails the k-th allocation.

use core::cell::Cell;
use core::ptr::NonNull;

use crate::addr::PhysAddr;
use crate::ports::{Frame, FrameRequest, FrameSource, OutOfFrames, PhysMapper};

/// A [`FrameSource`] whose k-th allocation from now fails, and no other.
#[derive(Debug)]
pub struct FailAt<P> {
    ports: P,
    /// Allocations that still succeed.
    left: Cell<Option<u64>>,
}

impl<P> FailAt<P> {
    /// Passes everything on until [`arm`](Self::arm).
    pub const fn new(ports: P) -> Self {
        Self { ports, left: Cell::new(None) }
    }

    /// Lets `k` allocations succeed and fails the next.
    pub fn arm(&self, k: u64) {
        self.left.set(Some(k));
    }

    /// Fails no allocation. Tells whether the armed failure is still to come.
    pub fn disarm(&self) -> bool {
        self.left.take().is_some()
    }

    /// What it wraps.
    pub const fn inner(&self) -> &P {
        &self.ports
    }
}

impl<P: FrameSource> FrameSource for FailAt<P> {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        match self.left.get() {
            Some(0) => {
                self.left.set(None);
                return Err(OutOfFrames);
            }
            left => self.left.set(left.map(|left| left - 1)),
        }
        self.ports.allocate(request)
    }

    fn free(&self, frame: Frame) {
        self.ports.free(frame);
    }
}

#[expect(unsafe_code, reason = "passes on a port that can break memory safety")]
// SAFETY: the answers are those of `P`, whose implementor ensures them.
unsafe impl<P: PhysMapper> PhysMapper for FailAt<P> {
    const WINDOW: bool = P::WINDOW;

    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        self.ports.table(frame, bytes)
    }
}
