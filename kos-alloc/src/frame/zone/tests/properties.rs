//! Random calls from three CPUs, beside a list of what is live.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::cpus::{Cpus, on};
use super::{free, range, with_zones};
use crate::error::{FrameError, FreeError};
use crate::frame::zone::{Config, ZoneKind, Zones};
use crate::ports::FrameAlloc;
use crate::testing::{Bytes, cases};
use crate::types::{FrameFlags, FrameRange, FrameRequest, Pfn, ZoneSet};

const CPUS: usize = 3;
const TABLE: [ZoneKind; 3] = [
    ZoneKind::new("low", Pfn(0x200)).reserving(64),
    ZoneKind::new("middle", Pfn(0x3100)).reserving(256),
    ZoneKind::new("high", Pfn::MAX),
];
const USABLE: [FrameRange; 3] = [
    FrameRange::between(Pfn(3), Pfn(0x180)),
    FrameRange::between(Pfn(0x1f0), Pfn(0x3000)),
    FrameRange::between(Pfn(0x30f0), Pfn(0x6001)),
];

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(cases() / 8 + 1)
    })]

    #[test]
    fn zones_equal_the_list_of_what_is_live(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        run(&data);
    }
}

/// What is live, and which frames that makes.
struct Model {
    live: Vec<FrameRange>,
    owned: Vec<bool>,
}

impl Model {
    fn mark(&mut self, range: FrameRange, owned: bool) {
        for frame in &mut self.owned[range.start().0..range.end().0] {
            assert_ne!(*frame, owned, "{range:?}");
            *frame = owned;
        }
    }

    fn enter(&mut self, range: FrameRange) {
        self.mark(range, true);
        self.live.push(range);
    }

    /// Takes out a live range, or a part of one.
    fn leave(&mut self, bytes: &mut Bytes<'_>) -> Option<FrameRange> {
        let index = bytes.below(self.live.len());
        let whole = (!self.live.is_empty()).then(|| self.live.swap_remove(index))?;
        let middle = Pfn(whole.start().0 + bytes.below(whole.count() + 1));
        let (part, rest) =
            (FrameRange::between(whole.start(), middle), FrameRange::between(middle, whole.end()));
        let (part, rest) = if part.is_empty() { (rest, part) } else { (part, rest) };
        self.live.extend(Some(rest).filter(|rest| !rest.is_empty()));
        self.mark(part, false);
        Some(part)
    }

    fn any(&self, range: FrameRange) -> bool {
        (range.start().0..range.end().0).any(|frame| self.owned[frame])
    }
}

fn run(data: &[u8]) {
    let env = Cpus::new(CPUS, FrameRange::EMPTY);
    let mut bytes = Bytes::new(data);
    let config = Config { min_free: Some(bytes.below(200)), ..Config::new(&TABLE) };
    with_zones(&env, &config, &USABLE, |zones| {
        let (fresh, managed) = (zones.histogram(), zones.stats().managed);
        let mut model = Model { live: Vec::new(), owned: vec![false; 0x7000] };
        while !bytes.is_empty() {
            on(bytes.below(CPUS), || step(zones, &mut model, &mut bytes));
            let live: usize = model.live.iter().map(FrameRange::count).sum();
            assert_eq!(zones.stats().free, managed - live, "the count is exact, wherever frames rest");
        }
        zones.check().unwrap();
        let live = core::mem::take(&mut model.live);
        live.into_iter().enumerate().for_each(|(turn, range)| {
            on(turn % CPUS, || free(zones, range).unwrap());
        });
        (0..CPUS).for_each(|cpu| {
            on(cpu, || zones.drain_local());
        });
        assert_eq!((zones.stats().free, zones.histogram()), (managed, fresh), "all freed, all coalesced");
    });
}

fn step(zones: &Zones<'_, &Cpus>, model: &mut Model, bytes: &mut Bytes<'_>) {
    match bytes.u8() % 8 {
        0..=2 => allocate(zones, model, bytes),
        3 | 4 => {
            if let Some(part) = model.leave(bytes) {
                assert_eq!(free(zones, part), Ok(()), "who owns frames can free them");
            }
        }
        5 => free_wrongly(zones, model, bytes),
        6 => claim(zones, model, bytes),
        _ => {
            zones.drain_local();
        }
    }
}

fn allocate(zones: &Zones<'_, &Cpus>, model: &mut Model, bytes: &mut Bytes<'_>) {
    let counts = [1, 1, 2, 4, 8, 3, 31, 512, 1000];
    let request = FrameRequest::new(counts[bytes.below(counts.len())])
        .aligned(1 << (bytes.u8() % 5))
        .from_zones(ZoneSet::from_bits_retain(bytes.u8() % 8))
        .below([Pfn::MAX, Pfn(0x6001), Pfn(0x3200), Pfn(0x100)][bytes.below(4)])
        .with(FrameFlags::from_bits_truncate(bytes.u8() & 3));
    match zones.allocate(&request) {
        Ok(given) => {
            assert_eq!((given.count(), given.start().0 % request.align), (request.count, 0), "{request:?}");
            let zone = TABLE.iter().position(|kind| given.end() <= kind.end).unwrap();
            assert!(request.zones.contains(ZoneSet::only(zone)) && given.end() <= request.below);
            model.enter(given);
        }
        Err(FrameError::NoMemory { requested, largest_free }) => {
            assert_eq!(requested, request.count);
            // What is said to be free can be had, unless limit or alignment forbid it.
            if largest_free > 0 && request.below == Pfn::MAX {
                let most = FrameRequest { count: largest_free, align: 1, ..request };
                model.enter(zones.allocate(&most).unwrap());
            }
        }
        Err(other) => panic!("{request:?}: {other}"),
    }
}

fn some_range(bytes: &mut Bytes<'_>) -> FrameRange {
    let start = usize::from(bytes.u8()) * 0x60 + bytes.below(40);
    range(start, start + [1, 1, 2, 5, 512][bytes.below(5)])
}

/// A free of frames not all of which are live is an error, and changes nothing.
fn free_wrongly(zones: &Zones<'_, &Cpus>, model: &Model, bytes: &mut Bytes<'_>) {
    let wrong = some_range(bytes);
    let all_live = (wrong.start().0..wrong.end().0).all(|frame| model.owned[frame]);
    if !all_live {
        let refused = free(zones, wrong);
        let known = [FreeError::DoubleFree(wrong), FreeError::NotManaged(wrong)].map(Err);
        assert!(known.contains(&refused), "{wrong:?}: {refused:?}");
    }
}

/// A claim succeeds only on frames that nobody has, and always if none of them rests with another CPU.
fn claim(zones: &Zones<'_, &Cpus>, model: &mut Model, bytes: &mut Bytes<'_>) {
    let wanted = some_range(bytes);
    let taken = model.any(wanted);
    match zones.allocate_at(wanted) {
        Ok(given) => {
            assert_eq!(given, wanted);
            model.enter(given);
        }
        Err(FrameError::InUse(_)) if !taken => {
            (0..CPUS).for_each(|cpu| {
                on(cpu, || zones.drain_local());
            });
            model.enter(zones.allocate_at(wanted).unwrap());
        }
        Err(FrameError::InUse(_)) => {}
        Err(error) => assert_eq!(error, FrameError::NotManaged(wanted)),
    }
}
