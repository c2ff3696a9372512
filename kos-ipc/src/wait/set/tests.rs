//! Wait sets: what is reported when, and what is refused.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::Pin;

use super::{Event, Mode, Nesting, WaitSet, WaitSetError, WatchId, WatchReason};
use crate::caller::Caller;
use crate::notify::{CounterMode, EventCounter};
use crate::policy::NoPolicy;
use crate::ports::Env;
use crate::quota::{Limits, QuotaNode, Quotas, Resource};
use crate::testing::{StdEnv, StdPark};
use crate::wait::{Parts, Readiness, Source, WatchSlot};

pub(super) type Handle<'a, E> = Arc<dyn Source<E> + Send + Sync + 'a>;
pub(super) type Set<'a, E> = WaitSet<'a, E, Handle<'a, E>, Box<[WatchSlot<E, Handle<'a, E>>]>>;

pub(super) const R: Readiness = Readiness::READABLE;
pub(super) const W: Readiness = Readiness::WRITABLE;

pub(super) fn set<'a, E: Env<Park: Clone>>(
    park: &E::Park,
    slots: usize,
    nesting: &'a Nesting<E>,
) -> Pin<Arc<Set<'a, E>>> {
    let slots: Box<[_]> = (0..slots).map(|_| WatchSlot::new()).collect();
    Arc::pin(Set::new(park.clone(), Box::into_pin(slots), None, nesting, 0, 0))
}

pub(super) fn counter(park: &StdPark) -> Pin<Arc<EventCounter<StdEnv>>> {
    Arc::pin(EventCounter::new(park.clone(), 0, CounterMode::Whole, 0, 0))
}

/// What is ready now: keys, what of it, what was signalled.
pub(super) fn ready<E: Env>(set: &Set<'_, E>, caller: &Caller<'_, E>) -> Vec<(u64, Readiness, Readiness)> {
    let mut events = [Event::NONE; 8];
    let count = set.try_wait(caller, &mut events).unwrap_or(0);
    assert_eq!(set.check(), Ok(()));
    events[..count].iter().map(|event| (event.key, event.ready, event.signalled)).collect()
}

