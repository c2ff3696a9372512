//! The sweep against hand-made maps, and against a byte-by-byte model.

use super::*;
use FirmwareKind::{AcpiNvs, AcpiReclaimable, Bad, Reserved, Usable};
use alloc::vec::Vec;
use proptest::prelude::*;

fn sweep(map: &[(u64, u64, FirmwareKind)]) -> Vec<(u64, u64, FirmwareKind)> {
    let entries = || map.iter().map(|&(start, length, kind)| FirmwareRegion { start, length, kind });
    pieces(entries).map(|p| (p.start, p.end, p.kind)).collect()
}

#[test]
fn overlap_takes_the_stricter_kind() {
    let map = [(0, 100, Usable), (40, 20, Reserved), (50, 30, AcpiReclaimable)];
    assert_eq!(
        sweep(&map),
        [(0, 40, Usable), (40, 60, Reserved), (60, 80, AcpiReclaimable), (80, 100, Usable)]
    );
}

#[test]
fn adjacent_and_repeated_entries_become_one_piece() {
    assert_eq!(sweep(&[(10, 10, Usable), (0, 10, Usable), (5, 10, Usable)]), [(0, 20, Usable)]);
}

#[test]
fn empty_entries_vanish() {
    assert_eq!(sweep(&[(7, 0, Reserved), (0, 4, Bad)]), [(0, 4, Bad)]);
    assert_eq!(sweep(&[]), []);
}

#[test]
fn wrapping_usable_memory_is_not_believed() {
    assert_eq!(sweep(&[(u64::MAX - 4, 100, Usable), (0, u64::MAX, Usable)]), []);
    let wrap = FirmwareRegion { start: 4096, length: u64::MAX, kind: Usable };
    assert_eq!(examine(wrap), (None, Some(Defect::Unbelievable)));
}

#[test]
fn wrapping_reserved_memory_stays_reserved() {
    let map = [(0, 8192, Usable), (4096, u64::MAX, AcpiNvs), (u64::MAX, 7, Reserved)];
    assert_eq!(sweep(&map), [(0, 4096, Usable), (4096, ADDRESS_LIMIT, AcpiNvs)]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]
    #[test]
    fn sweep_agrees_with_a_byte_by_byte_model(
        map in prop::collection::vec((0u64..64, 0u64..32, 0usize..5), 0..24)
    ) {
        let map: Vec<_> = map.into_iter().map(|(s, l, k)| (s, l, FirmwareKind::ALL[k])).collect();
        let swept = sweep(&map);
        for at in 0..96 {
            let model = map.iter().filter(|(s, l, _)| (*s..s + l).contains(&at)).map(|e| e.2).max();
            let found: Vec<_> = swept.iter().filter(|(s, e, _)| (*s..*e).contains(&at)).collect();
            prop_assert!(found.len() <= 1, "pieces overlap at {at}");
            prop_assert_eq!(found.first().map(|p| p.2), model);
        }
        for pair in swept.windows(2) {
            prop_assert!(pair[0].1 < pair[1].0 || (pair[0].1 == pair[1].0 && pair[0].2 != pair[1].2));
        }
    }
}
