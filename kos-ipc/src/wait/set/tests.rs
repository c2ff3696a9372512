//! Wait sets: what is reported when, and what is refused.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::OnceLock;

use super::{Event, Mode, Nesting, WaitSet, WaitSetError, WatchId, WatchReason};
use crate::caller::Caller;
use crate::endpoint::{CallSlot, Endpoint};
use crate::error::WaitError;
use crate::notify::{CounterMode, EventCounter, Notification, Semaphore};
use crate::policy::{NoPolicy, ObjectKind, ObjectMeta};
use crate::ports::Env;
use crate::quota::{Limits, QuotaNode, Quotas, Resource};
use crate::testing::{
    Choices, Rng, SimBody, SimEnv, SimPark, SimToken, StdEnv, StdPark, cases, fuzz, set_model, simulate,
};
use crate::time::Instant;
use crate::wait::{Observers, Parts, Readiness, Source, WatchSlot};

type Handle<'a, E> = Arc<dyn Source<E> + Send + Sync + 'a>;
type Set<'a, E> = WaitSet<'a, E, Handle<'a, E>, Box<[WatchSlot<E, Handle<'a, E>>]>>;

const R: Readiness = Readiness::READABLE;
const W: Readiness = Readiness::WRITABLE;

fn set<'a, E: Env<Park: Clone>>(
    park: &E::Park,
    slots: usize,
    nesting: &'a Nesting<E>,
) -> Pin<Arc<Set<'a, E>>> {
    let slots: Box<[_]> = (0..slots).map(|_| WatchSlot::new()).collect();
    Arc::pin(Set::new(park.clone(), Box::into_pin(slots), None, nesting, 0, 0))
}

fn counter(park: &StdPark) -> Pin<Arc<EventCounter<StdEnv>>> {
    Arc::pin(EventCounter::new(park.clone(), 0, CounterMode::Whole, 0, 0))
}

/// What is ready now: keys, what of it, what was signalled.
fn ready<E: Env>(set: &Set<'_, E>, caller: &Caller<'_, E>) -> Vec<(u64, Readiness, Readiness)> {
    let mut events = [Event::NONE; 8];
    let count = set.try_wait(caller, &mut events).unwrap_or(0);
    assert_eq!(set.check(), Ok(()));
    events[..count].iter().map(|event| (event.key, event.ready, event.signalled)).collect()
}

