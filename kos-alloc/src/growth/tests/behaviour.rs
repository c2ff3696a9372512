//! Steps, the limit, what goes back and when.

use core::alloc::Layout;

use alloc::vec::Vec;

use super::{Below, Room, free, sizes, take, with_source};
use crate::error::{AllocError, FrameError, FreeError};
use crate::growth::{Growing, GrowthStats, InitError};
use crate::heap::{HeapConfig, KernelHeap};
use crate::ports::FrameAlloc;
use crate::testing::{HostEnv, check_frame_alloc};
use crate::types::{FrameRange, FrameRequest, Pfn, ZoneSet};

#[test]
fn it_is_a_frame_allocator() {
    for (initial, step, max) in [(0, 1, 200), (0, 64, 1000), (16, 8, 500), (100, 256, 900), (1, 7, 1000)] {
        let below = Below::new(1000);
        with_source(&below, sizes(initial, step, max), |source| {
            check_frame_alloc(source);
            assert_eq!(source.check(), Ok(()));
            source.shrink();
            assert_eq!((source.stats().held, source.stats().lost), (initial, 0));
        });
        assert_eq!(below.frames.live_frames(), initial);
    }
}

/// From 1 MiB to 8 MiB in steps of 1 MiB.
#[test]
fn it_grows_in_steps_up_to_the_limit() {
    let below = Below::new(4096);
    with_source(&below, sizes(256, 256, 2048), |source| {
        let fresh = GrowthStats { max: 2048, held: 256, free: 256, chunks: 1, ..GrowthStats::default() };
        assert_eq!(source.stats(), fresh);
        let pieces: Vec<_> = (0..2048 / 32).map(|_| take(source, 32).unwrap()).collect();
        let full = GrowthStats { held: 2048, free: 0, chunks: 8, grown: 7, ..fresh };
        assert_eq!((source.stats(), below.calls()), (full, 8));
        assert_eq!(take(source, 1), Err(FrameError::LimitReached { max: 2048 }));
        assert_eq!(source.stats(), GrowthStats { limited: 1, ..full });
        pieces.into_iter().for_each(|piece| free(source, piece).unwrap());
        let rest = source.stats();
        assert_eq!((rest.held, rest.chunks, rest.shrunk), (512, 2, 6), "one empty chunk stays");
        assert_eq!(source.shrink(), 256);
        assert_eq!((source.stats().held, below.frames.live_frames()), (256, 256));
        assert_eq!(source.check(), Ok(()));
    });
}

#[test]
fn a_pair_at_the_edge_does_not_thrash() {
    let below = Below::new(1000);
    with_source(&below, sizes(16, 16, 160), |source| {
        take(source, 16).unwrap();
        for _ in 0..1000 {
            free(source, take(source, 1).unwrap()).unwrap();
        }
        assert_eq!(below.calls(), 2, "the initial chunk and one step");
    });
}

#[test]
fn a_large_request_takes_a_chunk_of_its_own_size() {
    let below = Below::new(1000);
    with_source(&below, sizes(16, 16, 160), |source| {
        let large = source.allocate(&FrameRequest::new(100).aligned(4)).unwrap();
        assert_eq!((large.count(), large.start().0 % 4, source.stats().held), (100, 0, 116));
        assert_eq!(take(source, 45), Err(FrameError::LimitReached { max: 160 }));
        let (front, back) = (
            FrameRange::new(large.start(), 60).unwrap(),
            FrameRange::between(Pfn(large.start().0 + 60), large.end()),
        );
        assert_eq!(free(source, back), Ok(()));
        assert_eq!(
            take(source, 30).map(|range| range.start()),
            Ok(back.start()),
            "its frames serve others too"
        );
        assert_eq!(free(source, front), Ok(()));
        assert_eq!(source.stats().held, 116);
        assert_eq!(free(source, FrameRange::new(back.start(), 30).unwrap()), Ok(()));
        assert_eq!(source.stats().held, 16, "larger than a step: it goes back at once");
    });
}

