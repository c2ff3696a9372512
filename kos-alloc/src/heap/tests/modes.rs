//! The simple pool, the modes, and the blocks that are known by their address.

use alloc::vec::Vec;
use core::ptr;

use super::super::{HeapConfig, KernelHeap, Mode};
use super::{Machine, TestHeap, free, layout, reallocate, try_free};
use crate::error::{AllocError, FreeError};
use crate::growth;
use crate::testing::{HeapModel, HeapOp};

const POOL: growth::Config = growth::Config { initial: 4, step: 16, max: 64 };

fn heap_of(machine: &Machine, mode: Mode, pool: growth::Config) -> TestHeap<'_> {
    let heap = KernelHeap::new(&machine.env, &machine.frames);
    heap.init(HeapConfig { mode, pool, ..HeapConfig::default() }).unwrap();
    heap
}

fn kfree(heap: &TestHeap<'_>, block: *mut u8) -> Result<(), FreeError<ptr::NonNull<u8>>> {
    // SAFETY: what the tests pass is live and unused, or must be refused.
    unsafe { heap.kfree(block) }
}

#[test]
fn blocks_of_each_mode_are_freed_in_every_other() {
    let machine = Machine::new(2048);
    let heap = heap_of(&machine, Mode::Hybrid, growth::Config { max: 1024, ..POOL });
    let modes = [Mode::SimpleHeap, Mode::TwoTier, Mode::Hybrid];
    let mut model = HeapModel::new(&heap);
    for round in 0..60 {
        model.step(HeapOp::SetMode(modes[round % 3]));
        for size in [1, 24, 100, 1000, 8192, 8193, 30_000] {
            model.step(HeapOp::Allocate(layout(size, 1 << (round % 13))));
            model.step(HeapOp::Kmalloc(size + round));
        }
        for number in 0..12 {
            model.step(HeapOp::Free(number * 31 + round));
        }
        model.check();
    }
    assert!(heap.stats().simple.blocks > 0 && heap.stats().large.blocks > 0);
    model.free_all();
    model.check();
    heap.shrink();
    assert_eq!((heap.stats().live, heap.stats().simple.frames), (0, POOL.initial));
}

