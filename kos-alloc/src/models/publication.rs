//! A value that is written once: all claim it, one writes, nobody reads too early.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::{explore, must_find};
use crate::sync::{Bug, Publication};

struct Value {
    state: Publication,
    value: UnsafeCell<usize>,
}

// SAFETY: whether access is ordered is what loom checks.
unsafe impl Sync for Value {}
// SAFETY: as above.
unsafe impl Send for Value {}

impl Value {
    fn write_or_read(&self, number: usize) -> bool {
        if self.state.claim() {
            // SAFETY: the claim was granted; loom checks it.
            self.value.with_mut(|value| unsafe { *value = number });
            self.state.publish();
            return true;
        }
        if self.state.is_published() {
            // SAFETY: it was published; loom checks it.
            self.value.with(|value| assert!((1..=2).contains(&unsafe { *value })));
        }
        false
    }
}

fn two_initialise() {
    let value = Arc::new(Value { state: Publication::new(), value: UnsafeCell::new(0) });
    let other = Arc::clone(&value);
    let second = thread::spawn(move || other.write_or_read(2));
    let first = value.write_or_read(1);
    assert!(first ^ second.join().unwrap(), "exactly one initialises");
}

#[test]
fn one_initialises_and_nobody_reads_too_early() {
    explore(two_initialise);
}

#[test]
fn a_publication_without_order_is_found() {
    must_find(Bug::UnorderedPublication, two_initialise);
}
