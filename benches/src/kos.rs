//! The environment of our crates here: an arena as physical memory at its own address, one CPU, no interrupts.

use core::fmt;
use core::marker::PhantomData;

use kos_alloc::{CpuIndex, DirectMap, Env, FrameRange, Pfn};

use crate::harness::memory::Arena;
use crate::harness::must;

/// log2 of the bytes in a frame.
const SHIFT: u32 = 12;

/// An environment whose allocators lock with `L`.
pub(crate) struct Host<L> {
    map: DirectMap,
    lock: PhantomData<fn() -> L>,
}

impl<L> Host<L> {
    /// The environment whose memory is `arena`.
    pub(crate) fn new(arena: &Arena) -> Self {
        let frames = FrameRange::new(Pfn(arena.start().addr().get() >> SHIFT), arena.bytes() >> SHIFT);
        Self { map: DirectMap::new(arena.start(), must(frames)), lock: PhantomData }
    }

    /// All frames.
    pub(crate) fn frames(&self) -> FrameRange {
        self.map.frames()
    }
}

impl<L> fmt::Debug for Host<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

// SAFETY: it holds addresses and never follows them.
unsafe impl<L> Sync for Host<L> {}

// SAFETY: `Spin` excludes, and `NoLock` is used by one thread only; there are no interrupts; the arena outlives the
// allocators, which own all of it.
unsafe impl<L: lock_api::RawMutex + Send + Sync> Env for Host<L> {
    type Lock = L;
    type Irq = ();

    #[inline]
    fn irq_save(&self) {}

    #[inline]
    fn cpu(&self) -> Option<CpuIndex> {
        Some(CpuIndex(0))
    }

    fn direct_map(&self) -> DirectMap {
        self.map
    }

    fn secret(&self) -> u64 {
        0x9e37_79b9_7f4a_7c15
    }
}

/// Words for metadata, which our allocators want for ever. A run makes a few dozen allocators.
pub(crate) fn storage(words: usize) -> &'static mut [u64] {
    vec![0; words].leak()
}
