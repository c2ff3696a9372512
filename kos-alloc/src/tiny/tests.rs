//! The tiny heap against its model, and its promises one by one.

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use std::fs;

use proptest::collection::vec as vec_of;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::{LendError, SimpleHeap, Tiny};
use crate::error::{AllocError, FreeError};
use crate::testing::{HostEnv, cases, fuzz};

/// What a microcontroller would lend: 4 KiB, aligned to a word.
fn four_kib() -> &'static mut [MaybeUninit<u8>] {
    let words: &'static mut [MaybeUninit<u64>] = Box::leak(Box::new([MaybeUninit::uninit(); 512]));
    // SAFETY: the same memory as bytes, lent for ever.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), 4096) }
}

fn small_heap() -> SimpleHeap<HostEnv, 8, 4> {
    let heap = SimpleHeap::new(HostEnv::without_memory());
    heap.lend(four_kib()).unwrap();
    heap
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn random_operations_agree_with_the_model() {
    let config = Config {
        cases: cases(),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&vec_of(any::<u8>(), 0..400), |data| {
        fuzz::tiny_ops(&data);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn the_corpus_of_tiny_ops_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/tiny_ops");
    let corpus: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| fuzz::tiny_ops(&fs::read(path).unwrap()));
}

#[test]
fn four_kib_hold_most_of_four_kib() {
    let heap = small_heap();
    let mut blocks = 0;
    while heap.allocate(layout(48, 8)).is_ok() {
        blocks += 1;
    }
    // 64 bytes each with the header; the books take less than an eighth.
    assert!(blocks * 64 >= 4096 * 7 / 8, "{blocks} blocks");
    assert!(matches!(heap.allocate(layout(1, 1)), Ok(_) | Err(AllocError::NoMemory { requested: 1, .. })));
    assert_eq!(heap.check(), Ok(()));
}

#[test]
fn any_start_and_length_is_used_to_the_last_granule() {
    let mut memory = vec![0u8; 3000];
    for (skip, len) in (0..70).flat_map(|skip| [600, 601, 777, 1024, 2011].map(|len| (skip, len))) {
        let mut heap = Tiny::<8, 4>::new();
        let range = NonNull::from(&mut memory[skip..skip + len]);
        // SAFETY: the memory outlives the heap.
        unsafe { heap.lend(range) }.unwrap();
        let mut taken = 0;
        while let Ok(block) = heap.allocate(layout(16, 8)) {
            taken += heap.usable_size(block).unwrap() + 16;
        }
        // What is not block is the head, the map, the sentinel, and less than a granule at each of the seams.
        assert!(taken + 480 + len / 100 + 96 > len, "{taken} of {len} bytes from {skip}");
        assert_eq!(heap.check(), Ok(()));
    }
}

#[test]
fn too_small_and_too_large_ranges_are_refused_and_say_what_would_do() {
    let mut memory = vec![0u8; 20_003];
    let mut lend = |len: usize| {
        let range = NonNull::from(&mut memory[3..3 + len]);
        // SAFETY: the memory outlives the heap.
        unsafe { Tiny::<8, 4>::new().lend(range) }
    };
    for len in [0, 1, 8, 100, 300, 400, 500] {
        let Err(LendError::TooSmall { given, needed }) = lend(len) else { continue };
        assert!(given == len && len < needed && needed < 600);
        assert_eq!(lend(needed), Ok(()));
    }
    assert!(lend(300).is_err());
    let Err(LendError::TooLarge { given: 20_000, max }) = lend(20_000) else {
        panic!("more than the lists can describe")
    };
    assert_eq!(lend(max), Ok(()));
}

#[test]
fn a_range_for_a_layout_holds_a_block_of_it_wherever_it_starts() {
    let mut memory = vec![0u8; 1 << 16];
    for step in 0..20_000usize {
        let block = layout(1 + step * 7919 % 20_000, 1 << (step % 12));
        let (skip, needed) = (step * 31 % 97, Tiny::<12, 4>::range_for(block).unwrap());
        let mut heap = Tiny::<12, 4>::new();
        // SAFETY: the memory outlives the heap.
        unsafe { heap.lend(NonNull::from(&mut memory[skip..skip + needed])) }.unwrap();
        assert!(heap.allocate(block).is_ok(), "{block:?} in {needed} bytes");
    }
    assert_eq!(Tiny::<12, 4>::range_for(layout(1 << 20, 1)), None);
}

#[test]
fn no_memory_and_impossible_requests_are_told_apart() {
    let heap = SimpleHeap::<HostEnv, 8, 4>::new(HostEnv::without_memory());
    assert_eq!(heap.allocate(layout(8, 8)), Err(AllocError::NotReady));
    heap.lend(four_kib()).unwrap();
    let Err(AllocError::NoMemory { requested: 4096, largest_free }) = heap.allocate(layout(4096, 8)) else {
        panic!("4096 bytes of 4096 with books")
    };
    assert!(heap.allocate(layout(largest_free * 3 / 4, 8)).is_ok());
    assert_eq!(heap.allocate(layout(1 << 20, 8)), Err(AllocError::BadRequest { size: 1 << 20, align: 8 }));
    assert_eq!(heap.stats().failed, 3);
}

#[test]
fn ten_thousand_bad_frees_are_refused_and_change_nothing() {
    let heap = small_heap();
    let block = heap.allocate(layout(100, 8)).unwrap();
    let wide = heap.allocate(layout(100, 64)).unwrap();
    let gone = heap.allocate(layout(100, 8)).unwrap();
    // SAFETY: nobody uses it.
    unsafe { heap.free(gone, layout(100, 8)) }.unwrap();
    let before = heap.stats();
    let into = |block: NonNull<u8>, distance: usize| {
        block.map_addr(|address| address.checked_add(distance).unwrap())
    };
    for step in 0..10_000 {
        let inside = into(block, 1 + step % 99);
        let (ptr, given, expected) = match step % 5 {
            0 => (gone, layout(100, 8), FreeError::DoubleFree(gone)),
            1 => (inside, layout(100, 8), FreeError::Interior { at: inside, block }),
            2 => (
                block,
                layout(200 + step, 8),
                FreeError::WrongSize { at: block, given: (200 + step).next_multiple_of(8), actual: 112 },
            ),
            3 => (wide, layout(100, 8), FreeError::WrongSize { at: wide, given: 104, actual: 128 }),
            _ => (
                NonNull::from(&before).cast(),
                layout(8, 8),
                FreeError::NotManaged(NonNull::from(&before).cast()),
            ),
        };
        // SAFETY: it is refused.
        assert_eq!(unsafe { heap.free(ptr, given) }, Err(expected));
    }
    let mut after = heap.stats();
    assert_eq!(after.refused, 10_000);
    after.refused = 0;
    assert_eq!(after, before);
    assert_eq!(heap.check(), Ok(()));
}

#[test]
fn a_layout_is_needed_only_where_the_alignment_cannot_be_known() {
    let heap = small_heap();
    let free = |layout: Layout| {
        let block = heap.allocate(layout).unwrap();
        // SAFETY: nobody uses it.
        let freed = unsafe { heap.free_without_layout(block) };
        if freed.is_err() {
            // SAFETY: as above; it was refused.
            unsafe { heap.free(block, layout) }.unwrap();
        }
        freed.map_err(|error| error == FreeError::LayoutRequired(block))
    };
    assert_eq!(free(layout(20, 8)), Ok(48));
    assert_eq!(free(layout(20, 16)), Ok(48));
    assert_eq!(free(layout(64, 64)), Ok(64));
    assert_eq!(free(layout(256, 256)), Ok(256));
    assert_eq!(free(layout(96, 64)), Err(true));
    assert_eq!(heap.stats().live, 0);
}

#[test]
fn a_block_grows_into_what_is_free_behind_it_and_shrinks() {
    let heap = small_heap();
    let block = heap.allocate(layout(100, 8)).unwrap();
    // SAFETY: the block is the test's own, here and below.
    let resize = |old: usize, new: usize| unsafe { heap.reallocate(block, layout(old, 8), new) };
    assert_eq!(resize(100, 1000), Ok(block));
    assert_eq!(resize(1000, 40), Ok(block));
    let next = heap.allocate(layout(100, 64)).unwrap();
    let moved = resize(40, 2000).unwrap();
    assert_ne!(moved, block);
    // SAFETY: as above.
    assert!(unsafe { heap.reallocate(moved, layout(2000, 8), 4000) }.is_err());
    assert_eq!(heap.stats().live_blocks, 2);
    // SAFETY: as above.
    unsafe { heap.free(moved, layout(2000, 8)) }.unwrap();
    // SAFETY: as above.
    unsafe { heap.free(next, layout(100, 64)) }.unwrap();
    assert_eq!((heap.stats().live_blocks, heap.check()), (0, Ok(())));
}

#[test]
fn only_an_empty_range_goes_back() {
    let heap = small_heap();
    let second = four_kib();
    let lent = NonNull::from(&mut *second);
    heap.lend(second).unwrap();
    let first: Vec<_> = core::iter::from_fn(|| heap.allocate(layout(500, 8)).ok()).collect();
    assert_eq!(heap.take_empty(), None);
    for block in &first {
        // SAFETY: nobody uses it.
        unsafe { heap.free(*block, layout(500, 8)) }.unwrap();
    }
    let block = heap.allocate(layout(500, 8)).unwrap();
    // The older range fills first, so the younger one goes.
    assert_eq!(heap.take_empty().map(|range| range.cast::<u8>()), Some(lent.cast()));
    assert_eq!(heap.take_empty(), None);
    // SAFETY: nobody uses it.
    unsafe { heap.free(block, layout(500, 8)) }.unwrap();
    assert!(heap.take_empty().is_some());
    // SAFETY: it is refused.
    assert_eq!(unsafe { heap.free(block, layout(500, 8)) }, Err(FreeError::NotReady(block)));
}

#[test]
fn a_wrong_free_through_the_global_allocator_is_told() {
    let heap = small_heap();
    let layout = layout(10, 1);
    // SAFETY: the layout is not empty.
    let block = unsafe { heap.alloc(layout) };
    // SAFETY: the block is live.
    unsafe { heap.dealloc(block, layout) };
    // SAFETY: it is refused.
    unsafe { heap.dealloc(block, layout) };
    let told = heap.env().take_violations();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].error, FreeError::DoubleFree(NonNull::new(block).unwrap()));
}
