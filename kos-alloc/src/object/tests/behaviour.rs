//! Made once, used often, dropped once; where objects lie; several CPUs.

use core::ptr;
use std::thread;

use alloc::vec::Vec;

use super::{Machine, TestCache};
use crate::error::AllocError;
use crate::object::{ObjBox, ObjectCache};
use crate::ports::{FrameAlloc, Reclaim};
use crate::reclaim::Reclaiming;
use crate::testing::{HostEnv, PlainFrames};
use crate::types::{FrameFlags, FrameRange, FrameRequest, Pfn};

#[test]
fn objects_are_made_once_and_dropped_once() {
    let machine = Machine::new(64);
    let cache = machine.cache::<100>();
    let first = cache.allocate().unwrap();
    let (number, address) = (first.number, ptr::from_ref(&*first));
    let slab = machine.alive();
    assert!(slab > 8, "the whole slab is made: {slab}");
    drop(first);
    for uses in 1..1000 {
        let again = cache.allocate().unwrap();
        assert_eq!((again.number, again.uses, ptr::from_ref(&*again)), (number, uses, address));
    }
    assert_eq!((machine.alive(), cache.stats().constructed, cache.stats().dropped), (slab, slab, 0));
    assert_eq!((cache.shrink(), machine.alive()), (1, 0));
    assert_eq!((cache.stats().dropped, cache.stats().objects(), machine.frames.live_frames()), (slab, 0, 0));
    assert_eq!(cache.check(), Ok(()));
}

#[test]
fn empty_slabs_go_back_but_for_some() {
    let machine = Machine::new(256);
    let cache = machine.cache::<480>();
    let objects: Vec<_> = (0..160).map(|_| cache.allocate().unwrap()).collect();
    let full = cache.stats();
    assert_eq!((full.live, full.empty, cache.check()), (160, 0, Ok(())));
    assert!(full.slabs >= 20);
    drop(objects);
    let rest = cache.stats();
    assert!(rest.slabs >= 1 && rest.slabs <= full.slabs / 8 && rest.empty == rest.slabs, "{rest:?}");
    assert_eq!((rest.live, rest.peak, machine.alive()), (0, 160, rest.objects()));
    assert_eq!(cache.shrink(), machine.frames.live_frames() + rest.slabs);
    drop(cache);
    assert_eq!((machine.alive(), machine.frames.live_frames()), (0, 0));
}

/// Also with every slab in use by a forgotten object the rest comes back.
#[test]
fn dropping_the_cache_drops_what_is_free() {
    let machine = Machine::new(64);
    let cache = machine.cache::<480>();
    let mut objects: Vec<_> = (0..20).map(|_| cache.allocate().unwrap()).collect();
    let slabs = cache.stats().slabs;
    #[expect(clippy::mem_forget, reason = "what is tested")]
    core::mem::forget(objects.swap_remove(0));
    drop(objects);
    drop(cache);
    assert!(slabs > 1 && machine.frames.live_frames() == 1, "the slab of the forgotten one stays");
    assert!(machine.alive() > 0);
}

/// The first objects of successive slabs lie in different cache lines.
#[test]
fn slabs_are_coloured() {
    let machine = Machine::new(256);
    let cache = machine.cache::<400>();
    let objects: Vec<_> = (0..60).map(|_| cache.allocate().unwrap()).collect();
    let (slabs, all, size) = (cache.stats().slabs, cache.stats().objects(), cache.stats().size);
    assert_eq!((slabs, all, size), (4, 4 * 19, 424), "slabs of 8 KiB with a rest of 88 bytes");
    let firsts = objects.iter().step_by(19).map(|object| ptr::from_ref(&**object).addr() % 8192);
    let firsts: Vec<_> = firsts.collect();
    assert_eq!(firsts, [firsts[0], firsts[0] + 64, firsts[0], firsts[0] + 64]);
    assert_eq!(cache.check(), Ok(()));
}

#[repr(align(4096))]
struct Page([u8; 4096]);

#[repr(align(32))]
struct Odd([u8; 33]);

