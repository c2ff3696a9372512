//! What NMIs leave: put in by two, taken out by two.

use core::ptr::{self, NonNull};

use loom::sync::Arc;
use loom::thread;

use super::{explore, must_find};
use crate::heap::cache::Deferred;
use crate::sync::Bug;

fn block(number: usize) -> NonNull<u8> {
    NonNull::new(ptr::without_provenance_mut(number)).unwrap()
}

fn two_put_two_take() {
    let bag = Arc::new(Deferred::new());
    assert!(bag.put(block(8)));
    let other = Arc::clone(&bag);
    let nmi = thread::spawn(move || {
        assert!(other.put(block(16)));
        other.take()
    });
    let taken = bag.take();
    let mut all: std::vec::Vec<_> = [taken, nmi.join().unwrap()].into_iter().flatten().collect();
    all.extend(core::iter::from_fn(|| bag.take()));
    all.sort_unstable();
    assert_eq!(all, [block(8), block(16)], "each is taken once");
    assert!(bag.is_empty());
}

#[test]
fn what_one_puts_in_one_takes_out() {
    explore(two_put_two_take);
}

#[test]
fn a_take_in_two_steps_is_found() {
    must_find(Bug::TakenInTwoSteps, two_put_two_take);
}
