//! A walk without a lock, while the table that it reads is unlinked and given back.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{explore, must_find};
use crate::cpus::Walkers;
use crate::sync::Bug;

#[expect(unsafe_code, reason = "the model waits as a shootdown has to")]
fn walk_beside_an_unmapping() {
    let walkers = Arc::new(Walkers::<1>::new());
    let (linked, freed) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let walk = thread::spawn({
        let (walkers, linked, freed) = (Arc::clone(&walkers), Arc::clone(&linked), Arc::clone(&freed));
        move || {
            // SAFETY: the other thread waits before it frees.
            let _guard = unsafe { walkers.enter(0) }.unwrap();
            if linked.load(Ordering::Relaxed) {
                assert!(!freed.load(Ordering::Relaxed), "a table is read after it was given back");
            }
        }
    });
    linked.store(false, Ordering::Release);
    let mark = walkers.mark();
    while !walkers.ended(&mark) {
        thread::yield_now();
    }
    freed.store(true, Ordering::Relaxed);
    walk.join().unwrap();
}

#[test]
fn a_walk_is_waited_for() {
    explore(walk_beside_an_unmapping);
}

#[test]
fn a_walk_that_tells_nobody_is_found() {
    must_find(Bug::WalkUnseen, walk_beside_an_unmapping);
}
