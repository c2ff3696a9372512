//! A capability that is looked up while it is closed and its slot used again; one that is copied or sent while it is revoked.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::park::ModelEnv;
use super::{SOME, explore_within, must_find};
use crate::cap::{CapError, CapId, CapSlot, CapSpace, Cell, Cells, Object, Rights};
use crate::quota::{Limits, QuotaNode, Quotas, Resource};
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

/// A space of so many slots, with as many cells.
fn empty(slots: usize) -> Arc<Space> {
    let nodes: Vec<QuotaNode> = (0..1).map(|_| QuotaNode::new()).collect();
    let quotas = Box::leak(Box::new(Quotas::new(Box::leak(nodes.into_boxed_slice()))));
    let cells: Vec<Cell> = (0..slots).map(|_| Cell::new()).collect();
    let cells = Box::leak(Box::new(Cells::new(Box::leak(cells.into_boxed_slice()), quotas)));
    let slots: Vec<CapSlot<Thing>> = (0..slots).map(|_| CapSlot::new()).collect();
    let quota = quotas.root(Limits::UNLIMITED).unwrap();
    Arc::new(Space::new(Box::leak(slots.into_boxed_slice()), cells, quota, 0).unwrap())
}

/// A space of one slot with one capability.
fn space() -> (Arc<Space>, CapId) {
    let space = empty(1);
    let id = space.insert(Thing::new(1), Rights::READ | Rights::TRANSFER, 1).unwrap();
    (space, id)
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
        space.insert(Thing::new(2), Rights::READ | Rights::WRITE, 2).is_ok()
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
        space.insert(Thing::new(2), Rights::READ | Rights::WRITE, 2).is_ok()
    });
    if let Ok(info) = looker.join().unwrap() {
        assert_eq!((info.rights, info.badge), (Rights::READ | Rights::TRANSFER, 1));
    }
    closer.join().unwrap();
}

const COPY: Rights = Rights::READ.union(Rights::DUPLICATE);

/// Somebody copies a copy while its origin is revoked: the new one is of no use either.
fn copy_and_revoke() {
    let space = empty(3);
    let root = space.insert(Thing::new(1), Rights::all(), 0).unwrap();
    let copy = space.duplicate(root, COPY).unwrap();
    let copier = spawn(&space, move |space| space.duplicate(copy, COPY));
    space.revoke(root).unwrap().finish();
    if let Ok(id) = copier.join().unwrap() {
        assert_eq!(space.check(id, Rights::READ), Err(CapError::Revoked));
    }
}

/// As above, with a copy that may revoke in its turn, and does.
fn copy_and_revoke_twice() {
    let space = empty(3);
    let root = space.insert(Thing::new(1), Rights::all(), 0).unwrap();
    let middle = space.duplicate(root, Rights::all()).unwrap();
    let copier = spawn(&space, move |space| space.duplicate(middle, COPY));
    let revoker = spawn(&space, move |space| space.revoke(middle).map(drop));
    space.revoke(root).unwrap().finish();
    _ = revoker.join().unwrap();
    if let Ok(id) = copier.join().unwrap() {
        assert_eq!(space.check(id, Rights::READ), Err(CapError::Revoked));
    }
}

/// A capability is sent or closed, not both.
fn send_and_close() {
    let (space, id) = space();
    let sender = spawn(&space, move |space| {
        let ids = [id];
        let taken = space.prepare(&ids).map(|transfer| transfer.commit(|_, cap| drop(cap)));
        taken.is_ok()
    });
    let closed = space.close(id).is_ok();
    assert!(sender.join().unwrap() != closed);
    assert_eq!(space.check_all(), Ok(()));
}

/// A transfer that is given up, and a lookup: the capability is found under its number then.
fn undo_and_get() {
    let (space, id) = space();
    let sender = spawn(&space, move |space| {
        let ids = [id];
        drop(space.prepare(&ids).unwrap());
    });
    let early = space.get(id, 1, Rights::READ).map(|guard| guard.0.0.load(Ordering::Relaxed));
    assert!(matches!(early, Ok(1) | Err(CapError::Stale { .. })));
    sender.join().unwrap();
    assert!(space.get(id, 1, Rights::READ).is_ok());
    assert_eq!(space.check_all(), Ok(()));
}

/// Of two charges that do not fit together one is refused.
fn charge_and_charge() {
    let nodes: Vec<QuotaNode> = (0..1).map(|_| QuotaNode::new()).collect();
    let quotas: &'static Quotas<'_, ModelEnv> =
        Box::leak(Box::new(Quotas::new(Box::leak(nodes.into_boxed_slice()))));
    let quota = quotas.root(Limits::all(3)).unwrap();
    let other = quota.clone();
    let charger = thread::spawn(move || other.charge(Resource::Bytes, 2).is_ok());
    let charged = quota.charge(Resource::Bytes, 2).is_ok();
    assert!(charger.join().unwrap() != charged);
    assert_eq!(quota.used(Resource::Bytes), 2);
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

#[test]
fn a_copy_of_what_is_revoked_is_of_no_use() {
    explore_within(SOME, copy_and_revoke);
}

#[test]
fn a_stamp_that_is_renewed_is_found() {
    must_find(Bug::StampRenewed, copy_and_revoke);
}

#[test]
fn what_was_killed_stays_dead() {
    explore_within(Some(2), copy_and_revoke_twice);
}

#[test]
fn a_revoke_in_two_steps_is_found() {
    must_find(Bug::RevokeInTwoSteps, copy_and_revoke_twice);
}

#[test]
fn a_capability_is_sent_or_closed() {
    explore_within(SOME, send_and_close);
}

#[test]
fn a_transfer_that_holds_nothing_is_found() {
    must_find(Bug::TransferUnheld, send_and_close);
}

#[test]
fn a_transfer_that_is_given_up_leaves_all_in_place() {
    explore_within(SOME, undo_and_get);
}

#[test]
fn a_quota_is_never_passed() {
    super::explore(charge_and_charge);
}

#[test]
fn a_charge_in_two_steps_is_found() {
    must_find(Bug::ChargeInTwoSteps, charge_and_charge);
}
