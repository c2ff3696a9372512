//! Wrong frees: each is reported as what it is, and changes nothing.

use core::alloc::GlobalAlloc;
use core::ptr::NonNull;

use super::{Machine, TestHeap, free, layout, try_free};
use crate::error::FreeError;
use crate::ports::{Env, FrameAlloc};
use crate::testing::{BadFree, HeapModel, HeapOp, HostEnv};
use crate::types::FrameRequest;

/// Sizes that visit every class and blocks of several frames.
fn size(step: usize) -> usize {
    match step % 8 {
        7 => 8193 + step * 977 % 30_000,
        _ => 2 + step * 631 % 8191,
    }
}

#[test]
fn ten_thousand_bad_frees_are_all_reported() {
    let machine = Machine::new(2048);
    bad_frees(&machine.heap());
}

#[test]
fn ten_thousand_bad_frees_are_all_reported_with_caches() {
    let machine = Machine::new(2048);
    bad_frees(&machine.hybrid(256 << 10));
}

fn bad_frees(heap: &TestHeap<'_>) {
    let mut model = HeapModel::new(heap);
    for step in 0..200 {
        model.step(HeapOp::Allocate(layout(size(step), 1 << (step % 5))));
    }
    for step in 0..10_000 {
        let before = heap.stats();
        // The counts are those of the four kinds, so that each is injected 2500 times.
        let kind = match step % 4 {
            0 => BadFree::Interior(step, step * 7),
            1 => BadFree::WrongSize(step, step),
            2 if step % 8 == 2 => BadFree::WrongAlign(step),
            2 => BadFree::WrongSize(step, step * 4096),
            _ => BadFree::Foreign(step / 4),
        };
        model.step(HeapOp::BadFree(kind));
        let mut after = heap.stats();
        assert_eq!(after.refused.total(), before.refused.total() + 1, "{kind:?}");
        after.refused = before.refused;
        assert_eq!(after, before, "{kind:?} changed something");
    }
    assert_eq!(heap.stats().refused.total(), 10_000);
    model.check();
    model.free_all();
    model.check();
}

#[test]
fn ten_thousand_double_frees_are_all_reported() {
    let machine = Machine::new(1024);
    double_frees(&machine.heap());
}

#[test]
fn ten_thousand_double_frees_are_all_reported_with_caches() {
    let machine = Machine::new(1024);
    double_frees(&machine.hybrid(256 << 10));
}

fn double_frees(heap: &TestHeap<'_>) {
    let mut model = HeapModel::new(heap);
    for step in 0..10_000 {
        model.step(HeapOp::Allocate(layout(size(step), 8)));
        // One in two is freed twice: blocks of slabs that stay, of slabs that went back, of frames.
        if step % 2 == 1 {
            model.step(HeapOp::BadFree(BadFree::Double(step * 13)));
            model.step(HeapOp::BadFree(BadFree::Double(step * 7)));
        }
    }
    assert_eq!(heap.stats().refused.double_free, 10_000);
    assert_eq!(heap.stats().refused.total(), 10_000);
    model.check();
}

/// arceos#327, buddy-slab-allocator 0.6: checks that stand in debug builds only.
#[test]
fn double_free_is_an_error_in_release() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    for size in [8, 64, 4096, 20_000] {
        let layout = layout(size, 8);
        let (kept, block) = (heap.allocate(layout).unwrap(), heap.allocate(layout).unwrap());
        free(&heap, block, layout);
        assert_eq!(try_free(&heap, block, layout), Err(FreeError::DoubleFree(block)));
        free(&heap, kept, layout);
    }
    assert_eq!(heap.check(), Ok(()));
}

/// Every frame of a block that went back is known as such, not only its first.
#[test]
fn a_pointer_into_a_returned_block_is_a_double_free() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let large = layout(3 * 4096, 4096);
    let (kept, block) = (heap.allocate(large).unwrap(), heap.allocate(large).unwrap());
    free(&heap, block, large);
    for offset in [0, 8, 4096, 8192, 12_287] {
        let ptr = block.map_addr(|address| address.saturating_add(offset));
        assert_eq!(try_free(&heap, ptr, large), Err(FreeError::DoubleFree(ptr)), "{offset}");
    }
    free(&heap, kept, large);
}

