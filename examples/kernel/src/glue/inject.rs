//! `FrameAlloc` that fails when it is told to: [`Injector`], between the frame allocator and all who allocate. And a heap
//! that does: [`HeapInjector`].
//!
//! Armed with k, it lets k - 1 allocations pass and refuses all others, until it is disarmed: a heap that is refused once tries
//! other ways, and would find them. Or it refuses each n-th. Or it counts only what one process asks for.
#![expect(unsafe_code, reason = "implements the ports that promise unique memory, by passing them on")]

use core::alloc::Layout;
use core::num::NonZeroUsize;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use kos_alloc::health::ZoneUsage;
use kos_alloc::{
    AllocError, BlockAlloc, Corruption, FrameAlloc, FrameError, FrameRange, FrameRequest, FreeError,
    Inventory, Pfn,
};

use spin::Once;

use super::faults::Rule;

/// Frames of `F`, until they are refused.
#[derive(Debug)]
pub struct Injector<F> {
    inner: F,
    rule: Rule,
    refused: AtomicUsize,
    /// For which process the caller asks; known when one is to be told from the others.
    asker: Once<fn() -> u32>,
}

impl<F> Injector<F> {
    /// Disarmed.
    pub const fn new(inner: F) -> Self {
        Self { inner, rule: Rule::new(), refused: AtomicUsize::new(0), asker: Once::new() }
    }

    /// The allocator behind it, for those who are not to be refused.
    pub const fn inner(&self) -> &F {
        &self.inner
    }

    /// Refuses allocations of everybody once `passing` of them have passed.
    pub fn arm(&self, passing: usize) {
        self.rule.off();
        self.refused.store(0, Relaxed);
        self.rule.from(passing);
    }

    /// Refuses each `n`-th allocation of everybody.
    pub fn arm_each(&self, n: NonZeroUsize) {
        self.rule.off();
        self.refused.store(0, Relaxed);
        self.rule.each(n);
    }

    /// Refuses what its [`rule`](Self::rule) will say. `asker` says for which process its caller works, in any context; 0 for none.
    pub fn begin(&self, asker: fn() -> u32) {
        self.asker.call_once(|| asker);
        self.refused.store(0, Relaxed);
    }

    /// Refuses no more; how many were refused since it was armed.
    pub fn disarm(&self) -> usize {
        self.rule.off();
        self.refused()
    }

    /// Allocations that will pass before one is refused, if any is to be.
    pub fn passing(&self) -> Option<usize> {
        self.rule.passing()
    }

    /// Which are refused.
    pub const fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Allocations refused since it was armed.
    pub fn refused(&self) -> usize {
        self.refused.load(Relaxed)
    }

    /// Counts an allocation; whether it is to be refused.
    fn refuses(&self) -> bool {
        let refuses = self.rule.strikes(|| self.asker.get().map_or(0, |asker| asker()));
        if refuses {
            self.refused.fetch_add(1, Relaxed);
        }
        refuses
    }
}

// SAFETY: only ranges of the wrapped allocator are handed out, each once.
unsafe impl<F: FrameAlloc> FrameAlloc for Injector<F> {
    fn span(&self) -> FrameRange {
        self.inner.span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        if self.refuses() {
            return Err(FrameError::NoMemory { requested: request.count, largest_free: 0 });
        }
        self.inner.allocate(request)
    }

    fn allocate_at(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        if self.refuses() {
            return Err(FrameError::InUse(range));
        }
        self.inner.allocate_at(range)
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.free(range) }
    }
}

impl<F: Inventory> Inventory for Injector<F> {
    fn zone(&self, index: usize) -> Option<ZoneUsage> {
        self.inner.zone(index)
    }

    fn next_free(&self, from: Pfn) -> Option<FrameRange> {
        self.inner.next_free(from)
    }

    fn check(&self) -> Result<(), Corruption> {
        self.inner.check()
    }
}

/// Blocks and frames of `A`; both count down to the first that is refused.
#[derive(Debug)]
pub struct HeapInjector<'a, A: BlockAlloc> {
    heap: &'a A,
    frames: Injector<&'a A::Frames>,
}

impl<'a, A: BlockAlloc> HeapInjector<'a, A> {
    /// Refuses allocations once `passing` of them have passed.
    pub fn new(heap: &'a A, passing: usize) -> Self {
        let frames = Injector::new(heap.frames());
        frames.arm(passing);
        Self { heap, frames }
    }
}

// SAFETY: only blocks of the wrapped heap are handed out, each once.
unsafe impl<'a, A: BlockAlloc> BlockAlloc for HeapInjector<'a, A> {
    type Frames = Injector<&'a A::Frames>;

    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if self.frames.refuses() {
            return Err(AllocError::NoMemory { requested: layout.size(), largest_free: 0 });
        }
        self.heap.allocate(layout)
    }

    unsafe fn free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.free(block, layout) }
    }

    fn frames(&self) -> &Self::Frames {
        &self.frames
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use super::*;

    #[test]
    fn who_arms_it_arms_it_for_everybody() {
        let frames = Injector::new(());
        let ways: [fn(&Injector<()>); 2] =
            [|frames| frames.arm(0), |frames| frames.arm_each(NonZeroUsize::MIN)];
        for arm in ways {
            frames.rule().only(NonZeroU32::MIN);
            frames.rule().from(0);
            assert!(!frames.refuses(), "nobody asks for a process here");
            arm(&frames);
            assert!(frames.refuses());
            assert_eq!(frames.disarm(), 1);
        }
    }
}
