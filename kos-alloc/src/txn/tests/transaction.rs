//! What a transaction promises, one by one.

use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use alloc::vec::Vec;

use super::{Counted, NOTHING, Witness, bytes, frames, free, free_frames, heap, live};
use crate::error::{AllocError, FrameError, FreeError};
use crate::ports::{BlockAlloc, FrameAlloc};
use crate::testing::{FakeHeap, HostEnv, PlainFrames};
use crate::txn::{Inline, LogEntry, Refused, RefusedFree, SavepointError};
use crate::types::{FrameRange, Pfn};
use crate::{HeapConfig, KernelHeap, Transaction};

#[test]
fn a_dropped_transaction_leaves_nothing() {
    let heap = heap();
    let tx = Transaction::begin::<4>(&heap);
    tx.allocate(bytes(100)).unwrap();
    tx.allocate_frames(&frames(3)).unwrap();
    tx.new_box([7u64; 5]).unwrap();
    assert_eq!(heap.live(), live(2, 140, 3));
    drop(tx);
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_committed_transaction_leaves_everything() {
    let heap = heap();
    let tx = Transaction::begin::<4>(&heap);
    let block = tx.allocate(bytes(100)).unwrap();
    let range = tx.allocate_frames(&frames(3)).unwrap();
    assert_eq!(tx.commit(), None);
    assert_eq!(heap.live(), live(1, 100, 3));
    free(&heap, block, bytes(100));
    free_frames(&heap, range);
}

#[test]
fn rollback_is_last_in_first_out() {
    let (heap, dropped) = (heap(), RefCell::new(Vec::new()));
    let tx = Transaction::begin::<4>(&heap);
    for number in 1..=4 {
        tx.new_box(Witness(number, &dropped)).unwrap();
    }
    assert_eq!(tx.rollback(), Ok(()));
    assert_eq!(*dropped.borrow(), [4, 3, 2, 1]);
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_full_log_allocates_nothing_and_the_transaction_goes_on() {
    let heap = heap();
    let mut tx = Transaction::begin::<2>(&heap);
    let start = tx.savepoint();
    tx.allocate(bytes(8)).unwrap();
    tx.allocate_frames(&frames(1)).unwrap();
    let (full, calls) = (AllocError::LogFull { capacity: 2 }, heap.calls());
    let dropped = Cell::new(0);
    assert_eq!(tx.room(), 0);
    assert_eq!(tx.allocate(bytes(8)), Err(full));
    assert_eq!(tx.allocate_frames(&frames(1)), Err(full));
    assert_eq!(tx.new_box(Counted(&dropped)).map(drop), Err(full));
    assert_eq!(dropped.get(), 1, "the value that found no room");
    let made = Cell::new(false);
    assert_eq!(tx.new_box_with(|| made.set(true)).map(drop), Err(full));
    assert!(!made.get(), "a value for which there is no room is not made");
    assert_eq!(heap.calls(), calls, "the heap was asked although the log was full");
    tx.rollback_to(start).unwrap();
    tx.allocate(bytes(8)).unwrap();
    drop(tx);
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_failed_allocation_takes_no_slot() {
    let heap = heap();
    let tx = Transaction::begin::<3>(&heap);
    tx.allocate(bytes(8)).unwrap();
    heap.fail_at(Some(0));
    assert_eq!(tx.allocate(bytes(9)), Err(AllocError::NoMemory { requested: 9, largest_free: 0 }));
    heap.fail_at(Some(0));
    let error = FrameError::NoMemory { requested: 2, largest_free: 0 };
    assert_eq!(tx.allocate_frames(&frames(2)), Err(AllocError::Frames(error)));
    heap.fail_at(Some(0));
    assert!(tx.new_box(1u64).is_err());
    assert_eq!(tx.room(), 2);
    assert_eq!(heap.live(), live(1, 8, 0));
}

#[test]
fn a_log_without_slots_does_nothing() {
    let heap = heap();
    assert!(Transaction::begin::<0>(&heap).allocate(bytes(8)).is_err());
    assert!(Transaction::begin_in(&heap, &mut []).allocate(bytes(8)).is_err());
    assert_eq!(heap.calls(), 0);
}

/// The heap sees the allocations that were asked for and no other; 1000 of them in a lent log.
#[test]
fn the_log_allocates_nothing() {
    let heap = heap();
    let mut log = [LogEntry::EMPTY; 1000];
    for round in 0..3 {
        heap.fail_at(None);
        let mut tx = Transaction::begin_in(&heap, &mut log);
        for size in 0..400 {
            tx.allocate(bytes(size)).unwrap();
        }
        let place = tx.savepoint();
        let nested = tx.nested();
        for count in 0..400 {
            nested.new_box(count).unwrap();
        }
        nested.commit();
        tx.rollback_to(place).unwrap();
        assert_eq!(tx.room(), 600);
        assert_eq!(heap.calls(), 800, "allocations of the log's own in round {round}");
    }
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn an_entry_is_five_words() {
    assert_eq!(size_of::<LogEntry>(), 5 * size_of::<usize>());
}

#[test]
fn a_deferred_free_waits_for_the_commit() {
    let heap = heap();
    let old = heap.allocate(bytes(64)).unwrap();
    let old_frames = heap.frames().allocate(&frames(2)).unwrap();
    for commits in [false, true] {
        let tx = Transaction::begin::<4>(&heap);
        tx.allocate(bytes(32)).unwrap();
        // SAFETY: both are live, and nobody uses them.
        unsafe { tx.defer_free(old, bytes(64)) }.unwrap();
        // SAFETY: as above.
        unsafe { tx.defer_free_frames(old_frames) }.unwrap();
        assert_eq!(heap.live(), live(2, 96, 2));
        if commits {
            assert_eq!(tx.commit(), None);
            assert_eq!(heap.live(), live(1, 32, 0));
        } else {
            drop(tx);
            assert_eq!(heap.live(), live(1, 64, 2));
        }
    }
}

#[test]
fn a_deferred_free_needs_a_slot() {
    let heap = heap();
    let old = heap.allocate(bytes(64)).unwrap();
    let tx = Transaction::begin::<0>(&heap);
    // SAFETY: the block is live, and nobody uses it.
    assert_eq!(unsafe { tx.defer_free(old, bytes(64)) }, Err(AllocError::LogFull { capacity: 0 }));
    assert_eq!(tx.commit(), None);
    free(&heap, old, bytes(64));
}

#[test]
fn a_forgotten_transaction_merely_leaks() {
    let (heap, dropped) = (heap(), Cell::new(0));
    let mut log = [LogEntry::EMPTY; 4];
    let tx = Transaction::begin_in(&heap, &mut log);
    tx.new_box(Counted(&dropped)).unwrap();
    let _ = ManuallyDrop::new(tx);
    let tx = Transaction::begin_in(&heap, &mut log);
    assert_eq!(tx.room(), 4, "the log is as good as new");
    drop(tx);
    assert_eq!((dropped.get(), heap.live().blocks), (0, 1));
}

#[test]
fn refused_frees_are_told_by_rollback_and_commit() {
    let heap = heap();
    let tx = Transaction::begin::<4>(&heap);
    let first = tx.allocate(bytes(8)).unwrap();
    let range = tx.allocate_frames(&frames(2)).unwrap();
    let dropped = Cell::new(0);
    tx.new_box(Counted(&dropped)).unwrap();
    // SAFETY: no promise is kept, but the heap refuses every free.
    unsafe { tx.defer_free(first, bytes(8)) }.unwrap();
    heap.refuse_frees(true);
    let Err(refused) = tx.rollback() else { panic!("every free is refused") };
    assert_eq!((refused.count, dropped.get()), (3, 1));
    assert!(matches!(refused.first, RefusedFree::Block(FreeError::Corrupt(_))), "{refused}");
    let mut tx = Transaction::begin::<4>(&heap);
    let start = tx.savepoint();
    let range2 = tx.allocate_frames(&frames(1)).unwrap();
    let refused = Refused { count: 1, first: RefusedFree::Frames(FreeError::Corrupt(range2)) };
    assert_eq!(tx.rollback_to(start), Err(SavepointError::Refused(refused)));
    // SAFETY: as above.
    unsafe { tx.defer_free_frames(range) }.unwrap();
    let refused = Refused { count: 1, first: RefusedFree::Frames(FreeError::Corrupt(range)) };
    assert_eq!(tx.commit(), Some(refused));
    heap.refuse_frees(false);
    free_frames(&heap, range);
}

/// Somebody frees what is the transaction's: the heap refuses the second free, and nothing panics.
#[test]
fn a_block_freed_behind_the_back_is_refused() {
    let span = FrameRange::new(Pfn(0x40), 64).unwrap();
    let env = HostEnv::new(span);
    let heap = KernelHeap::new(&env, PlainFrames::new(span));
    heap.init(HeapConfig::default()).unwrap();
    let tx = heap.begin::<4>();
    let block = tx.allocate(bytes(64)).unwrap();
    free(&heap, block, bytes(64));
    let refused = Refused { count: 1, first: RefusedFree::Block(FreeError::DoubleFree(block)) };
    assert_eq!(tx.rollback(), Err(refused));
    assert_eq!((heap.check(), heap.stats().live), (Ok(()), 0));
}

/// A heap that, asked once, uses the transaction that asks, and fails.
struct Entrant {
    inner: FakeHeap,
    transaction: AtomicPtr<()>,
}

// SAFETY: blocks are the wrapped heap's.
unsafe impl BlockAlloc for Entrant {
    type Frames = PlainFrames;

    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let transaction = self.transaction.swap(ptr::null_mut(), Ordering::Relaxed);
        let Some(transaction) = NonNull::new(transaction) else { return self.inner.allocate(layout) };
        // SAFETY: the test left the address of a transaction of this type, which is alive.
        let transaction = unsafe { transaction.cast::<Transaction<'_, Self, Inline<4>>>().as_ref() };
        transaction.allocate(bytes(16)).unwrap();
        Err(AllocError::WouldBlock)
    }

    unsafe fn free(&self, block: NonNull<u8>, layout: Layout) -> Result<(), FreeError<NonNull<u8>>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.free(block, layout) }
    }

    fn frames(&self) -> &PlainFrames {
        self.inner.frames()
    }
}

/// The slot that was claimed first stays behind when it is not needed, and what came after it is undone.
#[test]
fn a_heap_that_uses_the_transaction_loses_nothing() {
    let heap = Entrant { inner: FakeHeap::new(), transaction: AtomicPtr::new(ptr::null_mut()) };
    let tx = Transaction::begin::<4>(&heap);
    heap.transaction.store(ptr::from_ref(&tx).cast_mut().cast(), Ordering::Relaxed);
    assert_eq!(tx.allocate(bytes(8)), Err(AllocError::WouldBlock));
    assert_eq!((tx.room(), heap.inner.live_blocks()), (2, 1));
    drop(tx);
    assert_eq!(heap.inner.live_blocks(), 0);
}

#[test]
fn what_is_in_the_log_can_be_read() {
    let heap = heap();
    let tx = Transaction::begin::<4>(&heap);
    let block = tx.allocate(bytes(8)).unwrap();
    let range = tx.allocate_frames(&frames(2)).unwrap();
    let said = alloc::format!("{tx:?}");
    assert_eq!(said, alloc::format!("[free {block:?} (8 bytes), free {range:?}]"));
}