#[test]
fn frames_that_are_not_the_heaps_are_foreign() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let own = machine.frames.allocate(&FrameRequest::new(2)).unwrap();
    let word = layout(8, 8);
    let kept = heap.allocate(word).unwrap();
    let page_map = machine.frames.span().start();
    for frame in [page_map, own.start()] {
        for offset in [0, 8, 4088] {
            let ptr =
                machine.env.address_of(frame).unwrap().map_addr(|address| address.saturating_add(offset));
            assert_eq!(try_free(&heap, ptr, word), Err(FreeError::NotManaged(ptr)));
        }
    }
    let header = kept.map_addr(|address| core::num::NonZero::new(address.get() & !4095).unwrap());
    assert_eq!(
        try_free(&heap, header, word),
        Err(FreeError::NotManaged(header)),
        "a slab's head is no block"
    );
}

#[test]
fn a_block_of_another_heap_is_not_managed() {
    let machine = Machine::new(128);
    let (ours, theirs) = (machine.heap(), machine.heap());
    for size in [8, 1000, 8192, 50_000] {
        let layout = layout(size, 8);
        let block = theirs.allocate(layout).unwrap();
        assert_eq!(try_free(&ours, block, layout), Err(FreeError::NotManaged(block)));
        free(&theirs, block, layout);
    }
    assert_eq!((ours.check(), theirs.check()), (Ok(()), Ok(())));
}

/// Who overruns a block into the next slab's head is told so when that slab is next freed into, not obeyed.
#[test]
fn a_trampled_head_is_reported_as_corrupt() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let word = layout(8, 8);
    let block = heap.allocate(word).unwrap();
    let frame = machine.env.direct_map().frame_of(block.addr().get(), HostEnv::PAGE_SHIFT).unwrap();
    let head = machine.env.address_of(frame).unwrap();
    // SAFETY: the head is memory of the arena; the test plays the overrun.
    unsafe { head.write_bytes(0x11, 4) };
    assert_eq!(try_free(&heap, block, word), Err(FreeError::Corrupt(block)));
    assert!(heap.check().is_err());
}

/// Nor does a trampled bitmap lead out of the slab: the class goes on with another.
#[test]
fn a_trampled_bitmap_hands_out_no_block_that_does_not_exist() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let line = layout(64, 8);
    let block = heap.allocate(line).unwrap();
    let frame = machine.env.direct_map().frame_of(block.addr().get(), HostEnv::PAGE_SHIFT).unwrap();
    let head = machine.env.address_of(frame).unwrap();
    // The head has 40 bytes, then comes the one word of the bitmap: only block 63 is free, of blocks 0 to 62.
    let bitmap = head.map_addr(|address| address.saturating_add(40)).cast::<u64>();
    // SAFETY: the bitmap is memory of the arena; the test plays the overrun.
    unsafe { bitmap.write(1 << 63) };
    let next = heap.allocate(line).unwrap();
    assert!(next.addr().get() < head.addr().get() || next.addr().get() >= head.addr().get() + 4096);
    assert!(heap.check().is_err());
}

#[test]
fn the_global_allocator_tells_of_wrong_frees() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let layout = layout(100, 8);
    // SAFETY: the layout is not empty.
    let block = unsafe { heap.alloc(layout) };
    // SAFETY: the block is live and unused.
    unsafe { heap.dealloc(block, layout) };
    assert!(machine.env.take_violations().is_empty());
    // SAFETY: it must be refused.
    unsafe { heap.dealloc(block, layout) };
    // SAFETY: it must be refused.
    assert!(unsafe { heap.realloc(block, layout, 200) }.is_null());
    let told = machine.env.take_violations();
    let expected = FreeError::DoubleFree(NonNull::new(block).unwrap());
    assert_eq!(told.iter().map(|violation| violation.error).collect::<alloc::vec::Vec<_>>(), [expected; 2]);
}
