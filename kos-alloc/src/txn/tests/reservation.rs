//! What a reservation promises.

use core::cell::Cell;

use alloc::vec::Vec;

use super::{Counted, NOTHING, bytes, frames, free, free_frames, heap, live};
use crate::error::AllocError;
use crate::ports::Env;
use crate::testing::{FaultyHeap, HostEnv, PlainFrames};
use crate::txn::TakeError;
use crate::types::{FrameRange, Pfn};
use crate::{BlockAlloc, HeapConfig, KernelHeap, Reservation};

#[test]
fn what_is_not_taken_goes_back() {
    let heap = heap();
    let mut reserved = Reservation::new(&heap, &[(bytes(64), 3), (bytes(8), 2)], &[(frames(4), 2)]).unwrap();
    assert_eq!(heap.live().frames, 8);
    let block = reserved.take(bytes(64)).unwrap();
    let range = reserved.take_frames(&frames(4)).unwrap();
    drop(reserved);
    assert_eq!(heap.live(), live(1, 64, 4));
    free(&heap, block, bytes(64));
    free_frames(&heap, range);
}

#[test]
fn exactly_what_was_reserved_can_be_taken() {
    let heap = heap();
    let mut reserved = Reservation::new(&heap, &[(bytes(64), 2), (bytes(64), 1)], &[]).unwrap();
    let taken: Vec<_> = core::iter::from_fn(|| reserved.take(bytes(64)).ok()).collect();
    assert_eq!(taken.len(), 3);
    assert_eq!(reserved.take(bytes(64)), Err(TakeError::UsedUp { reserved: 3 }));
    assert_eq!(reserved.take(bytes(65)), Err(TakeError::NotReserved));
    assert_eq!(reserved.take_frames(&frames(1)), Err(TakeError::NotReserved));
    for block in taken {
        free(&heap, block, bytes(64));
    }
}

#[test]
fn every_failure_while_reserving_holds_nothing() {
    let heap = heap();
    let blocks = [(bytes(1), 3), (bytes(4096), 2), (bytes(0), 1)];
    let runs = [(frames(1), 4), (frames(8).aligned(8), 1)];
    for k in 0..12 {
        heap.fail_at(Some(k));
        let error = Reservation::new(&heap, &blocks, &runs).err();
        assert_eq!(error.is_some(), k < 12, "allocation {k} failed");
        assert_eq!(matches!(error, Some(AllocError::Frames(_))), k >= 7, "{error:?}");
        assert_eq!((heap.live(), heap.calls()), (NOTHING, k + 1));
    }
    heap.fail_at(Some(12));
    drop(Reservation::new(&heap, &blocks, &runs).unwrap());
    assert_eq!((heap.live(), heap.calls()), (NOTHING, 12));
}

#[test]
fn absurd_counts_are_errors() {
    let heap = heap();
    for blocks in [[(bytes(8), usize::MAX), (bytes(8), 1)], [(bytes(8), usize::MAX / 16), (bytes(8), 0)]] {
        let error = Reservation::new(&heap, &blocks, &[]).err();
        assert!(matches!(error, Some(AllocError::BadRequest { .. })), "{error:?}");
    }
    assert_eq!((heap.live(), heap.calls()), (NOTHING, 0));
}

#[test]
fn an_empty_reservation_is_one() {
    let heap = heap();
    let mut reserved = Reservation::new(&heap, &[], &[]).unwrap();
    assert_eq!(reserved.take(bytes(8)), Err(TakeError::NotReserved));
    drop(reserved);
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_box_is_made_in_a_reserved_block() {
    let (heap, dropped) = (heap(), Cell::new(0));
    let layout = core::alloc::Layout::new::<(u64, Counted<'_>)>();
    let mut reserved = Reservation::new(&heap, &[(layout, 1)], &[]).unwrap();
    let boxed = reserved.take_box((9u64, Counted(&dropped))).unwrap();
    assert!(reserved.take_box((9u64, Counted(&dropped))).is_err());
    assert_eq!(dropped.get(), 1, "the value for which nothing was reserved");
    drop(reserved);
    assert_eq!((boxed.0, heap.live().blocks), (9, 1));
    drop(boxed);
    assert_eq!((dropped.get(), heap.live()), (2, NOTHING));
}

/// The heap is dry, interrupts are masked: each piece is there, and neither a lock nor the heap is asked for it.
#[test]
fn after_exhaustion_every_reserved_allocation_succeeds_masked() {
    let span = FrameRange::new(Pfn(0x1_0003), 96).unwrap();
    let env = HostEnv::new(span);
    let kernel = KernelHeap::new(&env, PlainFrames::new(span));
    kernel.init(HeapConfig::default()).unwrap();
    let heap = FaultyHeap::new(&kernel);
    let kinds = [(bytes(8), 40), (bytes(100), 10), (bytes(8192), 2), (bytes(20_000), 1)];
    let runs = [(frames(1), 8), (frames(4).aligned(4), 2)];
    let mut reserved = Reservation::new(&heap, &kinds, &runs).unwrap();
    let hoard = exhaust(&heap);
    let (masked, calls, frees) = (env.masked(), heap.calls(), heap.frees());
    {
        let _masked = env.irq_save();
        for (layout, count) in kinds {
            for _ in 0..count {
                let block = reserved.take(layout).unwrap();
                assert_eq!(block.addr().get() % layout.align(), 0);
                // SAFETY: the block is the test's, and has so many bytes. They are never freed: the heap dies with them.
                unsafe { block.write_bytes(0x5a, layout.size()) };
            }
        }
        for (request, count) in runs {
            for _ in 0..count {
                let range = reserved.take_frames(&request).unwrap();
                assert_eq!((range.count(), range.start().0 % request.align), (request.count, 0));
            }
        }
    }
    assert_eq!(env.masked(), masked + 1, "a lock was taken");
    assert_eq!((heap.calls(), heap.frees()), (calls, frees), "a port was called");
    for (block, layout) in hoard {
        free(&heap, block, layout);
    }
    assert_eq!(kernel.check(), Ok(()));
}

/// Takes all that there is, in blocks of each size.
fn exhaust(heap: &impl BlockAlloc) -> Vec<(core::ptr::NonNull<u8>, core::alloc::Layout)> {
    let mut hoard = Vec::new();
    for size in [1 << 16, 8192, 4096, 1024, 100, 64, 8] {
        while let Ok(block) = heap.allocate(bytes(size)) {
            hoard.push((block, bytes(size)));
        }
    }
    hoard
}

/// An interrupt handler is another context: the reservation can be moved there.
#[test]
fn a_reservation_can_be_sent() {
    let heap = heap();
    let mut reserved = Reservation::new(&heap, &[(bytes(8), 1)], &[]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || assert!(reserved.take(bytes(8)).is_ok()));
    });
    assert_eq!(heap.live(), live(1, 8, 0));
}

#[test]
fn what_the_heap_refuses_is_leaked_without_a_word() {
    let heap = heap();
    let reserved = Reservation::new(&heap, &[(bytes(8), 2)], &[(frames(1), 1)]).unwrap();
    heap.refuse_frees(true);
    drop(reserved);
    assert_eq!(heap.frees(), 4);
    heap.refuse_frees(false);
}
