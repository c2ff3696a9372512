//! Set-up: what is refused, what is left empty, how much storage is needed.

use alloc::vec;

use super::{PLAIN, free, keeping_nothing, one, range, with_zones};
use crate::error::{FrameError, FreeError};
use crate::frame::zone::{Config, ZoneKind, Zones, ZonesError, dma_dma32_normal};
use crate::frame::{Histogram, InitError};
use crate::ports::FrameAlloc;
use crate::testing::{HostEnv, check_frame_alloc};
use crate::types::{FrameRange, Pfn, ZoneSet};

#[expect(unsafe_code, reason = "initialises with frames that are only numbers")]
fn init<'m>(
    zones: &Zones<'m, &HostEnv>,
    storage: &'m mut [u64],
    usable: &[FrameRange],
) -> Result<(), ZonesError> {
    // SAFETY: nobody uses these frames, there is no memory behind them.
    unsafe { zones.init(storage, &Config::new(&PLAIN), usable, &[]) }
}

#[test]
fn zones_keep_the_contract() {
    let env = HostEnv::without_memory();
    for usable in
        [&[range(5, 1200)][..], &[range(0x800, 0x2000)], &[range(7, 0x999), range(1 << 20, 1_050_000)]]
    {
        with_zones(&env, &keeping_nothing(&PLAIN), usable, |zones| check_frame_alloc(zones));
        with_zones(&env, &Config::new(&PLAIN), usable, |zones| check_frame_alloc(zones));
    }
}

#[test]
fn not_ready_before_initialisation_and_initialised_once() {
    let env = HostEnv::without_memory();
    let zones = Zones::new(&env);
    assert_eq!(zones.allocate(&one()), Err(FrameError::NotReady));
    assert_eq!(zones.allocate_at(range(0, 1)), Err(FrameError::NotReady));
    assert_eq!(free(&zones, range(0, 1)), Err(FreeError::NotReady(range(0, 1))));
    assert_eq!((zones.span(), zones.largest_free(), zones.kinds()), (FrameRange::EMPTY, 0, &[][..]));
    assert_eq!((zones.histogram(), zones.zone_stats(0)), (Histogram::EMPTY, None));

    let usable = [range(1, 9)];
    let words = zones.storage_words(&Config::new(&PLAIN), &usable, &[]).unwrap();
    let (mut short, mut first, mut second) = ([0; 1], vec![0; words], vec![0; words]);
    let refused = init(&zones, &mut short, &usable);
    assert!(matches!(refused, Err(ZonesError::Frames(InitError::Storage { given: 1, .. }))), "{refused:?}");
    assert_eq!(init(&zones, &mut first, &usable), Ok(()), "a failed set-up may be tried again");
    assert_eq!(init(&zones, &mut second, &usable), Err(ZonesError::AlreadyInitialised));
    assert_eq!(zones.stats().managed, 8);
}

#[test]
fn bad_tables_and_maps_are_refused() {
    let env = HostEnv::without_memory();
    let zones = Zones::new(&env);
    let words =
        |table: &[ZoneKind], usable: &[FrameRange]| zones.storage_words(&Config::new(table), usable, &[]);
    assert_eq!(words(&[], &[range(0, 9)]), Err(ZonesError::Table { zones: 0 }));
    let twice = [ZoneKind::new("a", Pfn(5)), ZoneKind::new("b", Pfn(5))];
    assert_eq!(words(&twice, &[range(0, 9)]), Err(ZonesError::Table { zones: 2 }));
    assert_eq!(words(&PLAIN, &[]), Err(InitError::NoFrames.into()));
    assert_eq!(words(&twice[..1], &[range(5, 9)]), Err(InitError::NoFrames.into()), "behind the last zone");
    let overlap = InitError::Overlap { existing: range(0, 9), added: range(8, 10) };
    assert_eq!(words(&PLAIN, &[range(0, 9), range(8, 10)]), Err(overlap.into()));
}

/// A region across a border belongs to both zones, and no frame is lost or counted twice.
#[test]
fn regions_are_cut_at_the_borders() {
    let env = HostEnv::without_memory();
    let usable = [range(0x3f0, 0x1234), range(0x2000, 0x2001)];
    with_zones(&env, &keeping_nothing(&PLAIN), &usable, |zones| {
        let managed = |index| zones.zone_stats(index).unwrap().frames.managed;
        assert_eq!((managed(0), managed(1), managed(2)), (0x10, 0xc00, 0x235));
        assert_eq!(zones.stats().managed, usable.iter().map(FrameRange::count).sum());
        assert_eq!(zones.span(), range(0x3f0, 0x2001));
        assert_eq!(zones.free_blocks().map(|block| block.count()).sum::<usize>(), zones.stats().free);
        assert_eq!(zones.histogram().frames(), zones.stats().free);
    });
}

#[test]
fn a_zone_without_memory_stays_empty() {
    let env = HostEnv::without_memory();
    let table = dma_dma32_normal(12);
    with_zones(&env, &Config::new(&table), &[range(1, 0x8000)], |zones| {
        let normal = zones.zone_stats(2).unwrap();
        assert_eq!((normal.kind.name, normal.frames.managed, normal.pressure), ("Normal", 0, false));
        assert!(zones.allocate(&one()).unwrap().start() >= Pfn(0x1000), "DMA32 stands in for Normal");
        let none = FrameError::NoMemory { requested: 1, largest_free: 0 };
        assert_eq!(zones.allocate(&one().from_zones(ZoneSet::only(2))), Err(none));
        assert_eq!(zones.allocate(&one().from_zones(ZoneSet::empty())), Err(none));
    });
}

/// The storage itself may be cut out of the regions that it was counted for.
#[test]
fn storage_suffices_after_it_was_cut_out() {
    let env = HostEnv::without_memory();
    let words = |usable: &[FrameRange]| Zones::new(&env).storage_words(&Config::new(&PLAIN), usable, &[]);
    for (start, end) in [(0, 70_000), (0x100, 0x7fe0), (5, 6000)] {
        let whole = words(&[range(start, end)]).unwrap();
        for at in (start..end - 10).step_by(577) {
            let zones = Zones::new(&env);
            let mut storage = vec![0; whole];
            let rest = [range(start, at), range(at + 9, end)];
            assert_eq!(init(&zones, &mut storage, &rest), Ok(()), "cut at {at}");
        }
    }
}

/// Metadata, the room for the caches of 8 CPUs included, is at most 0.02 % of memory.
#[test]
fn metadata_is_small() {
    let zones = Zones::new(super::cpus::Cpus::new(8, FrameRange::EMPTY));
    let table = dma_dma32_normal(12);
    for gib in [1, 64] {
        let frames = gib << 18;
        let low = range(0x100, frames / 2);
        let odd = range(0x10_0000 + frames / 2 + 0x123, 0x10_0000 + frames);
        for usable in [&[range(0, frames)][..], &[low, odd]] {
            let bytes = 8 * zones.storage_words(&Config::new(&table), usable, &[]).unwrap();
            let managed: usize = usable.iter().map(FrameRange::count).sum();
            assert!(bytes * 10_000 <= managed * 4096 * 2, "{bytes} bytes for {managed} frames");
        }
    }
}
