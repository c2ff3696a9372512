//! The heap against its model, and its promises one by one.

mod bad_free;
mod behaviour;
mod caches;
mod faults;
mod modes;
mod nmi;
mod properties;
mod threads;

use core::alloc::Layout;
use core::ptr::NonNull;

use super::{HeapConfig, KernelHeap, Mode};
use crate::error::{FreeError, ReallocError};
use crate::ports::{Env, FrameAlloc};
use crate::testing::{FailAt, HeapModel, HostEnv, PlainFrames};
use crate::types::{CpuIndex, FrameRange, Pfn};

/// A heap of this crate's fakes.
pub(super) type TestHeap<'a> = KernelHeap<&'a HostEnv, &'a FailAt<PlainFrames>>;

/// The model of one.
pub(super) type TestModel<'a> = HeapModel<'a, &'a HostEnv, &'a FailAt<PlainFrames>>;

/// Memory and frame source of a test.
pub(super) struct Machine {
    pub(super) env: HostEnv,
    pub(super) frames: FailAt<PlainFrames>,
}

impl Machine {
    /// `count` frames from an odd frame number.
    pub(super) fn new(count: usize) -> Self {
        Self::at(Pfn(0x2_0001), count)
    }

    pub(super) fn at(start: Pfn, count: usize) -> Self {
        Self::with_cpus(start, count, 1)
    }

    pub(super) fn with_cpus(start: Pfn, count: usize, cpus: usize) -> Self {
        let span = FrameRange::new(start, count).unwrap();
        Self { env: HostEnv::with_cpus(span, cpus), frames: FailAt::new(PlainFrames::new(span)) }
    }

    /// A heap of it with caches of `bytes` for each CPU.
    pub(super) fn hybrid(&self, bytes: usize) -> TestHeap<'_> {
        let heap = self.cold_heap();
        let cache_bytes_per_cpu = Some(bytes);
        heap.init(HeapConfig { mode: Mode::Hybrid, cache_bytes_per_cpu, ..HeapConfig::default() }).unwrap();
        heap
    }

    /// A heap of it, initialised.
    pub(super) fn heap(&self) -> TestHeap<'_> {
        let heap = self.cold_heap();
        heap.init(HeapConfig::default()).unwrap();
        heap
    }

    /// A heap of it, not initialised.
    pub(super) fn cold_heap(&self) -> TestHeap<'_> {
        KernelHeap::new(&self.env, &self.frames)
    }
}

/// Frees a block that is the test's, or must be refused.
pub(super) fn try_free<E: Env, F: FrameAlloc>(
    heap: &KernelHeap<E, F>,
    block: NonNull<u8>,
    layout: Layout,
) -> Result<(), FreeError<NonNull<u8>>> {
    // SAFETY: what the tests pass is live and unused, or no block.
    unsafe { heap.free(block, layout) }
}

/// Frees a live block.
pub(super) fn free<E: Env, F: FrameAlloc>(heap: &KernelHeap<E, F>, block: NonNull<u8>, layout: Layout) {
    assert_eq!(try_free(heap, block, layout), Ok(()), "{layout:?}");
}

/// Resizes a block that is the test's.
pub(super) fn reallocate<E: Env, F: FrameAlloc>(
    heap: &KernelHeap<E, F>,
    block: NonNull<u8>,
    old: Layout,
    new_size: usize,
) -> Result<NonNull<u8>, ReallocError> {
    // SAFETY: what the tests pass is live, and used again only if it stays.
    unsafe { heap.reallocate(block, old, new_size) }
}

pub(super) fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Plays each CPU of a machine on which nothing else runs: checks and drains its cache.
pub(super) fn drain_all(machine: &Machine, heap: &TestHeap<'_>) {
    for cpu in 0..machine.env.cpus() {
        HostEnv::bind(Some(CpuIndex(cpu)));
        assert_eq!(heap.check(), Ok(()), "on CPU {cpu}");
        heap.shrink();
    }
    HostEnv::bind(None);
}
