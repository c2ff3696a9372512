//! Fault injection below a transaction: [`FaultyHeap`].

use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{AllocError, FrameError, FreeError};
use crate::ports::{BlockAlloc, FrameAlloc};
use crate::types::{FrameRange, FrameRequest};

const NEVER: usize = usize::MAX;

/// A heap whose k-th allocation fails as if memory had run out, blocks and frames counted together; all else is passed on
/// and counted.
///
/// A sweep runs a story without a failure, reads [`calls`](Self::calls), then runs it again for every k below, and
/// compares [`live`](Self::live) with that before.
#[derive(Debug)]
pub struct FaultyHeap<A>(FaultyFrames<A>);

/// The frame source of a [`FaultyHeap`], with the counters of both.
#[derive(Debug)]
pub struct FaultyFrames<A> {
    inner: A,
    calls: AtomicUsize,
    frees: AtomicUsize,
    fail_at: AtomicUsize,
    refuses: AtomicBool,
    blocks: AtomicUsize,
    bytes: AtomicUsize,
    frames: AtomicUsize,
}

/// What went out through a [`FaultyHeap`] and has not come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Blocks, those of 0 bytes too.
    pub blocks: usize,
    /// Bytes that they were asked with.
    pub bytes: usize,
    /// Frames.
    pub frames: usize,
}

impl<A: BlockAlloc> FaultyHeap<A> {
    /// Wraps `inner`; nothing fails until [`fail_at`](Self::fail_at).
    pub const fn new(inner: A) -> Self {
        Self(FaultyFrames {
            inner,
            calls: AtomicUsize::new(0),
            frees: AtomicUsize::new(0),
            fail_at: AtomicUsize::new(NEVER),
            refuses: AtomicBool::new(false),
            blocks: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            frames: AtomicUsize::new(0),
        })
    }

    /// Counts allocations from 0 again and lets number `k` fail (the first is number 0); `None`: none fails.
    pub fn fail_at(&self, k: Option<usize>) {
        self.0.calls.store(0, Ordering::SeqCst);
        self.0.fail_at.store(k.unwrap_or(NEVER), Ordering::SeqCst);
    }

    /// Whether every free is refused from now on, as a damaged heap would.
    pub fn refuse_frees(&self, refuses: bool) {
        self.0.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Allocations asked for since the last [`fail_at`](Self::fail_at), the failed one included.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Frees asked for, ever, the refused ones included.
    pub fn frees(&self) -> usize {
        self.0.frees.load(Ordering::SeqCst)
    }

    /// What is out.
    pub fn live(&self) -> Live {
        Live {
            blocks: self.0.blocks.load(Ordering::SeqCst),
            bytes: self.0.bytes.load(Ordering::SeqCst),
            frames: self.0.frames.load(Ordering::SeqCst),
        }
    }

    /// The wrapped heap.
    pub const fn inner(&self) -> &A {
        &self.0.inner
    }
}

impl<A> FaultyFrames<A> {
    fn fails(&self) -> bool {
        self.calls.fetch_add(1, Ordering::SeqCst) == self.fail_at.load(Ordering::SeqCst)
    }

    fn refuses(&self) -> bool {
        self.frees.fetch_add(1, Ordering::SeqCst);
        self.refuses.load(Ordering::SeqCst)
    }
}

// SAFETY: only blocks of the wrapped heap are handed out, each once.
unsafe impl<A: BlockAlloc> BlockAlloc for FaultyHeap<A> {
    type Frames = FaultyFrames<A>;

    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if self.0.fails() {
            return Err(AllocError::NoMemory { requested: layout.size(), largest_free: 0 });
        }
        let block = self.0.inner.allocate(layout)?;
        self.0.blocks.fetch_add(1, Ordering::SeqCst);
        self.0.bytes.fetch_add(layout.size(), Ordering::SeqCst);
        Ok(block)
    }

    unsafe fn free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        if self.0.refuses() {
            return Err(FreeError::Corrupt(block));
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.inner.free(block, layout) }?;
        self.0.blocks.fetch_sub(1, Ordering::SeqCst);
        self.0.bytes.fetch_sub(layout.size(), Ordering::SeqCst);
        Ok(())
    }

    fn frames(&self) -> &FaultyFrames<A> {
        &self.0
    }
}

// SAFETY: only ranges of the wrapped heap's source are handed out, each once.
unsafe impl<A: BlockAlloc> FrameAlloc for FaultyFrames<A> {
    fn span(&self) -> FrameRange {
        self.inner.frames().span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        if self.fails() {
            return Err(FrameError::NoMemory { requested: request.count, largest_free: 0 });
        }
        let range = self.inner.frames().allocate(request)?;
        self.frames.fetch_add(range.count(), Ordering::SeqCst);
        Ok(range)
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        if self.refuses() {
            return Err(FreeError::Corrupt(range));
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.frames().free(range) }?;
        self.frames.fetch_sub(range.count(), Ordering::SeqCst);
        Ok(())
    }
}
