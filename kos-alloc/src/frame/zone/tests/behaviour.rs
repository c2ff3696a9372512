//! Which zone serves, and what each keeps back.

use super::{PLAIN, drain, free, keeping_nothing, one, range, with_zones};
use crate::error::{FrameError, FreeError};
use crate::frame::zone::{Config, ZoneKind};
use crate::ports::FrameAlloc;
use crate::testing::HostEnv;
use crate::types::{FrameFlags, FrameRange, FrameRequest, Pfn, ZoneSet};

const ALL: [FrameRange; 1] = [FrameRange::between(Pfn(0), Pfn(0x2000))];

#[test]
fn the_highest_allowed_zone_serves_and_lower_ones_help_out() {
    let env = HostEnv::without_memory();
    with_zones(&env, &keeping_nothing(&PLAIN), &ALL, |zones| {
        let start = |request: FrameRequest| zones.allocate(&request).unwrap().start();
        assert_eq!(start(one()), Pfn(0x1000));
        assert_eq!(start(one().from_zones(ZoneSet::up_to(1))), Pfn(0x400));
        assert_eq!(start(one().from_zones(ZoneSet::only(0))), Pfn(0));
        drain(zones, &one().from_zones(ZoneSet::only(2)));
        assert_eq!(start(one()), Pfn(0x401), "then the next one down");
        assert_eq!(start(FrameRequest::new(0x800).aligned(0x800)), Pfn(0x800));
        assert_eq!(start(FrameRequest::new(0x200).aligned(0x200)), Pfn(0x600));
        assert_eq!(start(FrameRequest::new(0x200).aligned(0x200)), Pfn(0x200), "the lowest at last");
    });
}

#[test]
fn every_frame_is_given_once_and_comes_back() {
    let env = HostEnv::without_memory();
    with_zones(&env, &keeping_nothing(&PLAIN), &ALL, |zones| {
        let before = zones.histogram();
        let all = drain(zones, &one());
        assert_eq!(all.len(), 0x2000);
        assert_eq!((zones.stats().free, zones.largest_free()), (0, 0));
        let none = FrameError::NoMemory { requested: 1, largest_free: 0 };
        assert_eq!(zones.allocate(&one()), Err(none));
        all.iter().for_each(|&frame| free(zones, frame).unwrap());
        assert_eq!(zones.stats().free, 0x2000, "those with the CPU are free too");
        zones.drain_local();
        assert_eq!((zones.stats().free, zones.histogram()), (0x2000, before));
        let stats = zones.stats();
        assert_eq!((stats.allocations, stats.frees, stats.peak), (0x2000, 0x2000, 0x2000));
        assert_eq!(stats.failures.no_memory, 2, "those that the caller saw");
    });
}

#[test]
fn limits_below_a_zone_skip_it() {
    let env = HostEnv::without_memory();
    with_zones(&env, &keeping_nothing(&PLAIN), &ALL, |zones| {
        assert_eq!(zones.allocate(&one().below(Pfn(0x1000))).unwrap().start(), Pfn(0x400));
        assert_eq!(zones.allocate(&one().below(Pfn(0x400))).unwrap().start(), Pfn(0));
        assert!(matches!(zones.allocate(&one().below(Pfn(0))), Err(FrameError::NoMemory { .. })));
    });
}

#[test]
fn frames_below_min_are_for_the_reserve_alone() {
    let env = HostEnv::without_memory();
    let config = Config { min_free: Some(64), ..Config::new(&PLAIN) };
    with_zones(&env, &config, &ALL, |zones| {
        let most = zones.largest_free();
        drain(zones, &one());
        assert_eq!(zones.stats().free, 64, "each zone keeps its share: 8, 24 and 32");
        let zone = zones.zone_stats(2).unwrap();
        assert_eq!((zone.frames.free, zone.watermarks.min, zone.pressure), (32, 32, true));
        let none = FrameError::NoMemory { requested: 1, largest_free: 0 };
        assert_eq!(zones.allocate(&one()), Err(none));
        let reserve = drain(zones, &one().with(FrameFlags::RESERVE));
        assert_eq!((reserve.len(), zones.stats().free), (64, 0));
        reserve.into_iter().for_each(|frame| free(zones, frame).unwrap());
        assert_eq!(most, 0x1000 - 32);
    });
}

