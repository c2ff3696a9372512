//! Frames that cannot be had: every allocation of the source fails once.

use core::alloc::Layout;

use super::super::{HeapConfig, KernelHeap};
use super::{Machine, TestModel, free, layout, reallocate};
use crate::error::{AllocError, FrameError, FreeError, InitError, ReallocError};
use crate::ports::FrameAlloc;
use crate::testing::{FailAt, HeapModel, HeapOp, PlainFrames};
use crate::types::{FrameRange, FrameRequest};

/// Runs `story` on a fresh machine with the k-th frame allocation failing, for every k until none fails.
fn sweep(frames: usize, story: impl Fn(&mut TestModel<'_>)) {
    for k in 0.. {
        let machine = Machine::new(frames);
        let heap = machine.heap();
        let page_map = machine.frames.live_frames();
        let mut model = HeapModel::new(&heap);
        machine.frames.fail_at(Some(k));
        story(&mut model);
        model.check();
        model.free_all();
        model.check();
        heap.shrink();
        assert_eq!(machine.frames.live_frames(), page_map, "frames lost when allocation {k} fails");
        if machine.frames.calls() <= k {
            assert!(k > 0, "the story allocates no frames");
            return;
        }
    }
}

#[test]
fn every_slab_growth_may_fail() {
    sweep(512, |model| {
        for size in [8, 8, 24, 64, 100, 512, 900, 1024, 2048, 5000, 8192, 8192] {
            for _ in 0..6 {
                model.step(HeapOp::Allocate(layout(size, 8)));
            }
            model.step(HeapOp::Free(size));
            model.check();
        }
    });
}

#[test]
fn every_large_block_may_fail() {
    sweep(512, |model| {
        for size in [8193, 4096 * 3, 1 << 16, 1 << 17] {
            model.step(HeapOp::Allocate(layout(size, 8)));
            model.step(HeapOp::AllocateZeroed(layout(size, 1 << 14)));
            model.check();
        }
    });
}

#[test]
fn every_reallocation_may_fail_and_leaves_the_old_block() {
    sweep(512, |model| {
        for (number, size) in [10, 100, 3000, 9000, 40_000].into_iter().enumerate() {
            model.step(HeapOp::Allocate(layout(size, 16)));
            for larger in [size + 1, size * 2, size * 9, size / 2, 1] {
                model.step(HeapOp::Reallocate(number, larger));
                model.check();
            }
        }
    });
}

#[test]
fn a_failed_allocation_changes_nothing_but_the_count_of_failures() {
    let machine = Machine::new(128);
    let heap = machine.heap();
    for size in [8, 300, 100_000] {
        let (before, frames) = (heap.stats(), machine.frames.live_frames());
        machine.frames.fail_at(Some(0));
        let result = heap.allocate(layout(size, 8));
        assert!(
            matches!(result, Err(AllocError::NoMemory { requested, .. }) if requested == size),
            "{result:?}"
        );
        let mut after = heap.stats();
        assert_eq!(after.failed.no_memory, before.failed.no_memory + 1);
        after.failed = before.failed;
        assert_eq!((after, machine.frames.live_frames()), (before, frames));
        assert_eq!(heap.check(), Ok(()));
    }
}

#[test]
fn a_failed_reallocation_says_why_and_keeps_the_content() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let old = layout(100, 8);
    let block = heap.allocate_zeroed(old).unwrap();
    for size in [isize::MAX.unsigned_abs() - 7, usize::MAX, 1 << 30] {
        let result = reallocate(&heap, block, old, size);
        assert!(matches!(result, Err(ReallocError::Allocate(_))), "{result:?}");
    }
    // SAFETY: the block is live and was zeroed.
    assert_eq!(unsafe { block.cast::<[u8; 100]>().read() }, [0; 100]);
    free(&heap, block, old);
}

#[test]
fn a_failed_init_holds_nothing_and_may_be_repeated() {
    let machine = Machine::new(64);
    let heap = machine.cold_heap();
    machine.frames.fail_at(Some(0));
    assert!(matches!(heap.init(HeapConfig::default()), Err(InitError::Frames(FrameError::NoMemory { .. }))));
    assert_eq!(machine.frames.live_frames(), 0);
    assert_eq!(heap.allocate(layout(8, 8)), Err(AllocError::NotReady));
    assert_eq!(heap.init(HeapConfig::default()), Ok(()));
    assert_eq!(heap.init(HeapConfig::default()), Err(InitError::AlreadyInitialised));
    assert_eq!(machine.frames.live_frames(), 1);
    assert!(heap.allocate(layout(8, 8)).is_ok());
}

#[test]
fn an_exhausted_heap_says_so_and_recovers() {
    for size in [8, 64, 700, 4096, 8192, 12_288] {
        let machine = Machine::new(64);
        let heap = machine.heap();
        let block = layout(size, 8);
        let mut blocks = alloc::vec::Vec::new();
        let error = loop {
            match heap.allocate(block) {
                Ok(ptr) => blocks.push(ptr),
                Err(error) => break error,
            }
        };
        assert_eq!(error, AllocError::NoMemory { requested: size, largest_free: 0 });
        assert!(blocks.len() * size >= 63 * 4096 * 3 / 4, "{} blocks of {size} bytes", blocks.len());
        assert_eq!(heap.check(), Ok(()));
        for ptr in blocks {
            free(&heap, ptr, block);
        }
        assert_eq!(heap.check(), Ok(()));
        assert_eq!(heap.stats().live, 0);
    }
}

