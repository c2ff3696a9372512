//! Faults of other allocators that must not come back; each test is named after the behaviour.

use alloc::vec;
use alloc::vec::Vec;

use super::{drain, one, range, with_both};
use crate::error::{FrameError, FreeError};
use crate::frame::{Backend, Buddy, Config};
use crate::types::{FrameRange, FrameRequest};

/// hawkw/mycelium#257: alignment counted from the start of the region.
#[test]
fn blocks_align_absolutely() {
    with_both(&[range(3, 9000)], &[], |backend| {
        for align in [1, 2, 8, 64, 512, 4096] {
            for count in [1, 3, align] {
                let given = backend.allocate(&FrameRequest::new(count).aligned(align));
                assert!(
                    given.is_ok_and(|given| given.start().0 % align == 0),
                    "{count} by {align}: {given:?}"
                );
                backend.free(given.unwrap()).unwrap();
            }
        }
    });
}

/// `buddy_system_allocator`#20, #28: the frames before the first aligned block were lost.
#[test]
fn odd_region_start_loses_nothing() {
    for start in [1, 3, 255, 4095] {
        for count in [1, 2, 77, 1023, 4097] {
            let region = range(start, start + count);
            with_both(&[region], &[], |backend| {
                assert_eq!(backend.stats().free, count);
                assert_eq!(backend.histogram().frames(), count);
                let all = drain(backend);
                let singles: Vec<_> = (start..start + count).map(|frame| range(frame, frame + 1)).collect();
                assert_eq!(all, singles, "each frame once, lowest first");
                backend.free(region).unwrap();
                backend.check().unwrap();
            });
        }
    }
}

/// `buddy_system_allocator`#51: memory added in two parts stayed in two parts.
#[test]
fn adjacent_regions_coalesce() {
    let parts = [range(1536, 4096), range(0, 1000), range(1000, 1536)];
    with_both(&parts, &[], |backend| {
        assert_eq!(backend.largest_free(), 4096);
        let all = backend.allocate(&FrameRequest::new(4096).aligned(4096)).unwrap();
        backend.free(range(900, 1600)).unwrap();
        assert_eq!(backend.allocate_at(range(999, 1537)), Ok(range(999, 1537)));
        backend.free(range(999, 1537)).unwrap();
        backend.free(range(0, 900)).unwrap();
        backend.free(range(1600, 4096)).unwrap();
        assert_eq!(backend.largest_free(), all.count());
    });
}

/// tgoskits#974: a table of fixed size dropped what did not fit.
#[test]
fn no_hidden_capacity() {
    let regions: Vec<FrameRange> = (0..300).map(|region| range(region * 7, region * 7 + 5)).collect();
    with_both(&regions, &[], |backend| {
        assert_eq!(backend.stats().managed, 1500);
        assert_eq!(drain(backend).len(), 1500);
        regions.iter().for_each(|&region| backend.free(region).unwrap());
        assert_eq!(backend.stats().free, 1500);
    });
}

/// esp-hal#6018: a free looked only into the first region.
#[test]
fn free_finds_every_region() {
    let far = usize::MAX / 64;
    let regions: Vec<FrameRange> = (0..60).map(|region| range(region * far, region * far + 9)).collect();
    with_both(&regions, &[], |backend| {
        drain(backend);
        for &region in &regions {
            assert_eq!(backend.free(region), Ok(()));
            assert_eq!(backend.free(region), Err(FreeError::DoubleFree(region)));
            let hole = FrameRange::new(region.end(), 1).unwrap();
            assert_eq!(backend.free(hole), Err(FreeError::NotManaged(hole)));
        }
        backend.check().unwrap();
    });
}

