//! What rests with the CPUs: found, counted, checked and given back.

use alloc::vec::Vec;

use super::cpus::{Cpus, locks, on};
use super::{drain, free, keeping_nothing, one, range, with_zones};
use crate::error::{FrameError, FreeError};
use crate::frame::zone::{Config, ZoneKind};
use crate::ports::FrameAlloc;
use crate::testing::check_frame_alloc;
use crate::types::{CpuIndex, FrameFlags, FrameRange, FrameRequest, Pfn};

const ONE_ZONE: [ZoneKind; 1] = [ZoneKind::new("all", Pfn::MAX)];

/// Each of two CPUs may keep 16 single frames, 4 pairs and 2 blocks of 4.
const FRAMES: FrameRange = FrameRange::between(Pfn(0x1000), Pfn(0x9000));

fn two_cpus() -> Cpus {
    Cpus::new(2, FrameRange::EMPTY)
}

fn no_memory(requested: usize, largest_free: usize) -> FrameError {
    FrameError::NoMemory { requested, largest_free }
}

#[test]
fn zones_with_caches_keep_the_contract() {
    let env = Cpus::new(2, FrameRange::EMPTY);
    with_zones(&env, &Config::new(&ONE_ZONE), &[FRAMES], |zones| {
        on(0, || check_frame_alloc(zones));
        on(1, || check_frame_alloc(zones));
        check_frame_alloc(zones);
        on(7, || check_frame_alloc(zones));
    });
}

#[test]
fn the_local_path_takes_no_lock() {
    let env = two_cpus();
    with_zones(&env, &keeping_nothing(&ONE_ZONE), &[FRAMES], |zones| {
        on(0, || {
            let first = zones.allocate(&one()).unwrap();
            let cached = zones.zone_stats(0).unwrap().cached;
            assert!(cached >= 4, "a batch came along: {cached}");
            let taken = locks(|| {
                for _ in 0..100 {
                    let frame = zones.allocate(&one()).unwrap();
                    free(zones, frame).unwrap();
                }
                let all: Vec<_> = (0..cached).map(|_| zones.allocate(&one()).unwrap()).collect();
                all.into_iter().for_each(|frame| free(zones, frame).unwrap());
            });
            assert_eq!(taken, 0);
            free(zones, first).unwrap();
            assert_eq!(zones.stats().allocations, 101 + cached as u64);
            assert_eq!(zones.stats().frees, 101 + cached as u64);
        });
    });
}

/// tgoskits#2301: a free from another CPU was sent home at a cost that grew. Here it goes to the freeing CPU's cache:
/// one masked section, and one lock for half a cache of frames, whoever allocated them.
#[test]
fn remote_free_cost_is_constant() {
    let mut costs = Vec::new();
    for frames in [200, 2000] {
        let env = two_cpus();
        with_zones(&env, &keeping_nothing(&ONE_ZONE), &[FRAMES], |zones| {
            let theirs: Vec<_> = on(0, || (0..frames).map(|_| zones.allocate(&one()).unwrap()).collect());
            let masked = env.masked();
            let taken = on(1, || locks(|| theirs.into_iter().for_each(|frame| free(zones, frame).unwrap())));
            let masked = env.masked() - masked;
            assert!(taken * 8 <= frames, "{taken} locks for {frames} frees");
            assert!(masked <= frames + taken, "{masked} masked sections for {frames} frees");
            costs.push(taken * 1000 / frames);
        });
    }
    assert!(costs[0].abs_diff(costs[1]) < 20, "locks for 1000 frees of few and of many frames: {costs:?}");
}

/// osdk-frame-allocator 0.19: a cache was filled with adjacent frames or not at all, and what other orders' caches held
/// was not asked before memory was said to have ended.
#[test]
fn one_frame_refill_and_drain_before_no_memory() {
    let env = two_cpus();
    with_zones(&env, &keeping_nothing(&ONE_ZONE), &[FRAMES], |zones| {
        on(0, || {
            let all = drain(zones, &one());
            assert_eq!(all.len(), FRAMES.count());
            // Every second frame: no two are adjacent.
            all.iter().step_by(2).for_each(|&frame| free(zones, frame).unwrap());
            let again = drain(zones, &one());
            assert_eq!(again.len(), FRAMES.count() / 2, "one frame at a time will do");
            assert_eq!((zones.stats().free, zones.largest_free()), (0, 0));

            // Two adjacent frames in the cache for single ones are a pair.
            let pair = range(all[10].start().0 & !1, (all[10].start().0 & !1) + 2);
            for frame in [range(pair.start().0, pair.start().0 + 1), range(pair.start().0 + 1, pair.end().0)]
            {
                free(zones, frame).unwrap();
            }
            let waiting = zones.zone_stats(0).unwrap();
            assert_eq!((waiting.frames.free, zones.histogram().frames() + waiting.cached), (2, 2));
            assert_eq!(zones.allocate(&FrameRequest::new(2)), Ok(pair));
            assert_eq!(zones.allocate(&FrameRequest::new(2)), Err(no_memory(2, 0)));
        });
    });
}

