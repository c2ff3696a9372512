//! Frames that cannot be had, objects that cannot be made.

use alloc::vec::Vec;

use super::Machine;
use crate::error::AllocError;
use crate::object::ObjectCache;
use crate::testing::{HostEnv, PlainFrames};
use crate::types::{FrameRange, Pfn};

const STORY: usize = 60;

/// For every k: the k-th slab gets no frames. One allocation fails, nothing is lost.
#[test]
fn every_slab_may_fail() {
    for k in 0.. {
        let machine = Machine::new(64);
        let cache = machine.cache::<480>();
        machine.frames.fail_at(Some(k));
        let objects: Vec<_> = (0..STORY).map(|_| cache.allocate()).collect();
        let calls = machine.frames.calls();
        let failed: Vec<_> = objects.iter().filter_map(|object| object.as_ref().err()).collect();
        assert!(failed.iter().all(|error| matches!(error, AllocError::NoMemory { .. })));
        assert_eq!(failed.len(), usize::from(calls > k), "slab {k}");
        assert_eq!((cache.stats().live, cache.check()), (STORY - failed.len(), Ok(())));
        drop(objects);
        cache.shrink();
        assert_eq!((machine.alive(), machine.frames.live_frames()), (0, 0), "slab {k}");
        if calls <= k {
            assert!(k > 4);
            return;
        }
    }
}

/// For every k: the k-th object cannot be made. Its slab has fewer objects then; only a slab without any fails.
#[test]
fn every_construction_may_fail() {
    for k in 0..STORY {
        let machine = Machine::new(64);
        let cache = machine.cache::<480>();
        machine.fail_construction(k);
        let objects: Vec<_> = (0..STORY).map(|_| cache.allocate()).collect();
        let failed = objects.iter().filter(|object| object.is_err()).count();
        let (stats, made) = (cache.stats(), machine.alive());
        assert_eq!((stats.live, stats.objects(), cache.check()), (STORY - failed, made, Ok(())));
        assert_eq!(failed > 0, k % 8 == 0, "object {k} of slabs of eight");
        assert!(failed <= 1);
        drop(objects);
        assert_eq!(cache.check(), Ok(()));
        cache.shrink();
        assert_eq!((machine.alive(), machine.frames.live_frames()), (0, 0), "object {k}");
    }
}

#[test]
fn a_map_that_does_not_reach_or_align_is_an_error() {
    let machine = Machine::new(16);
    let outside = PlainFrames::new(FrameRange::new(Pfn(0x9_0000), 16).unwrap());
    let cache = ObjectCache::new(&machine.env, &outside, || Ok([0_u8; 100]));
    assert!(matches!(cache.allocate(), Err(AllocError::BadRequest { size: 100, .. })));
    assert_eq!((outside.used(), cache.stats().slabs), (0, 0));
}

#[test]
fn the_errors_of_the_source_are_passed_on() {
    let env = HostEnv::without_memory();
    let none = crate::frame::Frames::<_, crate::Buddy<'static>>::new(&env);
    let cache = ObjectCache::new(&env, &none, || Ok(1));
    assert!(matches!(cache.allocate(), Err(AllocError::NotReady)));
    let machine = Machine::new(16);
    let failing = ObjectCache::new(&machine.env, &machine.frames, || -> Result<u8, _> {
        Err(AllocError::LimitReached { max: 3 })
    });
    assert!(matches!(failing.allocate(), Err(AllocError::LimitReached { max: 3 })));
    assert_eq!(machine.frames.live_frames(), 0);
}

#[test]
#[expect(unsafe_code, reason = "writes where nobody may")]
fn a_trampled_head_is_found() {
    let machine = Machine::new(16);
    let cache = machine.cache::<480>();
    let object = cache.allocate().unwrap();
    let first = machine.env.address_of(Pfn(0x1_0003)).unwrap().cast::<u64>();
    // SAFETY: the frame of the only slab is memory of the test's own.
    let cookie = unsafe { first.read() };
    // SAFETY: as above.
    unsafe { first.write(!cookie) };
    let found = cache.check().unwrap_err();
    assert_eq!(found.frame, Pfn(0x1_0003));
    // SAFETY: as above.
    unsafe { first.write(cookie) };
    assert_eq!(cache.check(), Ok(()));
    drop(object);
}
