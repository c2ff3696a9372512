//! The wait set beside Linux's epoll, with eventfds and nested: the same events after each random step.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::Pin;
use std::env;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::{Errno, read, write};

use super::{Event, Mode, Nesting, WaitSet, WatchId, WatchReason};
use crate::caller::Caller;
use crate::notify::{CounterMode, EventCounter};
use crate::policy::NoPolicy;
use crate::testing::{Rng, StdEnv, StdPark};
use crate::wait::{Readiness, Source, WatchSlot};

type Handle = Arc<dyn Source<StdEnv>>;
type Set = WaitSet<'static, StdEnv, Handle, Box<[WatchSlot<StdEnv, Handle>]>>;

const COUNTERS: usize = 3;
const SETS: usize = 7;

/// Counters and sets of ours and of Linux. A source is a counter, or behind those a set.
struct Both<'a> {
    caller: Caller<'a, StdEnv>,
    sets: Vec<Pin<Arc<Set>>>,
    counters: Vec<Pin<Arc<EventCounter<StdEnv>>>>,
    epolls: Vec<OwnedFd>,
    eventfds: Vec<OwnedFd>,
    watched: BTreeMap<(usize, usize), WatchId>,
}

fn flags(ready: Readiness) -> EventFlags {
    let each = [
        (Readiness::READABLE, EventFlags::IN),
        (Readiness::WRITABLE, EventFlags::OUT),
        (Readiness::HUNG_UP, EventFlags::HUP),
        (Readiness::BROKEN, EventFlags::ERR),
    ];
    each.into_iter().filter(|&(ours, _)| ready.contains(ours)).map(|(_, theirs)| theirs).collect()
}

/// What to wait for, and how.
fn wish(rng: &mut Rng) -> (Readiness, Mode, EventFlags) {
    let interest = Readiness::from_bits_truncate(u8::try_from(rng.below(4)).unwrap());
    let (mode, flag) = match rng.below(3) {
        0 => (Mode::Level, EventFlags::empty()),
        1 => (Mode::Edge, EventFlags::ET),
        _ => (Mode::OneShot, EventFlags::ONESHOT),
    };
    (interest, mode, flags(interest) | flag)
}

impl<'a> Both<'a> {
    fn new(park: &StdPark, caller: Caller<'a, StdEnv>, nesting: &'static Nesting<StdEnv>) -> Self {
        let set = |_| {
            let slots: Box<[_]> = (0..COUNTERS + SETS).map(|_| WatchSlot::new()).collect();
            Arc::pin(Set::new(park.clone(), Box::into_pin(slots), None, nesting, 0, 0))
        };
        let counter = |_| Arc::pin(EventCounter::new(park.clone(), 0, CounterMode::Whole, 0, 0));
        let epoll = |_| epoll::create(CreateFlags::CLOEXEC).unwrap();
        let eventfd = |_| eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap();
        Self {
            caller,
            sets: (0..SETS).map(set).collect(),
            counters: (0..COUNTERS).map(counter).collect(),
            epolls: (0..SETS).map(epoll).collect(),
            eventfds: (0..COUNTERS).map(eventfd).collect(),
            watched: BTreeMap::new(),
        }
    }

    fn source(&self, number: usize) -> (Pin<Handle>, BorrowedFd<'_>) {
        match number.checked_sub(COUNTERS) {
            None => (self.counters[number].clone(), self.eventfds[number].as_fd()),
            Some(set) => (self.sets[set].clone(), self.epolls[set].as_fd()),
        }
    }

    fn step(&mut self, rng: &mut Rng) {
        let (set, counter) = (rng.below(SETS), rng.below(COUNTERS));
        // Sets are nested less often than counters are watched.
        let source = if rng.below(3) == 0 { COUNTERS + rng.below(SETS) } else { counter };
        match rng.below(16) {
            0..=3 => self.write(counter, rng.next() % 3),
            4 | 5 => self.read(counter),
            6..=8 => self.watch(set, source, rng),
            9 => self.modify(set, source, rng),
            10 => self.unwatch(set, source),
            _ => self.wait(set, rng.below(4) + 1),
        }
    }

