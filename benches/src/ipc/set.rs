//! What does it cost to find the one of many that is ready?

use core::hint::black_box;
use core::pin::Pin;

use kos_ipc::Caller;
use kos_ipc::notify::Notification;
use kos_ipc::policy::NoPolicy;
use kos_ipc::wait::{Event, Mode, Nesting, Readiness, WaitSet, WatchSlot};
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fd::OwnedFd;

use super::{Awake, Nobody, in_linux, leak, places, steps};
use crate::harness::must;
use crate::harness::question::{Promise, Question, Shape};

/// Every question of this file.
pub(super) fn questions() -> Vec<Question> {
    vec![question("ipc-waitset-10", 10), question("ipc-waitset-10k", 10_000)]
}

fn question(name: &'static str, count: usize) -> Question {
    let shared = Promise::Shared;
    Question {
        name,
        what: format!("{count} sources are watched; one becomes ready, is found, and is taken."),
        operation: "event",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            steps("kos-ipc WaitSet", shared, "of notifications", move || kos(count)),
            in_linux("Linux epoll", shared, move || linux(count)),
        ],
    }
}

type Source = &'static Notification<Awake>;

fn kos(count: usize) -> impl FnMut() {
    let sources: &'static [Notification<Awake>] = places(count, || Notification::new(Nobody, 0, 0));
    let slots: Vec<WatchSlot<Awake, Source>> = core::iter::repeat_with(WatchSlot::new).take(count).collect();
    let slots = Box::into_pin(slots.into_boxed_slice());
    let set = Box::pin(WaitSet::new(Nobody, slots, None, leak(Nesting::new()), 0, 0));
    let caller = Caller::<Awake>::new(&0, (), &NoPolicy);
    for (key, source) in (0..).zip(sources) {
        let source = Pin::static_ref(source);
        must(set.as_ref().watch(&caller, source, key, Readiness::READABLE, Mode::Level).ok());
    }
    let mut at = 0;
    move || {
        let caller = Caller::<Awake>::new(&0, (), &NoPolicy);
        at = (at + 7) % count;
        let (source, mut events) = (must(sources.get(at)), [Event::NONE; 4]);
        must(source.post(&caller, 1).ok());
        assert_eq!(set.try_wait(&caller, black_box(&mut events)), Ok(1));
        assert_eq!(must(events.first()).key, at as u64);
        assert_eq!(source.try_take(&caller, 1), Ok(1));
    }
}

fn linux(count: usize) -> impl FnMut() {
    let make = || must(eventfd(0, EventfdFlags::NONBLOCK).ok());
    let sources: Vec<OwnedFd> = core::iter::repeat_with(make).take(count).collect();
    let set = must(epoll::create(epoll::CreateFlags::empty()).ok());
    for (key, source) in (0..).zip(&sources) {
        must(epoll::add(&set, source, epoll::EventData::new_u64(key), epoll::EventFlags::IN).ok());
    }
    let mut at = 0;
    let mut bytes = [0; 8];
    move || {
        at = (at + 7) % count;
        let source = must(sources.get(at));
        assert_eq!(rustix::io::write(source, &1_u64.to_ne_bytes()), Ok(8));
        let none = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let mut events = [none; 4];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(epoll::wait(&set, events.as_mut_slice(), Some(&now)), Ok(1));
        assert_eq!(must(events.first()).data.u64(), at as u64);
        assert_eq!(rustix::io::read(source, &mut bytes), Ok(8));
    }
}
