//! A capability that is looked up while it is closed and its slot used again.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::park::ModelEnv;
use super::{SOME, explore_within, must_find};
use crate::cap::{CapId, CapSlot, CapSpace, Object, Rights};
use crate::sync::Bug;

/// An object with a number, which is 0 from when its last handle was dropped.
#[derive(Clone, Debug)]
struct Thing(Arc<Alive>);

#[derive(Debug)]
struct Alive(AtomicUsize);

impl Thing {
    fn new(number: usize) -> Self {
        Self(Arc::new(Alive(AtomicUsize::new(number))))
    }
}

impl Object for Thing {
    fn kind(&self) -> u8 {
        1
    }
}

type Space = CapSpace<'static, ModelEnv, Thing>;

/// A space of one slot with one capability.
fn space() -> (Arc<Space>, CapId) {
    let slots: Vec<CapSlot<Thing>> = (0..1).map(|_| CapSlot::new()).collect();
    let space = Space::new(Box::leak(slots.into_boxed_slice()), 0).unwrap();
    let id = space.insert(Thing::new(1), Rights::READ, 1).unwrap();
    (Arc::new(space), id)
}

fn spawn<R: 'static>(space: &Arc<Space>, work: impl FnOnce(&Space) -> R + 'static) -> thread::JoinHandle<R> {
    let space = Arc::clone(space);
    thread::spawn(move || work(&space))
}

/// A lookup sees the object that its number named, or nothing; the slot is free in the end.
fn get_and_close() {
    let (space, id) = space();
    let looker = spawn(&space, move |space| {
        space.get(id, 1, Rights::READ).map(|guard| guard.0.0.load(Ordering::Relaxed))
    });
    let closer = spawn(&space, move |space| space.close(id));
    assert!(matches!(looker.join().unwrap(), Ok(1) | Err(_)));
    assert_eq!(closer.join().unwrap(), Ok(()));
    assert_eq!(space.check_all(), Ok(()));
}

/// As above, and the slot is used again at once, for another object.
fn get_and_reuse() {
    let (space, id) = space();
    let looker = spawn(&space, move |space| {
        space.get(id, 1, Rights::READ).map(|guard| guard.0.0.load(Ordering::Relaxed))
    });
    let closer = spawn(&space, move |space| {
        space.close(id).unwrap();
        space.insert(Thing::new(2), Rights::all(), 2).is_ok()
    });
    assert!(matches!(looker.join().unwrap(), Ok(1) | Err(_)), "the object of another capability");
    closer.join().unwrap();
    assert_eq!(space.check_all(), Ok(()));
}

/// Of two who close one succeeds.
fn close_and_close() {
    let (space, id) = space();
    let closers = [(); 2].map(|()| spawn(&space, move |space| space.close(id).is_ok()));
    let closed = closers.map(|closer| closer.join().unwrap());
    assert!(closed[0] != closed[1]);
    assert_eq!(space.check_all(), Ok(()));
}

/// What is said of a capability is of that one, not of the next in its slot.
fn check_and_reuse() {
    let (space, id) = space();
    let looker = spawn(&space, move |space| space.check(id, Rights::empty()));
    let closer = spawn(&space, move |space| {
        space.close(id).unwrap();
        space.insert(Thing::new(2), Rights::all(), 2).is_ok()
    });
    if let Ok(info) = looker.join().unwrap() {
        assert_eq!((info.rights, info.badge), (Rights::READ, 1));
    }
    closer.join().unwrap();
}

#[test]
fn a_lookup_finds_its_object_or_nothing() {
    explore_within(SOME, get_and_close);
}

#[test]
fn a_slot_emptied_while_pinned_is_found() {
    must_find(Bug::EmptiedWhilePinned, get_and_close);
}

#[test]
fn a_failed_lookup_that_leaves_a_close_is_found() {
    must_find(Bug::FailedPinForgotten, get_and_close);
}

#[test]
fn a_lookup_never_finds_the_next_object() {
    explore_within(SOME, get_and_reuse);
}

#[test]
fn a_generation_that_comes_back_is_found() {
    must_find(Bug::GenerationKept, get_and_reuse);
}

#[test]
fn one_of_two_closes() {
    explore_within(SOME, close_and_close);
}

#[test]
fn what_is_told_of_a_capability_is_its_own() {
    explore_within(SOME, check_and_reuse);
}

#[test]
fn facts_without_a_fence_are_found() {
    must_find(Bug::FactsUnfenced, check_and_reuse);
}
