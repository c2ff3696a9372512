//! `with_transaction!` and `try_allocate!`.

use core::cell::Cell;

use super::{Counted, NOTHING, TestHeap, bytes, frames, heap, live};
use crate::error::AllocError;
use crate::txn::{BlockBox, LogEntry};
use crate::{try_allocate, with_transaction};

/// Does `steps` things, then fails if it is told to.
fn story(heap: &TestHeap, steps: usize, fails: bool) -> Result<usize, AllocError> {
    with_transaction!(heap, {
        for step in 0..steps {
            try_allocate!(heap, 8 + step)?;
        }
        if fails {
            return Err(AllocError::WouldBlock);
        }
        heap.allocate_frames(&frames(2))?;
        Ok(steps)
    })
}

#[test]
fn ok_commits_and_err_rolls_back() {
    let heap = heap();
    assert_eq!(story(&heap, 3, true), Err(AllocError::WouldBlock));
    assert_eq!(heap.live(), NOTHING);
    assert_eq!(story(&heap, 3, false), Ok(3));
    assert_eq!(heap.live(), live(3, 27, 2));
    assert_eq!(story(&heap, 16, false), Err(AllocError::LogFull { capacity: 16 }));
    assert_eq!(heap.live(), live(3, 27, 2));
}

#[test]
fn the_question_mark_rolls_back() {
    let heap = heap();
    for k in 0..4 {
        heap.fail_at(Some(k));
        assert!(story(&heap, 3, false).is_err());
        assert_eq!((heap.live(), heap.calls()), (NOTHING, k + 1));
    }
}

#[test]
fn inside_another_it_nests() {
    let heap = heap();
    let result = with_transaction!(heap, entries = 8, {
        try_allocate!(heap, 100)?;
        let failed = with_transaction!(heap, {
            try_allocate!(heap, 200)?;
            try_allocate!(heap, 1, 3)
        });
        assert_eq!(failed, Err(AllocError::BadRequest { size: 1, align: 3 }));
        let inner = with_transaction!(heap, { try_allocate!(heap, 300, 64) });
        assert_eq!(inner?.addr().get() % 64, 0);
        Ok::<_, AllocError>(heap.room())
    });
    assert_eq!((result, heap.live()), (Ok(6), live(2, 400, 0)));
}

#[test]
fn the_log_may_be_lent() {
    let heap = heap();
    let mut log = [LogEntry::EMPTY; 1];
    let result = with_transaction!(heap, log = &mut log, {
        try_allocate!(heap, 8)?;
        try_allocate!(heap, 8)
    });
    assert_eq!((result, heap.live()), (Err(AllocError::LogFull { capacity: 1 }), NOTHING));
}

/// A box outlives the block only if it is kept, and the heap only if it is borrowed for as long.
fn made<'h, 'd>(
    heap: &'h TestHeap,
    dropped: &'d Cell<usize>,
) -> Result<BlockBox<'h, TestHeap, Counted<'d>>, AllocError>
where
    'd: 'h,
{
    with_transaction!(heap, { Ok(heap.new_box(Counted(dropped))?.keep()) })
}

#[test]
fn a_kept_box_leaves_the_block() {
    let (dropped, heap) = (Cell::new(0), heap());
    let kept = made(&heap, &dropped).unwrap();
    assert_eq!((dropped.get(), heap.live().blocks), (0, 1));
    drop(kept);
    assert_eq!((dropped.get(), heap.live()), (1, NOTHING));
}

/// Names of the caller that the expansions use too.
#[test]
fn the_macros_are_hygienic() {
    struct Result;
    struct Ok;
    let _ = (Result, Ok);
    let heap = heap();
    let (transaction, result, layout, error) = (1usize, 2usize, 3usize, 4usize);
    let sum = with_transaction!(heap, {
        let block = try_allocate!(heap, transaction + result + layout + error)?;
        core::result::Result::<_, AllocError>::Ok((block, transaction + result + layout + error))
    });
    assert_eq!(sum.map(|(_, sum)| sum), core::result::Result::Ok(10));
}

/// On a heap, the block is the caller's; every way of naming a heap serves.
#[test]
fn try_allocate_serves_heaps_and_transactions() {
    let heap = heap();
    let by_reference = &heap;
    let direct = try_allocate!(by_reference, 48).unwrap();
    assert_eq!(direct.addr().get() % 16, 0);
    super::free(&heap, direct, core::alloc::Layout::from_size_align(48, 16).unwrap());
    let tx = crate::Transaction::begin::<1>(by_reference);
    assert!(try_allocate!(tx, 48, 8).is_ok());
    assert!(try_allocate!(heap.inner(), usize::MAX).is_err());
    assert_eq!(tx.allocate(bytes(8)), Err(AllocError::LogFull { capacity: 1 }));
}
