//! The simplest source of blocks there is: [`FakeHeap`].

use core::alloc::Layout;
use core::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloc::collections::BTreeMap;

use crate::error::{AllocError, FreeError};
use crate::ports::BlockAlloc;
use crate::testing::PlainFrames;
use crate::types::{FrameRange, Pfn};

/// The host's own heap with a list of what is live, and 1024 frames that are only numbers. For tests of what works on any
/// [`BlockAlloc`]; needs no environment.
#[derive(Debug)]
pub struct FakeHeap {
    live: Mutex<BTreeMap<usize, Layout>>,
    frames: PlainFrames,
}

impl Default for FakeHeap {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeHeap {
    /// A heap of which nothing is in use.
    #[must_use]
    pub fn new() -> Self {
        let frames = PlainFrames::new(FrameRange::between(Pfn(0x101), Pfn(0x501)));
        Self { live: Mutex::new(BTreeMap::new()), frames }
    }

    /// Blocks that are handed out; those of 0 bytes do not count.
    #[must_use]
    pub fn live_blocks(&self) -> usize {
        self.live().len()
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<usize, Layout>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// SAFETY: blocks are the host's, each is handed out once, and only what is in the list goes back.
unsafe impl BlockAlloc for FakeHeap {
    type Frames = PlainFrames;

    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if layout.size() == 0 {
            return Ok(layout.dangling_ptr());
        }
        // SAFETY: the size is not 0.
        let block = NonNull::new(unsafe { alloc::alloc::alloc(layout) });
        let block = block.ok_or(AllocError::NoMemory { requested: layout.size(), largest_free: 0 })?;
        self.live().insert(block.addr().get(), layout);
        Ok(block)
    }

    unsafe fn free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        if layout.size() == 0 {
            return Ok(());
        }
        let mut live = self.live();
        let actual = *live.get(&block.addr().get()).ok_or(FreeError::NotManaged(block))?;
        if actual != layout {
            return Err(FreeError::WrongSize { at: block, given: layout.size(), actual: actual.size() });
        }
        live.remove(&block.addr().get());
        // SAFETY: the block was live and had this layout; the caller promises that nobody uses it.
        unsafe { alloc::alloc::dealloc(block.as_ptr(), layout) };
        Ok(())
    }

    fn frames(&self) -> &PlainFrames {
        &self.frames
    }
}
