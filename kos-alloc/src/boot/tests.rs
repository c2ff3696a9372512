//! Tests of boot memory up to the hand-over to a buddy.

use alloc::vec;
use alloc::vec::Vec;
use core::alloc::Layout;

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::{BootAllocator, BootError, HandOver, RegionSet};
use crate::frame::{Backend, Buddy, Config};
use crate::testing::cases;
use crate::types::{FrameRange, FrameRequest, Pfn};

const SHIFT: u32 = 12;
const ROOM: usize = 16;

fn range(start: usize, end: usize) -> FrameRange {
    FrameRange::between(Pfn(start), Pfn(end))
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Runs `work` on an allocator over `regions`.
fn with_boot<R>(regions: &[FrameRange], work: impl FnOnce(BootAllocator<'_>) -> R) -> R {
    let (mut free, mut used) = ([FrameRange::EMPTY; ROOM], [FrameRange::EMPTY; ROOM]);
    let mut usable = RegionSet::new(&mut free);
    regions.iter().for_each(|&region| usable.add(region).unwrap());
    work(BootAllocator::new(usable, &mut used, SHIFT))
}

#[test]
fn small_allocations_share_a_frame_and_grow_into_the_next() {
    with_boot(&[range(1, 2), range(4, 8)], |mut boot| {
        assert_eq!(boot.allocate(layout(100, 1)), Ok(0x1000));
        assert_eq!(boot.allocate(layout(8, 8)), Ok(0x1068));
        assert_eq!(boot.allocate(layout(0xff0, 16)), Ok(0x4000), "frame 2 is not ours");
        assert_eq!(boot.allocate(layout(0x1010, 16)), Ok(0x4ff0), "frame 5 follows");
        assert_eq!(*boot.used(), [range(1, 2), range(4, 6)]);
        assert_eq!(*boot.free(), [range(6, 8)]);
    });
}

#[test]
fn limit_and_alignment_are_kept() {
    with_boot(&[range(1, 3), range(5, 40)], |mut boot| {
        boot.set_limit(Some(0x6000));
        assert_eq!(boot.allocate(layout(0x1000, 0x4000)), Err(BootError::NoMemory(layout(0x1000, 0x4000))));
        assert_eq!(boot.allocate(layout(0x1000, 0x1000)), Ok(0x1000));
        boot.set_limit(None);
        assert_eq!(boot.allocate(layout(0x1000, 0x4000)), Ok(0x8000));
        assert_eq!(*boot.free(), [range(2, 3), range(5, 8), range(9, 40)]);
        assert_eq!(boot.allocate(layout(0, 1)), Err(BootError::BadRequest(layout(0, 1))));
        let huge = layout(1 << 40, 1);
        assert_eq!(boot.allocate(huge), Err(BootError::NoMemory(huge)));
    });
}

#[test]
fn a_full_table_refuses_and_changes_nothing() {
    let (mut free, mut used) = ([FrameRange::EMPTY; 2], [FrameRange::EMPTY; 1]);
    let mut usable = RegionSet::new(&mut free);
    usable.add(range(1, 10)).unwrap();
    usable.add(range(15, 33)).unwrap();
    let mut boot = BootAllocator::new(usable, &mut used, SHIFT);
    let split = layout(0x1000, 0x4000);
    assert_eq!(boot.allocate(split), Err(BootError::Full { capacity: 2 }), "the free would be three");
    assert_eq!(boot.allocate(layout(0x9000, 1)), Ok(0x1000));
    assert_eq!(
        boot.allocate(layout(0x1000, 1)),
        Err(BootError::Full { capacity: 1 }),
        "the used would be two"
    );
    assert_eq!((boot.free(), boot.used()), (&[range(15, 33)][..], &[range(1, 10)][..]));
}

#[test]
fn the_last_frames_do_not_wrap() {
    with_boot(&[range(usize::MAX - 9, usize::MAX)], |mut boot| {
        let one = layout(1, 1);
        assert_eq!(
            boot.allocate(one),
            Err(BootError::NoMemory(one)),
            "no 64-bit address reaches these frames"
        );
    });
}

/// NON-OS/nonos-micro-kernel#400: after boot, two allocators owned the same frames.
#[test]
fn handover_leaves_one_owner() {
    with_boot(&[range(1, 0x9f), range(0x100, 0x2000)], |mut boot| {
        let words = Buddy::storage_words(Config::default(), boot.free(), &[]).unwrap();
        boot.allocate(Layout::array::<u64>(words).unwrap()).unwrap();
        boot.allocate(layout(0x30_0000, 0x20_0000)).unwrap();
        let HandOver { free, used } = boot.hand_over();
        assert_eq!(free.frames() + used.frames(), 0x9e + 0x1f00, "no frame is lost");
        let mut storage = vec![0; words];
        let mut buddy = Buddy::new(&mut storage, Config::default(), &free, &[]).unwrap();
        assert_eq!(buddy.stats().free, free.frames());
        while let Ok(frame) = buddy.allocate(&FrameRequest::new(1)) {
            assert!(
                used.iter().all(|taken| taken.intersection(&frame).is_empty()),
                "{frame:?} has two owners"
            );
        }
        assert!(
            used.iter().all(|&taken| buddy.free(taken).is_err()),
            "boot memory is not the buddy's to free"
        );
    });
}

/// Some regions, some of them adjacent, from pairs of hole and length.
fn regions_of(pairs: &[(u8, u8)]) -> Vec<FrameRange> {
    let mut at = 0;
    let regions = pairs.iter().map(|&(hole, length)| {
        let start = at + usize::from(hole / 8);
        at = start + 1 + usize::from(length);
        range(start, at)
    });
    regions.collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(cases())
    })]

    #[test]
    fn boot_memory_never_overlaps(
        pairs in proptest::collection::vec(any::<(u8, u8)>(), 1..6),
        sizes in proptest::collection::vec((1_usize..20_000, 0_u32..15, any::<u16>()), 0..40),
    ) {
        let regions = regions_of(&pairs);
        let total: usize = regions.iter().map(FrameRange::count).sum();
        let mut given: Vec<(u64, u64)> = Vec::new();
        with_boot(&regions, |mut boot| {
            for (size, align, limit) in sizes {
                let limit = u64::from(limit) << 6;
                boot.set_limit(Some(limit));
                let Ok(start) = boot.allocate(layout(size, 1 << align)) else { continue };
                let end = start + size as u64;
                prop_assert!(start % (1 << align) == 0 && end <= limit);
                prop_assert!(given.iter().all(|other| other.1 <= start || end <= other.0));
                let frames = FrameRange::covering(start, size as u64, SHIFT).unwrap();
                let inside = |set: &[FrameRange]| set.iter().any(|own| own.contains_range(&frames));
                prop_assert!(inside(boot.used()) && regions.iter().any(|own| !own.intersection(&frames).is_empty()));
                given.push((start, end));
            }
            let HandOver { free, used } = boot.hand_over();
            prop_assert_eq!(free.frames() + used.frames(), total);
            prop_assert!(free.iter().all(|f| used.iter().all(|u| f.intersection(u).is_empty())));
            Ok(())
        })?;
    }
}
