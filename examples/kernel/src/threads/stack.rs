//! Stacks of threads: frames of their own, mapped with an unmapped page below where the machine has an MMU.
//!
//! Invariant: the frames of a [`FrameStack`] belong to it, and are mapped for it, from its making to [`Kernel::free_stack`]. Dropped
//! without that it stays mapped, and its frames are lost rather than used twice.
#![expect(unsafe_code, reason = "the port promises memory to run on")]

use core::mem::ManuallyDrop;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use kos_alloc::{Env, FrameError, FrameRequest, Locked};
use kos_paging::{Attrs, HugePolicy, SplitPolicy, VirtAddr, VirtRange};
use kos_sched::KernelStack;

use super::ThreadError;
use crate::Kernel;
use crate::glue::address::phys_of;
use crate::glue::inject::Injector;
use crate::glue::rights::expressible;
use crate::kernel::{KernelFrames, SharedFrames};
use crate::owned::Run;
use crate::platform::Platform;

/// Bytes of a page, and of a guard.
const PAGE: usize = 4096;
/// How far apart stacks lie where they are mapped, in pages and in bytes.
const STRIDE_PAGES: usize = 256;
const STRIDE: u64 = 256 * 4096;
/// Least pages of a stack below which nothing faults: handlers run on it, and whatever reports a panic in a hosted kernel.
const UNGUARDED_PAGES: usize = 32;
/// Stacks that there can be.
const PLACES: usize = 512;

/// Where stacks lie.
pub(super) struct Stacks<P: Platform> {
    frames: SharedFrames<P>,
    /// A bit for each place that is taken.
    taken: Locked<P::Env, [u64; PLACES / 64]>,
    /// Frames of the stacks that there are, also of those that could not be unmapped.
    pages: AtomicUsize,
}

impl<P: Platform> Stacks<P> {
    pub(super) fn new(env: P::Env, frames: SharedFrames<P>) -> Self {
        Self { frames, taken: Locked::new(env, [0; PLACES / 64]), pages: AtomicUsize::new(0) }
    }

    /// Frames of all stacks.
    pub(super) fn pages(&self) -> usize {
        self.pages.load(Relaxed)
    }

    /// A place that nobody has.
    fn take_place(&self) -> Option<u64> {
        self.taken.with(|words| {
            let (word, bits) = (0..).zip(words).find(|(_, bits)| **bits != u64::MAX)?;
            let bit = bits.trailing_ones();
            *bits |= 1 << bit;
            Some(word * 64 + u64::from(bit))
        })
    }

    fn give_place(&self, place: u64) {
        let word = usize::try_from(place / 64).unwrap_or(PLACES);
        self.taken.with(|words| {
            if let Some(bits) = words.get_mut(word) {
                *bits &= !(1 << (place % 64));
            }
        });
    }
}

/// A stack.
pub(crate) struct FrameStack<P: Platform> {
    run: ManuallyDrop<Run<'static, Injector<KernelFrames<P>>>>,
    bounds: Range<usize>,
    /// Where among the mapped stacks; in the direct map it has none.
    place: Option<u64>,
}

impl<P: Platform> core::fmt::Debug for FrameStack<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FrameStack({:#x?})", self.bounds)
    }
}

// SAFETY: the frames are mapped and writable at these addresses, which were exposed and do not change, and belong to this value
// until `free_stack`. Where stacks are mapped, the page below is a hole: places lie `STRIDE` apart, and a stack ends at
// the end of its own and is shorter by a page at least.
unsafe impl<P: Platform> KernelStack for FrameStack<P> {
    const GUARD: usize = if P::STACKS.is_some() { PAGE } else { 0 };

    fn bounds(&self) -> Range<usize> {
        self.bounds.clone()
    }
}

impl<P: Platform> Kernel<P> {
    /// A stack of so many bytes, rounded up to pages.
    ///
    /// # Errors
    /// There are no frames, or no tables to map them. Nothing is left then.
    pub(super) fn new_stack(&self, bytes: usize) -> Result<FrameStack<P>, ThreadError> {
        let least = if P::STACKS.is_some() { 1 } else { UNGUARDED_PAGES };
        let pages = bytes.div_ceil(PAGE).clamp(least, STRIDE_PAGES - 1);
        let stacks = &self.threads.stacks;
        let run = Run::new(stacks.frames, FrameRequest::new(pages)).map_err(ThreadError::Stack)?;
        let Some(base) = P::STACKS else {
            let bounds = self.in_direct_map(&run, pages)?;
            stacks.pages.fetch_add(pages, Relaxed);
            return Ok(FrameStack { run: ManuallyDrop::new(run), bounds, place: None });
        };
        let lacks = ThreadError::Stack(FrameError::NoMemory { requested: pages, largest_free: 0 });
        let place = stacks.take_place().ok_or(lacks)?;
        let bytes = pages * PAGE;
        let end = base + (place + 1) * STRIDE;
        let mapped = self.map_stack(end - bytes as u64, bytes as u64, &run);
        if let Err(error) = mapped {
            stacks.give_place(place);
            return Err(error);
        }
        let end = usize::try_from(end).unwrap_or(0);
        stacks.pages.fetch_add(pages, Relaxed);
        Ok(FrameStack { run: ManuallyDrop::new(run), bounds: end - bytes..end, place: Some(place) })
    }

    /// Where the direct map shows the frames.
    fn in_direct_map(
        &self,
        run: &Run<'static, Injector<KernelFrames<P>>>,
        pages: usize,
    ) -> Result<Range<usize>, ThreadError> {
        let map = self.platform.env().direct_map();
        let offset = map.offset_of(run.range().start(), P::Env::PAGE_SHIFT);
        let offset = offset.ok_or(ThreadError::Stack(FrameError::NotManaged(run.range())))?;
        let start = map.base().as_ptr().wrapping_add(offset).expose_provenance();
        Ok(start..start + pages * PAGE)
    }

    fn map_stack(
        &self,
        start: u64,
        bytes: u64,
        run: &Run<'static, Injector<KernelFrames<P>>>,
    ) -> Result<(), ThreadError> {
        let range = VirtRange::new(VirtAddr::new(start), bytes);
        let range = range.map_err(|error| ThreadError::Map(kos_paging::MapError::Range(error)))?;
        self.with_tables(|tables| {
            let attrs = expressible(tables.format(), Attrs::RW.global());
            tables.map(range, phys_of(run.range().start()), attrs, HugePolicy::Never)
        })
        .map_err(ThreadError::Map)
    }

    /// Gives back a stack on which nobody runs. Task context.
    pub(super) fn free_stack(&self, stack: FrameStack<P>) {
        let FrameStack { run, bounds, place } = stack;
        if let Some(place) = place {
            if self.unmap_stack(&bounds).is_none() {
                // Whoever still has its translation must not meet another owner of the frames.
                return;
            }
            self.threads.stacks.give_place(place);
        }
        self.threads.stacks.pages.fetch_sub(run.range().count(), Relaxed);
        drop(ManuallyDrop::into_inner(run));
    }

    fn unmap_stack(&self, bounds: &Range<usize>) -> Option<()> {
        let range = VirtRange::new(VirtAddr::new(bounds.start as u64), bounds.len() as u64).ok()?;
        self.with_tables(|tables| {
            let unmapped = tables.unmap(range, SplitPolicy::Refuse).ok()?;
            unmapped.flush(&self.platform.tlb()).ok()?.release(drop);
            Some(())
        })
    }
}