/// Runs `work` with a scheduler, a caller and a nesting.
pub(super) fn with(work: impl FnOnce(&StdPark, &Caller<'_, StdEnv>, &Nesting<StdEnv>)) {
    let park = StdPark::new();
    let token = park.token();
    work(&park, &Caller::new(&token, (), &NoPolicy), &Nesting::new());
}

pub(super) fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

pub(super) const NOTHING: Readiness = Readiness::empty();

#[test]
fn what_was_ready_before_is_reported() {
    with(|park, caller, nesting| {
        let (set, counter) = (set(park, 2, nesting), counter(park));
        counter.try_write(caller, 1).unwrap();
        set.as_ref().watch(caller, counter.clone(), 1, R, Mode::Edge).unwrap();
        set.as_ref().watch(caller, counter.clone(), 2, R | W, Mode::Level).unwrap();
        assert_eq!(ready(&set, caller), [(1, R, NOTHING), (2, R | W, NOTHING)]);
        assert_eq!(ready(&set, caller), [(2, R | W, NOTHING)], "an edge is reported once");
    });
}

#[test]
fn a_signal_again_adds_bits() {
    with(|park, caller, nesting| {
        let (set, counter) = (set(park, 2, nesting), counter(park));
        set.as_ref().watch(caller, counter.clone(), 1, R | W, Mode::Edge).unwrap();
        assert_eq!(ready(&set, caller), [(1, W, NOTHING)]);
        counter.try_write(caller, 1).unwrap();
        counter.try_write(caller, 1).unwrap();
        assert_eq!(ready(&set, caller), [(1, R | W, R)]);
        counter.try_read(caller).unwrap();
        counter.try_write(caller, 1).unwrap();
        assert_eq!(ready(&set, caller), [(1, R | W, R | W)], "one packet, both bits");
        assert_eq!(ready(&set, caller), []);
    });
}

#[test]
fn a_one_shot_is_silent_until_it_is_armed_again() {
    with(|park, caller, nesting| {
        let (set, counter) = (set(park, 2, nesting), counter(park));
        let id = set.as_ref().watch(caller, counter.clone(), 1, R, Mode::OneShot).unwrap();
        counter.try_write(caller, 1).unwrap();
        assert_eq!(ready(&set, caller), [(1, R, R)]);
        counter.try_write(caller, 1).unwrap();
        assert_eq!(ready(&set, caller), []);
        set.modify(caller, id, 7, R, Mode::OneShot).unwrap();
        assert_eq!(ready(&set, caller), [(7, R, NOTHING)], "what came while it was silent is there");
    });
}

#[test]
fn an_event_of_a_closed_registration_is_not_the_next_ones() {
    with(|park, caller, nesting| {
        let (set, old, new) = (set(park, 1, nesting), counter(park), counter(park));
        let first = set.as_ref().watch(caller, old.clone(), 1, R, Mode::Edge).unwrap();
        old.try_write(caller, 1).unwrap();
        set.unwatch(caller, first).unwrap();
        let second = set.as_ref().watch(caller, new.clone(), 2, R, Mode::Edge).unwrap();
        assert_eq!(first.slot, second.slot, "the slot is used again");
        old.try_write(caller, 1).unwrap();
        assert_eq!(ready(&set, caller), []);
        new.try_write(caller, 1).unwrap();
        assert_eq!(ready(&set, caller), [(2, R, R)]);
        let stale = Err(WaitSetError::Stale(first));
        assert_eq!(set.unwatch(caller, first), stale);
        assert_eq!(set.modify(caller, first, 0, R, Mode::Level), stale);
        let nowhere = WatchId { slot: 9, generation: 0 };
        assert_eq!(set.unwatch(caller, nowhere), Err(WaitSetError::Stale(nowhere)));
        assert!(!old.observers().are_any());
    });
}

#[test]
fn registrations_are_charged_and_given_back() {
    with(|park, caller, nesting| {
        let mut nodes = [QuotaNode::new()];
        let quotas = Quotas::<StdEnv>::new(&mut nodes);
        let quota = quotas.root(Limits { registrations: 2, ..Limits::UNLIMITED }).unwrap();
        let slots: Box<[_]> = (0..3).map(|_| WatchSlot::new()).collect();
        let set = Set::new(park.clone(), Box::into_pin(slots), Some(quota.clone()), nesting, 0, 0);
        let (set, counter) = (Arc::pin(set), counter(park));
        let watch = || set.as_ref().watch(caller, counter.clone(), 0, R, Mode::Level);
        let first = watch().unwrap();
        watch().unwrap();
        let refused = watch().unwrap_err();
        assert!(matches!(refused.reason, WatchReason::Quota(error) if error.left == 0));
        set.unwatch(caller, first).unwrap();
        assert_eq!(quota.used(Resource::Registrations), 1);
        watch().unwrap();
        drop((set, refused));
        assert_eq!(quota.used(Resource::Registrations), 0);
        assert!(!counter.observers().are_any());
        counter.try_write(caller, 1).unwrap();
    });
}

#[test]
fn a_set_without_a_free_slot_gives_the_handle_back() {
    with(|park, caller, nesting| {
        let (set, counter) = (set(park, 1, nesting), counter(park));
        set.as_ref().watch(caller, counter.clone(), 0, R, Mode::Level).unwrap();
        let refused = set.as_ref().watch(caller, counter.clone(), 0, R, Mode::Level).unwrap_err();
        assert_eq!(refused.reason, WatchReason::Full);
        assert_eq!(refused.source.readiness(), W);
        assert_eq!(set.try_wait(caller, &mut []), Err(WaitSetError::NoRoom));
    });
}

#[test]
fn sets_watch_each_other_five_deep_and_in_no_circle() {
    with(|park, caller, nesting| {
        let sets: Vec<_> = (0..6).map(|_| set(park, 2, nesting)).collect();
        let watch = |outer: usize, inner: usize| {
            let source = sets[inner].clone();
            sets[outer]
                .as_ref()
                .watch(caller, source, inner as u64, R, Mode::Level)
                .map_err(|error| error.reason)
        };
        assert_eq!(watch(0, 0), Err(WatchReason::Cycle));
        let ids: Vec<_> = (0..4).map(|outer| watch(outer, outer + 1).unwrap()).collect();
        assert_eq!(watch(4, 0), Err(WatchReason::Cycle));
        assert_eq!(watch(4, 5), Err(WatchReason::TooDeep));
        assert_eq!(watch(5, 0), Err(WatchReason::TooDeep));
        assert_eq!(watch(5, 3), Err(WatchReason::Watched));
        let counter = counter(park);
        sets[4].as_ref().watch(caller, counter.clone(), 9, R, Mode::Level).unwrap();
        counter.try_write(caller, 1).unwrap();
        for (number, set) in sets[..4].iter().enumerate() {
            assert_eq!(ready(set, caller), [(number as u64 + 1, R, R)]);
        }
        counter.try_read(caller).unwrap();
        assert_eq!(ready(&sets[0], caller), [], "what is ready no more is not, at any depth");
        sets[2].unwatch(caller, ids[2]).unwrap();
        assert_eq!(watch(4, 5).map(drop), Ok(()), "a chain that was cut is shorter");
        assert_eq!(watch(5, 0), Err(WatchReason::TooDeep));
        let foreign = set(park, 1, leak(Nesting::new()));
        let refused = sets[1].as_ref().watch(caller, foreign, 0, R, Mode::Level).unwrap_err();
        assert_eq!(refused.reason, WatchReason::Foreign);
    });
}
