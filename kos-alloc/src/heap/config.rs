//! How a heap is set up: [`HeapConfig`].

use crate::growth;

/// Who serves new blocks. A block is always freed by who served it, whatever the mode is then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// One pool by TLSF behind one lock, which grows in steps: the least memory and code in use. For small machines.
    SimpleHeap,
    /// Slabs and whole frames, each size class behind a lock of its own: the least memory at rest. For one or two CPUs.
    #[default]
    TwoTier,
    /// As `TwoTier`, with caches for each CPU before it: most calls take no lock. For several CPUs.
    Hybrid,
}

/// How [`KernelHeap::init`](crate::KernelHeap::init) sets a heap up.
#[derive(Clone, Copy, Debug)]
pub struct HeapConfig {
    /// Who serves new blocks at first; [`KernelHeap::set_mode`](crate::KernelHeap::set_mode) changes it.
    pub mode: Mode,
    /// Bytes that may rest in the caches of a CPU. `None` for the default: 1/64 of the frames that the source spans,
    /// divided by the CPUs, and at most 1 MiB. Too few for a cache: none is made, and `Hybrid` works as `TwoTier`.
    pub cache_bytes_per_cpu: Option<usize>,
    /// Whether an allocation fails at once when the frame source has no frames: nothing is drained, nobody is asked to
    /// give memory back. For kernels that would rather have a prompt error.
    pub fail_fast: bool,
    /// How the pool of `SimpleHeap` grows: by default nothing at first, then 1 MiB at a time up to 8 MiB, of frames of
    /// 4 KiB. The initial frames are also what the other modes fall back on when the frame source has no more.
    pub pool: growth::Config,
}

impl Default for HeapConfig {
    fn default() -> Self {
        let pool = growth::Config { initial: 0, step: 256, max: 2048 };
        Self { mode: Mode::default(), cache_bytes_per_cpu: None, fail_fast: false, pool }
    }
}
