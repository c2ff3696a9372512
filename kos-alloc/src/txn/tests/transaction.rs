//! What a transaction promises, one by one.

use core::cell::{Cell, RefCell};
use core::mem::ManuallyDrop;

use alloc::vec::Vec;

use super::{Counted, NOTHING, Witness, bytes, frames, free, free_frames, heap, live};
use crate::error::{AllocError, FrameError, FreeError};
use crate::ports::{BlockAlloc, FrameAlloc};
use crate::testing::{HostEnv, PlainFrames};
use crate::txn::{BlockBox, LogEntry, Refused, RefusedFree, SavepointError};
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
fn a_nested_commit_defers_on_to_the_outermost() {
    let heap = heap();
    let old = heap.allocate(bytes(64)).unwrap();
    let mut tx = Transaction::begin::<4>(&heap);
    let mut nested = tx.nested();
    let inmost = nested.nested();
    // SAFETY: the block is live, and nobody uses it.
    unsafe { inmost.defer_free(old, bytes(64)) }.unwrap();
    inmost.commit();
    nested.commit();
    assert_eq!(heap.live().blocks, 1);
    tx.commit();
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_nested_rollback_undoes_its_own_alone() {
    let heap = heap();
    let mut tx = Transaction::begin::<8>(&heap);
    tx.allocate(bytes(8)).unwrap();
    let nested = tx.nested();
    nested.allocate(bytes(16)).unwrap();
    nested.allocate_frames(&frames(1)).unwrap();
    drop(nested);
    assert_eq!(heap.live(), live(1, 8, 0));
    let mut nested = tx.nested();
    nested.allocate(bytes(16)).unwrap();
    let inmost = nested.nested();
    inmost.allocate(bytes(32)).unwrap();
    inmost.commit();
    assert_eq!(nested.rollback(), Ok(()), "with what the inmost one committed into it");
    assert_eq!(heap.live(), live(1, 8, 0));
    drop(tx);
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_nested_commit_belongs_to_the_parent() {
    let (heap, dropped) = (heap(), RefCell::new(Vec::new()));
    let mut tx = Transaction::begin::<8>(&heap);
    tx.new_box(Witness(1, &dropped)).unwrap();
    let nested = tx.nested();
    nested.new_box(Witness(2, &dropped)).unwrap();
    nested.commit();
    tx.new_box(Witness(3, &dropped)).unwrap();
    assert_eq!(heap.live().blocks, 3);
    drop(tx);
    assert_eq!(*dropped.borrow(), [3, 2, 1]);
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_savepoint_is_returned_to_as_often_as_one_likes() {
    let heap = heap();
    let mut tx = Transaction::begin::<4>(&heap);
    tx.allocate(bytes(8)).unwrap();
    let place = tx.savepoint();
    for round in 0..5 {
        tx.allocate(bytes(100)).unwrap();
        tx.allocate_frames(&frames(round + 1)).unwrap();
        assert_eq!(tx.rollback_to(place), Ok(()));
        assert_eq!((heap.live(), tx.room()), (live(1, 8, 0), 3));
    }
}

#[test]
fn a_savepoint_that_was_undone_is_stale() {
    let heap = heap();
    let mut tx = Transaction::begin::<4>(&heap);
    let start = tx.savepoint();
    tx.allocate(bytes(8)).unwrap();
    let early = tx.savepoint();
    tx.allocate(bytes(16)).unwrap();
    let late = tx.savepoint();
    tx.rollback_to(early).unwrap();
    assert_eq!(tx.rollback_to(late), Err(SavepointError::Stale), "shorter than the savepoint");
    tx.allocate(bytes(16)).unwrap();
    assert_eq!(tx.rollback_to(late), Err(SavepointError::Stale), "as long, but another entry");
    assert_eq!(heap.live(), live(2, 24, 0), "a stale savepoint undoes nothing");
    assert_eq!(tx.rollback_to(early), Ok(()));
    assert_eq!(tx.rollback_to(start), Ok(()));
    assert_eq!(tx.rollback_to(early), Err(SavepointError::Stale));
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_nested_transaction_returns_to_its_own_savepoints_only() {
    let heap = heap();
    let mut tx = Transaction::begin::<4>(&heap);
    let parents = tx.savepoint();
    tx.allocate(bytes(8)).unwrap();
    let mut nested = tx.nested();
    let first = nested.savepoint();
    nested.allocate(bytes(16)).unwrap();
    assert_eq!(nested.rollback_to(parents), Err(SavepointError::Stale));
    assert_eq!(heap.live(), live(2, 24, 0));
    assert_eq!(nested.rollback_to(first), Ok(()));
    nested.allocate(bytes(32)).unwrap();
    let inside = nested.savepoint();
    nested.commit();
    tx.allocate(bytes(64)).unwrap();
    assert_eq!(tx.rollback_to(inside), Ok(()), "what a committed one did is the parent's");
    assert_eq!(heap.live(), live(2, 40, 0));
    assert_eq!(tx.rollback_to(parents), Ok(()));
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_box_is_dropped_once_on_rollback() {
    let (heap, dropped) = (heap(), Cell::new(0));
    let tx = Transaction::begin::<4>(&heap);
    let mut first = tx.new_box((1, Counted(&dropped))).unwrap();
    let second = tx.new_box((2, Counted(&dropped))).unwrap();
    first.0 += second.0;
    assert_eq!((first.0, dropped.get()), (3, 0));
    drop(tx);
    assert_eq!((dropped.get(), heap.live()), (2, NOTHING));
}

#[test]
fn a_kept_box_is_handed_over() {
    let (heap, dropped) = (heap(), Cell::new(0));
    let tx = Transaction::begin::<4>(&heap);
    let mut number = tx.new_box((1, Counted(&dropped))).unwrap();
    number.0 = 5;
    let number = number.keep();
    tx.allocate(bytes(8)).unwrap();
    tx.rollback().unwrap();
    assert_eq!((number.0, dropped.get(), heap.live().blocks), (5, 0, 1), "it was out of the transaction");
    drop(number);
    assert_eq!((dropped.get(), heap.live()), (1, NOTHING));
}

#[test]
fn a_pointer_to_a_box_is_good_after_the_commit() {
    let (heap, dropped) = (heap(), Cell::new(0));
    let tx = Transaction::begin::<4>(&heap);
    let pointer = tx.new_box((7, Counted(&dropped))).unwrap().pointer();
    tx.commit();
    // SAFETY: the commit left the value to the holder of its pointer, which is this one alone.
    let number = unsafe { BlockBox::from_raw(&heap, pointer) };
    assert_eq!((number.0, dropped.get()), (7, 0));
    let pointer = number.into_raw();
    // SAFETY: as above.
    drop(unsafe { BlockBox::from_raw(&heap, pointer) });
    assert_eq!((dropped.get(), heap.live()), (1, NOTHING));
}

#[test]
fn a_box_of_nothing_is_dropped_too() {
    struct Token;
    std::thread_local!(static DROPPED: Cell<usize> = const { Cell::new(0) });
    impl Drop for Token {
        fn drop(&mut self) {
            DROPPED.set(DROPPED.get() + 1);
        }
    }
    let heap = heap();
    let tx = Transaction::begin::<4>(&heap);
    tx.new_box(Token).unwrap();
    let kept = tx.new_box(Token).unwrap().keep();
    drop(tx);
    assert_eq!(DROPPED.get(), 1);
    drop(kept);
    assert_eq!((DROPPED.get(), heap.live()), (2, NOTHING));
}

/// A value may point to what is older than it in the transaction: the older is undone later.
#[test]
fn a_value_is_dropped_while_its_elders_live() {
    let heap = heap();
    let seen = Cell::new(0);
    struct Reader<'s>(core::ptr::NonNull<u32>, &'s Cell<u32>);
    impl Drop for Reader<'_> {
        fn drop(&mut self) {
            // SAFETY: the number is older in the transaction, thus still alive.
            self.1.set(unsafe { self.0.read() });
        }
    }
    let tx = Transaction::begin::<4>(&heap);
    let number = tx.new_box(41u32).unwrap().pointer();
    tx.new_box(Reader(number, &seen)).unwrap();
    drop(tx);
    assert_eq!(seen.get(), 41);
}

/// `make` may use the transaction, and its slot was claimed before.
#[test]
fn a_value_may_be_made_with_the_transaction() {
    let heap = heap();
    let tx = Transaction::begin::<2>(&heap);
    let inner = tx.new_box_with(|| tx.allocate(bytes(24)).unwrap()).unwrap();
    assert_eq!(heap.live().blocks, 2);
    assert_eq!(inner.addr().get() % 8, 0);
    drop(tx);
    assert_eq!(heap.live(), NOTHING);
}

#[test]
fn a_panicking_value_leaks_at_most() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("boom");
        }
    }
    let (heap, dropped) = (heap(), Cell::new(0));
    let tx = Transaction::begin::<4>(&heap);
    tx.new_box(Counted(&dropped)).unwrap();
    tx.new_box(Bomb).unwrap();
    tx.new_box(Counted(&dropped)).unwrap();
    let unwound = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| tx.rollback()));
    assert!(unwound.is_err());
    assert_eq!(dropped.get(), 2, "the rest was undone while the panic went on");
    assert_eq!(heap.live(), live(1, 0, 0), "more than its own block");
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
fn a_forgotten_nested_transaction_is_its_parents() {
    let heap = heap();
    let mut tx = Transaction::begin::<4>(&heap);
    let nested = tx.nested();
    nested.allocate(bytes(8)).unwrap();
    let _ = ManuallyDrop::new(nested);
    drop(tx);
    assert_eq!(heap.live(), NOTHING);
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

#[test]
fn what_is_in_the_log_can_be_read() {
    let heap = heap();
    let tx = Transaction::begin::<4>(&heap);
    let block = tx.allocate(bytes(8)).unwrap();
    let range = tx.allocate_frames(&frames(2)).unwrap();
    let said = alloc::format!("{tx:?}");
    assert_eq!(said, alloc::format!("[free {block:?} (8 bytes), free {range:?}]"));
}
