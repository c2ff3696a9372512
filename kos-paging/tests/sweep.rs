//! The k-th frame allocation fails, for every k: the table stays byte for byte as it was and no frame is lost.

mod common;
#[macro_use]
#[path = "common/every_format.rs"]
mod every_format;

use common::{Bench, PAGE, phys, range};
use kos_paging::testing::Rig;
use kos_paging::*;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Fails each allocation of `work` in turn until it succeeds; returns how many it makes.
fn sweep<F: Format>(bench: &mut Bench<F>, work: impl Fn(&mut Bench<F>) -> Result<(), u64>) -> u64 {
    let before = (bench.image(), bench.ports.inner().used(), bench.table.stats());
    for k in 0.. {
        bench.ports.arm(k);
        let result = work(bench);
        let spared = bench.ports.disarm();
        bench.check();
        match result {
            Ok(()) => {
                assert!(spared, "succeeded although allocation {k} failed");
                return k;
            }
            Err(needed) => {
                assert!(k < needed, "allocation {k} of {needed}");
                let after = (bench.image(), bench.ports.inner().used(), bench.table.stats());
                assert!(after == before, "a trace of the failed operation at allocation {k}");
            }
        }
    }
    0
}

fn map<F: Format>(bench: &mut Bench<F>, first: u64, to: u64, bytes: u64, attrs: Attrs) -> Result<(), u64> {
    match bench.table.map(range(first, bytes), phys(to), attrs, HugePolicy::Largest) {
        Ok(()) => Ok(()),
        Err(MapError::OutOfTables { needed }) => Err(needed),
        Err(_) => Err(0),
    }
}

fn protect<F: Format>(bench: &mut Bench<F>, range: VirtRange, attrs: Attrs) -> Result<(), u64> {
    match bench.table.protect(range, attrs, SplitPolicy::Split) {
        Ok(protected) => protected.flush(&bench.tlb).map_err(|_| 0),
        Err(ProtectError::OutOfTables { needed }) => Err(needed),
        Err(_) => Err(0),
    }
}

fn unmap<F: Format>(bench: &mut Bench<F>, range: VirtRange) -> Result<(), u64> {
    match bench.table.unmap(range, SplitPolicy::Split) {
        Ok(unmapped) => {
            unmapped.flush(&bench.tlb).map_err(|_| 0_u64)?.release(drop);
            Ok(())
        }
        Err(UnmapError::OutOfTables { needed }) => Err(needed),
        Err(_) => Err(0),
    }
}

#[test]
fn mapping_a_page_in_an_empty_table() {
    assert_eq!(sweep(&mut Bench::new(), |bench| map(bench, PAGE, PAGE, PAGE, Attrs::RW)), 3);
}

#[test]
fn mapping_across_all_edges_beside_a_mapping() {
    let mut bench = Bench::new();
    bench.map(512 * GIB - 4 * MIB, 0, PAGE);
    let bytes = 4 * MIB + 2 * PAGE;
    let tables = sweep(&mut bench, |bench| map(bench, 512 * GIB - 2 * MIB - PAGE, PAGE, bytes, Attrs::RX));
    // Below the edge of the root's entries one of two tables of pages is there; above it all four are missing.
    assert_eq!(tables, 1 + 4);
}

#[test]
fn mapping_at_both_ends_of_the_upper_half() {
    let mut bench = Bench::new();
    assert_eq!(sweep(&mut bench, |bench| map(bench, 0xffff_8000_0000_0000, 0, GIB + PAGE, Attrs::R)), 3);
    assert_eq!(sweep(&mut bench, |bench| map(bench, u64::MAX - 2 * PAGE + 1, 0, 2 * PAGE, Attrs::R)), 3);
}

#[test]
fn protecting_the_middle_of_a_gib() {
    let mut bench = Bench::new();
    bench.map(GIB, GIB, GIB);
    let middle = range(GIB + 3 * PAGE, 8 * MIB);
    assert_eq!(sweep(&mut bench, |bench| protect(bench, middle, Attrs::R)), 3);
}

