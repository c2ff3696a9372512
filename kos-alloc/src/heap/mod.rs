//! The kernel's heap: [`KernelHeap`].
//!
//! ```text
//! layout ── 0 bytes ─────────────> dangling
//!   │
//!   ├─ at most 8192 bytes ──────> magazine of this CPU                   in `Hybrid`: no lock
//!   │                               └ bin of its class ── slab ── block  under the lock of the class, O(1)
//!   │                               └ no free block: a new slab's frames ┐
//!   └─ above, or above-aligned ──> whole frames ─────────────────────────┴─ from F, without a lock
//! ```
//!
//! | file | what |
//! |---|---|
//! | `config` | how a heap is set up |
//! | `ground` | what `init` fixes: memory, secret, terms |
//! | `arena`, `pagemap` | the memory, and one byte a frame that says what it is |
//! | `bins` | blocks from and to the slabs of a class |
//! | `large` | blocks of whole frames |
//! | `simple` | the simple pool |
//! | `locate` | which block an address names |
//! | `source` | frames from and to the source, `init`, `shrink`, new slabs |
//! | `cache` | blocks that rest on each CPU |
//! | `mode`, `nmi` | who serves new blocks; callers who must not wait |
//! | `block`, `resize`, `kmalloc`, `global` | the faces: free, resize, blocks known by their address, `GlobalAlloc` |
//! | `check`, `stats`, `counters` | the invariants, what is counted and how |
//!
//! Invariants: a frame of the heap is part of a slab, of a large block, of a chunk of the simple pool, or of the page map;
//! the page map says which, and changes for a slab only under the lock of its class, for a large block by one atomic
//! exchange of its first byte. Lock order: cache of the CPU (mask only), depot, bin; the frame source is never called with
//! a lock held.

#[expect(
    unsafe_code,
    reason = "derives every pointer of the heap from the direct map, and reaches the page map"
)]
mod arena;
#[expect(unsafe_code, reason = "seals and unseals blocks")]
mod bins;
#[expect(
    unsafe_code,
    reason = "the faces whose callers promise something, and the copying and zeroing they do"
)]
mod block;
pub(crate) mod cache;
mod check;
mod config;
mod counters;
#[expect(unsafe_code, reason = "an unsafe trait, passed on")]
mod global;
mod ground;
#[expect(
    unsafe_code,
    reason = "the faces whose callers promise something, and the copying and zeroing they do"
)]
mod kmalloc;
mod large;
#[expect(unsafe_code, reason = "names the slab that the page map says is there")]
mod locate;
mod mode;
#[expect(unsafe_code, reason = "seals and unseals blocks")]
mod nmi;
mod pagemap;
#[expect(unsafe_code, reason = "methods whose callers promise that a block is theirs")]
mod resize;
#[expect(unsafe_code, reason = "lends frames to the pool, and frees its blocks")]
mod simple;
#[expect(unsafe_code, reason = "formats slabs in fresh frames, and gives frames back")]
mod source;
mod stats;
#[cfg(test)]
#[expect(unsafe_code, reason = "frees blocks, rightly and wrongly")]
mod tests;

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use self::cache::{Caches, Deferred, Depot};
pub use self::config::{HeapConfig, Mode};
use self::counters::Counters;
use self::ground::Ground;
use self::mode::TWO_TIER;
use self::simple::Simple;
pub use self::simple::SimpleStats;
pub use self::stats::{ClassStats, FailedStats, HeapStats, LargeStats, RefusedStats};
use crate::error::AllocError;
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Bin, CLASSES, Class, Geometry, PerClass, geometries};
use crate::sync::atomic::AtomicUsize;
use crate::sync::{Guarded, Once, const_fn};

/// A heap for a whole kernel, safe in interrupt handlers: slabs of 36 size classes up to 8 KiB, whole frames above.
///
/// Every frame comes from `F` and is reached through the direct map of `E`. A heap lives as long as the machine: dropping
/// one does not give its frames back. Several stand side by side; a block goes back to the heap it came from.
pub struct KernelHeap<E: Env, F: FrameAlloc> {
    env: E,
    frames: F,
    ground: Once<Ground>,
    bins: PerClass<Guarded<E, Bin>>,
    depots: PerClass<Guarded<E, Depot>>,
    caches: Caches,
    deferred: Deferred,
    counters: Counters,
    simple: Simple<E>,
    mode: AtomicUsize,
}

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Frames must be 4 to 64 KiB: a slab is at least one of them and at most 64 KiB.
    const GEOMETRIES: &'static PerClass<Geometry> = {
        assert!(E::PAGE_SHIFT >= 12 && E::PAGE_SHIFT <= 16, "frames of 4 to 64 KiB");
        &geometries(1 << E::PAGE_SHIFT)
    };

    const_fn! {
        /// A heap over `frames`; every allocation fails until [`init`](Self::init).
        #[must_use]
        pub fn new(env: E, frames: F) -> Self {
            let bins = PerClass::new([const { Guarded::new(Bin::new()) }; CLASSES]);
            let depots = PerClass::new([const { Guarded::new(Depot::new()) }; CLASSES]);
            Self {
                env,
                frames,
                ground: Once::new(),
                bins,
                depots,
                caches: Caches::new(),
                deferred: Deferred::new(),
                counters: Counters::new(),
                simple: Simple::new(),
                mode: AtomicUsize::new(TWO_TIER),
            }
        }
    }

    /// The environment.
    pub const fn env(&self) -> &E {
        &self.env
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
        if let Some(class) = Class::of(layout)
            && let Some(block) = self.pop(class, layout.size())
        {
            return Ok(block);
        }
        self.allocate_slow(layout)
    }

    /// Where the cache of this CPU has no block, or is not used.
    #[cold]
    #[inline(never)]
    fn allocate_slow(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if layout.size() == 0 {
            return Ok(layout.dangling_ptr());
        }
        let Some(ground) = self.ground.get() else { return Err(self.fail(AllocError::NotReady)) };
        if self.env.in_nmi() {
            return self.allocate_nolock(layout);
        }
        self.settle_deferred(ground);
        if self.mode() == Mode::SimpleHeap {
            return self.allocate_simple(ground, layout).map_err(|error| self.fail(error));
        }
        let (class, size) = (Class::of(layout), layout.size());
        let block = class.and_then(|class| self.cached_or_taken(ground, class, size));
        block.map_or_else(|| self.allocate_frames(ground, class, layout), Ok)
    }

    /// A block of `class` from the cache of this CPU, or else from a slab.
    fn cached_or_taken(&self, ground: &Ground, class: Class, size: usize) -> Option<NonNull<u8>> {
        self.refill(ground, class, size).or_else(|| self.take(ground, class, size))
    }

    #[inline]
    fn geometry(class: Class) -> &'static Geometry {
        Self::GEOMETRIES.of(class)
    }

    #[inline]
    fn bin(&self, class: Class) -> &Guarded<E, Bin> {
        self.bins.of(class)
    }

    fn depot(&self, class: Class) -> &Guarded<E, Depot> {
        self.depots.of(class)
    }
}

impl<E: Env, F: FrameAlloc> fmt::Debug for KernelHeap<E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelHeap").finish_non_exhaustive()
    }
}