/// A CPU that is out of memory asks the others, who answer when they are kicked, or at their next exchange.
#[test]
fn others_are_asked_before_no_memory() {
    let env = two_cpus();
    with_zones(&env, &keeping_nothing(&ONE_ZONE), &[FRAMES], |zones| {
        let resting = || zones.zone_stats(0).unwrap().cached;
        let held = on(1, || {
            let frames: Vec<_> = (0..6).map(|_| zones.allocate(&one()).unwrap()).collect();
            frames.into_iter().for_each(|frame| free(zones, frame).unwrap());
            resting()
        });
        assert!(held > 0);
        on(0, || {
            let rest = drain(zones, &one().with(FrameFlags::NO_RECLAIM));
            assert_eq!(
                (rest.len(), env.take_kicked()),
                (FRAMES.count() - held, [].into()),
                "nobody was asked"
            );
            assert_eq!(zones.allocate(&one()), Err(no_memory(1, 0)));
            assert_eq!((env.take_kicked(), zones.stats().free), ([1].into(), held), "free, but with CPU 1");
        });
        on(1, || assert_eq!(zones.drain_local(), held));
        let mut theirs: Vec<_> = on(0, || drain(zones, &one()));
        assert_eq!(theirs.len(), held);

        // Without a handler for the kick: CPU 1 sees the request when its cache is full, and keeps nothing.
        on(1, || theirs.drain(..2).for_each(|frame| free(zones, frame).unwrap()));
        on(0, || assert_eq!(zones.allocate(&FrameRequest::new(4)), Err(no_memory(4, 0))));
        let all = FRAMES.start().0..FRAMES.end().0;
        let mut owned = all.map(|start| range(start, start + 1)).filter(|frame| !theirs.contains(frame));
        on(1, || {
            let mut freed = 2;
            while resting() > 0 {
                freed += usize::from(owned.next().is_some_and(|frame| free(zones, frame).is_ok()));
                assert!(freed <= 17, "16 frames fill the cache");
            }
            assert_eq!((freed, zones.stats().free), (17, 17));
        });
    });
}

/// Wherever a free frame is, the second free of it is an error, and nothing changes.
#[test]
fn a_double_free_is_found_wherever_the_frame_rests() {
    let env = two_cpus();
    with_zones(&env, &keeping_nothing(&ONE_ZONE), &[FRAMES], |zones| {
        let (frame, pair) =
            on(0, || (zones.allocate(&one()).unwrap(), zones.allocate(&FrameRequest::new(2)).unwrap()));
        let refused_everywhere = |range: FrameRange| {
            for cpu in [0, 1] {
                let free_before = zones.stats().free;
                on(cpu, || assert_eq!(free(zones, range), Err(FreeError::DoubleFree(range))));
                assert_eq!(zones.stats().free, free_before);
            }
            zones.check().unwrap();
        };
        on(1, || free(zones, frame).unwrap());
        refused_everywhere(frame);
        on(1, || free(zones, pair).unwrap());
        refused_everywhere(pair);
        refused_everywhere(range(pair.start().0, pair.start().0 + 1));
        on(1, || zones.drain_local());
        refused_everywhere(frame);
        let again = on(0, || zones.allocate(&FrameRequest::new(3)).unwrap());
        let more = range(again.start().0, again.end().0 + 1);
        refused_everywhere(more);
        on(0, || free(zones, again).unwrap());
        refused_everywhere(again);
        assert_eq!(zones.stats().failures.double_free, 12);
    });
}

#[test]
fn claims_find_frames_that_rest_with_a_cpu() {
    let env = two_cpus();
    with_zones(&env, &keeping_nothing(&ONE_ZONE), &[FRAMES], |zones| {
        let frame = on(0, || zones.allocate(&one()).unwrap());
        assert_eq!(zones.allocate_at(frame), Err(FrameError::InUse(frame)));
        assert_eq!(env.take_kicked(), [], "it has an owner: nobody is asked");
        on(0, || free(zones, frame).unwrap());
        on(1, || {
            assert_eq!(zones.allocate_at(frame), Err(FrameError::InUse(frame)), "it rests with CPU 0");
            assert_eq!(env.take_kicked(), [0]);
        });
        on(0, || assert_eq!(zones.allocate_at(frame), Ok(frame), "its own cache it empties"));
        on(0, || free(zones, frame).unwrap());
        on(0, || assert!(zones.drain() > 0));
        on(1, || assert_eq!(zones.allocate_at(frame), Ok(frame)));
        free(zones, frame).unwrap();
    });
}