    fn write(&self, counter: usize, events: u64) {
        let ours = self.counters[counter].try_write(&self.caller, events).is_ok();
        assert_eq!(ours, write(&self.eventfds[counter], &events.to_ne_bytes()).is_ok());
    }

    fn read(&self, counter: usize) {
        let ours = self.counters[counter].try_read(&self.caller).ok();
        let mut bytes = [0; 8];
        let theirs = read(&self.eventfds[counter], &mut bytes).ok().map(|_| u64::from_ne_bytes(bytes));
        assert_eq!(ours, theirs);
    }

    fn watch(&mut self, set: usize, source: usize, rng: &mut Rng) {
        if self.watched.contains_key(&(set, source)) {
            return;
        }
        let ((interest, mode, flags), (handle, fd)) = (wish(rng), self.source(source));
        let ours = self.sets[set].as_ref().watch(&self.caller, handle, source as u64, interest, mode);
        let expected = match &ours {
            Ok(_) => Ok(()),
            Err(error) => match error.reason {
                WatchReason::Watched => return,
                // Linux: a descriptor that is the epoll itself is invalid.
                WatchReason::Cycle if source == COUNTERS + set => Err(Errno::INVAL),
                WatchReason::Cycle | WatchReason::TooDeep => Err(Errno::LOOP),
                other => panic!("{other}"),
            },
        };
        let theirs = epoll::add(&self.epolls[set], fd, EventData::new_u64(source as u64), flags);
        assert_eq!(expected, theirs, "watch {source} by {set}");
        if let Ok(id) = ours {
            self.watched.insert((set, source), id);
        }
    }

    fn modify(&mut self, set: usize, source: usize, rng: &mut Rng) {
        let Some(&id) = self.watched.get(&(set, source)) else { return };
        let (interest, mode, flags) = wish(rng);
        self.sets[set].modify(&self.caller, id, source as u64, interest, mode).unwrap();
        let (handle, fd) = self.source(source);
        // Linux looks even where it will look anyway, and that takes what is not ready any more from the list of a set within.
        handle.readiness();
        epoll::modify(&self.epolls[set], fd, EventData::new_u64(source as u64), flags).unwrap();
    }

    fn unwatch(&mut self, set: usize, source: usize) {
        let Some(id) = self.watched.remove(&(set, source)) else { return };
        self.sets[set].unwatch(&self.caller, id).unwrap();
        epoll::delete(&self.epolls[set], self.source(source).1).unwrap();
    }

    fn wait(&self, set: usize, room: usize) {
        let mut ours = [Event::NONE; 4];
        let count = self.sets[set].try_wait(&self.caller, &mut ours[..room]).unwrap_or(0);
        let ours: Vec<_> = ours[..count].iter().map(|event| (event.key, flags(event.ready))).collect();
        let mut theirs = Vec::with_capacity(room);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&self.epolls[set], rustix::buffer::spare_capacity(&mut theirs), Some(&now)).unwrap();
        let theirs: Vec<_> = theirs.iter().map(|event| (event.data.u64(), event.flags)).collect();
        assert_eq!(ours, theirs, "wait at {set} for {room}");
    }
}

/// 20,000 steps by default; `KOS_EPOLL_STEPS` for more. All is made anew after 200.
#[test]
fn a_wait_set_answers_as_epoll() {
    let steps: u64 = env::var("KOS_EPOLL_STEPS").map_or(20_000, |steps| steps.parse().unwrap());
    let nesting = Box::leak(Box::new(Nesting::new()));
    let park = StdPark::new();
    let token = park.token();
    for seed in 0..steps.div_ceil(200) {
        let mut rng = Rng::new(seed);
        let mut both = Both::new(&park, Caller::new(&token, (), &NoPolicy), nesting);
        for step in 0..200 {
            let result = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| both.step(&mut rng)));
            assert!(result.is_ok(), "seed {seed}, step {step}");
            assert!(both.sets.iter().all(|set| set.check().is_ok()), "seed {seed}, step {step}");
        }
    }
}