/// unikraft#688: the allocator's own tables were subtracted twice, or never.
#[test]
fn metadata_is_counted_once() {
    let ram = range(0x100, 0x8000);
    let words = Buddy::storage_words(Config::default(), &[ram], &[]).unwrap();
    let tables = range(0x100, 0x100 + (words * 8).div_ceil(4096));
    let mut storage = vec![0; words];
    let buddy = Buddy::new(&mut storage, Config::default(), &[ram], &[tables]).unwrap();
    assert_eq!(buddy.stats().managed + tables.count(), ram.count());
    assert_eq!(buddy.stats().free, buddy.stats().managed);
}

/// Metadata is at most 0.02 % of memory, at 1 GiB and at 64 GiB, also when the regions are odd.
#[test]
fn metadata_is_small() {
    for gib in [1, 64] {
        let frames = gib << 18;
        let low = range(0x100, frames / 2);
        let odd = range(0x10_0000 + frames / 2 + 0x123, 0x10_0000 + frames);
        for regions in [&[range(0, frames)][..], &[low, odd]] {
            let bytes = 8 * Buddy::storage_words(Config::default(), regions, &[]).unwrap();
            let managed: usize = regions.iter().map(FrameRange::count).sum();
            assert!(bytes * 10_000 <= managed * 4096 * 2, "{bytes} bytes for {managed} frames");
        }
    }
}

/// A hole costs no bits, however wide: banks at both ends of the physical address space.
#[test]
fn holes_cost_nothing() {
    let bank = 1 << 18;
    let near = [range(0, bank), range(bank, 2 * bank)];
    let far = [range(0, bank), range(usize::MAX - 2 * bank + 1, usize::MAX - bank + 1)];
    let words = |regions| Buddy::storage_words(Config::default(), regions, &[]).unwrap();
    assert!(words(&far) <= words(&near) + 3, "one more region and no more bits");
}

/// Any region yields its size in aligned 2 MiB blocks, less at most two.
#[test]
fn large_blocks_are_not_wasted() {
    let block = 512;
    for start in [0, 1, 511, 512, 777] {
        for count in [1024, 5000, 65_537] {
            with_both(&[range(start, start + count)], &[], |backend| {
                let request = FrameRequest::new(block).aligned(block);
                let blocks = core::iter::from_fn(|| backend.allocate(&request).ok()).count();
                assert!(blocks + 2 >= count / block, "{blocks} blocks of {count} frames from {start}");
            });
        }
    }
}

/// In place of wrong success: each misuse is told apart, and nothing changes.
#[test]
fn misuse_changes_nothing() {
    let usable = [range(0x10, 0x200), range(0x300, 0x400)];
    let reserved = [range(0, 0x20), range(0x180, 0x190), range(0x18f, 0x1a0)];
    with_both(&usable, &reserved, |backend| {
        let taken = backend.allocate(&FrameRequest::new(5)).unwrap();
        let before = (backend.histogram(), backend.stats().free);
        for bad in [range(0x10, 0x11), range(0x17f, 0x181), range(0x1f0, 0x210), range(0x2ff, 0x301)] {
            assert_eq!(backend.free(bad), Err(FreeError::NotManaged(bad)), "reserved, hole, outside");
            assert_eq!(backend.allocate_at(bad), Err(FrameError::NotManaged(bad)));
        }
        let around = FrameRange::new(taken.start(), 6).unwrap();
        assert_eq!(backend.free(around), Err(FreeError::DoubleFree(around)));
        assert_eq!(backend.allocate_at(around), Err(FrameError::InUse(around)));
        let bad = FrameError::BadRequest { count: 0, align: 1 };
        assert_eq!(backend.allocate(&FrameRequest::new(0)), Err(bad));
        let most = backend.largest_free();
        for request in [one().aligned(1 << 40), FrameRequest::new(usize::MAX), FrameRequest::new(most + 1)] {
            let failed = FrameError::NoMemory { requested: request.count, largest_free: most };
            assert_eq!(backend.allocate(&request), Err(failed));
        }
        assert_eq!((backend.histogram(), backend.stats().free), before);
        assert_eq!(backend.stats().failures.not_managed, 8);
        backend.check().unwrap();
    });
}