#[test]
fn the_pool_grows_in_steps_to_its_limit_and_gives_back() {
    let machine = Machine::new(512);
    let heap = heap_of(&machine, Mode::SimpleHeap, POOL);
    let mut sizes = Vec::from([heap.stats().simple.frames]);
    let mut blocks = Vec::new();
    let error = loop {
        match heap.allocate(layout(1000, 8)) {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
        sizes.push(heap.stats().simple.frames);
    };
    sizes.dedup();
    // The last step does not fit below the limit: what a block needs still does.
    assert_eq!(sizes[..4], [4, 20, 36, 52]);
    assert!(sizes.last().is_some_and(|frames| (60..=64).contains(frames)), "{sizes:?}");
    assert_eq!(error, AllocError::LimitReached { max: 64 << 12 });
    assert_eq!(heap.stats().failed.limit_reached, 1);
    blocks.into_iter().for_each(|block| free(&heap, block, layout(1000, 8)));
    // One chunk beside the initial one stays until memory is short.
    assert!((4..=36).contains(&heap.stats().simple.frames), "{}", heap.stats().simple.frames);
    heap.shrink();
    assert_eq!(heap.stats().simple.frames, 4);
    assert_eq!(heap.check(), Ok(()));
}

#[test]
fn a_block_at_the_edge_of_a_chunk_does_not_fetch_one_each_time() {
    let machine = Machine::new(256);
    let heap = heap_of(&machine, Mode::SimpleHeap, growth::Config { initial: 0, ..POOL });
    let block = heap.allocate(layout(60_000, 8)).unwrap();
    free(&heap, block, layout(60_000, 8));
    machine.frames.fail_at(None);
    for _ in 0..100 {
        let block = heap.allocate(layout(60_000, 8)).unwrap();
        free(&heap, block, layout(60_000, 8));
    }
    assert_eq!(machine.frames.calls(), 0);
}

#[test]
fn where_a_step_is_not_to_be_had_the_pool_takes_what_it_needs() {
    let machine = Machine::new(16);
    let heap = heap_of(&machine, Mode::SimpleHeap, growth::Config { initial: 0, ..POOL });
    let block = heap.allocate(layout(5000, 8)).unwrap();
    assert!(heap.stats().simple.frames <= 3);
    assert!(heap.allocate(layout(100_000, 8)).is_err());
    free(&heap, block, layout(5000, 8));
}

#[test]
fn the_initial_chunk_is_the_last_resort_of_the_other_modes() {
    for mode in [Mode::TwoTier, Mode::Hybrid] {
        let machine = Machine::new(40);
        let heap = heap_of(&machine, mode, POOL);
        let mut model = HeapModel::new(&heap);
        while heap.stats().simple.blocks == 0 {
            model.step(HeapOp::Allocate(layout(4096, 4096)));
            assert_eq!(heap.stats().failed.no_memory, 0);
        }
        for _ in 0..10 {
            model.step(HeapOp::Allocate(layout(100, 8)));
        }
        assert!(heap.stats().simple.blocks > 5);
        model.check();
        model.free_all();
        model.check();
    }
}

#[test]
fn every_growth_and_reallocation_of_the_pool_may_fail() {
    for k in 0.. {
        let machine = Machine::new(512);
        let heap = heap_of(&machine, Mode::SimpleHeap, POOL);
        let before = machine.frames.live_frames();
        machine.frames.fail_at(Some(k));
        let mut model = HeapModel::new(&heap);
        for (number, size) in [10, 3000, 9000, 40_000].into_iter().enumerate() {
            model.step(HeapOp::Allocate(layout(size, 16)));
            model.step(HeapOp::Kmalloc(size));
            for larger in [size + 1, size * 2, size * 5, size / 2, 1] {
                model.step(HeapOp::Reallocate(number, larger));
                model.step(HeapOp::Krealloc(number, larger));
                model.check();
            }
        }
        model.free_all();
        model.check();
        heap.shrink();
        assert_eq!((machine.frames.live_frames(), heap.stats().live), (before, 0), "allocation {k} failed");
        if machine.frames.calls() <= k {
            assert!(k > 2);
            return;
        }
    }
}

#[test]
fn a_block_of_the_pool_grows_in_place() {
    let machine = Machine::new(64);
    let heap = heap_of(&machine, Mode::SimpleHeap, POOL);
    let block = heap.allocate(layout(100, 8)).unwrap();
    assert_eq!(reallocate(&heap, block, layout(100, 8), 3000), Ok(block));
    // Also when other blocks go elsewhere by now.
    heap.set_mode(Mode::TwoTier).unwrap();
    assert_eq!(reallocate(&heap, block, layout(3000, 8), 200), Ok(block));
    free(&heap, block, layout(200, 8));
    assert_eq!(heap.stats().requested, 0);
}

#[test]
fn wrong_frees_of_the_pool_are_what_they_are_in_every_mode() {
    let machine = Machine::new(128);
    let heap = heap_of(&machine, Mode::SimpleHeap, POOL);
    let keep = heap.allocate(layout(100, 8)).unwrap();
    let gone = heap.allocate(layout(100, 8)).unwrap();
    free(&heap, gone, layout(100, 8));
    for mode in [Mode::TwoTier, Mode::Hybrid, Mode::SimpleHeap] {
        heap.set_mode(mode).unwrap();
        let before = heap.stats();
        assert_eq!(try_free(&heap, gone, layout(100, 8)), Err(FreeError::DoubleFree(gone)));
        assert_eq!(kfree(&heap, gone.as_ptr()), Err(FreeError::DoubleFree(gone)));
        let inside = keep.map_addr(|address| address.saturating_add(8));
        assert_eq!(
            try_free(&heap, inside, layout(8, 8)),
            Err(FreeError::Interior { at: inside, block: keep })
        );
        assert!(matches!(try_free(&heap, keep, layout(300, 8)), Err(FreeError::WrongSize { .. })));
        let mut after = heap.stats();
        assert_eq!(after.refused.total(), before.refused.total() + 4);
        after.refused = before.refused;
        assert_eq!(after, before);
    }
    free(&heap, keep, layout(100, 8));
}

#[test]
fn kmalloc_aligns_to_two_words_and_powers_of_two_to_themselves() {
    for mode in [Mode::SimpleHeap, Mode::TwoTier, Mode::Hybrid] {
        let machine = Machine::new(1024);
        let heap = heap_of(&machine, mode, growth::Config { initial: 0, step: 64, max: 512 });
        let mut blocks = Vec::new();
        for size in (0..100).chain((7..18).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1]))
        {
            let block = heap.kmalloc(size).unwrap().as_ptr();
            assert!(block.addr().is_multiple_of(2 * size_of::<usize>()), "{size} bytes at {block:?}");
            if size.is_power_of_two() {
                assert!(block.addr().is_multiple_of(size.min(1 << 16)), "{size} bytes at {block:?}");
            }
            // SAFETY: the block has so many bytes.
            unsafe { block.write_bytes(0xa5, size) };
            blocks.push(block);
        }
        blocks.iter().for_each(|block| assert_eq!(kfree(&heap, *block), Ok(()), "{mode:?}"));
        assert_eq!((heap.stats().live, heap.stats().requested), (0, 0));
    }
}

#[test]
fn the_family_answers_as_c_expects() {
    let machine = Machine::new(256);
    let heap = heap_of(&machine, Mode::TwoTier, POOL);
    assert_eq!(kfree(&heap, ptr::null_mut()), Ok(()));
    assert!(matches!(heap.kcalloc(usize::MAX / 2, 3), Err(AllocError::BadRequest { .. })));
    assert!(heap.kmalloc(usize::MAX).is_err());
    // SAFETY: null is no block; here and below the blocks are the test's.
    let block = unsafe { heap.krealloc(ptr::null_mut(), 10) }.unwrap();
    // SAFETY: as above.
    let larger = unsafe { heap.krealloc(block.as_ptr(), 20_000) }.unwrap();
    assert!(heap.usable_size(larger).unwrap() >= 20_000);
    // SAFETY: as above.
    let smaller = unsafe { heap.krealloc(larger.as_ptr(), 0) }.unwrap();
    assert!(heap.usable_size(smaller).unwrap() <= 16);
    assert_eq!(kfree(&heap, smaller.as_ptr()), Ok(()));
    assert_eq!(kfree(&heap, smaller.as_ptr()), Err(FreeError::DoubleFree(smaller)));
    let zeroed = heap.kcalloc(100, 30).unwrap().cast::<[u8; 3000]>();
    // SAFETY: as above.
    assert_eq!(unsafe { zeroed.read() }, [0; 3000]);
    assert_eq!(kfree(&heap, zeroed.as_ptr().cast()), Ok(()));
}

#[test]
fn an_over_aligned_block_of_the_pool_needs_its_layout() {
    let machine = Machine::new(64);
    let heap = heap_of(&machine, Mode::SimpleHeap, POOL);
    let wide = layout(700, 256);
    let block = heap.allocate(wide).unwrap();
    assert_eq!(kfree(&heap, block.as_ptr()), Err(FreeError::LayoutRequired(block)));
    assert_eq!(heap.stats().refused.layout_required, 1);
    free(&heap, block, wide);
}
