//! Registrations that are armed, looked at and taken off while they are signalled.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::pin::Pin;
use loom::thread;

use super::park::{ModelEnv, Threads};
use super::{SOME, explore_within, must_find};
use crate::caller::Caller;
use crate::notify::Notification;
use crate::policy::NoPolicy;
use crate::sync::Bug;
use crate::wait::{Event, Mode, Nesting, Readiness, Source, WaitSet, WatchId, WatchSlot};

type Handle = Arc<dyn Source<ModelEnv>>;
type Set = WaitSet<'static, ModelEnv, Handle, Box<[WatchSlot<ModelEnv, Handle>]>>;

/// A set that watches one notification.
struct Watched {
    set: Pin<Arc<Set>>,
    source: Pin<Arc<Notification<ModelEnv>>>,
    id: WatchId,
}

const READABLE: Readiness = Readiness::READABLE;

fn set(park: &Threads) -> Pin<Arc<Set>> {
    let slots: Box<[_]> = core::iter::once(WatchSlot::new()).collect();
    let nesting = Box::leak(Box::new(Nesting::new()));
    Arc::pin(Set::new(park.clone(), Box::into_pin(slots), None, nesting, 0, 0))
}

fn watched(mode: Mode) -> Watched {
    let park = Threads::new();
    let (set, source) = (set(&park), Arc::pin(Notification::new(park, 0, 0)));
    let id = set.as_ref().watch(&caller(&0), source.clone(), 1, READABLE, mode).unwrap();
    Watched { set, source, id }
}

fn caller(token: &usize) -> Caller<'_, ModelEnv> {
    Caller::new(token, (), &NoPolicy)
}

fn wait(set: &Set, me: usize) -> usize {
    set.wait(&caller(&me), &mut [Event::NONE], None).unwrap()
}

/// Somebody waits while the source is signalled.
fn wait_and_signal() {
    let Watched { set, source, .. } = watched(Mode::Edge);
    let waiter = thread::spawn(move || wait(&set, 1));
    source.post(&caller(&0), 1).unwrap();
    assert_eq!(waiter.join().unwrap(), 1);
}

/// A one-shot is armed again while the source is signalled: it is reported again.
fn rearm_and_signal() {
    let Watched { set, source, id } = watched(Mode::OneShot);
    source.post(&caller(&0), 1).unwrap();
    assert_eq!(wait(&set, 0), 1);
    source.try_take(&caller(&0), 1).unwrap();
    let other = source.clone();
    let poster = thread::spawn(move || other.post(&caller(&1), 2).unwrap());
    set.modify(&caller(&0), id, 1, READABLE, Mode::OneShot).unwrap();
    assert_eq!(wait(&set, 0), 1);
    poster.join().unwrap();
}

/// A registration begins while the source is signalled.
fn watch_and_signal() {
    let park = Threads::new();
    let (set, source) = (set(&park), Arc::pin(Notification::<ModelEnv>::new(park, 0, 0)));
    let other = source.clone();
    let poster = thread::spawn(move || other.post(&caller(&1), 2).unwrap());
    set.as_ref().watch(&caller(&0), source.clone(), 1, READABLE, Mode::Edge).unwrap();
    assert_eq!(wait(&set, 0), 1);
    poster.join().unwrap();
}

/// A registration ends, and the set, while the source is signalled.
fn unwatch_and_signal() {
    let Watched { set, source, id } = watched(Mode::Level);
    let other = source.clone();
    let poster = thread::spawn(move || other.post(&caller(&1), 2).unwrap());
    set.unwatch(&caller(&0), id).unwrap();
    assert_eq!(set.try_wait(&caller(&0), &mut [Event::NONE]).ok(), None);
    drop(set);
    poster.join().unwrap();
}

#[test]
fn a_signal_ends_a_wait() {
    explore_within(SOME, wait_and_signal);
}

#[test]
fn a_signal_that_is_forgotten_under_a_look_is_found() {
    must_find(Bug::SignalUnderLook, watch_and_signal);
}

#[test]
fn a_signal_without_a_fence_is_found() {
    must_find(Bug::UnfencedEmptyTest, watch_and_signal);
}

#[test]
fn a_signal_while_it_is_armed_again_is_reported() {
    explore_within(SOME, rearm_and_signal);
}

#[test]
fn an_arming_that_does_not_look_is_found() {
    must_find(Bug::ArmedUnseen, rearm_and_signal);
}

#[test]
fn a_signal_while_it_begins_is_reported() {
    explore_within(SOME, watch_and_signal);
}

#[test]
fn a_signal_while_it_ends_goes_nowhere() {
    explore_within(SOME, unwatch_and_signal);
}