/// The last step is what the limit leaves, and an empty chunk does not stand in the way.
#[test]
fn all_up_to_the_limit_can_be_had() {
    let below = Below::new(1000);
    with_source(&below, sizes(10, 16, 50), |source| {
        let small = [10, 16, 16, 8].map(|count| take(source, count).unwrap());
        assert_eq!(source.stats().held, 50);
        free(source, small[2]).unwrap();
        assert_eq!((source.stats().held, source.stats().free), (50, 16), "empty, kept");
        assert_eq!(take(source, 17), Err(FrameError::LimitReached { max: 50 }), "given back, and not enough");
        assert_eq!(source.stats().held, 34);
        free(source, small[1]).unwrap();
        assert!(take(source, 32).is_ok(), "given back, and enough");
        assert_eq!((source.stats().held, source.check()), (50, Ok(())));
    });
}

#[test]
fn a_heap_on_it_says_that_the_limit_is_reached() {
    let below = Below::new(256);
    let env = HostEnv::new(below.span());
    let mut room = Room::of(sizes(16, 16, 64));
    let source = Growing::new(&env, &below);
    source.init(sizes(16, 16, 64), room.lend()).unwrap();
    let heap = KernelHeap::new(&env, &source);
    heap.init(HeapConfig::default()).unwrap();
    let block = Layout::from_size_align(3000, 8).unwrap();
    let mut blocks = Vec::new();
    let error = loop {
        match heap.allocate(block) {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
    };
    assert_eq!(error, AllocError::LimitReached { max: 64 << 12 });
    assert!(blocks.len() > 60 && source.stats().held == 64, "{}", blocks.len());
    for ptr in blocks {
        // SAFETY: the block is live and not used.
        unsafe { heap.free(ptr, block) }.unwrap();
    }
    heap.shrink();
    source.shrink();
    assert!(source.stats().held <= 32 && source.stats().shrunk >= 2, "{:?}", source.stats());
    assert_eq!((heap.check(), source.check()), (Ok(()), Ok(())));
}

/// Early failure for want of a whole step would be a failure for nothing.
#[test]
fn pieces_serve_where_a_step_is_not_to_be_had() {
    let below = Below::new(64);
    let all: Vec<_> = core::iter::from_fn(|| take(&below, 4).ok()).collect();
    all.iter().step_by(2).for_each(|&piece| free(&below, piece).unwrap());
    with_source(&below, sizes(0, 16, 64), |source| {
        let pieces: Vec<_> = core::iter::from_fn(|| take(source, 3).ok()).collect();
        assert_eq!((pieces.len(), source.stats().chunks, source.stats().held), (8, 8, 32));
        assert!(matches!(take(source, 3), Err(FrameError::NoMemory { requested: 3, .. })));
        let singles = core::iter::from_fn(|| take(source, 1).ok()).count();
        assert_eq!((singles, source.check()), (8, Ok(())));
    });
}

#[test]
fn limits_and_zones_of_a_request_hold() {
    let below = Below::new(200);
    with_source(&below, sizes(0, 16, 100), |source| {
        let first = take(source, 1).unwrap();
        let limit = Pfn(first.start().0 + 4);
        let near = source.allocate_below(3, limit).unwrap();
        assert!(near.end() <= limit);
        assert!(matches!(source.allocate_below(1, limit), Err(FrameError::NoMemory { .. })));
        assert_eq!((source.stats().chunks, source.stats().held), (1, 16), "what failed holds nothing");

        let low = FrameRequest::new(1).from_zones(ZoneSet::only(0));
        let dma = source.allocate(&low).unwrap();
        assert_eq!(source.stats().chunks, 2, "a chunk of any zone does not serve");
        let more = source.allocate(&low).unwrap();
        assert_eq!((more.start(), source.stats().chunks), (dma.end(), 2));
        assert!(source.allocate(&low.from_zones(ZoneSet::up_to(1))).is_ok());
        assert_eq!((source.stats().chunks, source.check()), (2, Ok(())), "its zones are among those asked");
    });
}

#[test]
fn wrong_frees_and_claims_change_nothing() {
    let below = Below::new(100);
    let foreign = take(&below, 3).unwrap();
    with_source(&below, sizes(16, 16, 64), |source| {
        let range = take(source, 5).unwrap();
        let stats = source.stats();
        let around = FrameRange::new(range.start(), 6).unwrap();
        for (bad, error) in [
            (foreign, FreeError::NotManaged(foreign)),
            (FrameRange::EMPTY, FreeError::NotManaged(FrameRange::EMPTY)),
            (below.span(), FreeError::NotManaged(below.span())),
            (around, FreeError::DoubleFree(around)),
        ] {
            assert_eq!(free(source, bad), Err(error));
        }
        assert_eq!(source.allocate_at(foreign), Err(FrameError::InUse(foreign)));
        let outside = FrameRange::new(below.span().end(), 1).unwrap();
        assert_eq!(source.allocate_at(outside), Err(FrameError::NotManaged(outside)));
        assert_eq!(source.allocate_at(around), Err(FrameError::InUse(around)));
        assert_eq!((source.stats(), source.check()), (stats, Ok(())));

        let behind = FrameRange::new(range.end(), 4).unwrap();
        assert_eq!(source.allocate_at(behind), Ok(behind));
        assert_eq!(source.stats().free, stats.free - 4);
        assert_eq!(free(source, FrameRange::between(range.start(), behind.end())), Ok(()));
        assert_eq!(free(source, range), Err(FreeError::DoubleFree(range)));
        assert_eq!(source.stats().free, 16);
    });
}

#[test]
fn a_failed_init_holds_nothing_and_returns_the_storage() {
    let below = Below::new(100);
    let mut room = Room::of(sizes(16, 16, 64));
    let source = Growing::new(HostEnv::without_memory(), &below);
    assert_eq!(take(&source, 1), Err(FrameError::NotReady));
    assert_eq!(free(&source, below.span()), Err(FreeError::NotReady(below.span())));
    let mut storage = room.lend();
    for config in [sizes(1, 0, 1), sizes(9, 1, 8)] {
        let failed = source.init(config, storage).unwrap_err();
        assert_eq!(failed.error, InitError::Config(config));
        storage = failed.storage;
    }
    let failed = source.init(sizes(101, 1, 200), storage).unwrap_err();
    assert!(matches!(failed.error, InitError::Frames(FrameError::NoMemory { requested: 101, .. })));
    let (chunks, bits) = (failed.storage.chunks, failed.storage.bits);
    let short = super::Storage { chunks: &mut [], bits };
    let failed = source.init(sizes(16, 16, 64), short).unwrap_err();
    assert_eq!((failed.error, below.frames.live_frames()), (InitError::Storage, 0));
    let storage = super::Storage { chunks, bits: failed.storage.bits };
    assert!(source.init(sizes(16, 16, 64), storage).is_ok());
    let mut other = Room::of(sizes(1, 1, 1));
    assert_eq!(source.init(sizes(1, 1, 1), other.lend()).unwrap_err().error, InitError::AlreadyInitialised);
    assert_eq!(below.frames.live_frames(), 16);
}

/// Storage with room for few chunks means fewer pieces, and no frame is lost for want of a place to note it.
#[test]
fn full_books_refuse_and_lose_nothing() {
    let below = Below::new(100);
    let mut room = Room::of(sizes(16, 16, 64));
    room.chunks.truncate(2);
    let source = Growing::new(HostEnv::without_memory(), &below);
    source.init(sizes(16, 16, 64), room.lend()).unwrap();
    let taken: Vec<_> = core::iter::from_fn(|| take(&source, 16).ok()).collect();
    assert_eq!((taken.len(), source.stats().held, below.frames.live_frames()), (2, 32, 32));
    assert_eq!(take(&source, 1), Err(FrameError::NoMemory { requested: 1, largest_free: 0 }));
    assert_eq!(source.check(), Ok(()));
}