/// What `largest_free` says can be had, and one frame more cannot.
#[test]
fn the_largest_free_count_can_be_had() {
    let env = HostEnv::without_memory();
    for min_free in [0, 10, 500] {
        let config = Config { min_free: Some(min_free), ..Config::new(&PLAIN) };
        with_zones(&env, &config, &ALL, |zones| {
            while zones.largest_free() > 0 {
                let most = zones.largest_free();
                let more = FrameError::NoMemory { requested: most + 1, largest_free: most };
                assert_eq!(zones.allocate(&FrameRequest::new(most + 1)), Err(more));
                assert_eq!(zones.allocate(&FrameRequest::new(most)).map(|range| range.count()), Ok(most));
            }
            assert!(zones.allocate(&one()).is_err());
            assert_eq!(
                zones.stats().free,
                (0..3).map(|zone| zones.zone_stats(zone).unwrap().watermarks.min).sum()
            );
        });
    }
}

#[test]
fn a_low_zone_is_kept_from_those_who_could_do_with_a_higher() {
    let env = HostEnv::without_memory();
    let table = [ZoneKind::new("low", Pfn(0x400)).reserving(16), ZoneKind::new("high", Pfn::MAX)];
    with_zones(&env, &keeping_nothing(&table), &ALL, |zones| {
        let kept = (0x2000 - 0x400) / 16;
        drain(zones, &one());
        assert_eq!(zones.zone_stats(0).unwrap().frames.free, kept);
        assert_eq!(zones.zone_stats(1).unwrap().frames.free, 0);
        let low = one().from_zones(ZoneSet::only(0));
        assert_eq!(drain(zones, &low).len(), kept, "who can use no other zone gets them");
    });
}

#[test]
fn pressure_begins_below_low_and_ends_at_high() {
    let env = HostEnv::without_memory();
    let table = [ZoneKind::new("all", Pfn::MAX)];
    let config = Config { min_free: Some(100), ..Config::new(&table) };
    with_zones(&env, &config, &ALL, |zones| {
        let pressed = || zones.zone_stats(0).unwrap().pressure;
        let marks = zones.zone_stats(0).unwrap().watermarks;
        assert_eq!((marks.min, marks.low, marks.high), (100, 125, 150));
        let rest = zones.allocate(&FrameRequest::new(0x2000 - 125)).unwrap();
        assert!(!pressed());
        let last = zones.allocate(&one()).unwrap();
        assert!(pressed());
        free(zones, last).unwrap();
        assert!(pressed(), "125 frames are less than high");
        free(zones, rest).unwrap();
        assert!(!pressed());
    });
}

#[test]
fn ranges_in_two_zones_and_wrong_frees_are_refused() {
    let env = HostEnv::without_memory();
    with_zones(&env, &keeping_nothing(&PLAIN), &[range(2, 0x2000)], |zones| {
        let across = range(0x3ff, 0x401);
        assert_eq!(zones.allocate_at(across), Err(FrameError::NotManaged(across)));
        assert_eq!(free(zones, across), Err(FreeError::NotManaged(across)));
        let exact = range(0x3f0, 0x400);
        assert_eq!(zones.allocate_at(exact), Ok(exact));
        assert_eq!(zones.allocate_at(exact), Err(FrameError::InUse(exact)));
        assert_eq!(free(zones, exact), Ok(()));
        assert_eq!(free(zones, exact), Err(FreeError::DoubleFree(exact)));
        for wrong in [range(0, 2), range(0x2000, 0x2001), range(5, 5)] {
            assert_eq!(free(zones, wrong), Err(FreeError::NotManaged(wrong)));
            assert_eq!(zones.allocate_at(wrong), Err(FrameError::NotManaged(wrong)));
        }
        let failures = zones.stats().failures;
        assert_eq!((failures.in_use, failures.double_free, failures.not_managed), (1, 1, 8));
    });
}
