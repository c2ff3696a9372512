//! Parts of a transaction: nested ones, savepoints.

use core::cell::RefCell;
use core::mem::ManuallyDrop;

use alloc::vec::Vec;

use super::{NOTHING, Witness, bytes, frames, heap, live};
use crate::Transaction;
use crate::ports::BlockAlloc;
use crate::txn::SavepointError;

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
fn a_forgotten_nested_transaction_is_its_parents() {
    let heap = heap();
    let mut tx = Transaction::begin::<4>(&heap);
    let nested = tx.nested();
    nested.allocate(bytes(8)).unwrap();
    let _ = ManuallyDrop::new(nested);
    drop(tx);
    assert_eq!(heap.live(), NOTHING);
}
