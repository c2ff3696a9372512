//! Wait sets and who waits for them: threads, futures, simulations, the model.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

use super::tests::{Handle, R, Set, counter, set, with};
use super::{Event, Mode, Nesting, WaitSet, WaitSetError};
use crate::caller::Caller;
use crate::error::WaitError;
use crate::notify::{CounterMode, EventCounter, Semaphore};
use crate::policy::NoPolicy;
use crate::testing::{
    Choices, Rng, SimBody, SimEnv, SimPark, SimToken, StdEnv, cases, fuzz, set_model, simulate,
};
use crate::time::Instant;
use crate::wait::{Parts, WatchSlot};

#[test]
fn a_thread_and_a_future_wait_for_a_set() {
    with(|park, caller, nesting| {
        let (set, counter) = (set(park, 1, nesting), counter(park));
        set.as_ref().watch(caller, counter.clone(), 1, R, Mode::Edge).unwrap();
        let mut events = [Event::NONE; 1];
        let late = Some(Instant::from_ticks(0));
        let timed_out = Err(WaitSetError::Wait(WaitError::TimedOut));
        assert_eq!(set.wait(caller, &mut events, late), timed_out);
        let cx = &mut Context::from_waker(Waker::noop());
        let mut future = Box::pin(set.wait_async(caller, &mut events));
        assert!(future.as_mut().poll(cx).is_pending());
        counter.try_write(caller, 1).unwrap();
        assert_eq!(future.as_mut().poll(cx), Poll::Ready(Ok(1)));
    });
}

#[test]
fn sources_of_a_set_that_was_forgotten_are_left_in_peace() {
    with(|park, caller, nesting| {
        let counter = counter(park);
        {
            let mut slots = Box::pin([(); 2].map(|()| WatchSlot::<StdEnv, Handle<'_, StdEnv>>::new()));
            let lent: Pin<&mut [_]> = slots.as_mut();
            let set = Box::pin(WaitSet::new(park.clone(), lent, None, nesting, 0, 0));
            set.as_ref().watch(caller, counter.clone(), 1, R, Mode::Level).unwrap();
            counter.try_write(caller, 1).unwrap();
            let set = ManuallyDrop::new(set);
            assert_eq!(set.check(), Ok(()));
            assert!(counter.observers().are_any());
        }
        assert!(!counter.observers().are_any(), "a slot that goes leaves");
        counter.try_write(caller, 1).unwrap();
    });
}

/// What the threads of a simulation share.
struct Shared<'a> {
    set: Pin<Arc<Set<'a, SimEnv>>>,
    counters: Vec<Pin<Arc<EventCounter<SimEnv>>>>,
    /// The end: known by the key after those of the counters.
    over: Pin<Arc<Semaphore<SimEnv>>>,
    taken: AtomicUsize,
}

impl<'a> Shared<'a> {
    fn new(park: &SimPark, nesting: &'a Nesting<SimEnv>, mode: Mode) -> Self {
        let counter = |_| Arc::pin(EventCounter::new(park.clone(), 0, CounterMode::Whole, 0, 0));
        let shared = Self {
            set: set(park, 4, nesting),
            counters: (0..3).map(counter).collect(),
            over: Arc::pin(Semaphore::new(park.clone(), 0, 0, 0)),
            taken: AtomicUsize::new(0),
        };
        let caller = Caller::new(&SimToken(0), (), &NoPolicy);
        for (key, counter) in (0..).zip(&shared.counters) {
            shared.set.as_ref().watch(&caller, counter.clone(), key, R, mode).unwrap();
        }
        shared.set.as_ref().watch(&caller, shared.over.clone(), 3, R, Mode::Level).unwrap();
        shared
    }

    fn write(&self, me: SimToken, rng: &mut Rng) {
        let caller = Caller::new(&me, (), &NoPolicy);
        (0..6).for_each(|_| self.counters[rng.below(3)].try_write(&caller, 1).unwrap());
    }

    /// Takes what is reported until all 12 that are written were.
    fn take(&self, me: SimToken, rng: &mut Rng) {
        let caller = Caller::new(&me, (), &NoPolicy);
        let mut events = [Event::NONE; 2];
        while let Ok(count) = self.set.wait(&caller, &mut events[..=rng.below(2)], None) {
            for event in &events[..count] {
                let Some(counter) = self.counters.get(usize::try_from(event.key).unwrap()) else { return };
                let read = usize::try_from(counter.try_read(&caller).unwrap_or(0)).unwrap();
                if read > 0 && self.taken.fetch_add(read, Ordering::Relaxed) + read == 12 {
                    self.over.release(&caller, 1).unwrap();
                }
            }
        }
    }
}

/// Two threads write to counters, two take what a set reports; a fifth waits for that set by another, if `nested`.
fn nothing_is_lost(seed: u64, mode: Mode, nested: bool) {
    let (nesting, mut rng) = (Nesting::new(), Rng::new(seed));
    let mut taken = None;
    simulate(seed, |park: &SimPark| {
        let shared = Arc::new(Shared::new(park, &nesting, mode));
        taken = Some(Arc::clone(&shared));
        let above = set(park, 1, &nesting);
        let caller = Caller::new(&SimToken(0), (), &NoPolicy);
        above.as_ref().watch(&caller, shared.set.clone(), 0, R, Mode::Edge).unwrap();
        let body = |number: usize| {
            let (shared, above, mut rng) = (Arc::clone(&shared), above.clone(), Rng::new(rng.next()));
            Box::new(move |me: SimToken| match number {
                0 | 1 => shared.write(me, &mut rng),
                2 | 3 => shared.take(me, &mut rng),
                _ => {
                    let caller = Caller::new(&me, (), &NoPolicy);
                    assert_eq!(above.wait(&caller, &mut [Event::NONE], None), Ok(1));
                }
            }) as SimBody<'_>
        };
        (0..if nested { 5 } else { 4 }).map(body).collect()
    })
    .unwrap();
    let shared = taken.unwrap();
    assert_eq!((shared.taken.load(Ordering::Relaxed), shared.set.check()), (12, Ok(())), "seed {seed}");
}

#[test]
fn nothing_is_lost_in_any_order() {
    for seed in 0..u64::from(cases()) / 4 {
        let mode = if seed.is_multiple_of(2) { Mode::Level } else { Mode::Edge };
        nothing_is_lost(seed, mode, seed.is_multiple_of(3));
    }
}

/// 100,000 operations by default; `KOS_WAITSET_OPS` for more.
#[test]
fn a_set_reports_what_the_lists_say() {
    const LENGTH: u64 = 250;
    let ops: u64 = std::env::var("KOS_WAITSET_OPS").map_or(100_000, |ops| ops.parse().unwrap());
    (0..ops / LENGTH).for_each(|seed| set_model::run(&mut Choices::random(seed, LENGTH)));
}

#[test]
fn the_corpus_of_waitset_ops_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/waitset_ops");
    let corpus: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| fuzz::waitset_ops(&std::fs::read(path).unwrap()));
}