/// Runs `work` with a scheduler, a caller and a nesting.
fn with(work: impl FnOnce(&StdPark, &Caller<'_, StdEnv>, &Nesting<StdEnv>)) {
    let park = StdPark::new();
    let token = park.token();
    work(&park, &Caller::new(&token, (), &NoPolicy), &Nesting::new());
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

const NOTHING: Readiness = Readiness::empty();

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

#[test]
fn every_object_can_be_watched() {
    with(|park, caller, nesting| {
        let set = set(park, 4, nesting);
        let bits = Arc::pin(Notification::<StdEnv>::new(park.clone(), 0, 0));
        let permits = Arc::pin(Semaphore::<StdEnv>::new(park.clone(), 0, 0, 0));
        let slots = Box::leak(Box::new([CallSlot::new()]));
        let calls = Arc::pin(Endpoint::<StdEnv, u32>::new(park.clone(), slots, 0, 0));
        set.as_ref().watch(caller, bits.clone(), 1, R, Mode::Level).unwrap();
        set.as_ref().watch(caller, permits.clone(), 2, R, Mode::Level).unwrap();
        set.as_ref().watch(caller, calls.clone(), 3, R, Mode::Level).unwrap();
        assert_eq!(ready(&set, caller), []);
        bits.post(caller, 4).unwrap();
        permits.release(caller, 1).unwrap();
        let call = calls.call_async(caller, 0, 1).unwrap();
        assert_eq!(ready(&set, caller), [(1, R, R), (2, R, R), (3, R, R)]);
        bits.try_take(caller, 4).unwrap();
        permits.try_acquire(caller, 1).unwrap();
        drop(calls.try_recv(caller).unwrap());
        drop(call);
        assert_eq!(ready(&set, caller), []);
        bits.close();
        permits.close();
        _ = calls.close();
        let gone = Readiness::HUNG_UP;
        assert_eq!(ready(&set, caller), [(1, gone, gone), (2, gone, gone), (3, gone, gone)]);
    });
}

#[test]
fn ends_of_a_channel_can_be_watched() {
    use crate::cap::{Cells, Object};
    use crate::channel::{Block, CallPlace, CapPlace, Channel, Config, Levels, Memory, Side};
    #[derive(Clone)]
    struct Nothing;
    impl Object for Nothing {
        fn kind(&self) -> u8 {
            0
        }
    }
    with(|park, caller, nesting| {
        let mut nodes = [QuotaNode::new()];
        let quotas = Quotas::<StdEnv>::new(&mut nodes);
        let cells = Cells::new(&mut [], &quotas);
        let (levels, quota) = (Levels::new(&cells), quotas.root(Limits::UNLIMITED).unwrap());
        let (mut blocks, mut caps) = ([(); 8].map(|()| Block::new()), [(); 2].map(|()| CapPlace::new()));
        let mut calls = [(); 2].map(|()| CallPlace::new());
        let ([b0, b1], [c0, c1], [p0, p1]) =
            (blocks.as_chunks_mut::<4>().0, caps.as_chunks_mut::<1>().0, calls.as_chunks_mut::<1>().0)
        else {
            panic!("two of each")
        };
        let memory = [Memory { blocks: b0, caps: c0, calls: p0 }, Memory { blocks: b1, caps: c1, calls: p1 }];
        let config = Config::of(4, 1);
        let channel = Channel::<_, Nothing>::new(park.clone(), memory, &levels, quota, config, 0, 0).unwrap();
        let (a, b) = (Arc::pin(channel.end(Side::A)), Arc::pin(channel.end(Side::B)));
        let set = set(park, 2, nesting);
        let ids = [
            set.as_ref().watch(caller, b.clone(), 1, R, Mode::Level).unwrap(),
            set.as_ref().watch(caller, a.clone(), 2, W, Mode::Edge).unwrap(),
        ];
        assert_eq!(ready(&set, caller), [(2, W, NOTHING)]);
        while a.try_send(caller, &[1], ()).is_ok() {}
        assert_eq!(ready(&set, caller), [(1, R, R)]);
        while b.try_receive(caller, &mut [0], ()).is_ok() {}
        assert_eq!(ready(&set, caller), [(2, W, W)]);
        _ = a.close();
        let events = ready(&set, caller);
        assert!(matches!(events[..], [(1, of, _), ..] if of.contains(Readiness::HUNG_UP)), "{events:?}");
        ids.into_iter().for_each(|id| set.unwatch(caller, id).unwrap());
    });
}

#[cfg(feature = "posix")]
#[test]
fn ends_of_a_pipe_can_be_watched() {
    use crate::posix::pipe::{Pipe, PipePage};
    with(|park, caller, nesting| {
        let mut pages = [const { PipePage::new() }; 1];
        let pipe = Pipe::new(park.clone(), &mut pages, 0, 0);
        let (reader, writer) = (Arc::pin(pipe.reader()), Arc::pin(pipe.writer()));
        let set = set(park, 2, nesting);
        let id = set.as_ref().watch(caller, reader.clone(), 1, R, Mode::Edge).unwrap();
        let other = set.as_ref().watch(caller, writer.clone(), 2, W, Mode::Edge).unwrap();
        assert_eq!(ready(&set, caller), [(2, W, NOTHING)]);
        writer.write(caller, &[0; 4096], None).unwrap();
        assert_eq!(ready(&set, caller), [(1, R, R)]);
        reader.try_read(caller, &mut [0; 4096]).unwrap();
        assert_eq!(ready(&set, caller), [(2, W, W)]);
        set.unwatch(caller, other).unwrap();
        drop(writer);
        assert_eq!(ready(&set, caller), [(1, Readiness::HUNG_UP, Readiness::HUNG_UP)]);
        set.unwatch(caller, id).unwrap();
    });
}

/// A source that does something of a test's while it is looked at.
struct Nosy<'a> {
    observers: Observers<StdEnv>,
    is_ready: AtomicBool,
    meanwhile: Box<dyn Fn(&Self) + Send + Sync + 'a>,
}

impl Parts<StdEnv> for Nosy<'_> {
    fn observers(&self) -> &Observers<StdEnv> {
        &self.observers
    }

    fn meta(&self) -> &ObjectMeta {
        &ObjectMeta { kind: ObjectKind::Pipe, label: 0, id: 0 }
    }
}