#[test]
fn types_of_every_shape_fit() {
    fn shape<T: Send>(make: fn() -> T, least: usize) {
        let machine = Machine::new(128);
        let cache = ObjectCache::new(&machine.env, &machine.frames, || Ok(make()));
        let mut objects = Vec::new();
        while cache.stats().slabs < 2 {
            objects.push(cache.allocate().unwrap());
        }
        assert!(objects.len() > least, "{:?}", cache.stats());
        let mut ends = 0;
        let mut places: Vec<_> = objects.iter().map(|object| ptr::from_ref(&**object)).collect();
        places.sort();
        for place in places {
            assert!(place.is_aligned() && place.addr() >= ends, "objects are apart");
            ends = place.addr() + size_of::<T>().max(1);
        }
        assert_eq!(cache.check(), Ok(()));
        drop(objects);
        drop(cache);
        assert_eq!(machine.frames.live_frames(), 0);
    }
    shape(|| (), 496);
    shape(|| 7_u8, 496);
    shape(|| [0_u64; 3], 166);
    shape(|| Odd([1; 33]), 62);
    shape(|| Page([2; 4096]), 15);
    shape(|| [0_u8; 40_000], 1);
    assert!(Odd([1; 33]).0[0] == 1 && Page([2; 4096]).0[0] == 2);
}

/// Frames that end are had from the empty slabs of a cache, by the port.
#[test]
fn a_cache_gives_back_when_frames_end() {
    let span = FrameRange::new(Pfn(0x203), 64).unwrap();
    let (env, frames) = (HostEnv::new(span), PlainFrames::new(span));
    let cache = ObjectCache::new(&env, &frames, || Ok([0_u64; 60]));
    let objects: Vec<_> = core::iter::from_fn(|| cache.allocate().ok()).collect();
    let source = Reclaiming::new(&env, &frames, &cache);
    assert!(source.allocate(&FrameRequest::new(1)).is_err(), "all are in use");
    drop(objects);
    let kept = cache.count();
    assert!(kept >= 1 && kept == cache.stats().empty, "{kept}");
    while source.allocate(&FrameRequest::new(1).with(FrameFlags::NO_RECLAIM)).is_ok() {}
    assert!(source.allocate(&FrameRequest::new(1)).is_ok());
    assert_eq!((cache.count(), source.stats().freed), (kept - 1, 1));
}

/// A constructor may allocate from the cache, and an object may hold another of it.
#[test]
fn objects_may_nest() {
    struct Node<'c>(Option<ObjBox<'c, u64>>);
    let machine = Machine::new(32);
    let numbers = ObjectCache::new(&machine.env, &machine.frames, || Ok(9));
    let nodes = ObjectCache::new(&machine.env, &machine.frames, || Ok(Node(Some(numbers.allocate()?))));
    let node = nodes.allocate().unwrap();
    assert_eq!(node.0.as_deref(), Some(&9));
    assert_eq!(numbers.stats().live, nodes.stats().objects());
    drop(node);
    nodes.shrink();
    assert_eq!(numbers.stats().live, 0);
}

#[test]
fn cpus_share_a_cache() {
    let machine = Machine::new(512);
    let cache = machine.cache::<200>();
    thread::scope(|scope| {
        for seed in 1..5_usize {
            let cache = &cache;
            scope.spawn(move || churn(cache, seed));
        }
    });
    assert_eq!((cache.check(), cache.stats().live), (Ok(()), 0));
    assert_eq!(machine.alive(), cache.stats().objects());
    drop(cache);
    assert_eq!((machine.alive(), machine.frames.live_frames()), (0, 0));
}

/// Takes objects, marks them as its own, and looks that they stay so.
fn churn(cache: &TestCache<'_, 200>, seed: usize) {
    let (mut held, mut state) = (Vec::new(), seed);
    for _ in 0..4000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 16 & 1 == 0 && held.len() < 100 {
            let mut object = cache.allocate().unwrap();
            object.uses = seed << 32;
            held.push(object);
        } else if !held.is_empty() {
            let object = held.swap_remove((state >> 18) % held.len());
            assert_eq!(object.uses, seed << 32);
        }
    }
}

#[test]
fn a_box_shows_what_it_holds() {
    let machine = Machine::new(16);
    let cache = ObjectCache::new(&machine.env, &machine.frames, || Ok(41));
    let mut object = cache.allocate().unwrap();
    *object += 1;
    assert_eq!((alloc::format!("{object} {object:?}"), cache.stats().live), ("42 42".into(), 1));
    let moved = thread::scope(|scope| scope.spawn(move || drop(object)).join());
    assert!(moved.is_ok());
    assert_eq!(cache.stats().live, 0);
    assert_eq!(cache.allocate().map(|object| *object), Ok::<_, AllocError>(42));
}
