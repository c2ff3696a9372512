//! Values in transactions: when they are dropped, who owns them.

use core::cell::Cell;
use core::ptr::NonNull;

use super::{Counted, NOTHING, bytes, heap, live};
use crate::Transaction;
use crate::txn::BlockBox;

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
    struct Reader<'s>(NonNull<u32>, &'s Cell<u32>);
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
