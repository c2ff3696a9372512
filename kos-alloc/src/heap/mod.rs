//! The kernel's heap: [`KernelHeap`].
//!
//! ```text
//! layout ── 0 bytes ─────────────> dangling
//!   │
//!   ├─ at most 8192 bytes ──────> bin of its class ── slab ── block      under one lock, O(1)
//!   │                               └ no free block: a new slab's frames ┐
//!   └─ above, or above-aligned ──> whole frames ─────────────────────────┴─ from F, without the lock
//! ```
//!
//! | file | what |
//! |---|---|
//! | `state` | what stands behind the lock |
//! | `arena`, `pagemap` | the memory, and one byte a frame that says what it is |
//! | `locate` | which block an address names |
//! | `source` | frames from and to the source, `init`, `shrink` |
//! | `block`, `global` | the faces: free, resize, `GlobalAlloc` |
//! | `check`, `stats` | the invariants, the counters |
//!
//! Invariants: a frame of the heap is part of a slab, part of a large block, or of the page map; the page map says which,
//! and changes for a slab or a head only under the lock. The frame source is never called with the lock held.

#[expect(
    unsafe_code,
    reason = "derives every pointer of the heap from the direct map, and reaches the page map"
)]
mod arena;
#[expect(
    unsafe_code,
    reason = "the faces whose callers promise something, and the copying and zeroing they do"
)]
mod block;
mod check;
#[expect(unsafe_code, reason = "an unsafe trait, passed on")]
mod global;
#[expect(unsafe_code, reason = "names the slab that the page map says is there")]
mod locate;
mod pagemap;
#[expect(unsafe_code, reason = "formats slabs in fresh frames, and gives frames back")]
mod source;
mod state;
mod stats;
#[cfg(test)]
#[expect(unsafe_code, reason = "frees blocks, rightly and wrongly")]
mod tests;

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use self::state::State;
pub use self::stats::{ClassStats, FailedStats, HeapStats, LargeStats, RefusedStats};
use crate::error::{AllocError, Corruption};
use crate::ports::{Env, FrameAlloc};
use crate::slab::Class;
use crate::sync::Locked;

/// A heap for a whole kernel, safe in interrupt handlers: slabs of 36 size classes up to 8 KiB, whole frames above.
///
/// Every frame comes from `F` and is reached through the direct map of `E`. A heap lives as long as the machine: dropping
/// one does not give its frames back. Several stand side by side; a block goes back to the heap it came from.
pub struct KernelHeap<E: Env, F: FrameAlloc> {
    state: Locked<E, State>,
    frames: F,
}

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Frames must be 4 to 64 KiB: a slab is at least one of them and at most 64 KiB.
    const EMPTY: State = {
        assert!(E::PAGE_SHIFT >= 12 && E::PAGE_SHIFT <= 16, "frames of 4 to 64 KiB");
        State::new(E::PAGE_SHIFT)
    };

    /// A heap over `frames`; every allocation fails until [`init`](Self::init).
    #[must_use]
    pub const fn new(env: E, frames: F) -> Self {
        Self { state: Locked::new(env, Self::EMPTY), frames }
    }

    /// The environment.
    pub const fn env(&self) -> &E {
        self.state.env()
    }

    /// The frame source.
    pub const fn frames(&self) -> &F {
        &self.frames
    }

    /// A block of at least `layout.size()` bytes, aligned to `layout.align()`, with any content. For 0 bytes an aligned
    /// pointer that may not be read through. Works in interrupt context; constant time, but for a new slab or large block
    /// that of the frame source.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; nothing changed then but the count of failures.
    #[inline]
    pub fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let class = Class::of(layout);
        if class.is_none() && layout.size() == 0 {
            return Ok(layout.dangling_ptr());
        }
        match class.and_then(|class| self.state.with(|state| state.take(class, layout.size()))) {
            Some(block) => Ok(block),
            None => self.allocate_frames(class, layout),
        }
    }

    /// The counters, all of one moment.
    pub fn stats(&self) -> HeapStats {
        self.state.with(|state| state.stats())
    }

    /// Walks every invariant: page map, slabs, lists, counters. For tests and diagnosis: interrupts are masked for the
    /// whole walk, which takes time in proportion to the frames of the span.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    pub fn check(&self) -> Result<(), Corruption> {
        self.state.with(|state| state.check())
    }
}

impl<E: Env, F: FrameAlloc> fmt::Debug for KernelHeap<E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelHeap").finish_non_exhaustive()
    }
}
