//! The environment of our crates here: an arena as physical memory at its own address, a CPU for each thread (its number
//! in a thread-local, as a kernel has it in its per-CPU area), no interrupts.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

use kos_alloc::frame::Config;
use kos_alloc::{Buddy, CpuIndex, DirectMap, Env, FrameRange, Frames, HeapConfig, KernelHeap, Mode, Pfn};

use crate::harness::memory::Arena;
use crate::harness::must;

/// log2 of the bytes in a frame.
const SHIFT: u32 = 12;

/// CPUs, which is threads at one time.
pub(crate) const CPUS: usize = 2;

std::thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
}

/// Makes the calling thread CPU number `cpu`, below [`CPUS`].
pub(crate) fn enter(cpu: usize) {
    CPU.set(cpu);
}

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
        Some(CpuIndex(CPU.get()))
    }

    fn cpus(&self) -> usize {
        CPUS
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

/// A heap in `mode` over the whole of `arena`, which must outlive it; and the bytes of its frames' books, which lie outside.
pub(crate) fn heap<L>(arena: &Arena, mode: Mode) -> (KernelHeap<Host<L>, Frames<Host<L>>>, usize)
where
    L: lock_api::RawMutex + Send + Sync,
{
    let host: Host<L> = Host::new(arena);
    let usable = [host.frames()];
    let words = must(Buddy::storage_words(Config::default(), &usable, &[]).ok());
    let buddy = must(Buddy::new(storage(words), Config::default(), &usable, &[]).ok());
    let frames = Frames::new(Host::new(arena));
    // SAFETY: the frames are those of the arena, which is used by nobody else and lives as long as the heap.
    must(unsafe { frames.init(buddy) }.ok());
    let heap = KernelHeap::new(host, frames);
    must(heap.init(HeapConfig { mode, ..HeapConfig::default() }).ok());
    (heap, words * size_of::<u64>())
}
