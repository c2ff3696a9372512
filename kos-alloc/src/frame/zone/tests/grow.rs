//! Memory that comes and goes.

use alloc::vec;

use super::cpus::{Cpus, on};
use super::{PLAIN, drain, free, keeping_nothing, one, range, with_zones};
use crate::error::{FrameError, FreeError};
use crate::frame::zone::{Config, Zones};
use crate::frame::{InitError, NotAdded, ReserveError};
use crate::ports::{Env, FrameAlloc};
use crate::testing::HostEnv;
use crate::types::{FrameRange, FrameRequest, Pfn};

const ALL: [FrameRange; 1] = [FrameRange::between(Pfn(0), Pfn(0x4000))];

#[expect(unsafe_code, reason = "adds frames that are only numbers")]
fn add<'m, E: Env>(
    zones: &Zones<'m, E>,
    storage: &'m mut [u64],
    added: FrameRange,
) -> Result<usize, NotAdded<'m>> {
    // SAFETY: nobody uses these frames, there is no memory behind them.
    unsafe { zones.add(storage, added) }.map(|old| old.iter().map(|part| part.len()).sum())
}

#[test]
fn added_memory_joins_its_zone() {
    let env = HostEnv::without_memory();
    let zones = Zones::new(&env);
    let config = Config { min_free: Some(160), ..Config::new(&PLAIN) };
    let added = range(0x2000, 0x3000);
    assert_eq!(zones.words_with(added), Err(InitError::NotReady));
    let usable = [range(0x400, 0x2000)];
    let mut storage = vec![0; zones.storage_words(&config, &usable, &[]).unwrap()];
    #[expect(unsafe_code, reason = "initialises with frames that are only numbers")]
    // SAFETY: nobody uses these frames, there is no memory behind them.
    unsafe { zones.init(&mut storage, &config, &usable, &[]) }.unwrap();
    let live = zones.allocate(&FrameRequest::new(3)).unwrap();
    let before = zones.zone_stats(2).unwrap();

    let mut more = vec![!0; zones.words_with(added).unwrap()];
    assert!(add(&zones, &mut more, added).unwrap() > 0, "the old storage comes back");
    let after = zones.zone_stats(2).unwrap();
    assert_eq!(after.frames.managed, before.frames.managed + 0x1000);
    assert_eq!(after.frames.free, before.frames.free + 0x1000);
    assert!(after.watermarks.min > before.watermarks.min);
    assert_eq!(free(&zones, live), Ok(()), "what was live is live");
    zones.drain_local();
    let across = FrameRequest::new(0x1000).aligned(0x1000);
    assert_eq!(zones.allocate(&across).map(|range| range.start()), Ok(Pfn(0x1000)));
    let peak = zones.zone_stats(2).unwrap().frames.peak;
    assert!((0x1000..0x1100).contains(&peak), "counted of all that is managed: {peak:#x}");
    assert_eq!(free(&zones, range(0x1000, 0x2000)), Ok(()));
    zones.check().unwrap();

    // An empty zone gets its first frames.
    let low = range(0x100, 0x200);
    let mut first = vec![!0; zones.words_with(low).unwrap()];
    assert_eq!(add(&zones, &mut first, low).unwrap(), 0);
    let request = one().below(Pfn(0x400));
    let frame = zones.allocate(&request).unwrap();
    assert_eq!(free(&zones, frame), Ok(()));
    assert_eq!(free(&zones, frame), Err(FreeError::DoubleFree(frame)));
    assert_eq!(zones.stats().managed, 0x1c00 + 0x1000 + 0x100);
    zones.check().unwrap();
}

#[test]
fn what_cannot_be_added_comes_back() {
    let env = HostEnv::without_memory();
    with_zones(&env, &keeping_nothing(&PLAIN), &[range(0x400, 0x2000)], |zones| {
        let across = range(0x300, 0x400 + 1);
        assert_eq!(zones.words_with(across), Err(InitError::OutsideZone(across)));
        let known = range(0x1fff, 0x2001);
        assert!(matches!(zones.words_with(known), Err(InitError::Overlap { .. })));
        assert!(matches!(zones.words_with(range(0x2000, 0x2100)), Ok(words) if words > 0));
    });
}

#[test]
fn reserved_frames_are_gone() {
    let env = Cpus::new(2, FrameRange::EMPTY);
    with_zones(&env, &keeping_nothing(&PLAIN), &ALL, |zones| {
        on(0, || {
            let frame = zones.allocate(&one()).unwrap();
            assert_eq!(zones.reserve(frame), Err(ReserveError::InUse(frame)));
            free(zones, frame).unwrap();
            assert_eq!(zones.reserve(frame), Ok(()), "it rested with this CPU");
            assert_eq!(free(zones, frame), Err(FreeError::NotManaged(frame)));
            assert_eq!(zones.allocate_at(frame), Err(FrameError::NotManaged(frame)));
            let stats = zones.stats();
            assert_eq!((stats.managed, stats.reserved, stats.free), (0x3fff, 1, 0x3fff));
            assert!(!drain(zones, &one()).contains(&frame));
            let two = range(0x3ff, 0x401);
            assert_eq!(zones.reserve(two), Err(ReserveError::NotManaged(two)));
        });
    });
}

#[test]
fn the_largest_run_is_given() {
    let env = HostEnv::without_memory();
    with_zones(&env, &keeping_nothing(&PLAIN), &[range(0x1000, 0x1800), range(0x2000, 0x2300)], |zones| {
        assert_eq!(zones.allocate_largest(5).map(|range| range.count()), Ok(5));
        assert_eq!(zones.allocate_largest(usize::MAX).map(|range| range.count()), Ok(0x400));
        let refused = FrameError::BadRequest { count: 0, align: 1 };
        assert_eq!(zones.allocate_largest(0), Err(refused));
        while zones.allocate_largest(usize::MAX).is_ok() {}
        assert_eq!(zones.stats().free, 0);
    });
}