#[test]
fn unmapping_half_of_a_huge_page() {
    let mut bench = Bench::new();
    bench.map(2 * MIB, 2 * MIB, 2 * MIB);
    assert_eq!(sweep(&mut bench, |bench| unmap(bench, range(3 * MIB, MIB))), 1);
    assert_eq!(bench.table.stats().mapped_bytes, MIB);
}

#[test]
fn unmapping_across_huge_pages() {
    let mut bench = Bench::new();
    bench.map(GIB, GIB, 2 * GIB);
    // Both leaves of 1 GiB, and a large page in each.
    assert_eq!(sweep(&mut bench, |bench| unmap(bench, range(2 * GIB - PAGE, 2 * PAGE))), 4);
    assert_eq!(sweep(&mut bench, |bench| unmap(bench, range(GIB, 2 * GIB))), 0);
    assert_eq!(bench.ports.inner().used(), 1);
}

in_every_format! {
    every_operation_of_every_format => every_operation;
}

/// Each operation that can need tables takes as many as it adds, and leaves no trace if it does not get them.
fn every_operation<F: Format>(rig: Rig<F>) {
    let mut bench = Bench::of(&rig);
    let (page, leaf) = (rig.page(), rig.leaf_bits.get(1).map_or(0, |bits| 1 << bits));
    let (attrs, less) =
        (Attrs::new(Flags::READ | Flags::WRITE | rig.always), Attrs::new(Flags::READ | rig.always));
    let base = rig.mode.address(0x4000_0000);
    let mut step = |work: &dyn Fn(&mut Bench<F>) -> Result<(), u64>| {
        let before = bench.table.stats().tables;
        let taken = sweep(&mut bench, work);
        assert_eq!(bench.table.stats().tables.saturating_sub(before), taken);
        (taken, bench.table.stats().tables)
    };
    // Two pages on both sides of an edge, two large ones, the middle of one, the end of the other, and all.
    assert!(step(&|bench| map(bench, base + leaf - page, 0, 2 * page, attrs)).0 >= 2);
    step(&|bench| map(bench, base + 2 * leaf, 0x4000_0000, 2 * leaf, attrs));
    assert_eq!(step(&|bench| protect(bench, range(base + 2 * leaf + page, page), less)).0, 1);
    assert_eq!(step(&|bench| unmap(bench, range(base + 4 * leaf - page, page))).0, 1);
    assert_eq!(step(&|bench| unmap(bench, range(base, 4 * leaf))), (0, rig.fixed_tables));
}

#[test]
fn two_levels() {
    let mut bench = Bench::two_level();
    assert_eq!(sweep(&mut bench, |bench| map(bench, 4 * MIB - PAGE, 4 * MIB - PAGE, 8 * MIB, Attrs::RWX)), 2);
    assert_eq!(sweep(&mut bench, |bench| protect(bench, range(5 * MIB, MIB), Attrs::RX)), 1);
    assert_eq!(sweep(&mut bench, |bench| unmap(bench, range(4 * MIB, PAGE))), 0);
}

/// Every sub-range of a huge leaf on a grid: exactly it goes.
#[test]
fn any_part_of_a_huge_leaf() {
    const STEPS: u64 = 16;
    let step = 2 * MIB / STEPS;
    for first in 0..STEPS {
        for last in first..STEPS {
            let mut bench = Bench::new();
            bench.map(2 * MIB, 2 * MIB, 2 * MIB);
            let (begin, bytes) = (2 * MIB + first * step, (last - first + 1) * step);
            assert_eq!(bench.unmap(range(begin, bytes), SplitPolicy::Split), [(begin, bytes, begin)]);
            for part in 0..STEPS {
                let found = bench.table.translate(common::at(2 * MIB + part * step));
                let gone = (first..=last).contains(&part);
                assert_eq!(
                    found.map(|found| found.phys.get()).ok(),
                    (!gone).then_some(2 * MIB + part * step)
                );
            }
        }
    }
}
