//! What can be watched, and what a source does while it is looked at.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::OnceLock;

use super::tests::{NOTHING, R, Set, W, counter, leak, ready, set, with};
use super::{Event, Mode, Nesting, WatchId};
use crate::caller::Caller;
use crate::endpoint::{CallSlot, Endpoint};
use crate::notify::{Notification, Semaphore};
use crate::policy::{NoPolicy, ObjectKind, ObjectMeta};
use crate::quota::{Limits, QuotaNode, Quotas};
use crate::testing::{StdEnv, StdPark};
use crate::wait::{Observers, Parts, Readiness, Source};

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