/// osdk-frame-allocator 0.19: memory that rests in caches is given back before anybody is told that there is none.
#[test]
fn empty_slabs_are_drained_before_no_memory() {
    let machine = Machine::new(41);
    let heap = machine.heap();
    for size in [8, 100, 1000, 8192] {
        free(&heap, heap.allocate(layout(size, 8)).unwrap(), layout(size, 8));
    }
    assert!(machine.frames.live_frames() > 20);
    assert!(heap.allocate(layout(40 * 4096, 8)).is_ok());
}

/// A slab of 64 KiB is sixteen aligned frames; where memory is in pieces, the block gets frames of its own.
#[test]
fn fragmented_memory_serves_blocks_without_a_slab() {
    let machine = Machine::new(66);
    let heap = machine.heap();
    let page = layout(4096 * 3, 4096);
    let pieces: alloc::vec::Vec<_> = core::iter::from_fn(|| heap.allocate(page).ok()).collect();
    for piece in pieces.iter().step_by(2) {
        free(&heap, *piece, page);
    }
    let block = layout(8192, 8);
    let served = core::iter::from_fn(|| heap.allocate(block).ok()).collect::<alloc::vec::Vec<_>>();
    assert!(served.len() >= 10, "{}", served.len());
    assert_eq!(heap.stats().classes.iter().map(|class| class.slabs).sum::<usize>(), 0);
    for ptr in served {
        free(&heap, ptr, block);
    }
    assert_eq!(heap.check(), Ok(()));
}

#[test]
fn absurd_layouts_are_errors() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let most = isize::MAX.unsigned_abs();
    for absurd in
        [layout(most, 1), layout(1, 1 << (usize::BITS - 2)), layout(most - 4095, 4096), layout(1 << 40, 8)]
    {
        let frames = machine.frames.live_frames();
        assert!(heap.allocate(absurd).is_err(), "{absurd:?}");
        assert!(heap.allocate_zeroed(absurd).is_err(), "{absurd:?}");
        assert_eq!(machine.frames.live_frames(), frames);
    }
    assert!(Layout::from_size_align(usize::MAX, 1).is_err(), "core refuses it before the heap is asked");
    assert_eq!(heap.check(), Ok(()));
}

/// A source that does not take its frames back loses them; the heap counts them and goes on.
#[test]
fn frames_that_the_source_refuses_are_counted() {
    struct OneWay(PlainFrames);
    // SAFETY: ranges are the inner source's, and none is handed out again.
    unsafe impl FrameAlloc for OneWay {
        fn span(&self) -> FrameRange {
            self.0.span()
        }
        fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
            self.0.allocate(request)
        }
        unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
            Err(FreeError::NotManaged(range))
        }
    }
    let machine = Machine::new(32);
    let heap = KernelHeap::new(&machine.env, OneWay(PlainFrames::new(machine.frames.span())));
    heap.init(HeapConfig::default()).unwrap();
    let large = layout(3 * 4096, 8);
    free(&heap, heap.allocate(large).unwrap(), large);
    assert_eq!((heap.stats().lost_frames, heap.stats().live, heap.check()), (3, 0, Ok(())));
}

/// Memory that was added above the heap's span, and is handed out first, must not look like the end of all memory.
#[test]
fn frames_added_above_the_span_do_not_end_memory() {
    struct Grown<'a>(&'a FailAt<PlainFrames>, FailAt<PlainFrames>);
    // SAFETY: ranges are the inner sources'.
    unsafe impl FrameAlloc for Grown<'_> {
        fn span(&self) -> FrameRange {
            self.0.span()
        }
        fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
            let upper = Some(&self.1).filter(|_| self.0.live_frames() > 0);
            let range = upper.map(|upper| upper.allocate(request));
            range.and_then(Result::ok).map_or_else(|| self.0.allocate(request), Ok)
        }
        unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
            let source = if self.0.span().contains_range(&range) { self.0 } else { &self.1 };
            // SAFETY: the caller's promise is passed on.
            unsafe { source.free(range) }
        }
    }
    let machine = Machine::new(256);
    let upper = PlainFrames::new(FrameRange::new(machine.frames.span().end(), 64).unwrap());
    let heap = KernelHeap::new(&machine.env, Grown(&machine.frames, FailAt::new(upper)));
    heap.init(HeapConfig::default()).unwrap();
    for layout in [layout(64, 8), layout(8192, 8), layout(50_000, 8)] {
        let block = heap.allocate(layout).unwrap();
        assert_eq!(super::try_free(&heap, block, layout), Ok(()));
    }
    heap.shrink();
    assert_eq!((heap.stats().live, heap.stats().lost_frames, heap.check()), (0, 0, Ok(())));
    assert_eq!(heap.frames().1.live_frames(), 0, "what was of no use went back");
}
