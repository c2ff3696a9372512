//! Fault injection: [`FailAt`].

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{FrameError, FreeError};
use crate::ports::FrameAlloc;
use crate::types::{FrameFlags, FrameRange, FrameRequest};

const NEVER: usize = usize::MAX;

/// A frame allocator whose k-th allocation (claims count too) fails as if memory had run out; all else is passed on.
/// If that allocation said `NO_RECLAIM`, the next fails too: it is the same caller, who tries harder.
///
/// A sweep runs a scenario without a failure, reads [`calls`](Self::calls), then runs it again for every k below, and
/// compares [`live_frames`](Self::live_frames) with the count before.
#[derive(Debug)]
pub struct FailAt<F> {
    inner: F,
    calls: AtomicUsize,
    fail_at: AtomicUsize,
    live: AtomicUsize,
}

impl<F: FrameAlloc> FailAt<F> {
    /// Wraps `inner`; nothing fails until [`fail_at`](Self::fail_at).
    pub const fn new(inner: F) -> Self {
        Self {
            inner,
            calls: AtomicUsize::new(0),
            fail_at: AtomicUsize::new(NEVER),
            live: AtomicUsize::new(0),
        }
    }

    /// Counts allocations from 0 again and lets number `k` fail (the first is number 0); `None`: none fails.
    pub fn fail_at(&self, k: Option<usize>) {
        self.calls.store(0, Ordering::SeqCst);
        self.fail_at.store(k.unwrap_or(NEVER), Ordering::SeqCst);
    }

    /// Allocations asked for since the last [`fail_at`](Self::fail_at), the failed one included.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Frames that went out through this wrapper and have not come back.
    pub fn live_frames(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// Makes an allocation of `frames` frames, unless it is the one that fails; if so and it is `soft`, the next is too.
    fn count(
        &self,
        frames: usize,
        soft: bool,
        allocate: impl FnOnce() -> Result<FrameRange, FrameError>,
    ) -> Result<FrameRange, FrameError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == self.fail_at.load(Ordering::SeqCst) {
            self.fail_at.fetch_add(usize::from(soft), Ordering::SeqCst);
            return Err(FrameError::NoMemory { requested: frames, largest_free: 0 });
        }
        let range = allocate()?;
        self.live.fetch_add(range.count(), Ordering::SeqCst);
        Ok(range)
    }

    /// The wrapped allocator.
    pub const fn inner(&self) -> &F {
        &self.inner
    }
}

// SAFETY: only ranges of the wrapped allocator are handed out, each once.
unsafe impl<F: FrameAlloc> FrameAlloc for FailAt<F> {
    fn span(&self) -> FrameRange {
        self.inner.span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let soft = request.flags.contains(FrameFlags::NO_RECLAIM);
        self.count(request.count, soft, || self.inner.allocate(request))
    }

    fn allocate_at(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        self.count(range.count(), false, || self.inner.allocate_at(range))
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.free(range) }?;
        self.live.fetch_sub(range.count(), Ordering::SeqCst);
        Ok(())
    }
}