impl Source<StdEnv> for Nosy<'_> {
    fn readiness(&self) -> Readiness {
        let ready = self.is_ready.load(Ordering::Relaxed);
        (self.meanwhile)(self);
        if ready { R } else { NOTHING }
    }
}

fn nosy<'a>(meanwhile: impl Fn(&Nosy<'_>) + Send + Sync + 'a) -> Pin<Arc<Nosy<'a>>> {
    let meanwhile = Box::new(meanwhile);
    Arc::pin(Nosy { observers: Observers::new(), is_ready: AtomicBool::new(false), meanwhile })
}

#[test]
fn a_signal_during_a_look_is_seen_by_the_next() {
    with(|park, caller, nesting| {
        let set = set(park, 1, nesting);
        let source = nosy(|source| {
            if !source.is_ready.swap(true, Ordering::Relaxed) {
                source.observers.signal(park, R);
            }
        });
        set.as_ref().watch(caller, source.clone(), 1, R, Mode::Edge).unwrap();
        assert_eq!(ready(&set, caller), [(1, R, NOTHING)], "the look at its beginning missed it");
    });
}

#[test]
fn a_registration_that_is_taken_off_during_a_look_is_gone_after_it() {
    with(|park, caller, _| {
        let set = set(park, 1, leak(Nesting::new()));
        let (known, looks) = (leak(OnceLock::new()), leak(AtomicUsize::new(0)));
        let source = nosy(|_| {
            let look = looks.fetch_add(1, Ordering::Relaxed);
            let (park, Some((set, id))) = (StdPark::new(), known.get()) else { return };
            let (set, id): (&Pin<Arc<Set<'static, StdEnv>>>, &WatchId) = (set, id);
            let result = set.unwatch(&Caller::new(&park.token(), (), &NoPolicy), *id);
            assert_eq!(result.is_ok(), look == 1);
        });
        source.is_ready.store(true, Ordering::Relaxed);
        let id = set.as_ref().watch(caller, source.clone(), 1, R, Mode::Level).unwrap();
        assert!(known.set((set.clone(), id)).is_ok());
        assert_eq!(ready(&set, caller), [], "it was taken off before it could be reported");
        assert!(!source.observers.are_any());
        assert!(set.as_ref().watch(caller, counter(park), 2, R, Mode::Level).is_ok(), "its slot is free");
    });
}

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
fn a_wait_costs_what_is_ready_however_much_is_registered() {
    let looks = |registered: usize| {
        let mut looked = 0;
        with(|park, caller, nesting| {
            let (set, looks) = (set(park, registered, nesting), leak(AtomicUsize::new(0)));
            let sources: Vec<_> =
                (0..registered).map(|_| nosy(|_| _ = looks.fetch_add(1, Ordering::Relaxed))).collect();
            for (key, source) in (0..).zip(&sources) {
                set.as_ref().watch(caller, source.clone(), key, R, Mode::Level).unwrap();
            }
            looks.store(0, Ordering::Relaxed);
            sources[registered / 2].is_ready.store(true, Ordering::Relaxed);
            sources[registered / 2].observers.signal(park, R);
            assert_eq!(set.try_wait(caller, &mut [Event::NONE; 4]), Ok(1));
            looked = looks.load(Ordering::Relaxed);
        });
        looked
    };
    assert_eq!((looks(10), looks(10_000)), (1, 1));
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