#[test]
fn a_stopped_cpu_is_drained_by_another() {
    let env = two_cpus();
    with_zones(&env, &keeping_nothing(&ONE_ZONE), &[FRAMES], |zones| {
        let before = zones.histogram();
        on(1, || {
            let blocks = [1, 2, 4].map(|count| zones.allocate(&FrameRequest::new(count)).unwrap());
            blocks.into_iter().for_each(|block| free(zones, block).unwrap());
        });
        let cached = zones.zone_stats(0).unwrap().cached;
        assert_eq!(on(0, || zones.drain()), 0);
        assert_eq!(env.take_kicked(), [1]);
        #[expect(unsafe_code, reason = "says that a CPU is stopped")]
        // SAFETY: CPU 1 is this thread, which is here.
        let drained = unsafe { zones.drain_parked(CpuIndex(1)) };
        assert_eq!((drained, zones.histogram()), (cached, before));
    });
}

/// While memory is short nothing goes into caches, and what is there is used up.
#[test]
fn short_memory_does_not_rest() {
    let env = two_cpus();
    let config = Config { min_free: Some(100), ..keeping_nothing(&ONE_ZONE) };
    with_zones(&env, &config, &[FRAMES], |zones| {
        on(0, || {
            let all = drain(zones, &one());
            let short = zones.zone_stats(0).unwrap();
            assert_eq!((short.frames.free, short.cached, short.pressure), (100, 0, true));
            let (few, many) = all.split_at(short.watermarks.high - 100);
            few.iter().for_each(|&frame| free(zones, frame).unwrap());
            assert_eq!(zones.zone_stats(0).unwrap().cached, 0);
            assert!(!zones.zone_stats(0).unwrap().pressure, "high is reached");
            many.iter().for_each(|&frame| free(zones, frame).unwrap());
            assert!(zones.zone_stats(0).unwrap().cached > 0);
        });
    });
}

#[test]
fn zeroed_frames_are_zero_where_the_map_reaches() {
    let memory = range(0x1010, 0x1020);
    let env = Cpus::new(1, memory);
    with_zones(&env, &keeping_nothing(&ONE_ZONE), &[range(0x1000, 0x3000)], |zones| {
        let zeroed = |count| FrameRequest::new(count).with(FrameFlags::ZEROED);
        let below = zones.allocate_at(range(0x1000, 0x1010)).unwrap();
        let got = zones.allocate(&zeroed(3)).unwrap();
        assert!(memory.contains_range(&got));
        for frame in got.start().0..got.end().0 {
            let address = env.host().address_of(Pfn(frame)).unwrap();
            #[expect(unsafe_code, reason = "reads the memory of a frame")]
            // SAFETY: the frame has memory, which the test allocated.
            let bytes = unsafe { address.cast::<[u8; 4096]>().read() };
            assert!(bytes.iter().all(|&byte| byte == 0));
        }
        assert!(matches!(zones.allocate(&zeroed(32)), Err(FrameError::NoMemory { requested: 32, .. })));
        free(zones, below).unwrap();
        assert_eq!(zones.allocate(&zeroed(1)), Err(no_memory(1, 0)), "the lowest frame is not mapped");
        free(zones, got).unwrap();
        assert_eq!(zones.stats().free, 0x2000);
    });
}

/// Frames of a far bank have no live bit: the buddy alone checks them.
#[test]
fn far_banks_are_checked_by_the_buddy() {
    let env = two_cpus();
    let far = range(1 << 30, (1 << 30) + 600);
    with_zones(&env, &keeping_nothing(&ONE_ZONE), &[FRAMES, far], |zones| {
        on(0, || {
            let all = drain(zones, &one());
            assert_eq!(all.len(), FRAMES.count() + far.count());
            for &frame in &all {
                assert_eq!(free(zones, frame), Ok(()));
                assert_eq!(free(zones, frame), Err(FreeError::DoubleFree(frame)));
            }
            let hole = range(FRAMES.end().0, FRAMES.end().0 + 1);
            let into_hole = range(far.end().0 - 1, far.end().0 + 1);
            for wrong in [hole, into_hole, range(FRAMES.end().0 - 1, FRAMES.end().0 + 1)] {
                assert_eq!(free(zones, wrong), Err(FreeError::NotManaged(wrong)));
            }
            assert_eq!(zones.stats().free, all.len());
        });
    });
}
