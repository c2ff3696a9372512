//! One test for each fault that other page-table code has had, named after the behaviour.

mod common;

use common::{Bench, PAGE, at, huge, phys, range};
use kos_paging::testing::mmu::Access;
use kos_paging::testing::{Arena, FailAt};
use kos_paging::*;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

#[test]
fn oom_leaves_no_page_no_table() {
    let mut bench = Bench::new();
    let before = bench.image();
    for k in 0..3 {
        bench.ports.arm(k);
        let result = bench.table.map(range(0x1000, PAGE), phys(PAGE), Attrs::RW, HugePolicy::Largest);
        assert_eq!(result, Err(MapError::OutOfTables { needed: 3 }));
        assert_eq!(bench.image(), before);
    }
    bench.ports.arm(3);
    bench.map(0x1000, PAGE, PAGE);
    assert!(bench.ports.disarm(), "no fourth frame was asked for");
}

#[test]
fn table_exhaustion_is_an_error() {
    let ports = FailAt::new(Arena::new(20));
    let mut table = Table::new(common::long(), &ports, WxPolicy::Deny).unwrap();
    let result = table.map(range(0, GIB), phys(PAGE), Attrs::RW, HugePolicy::Largest);
    assert_eq!(result, Err(MapError::OutOfTables { needed: 514 }));
    assert_eq!((table.stats().tables, ports.inner().used()), (1, 1));

    let empty = FailAt::new(Arena::new(0));
    assert_eq!(Table::new(common::long(), &empty, WxPolicy::Deny).err(), Some(CreateError::OutOfFrames));
}

#[test]
fn unmap_4k_of_2m_keeps_511() {
    let mut bench = Bench::new();
    bench.map(2 * MIB, 64 * MIB, 2 * MIB);
    let page = range(2 * MIB + 5 * PAGE, PAGE);
    let refused = bench.table.unmap(page, SplitPolicy::Refuse).err();
    assert!(matches!(refused, Some(UnmapError::PartOfHuge { leaf }) if leaf.leaf_bytes == 2 * MIB));

    let released = bench.unmap(page, SplitPolicy::Split);
    assert_eq!(released, [(2 * MIB + 5 * PAGE, PAGE, 64 * MIB + 5 * PAGE)]);
    for index in 0..512 {
        let found = bench.table.translate(at(2 * MIB + index * PAGE)).map(|translation| translation.phys);
        let mapped = found == Ok(phys(64 * MIB + index * PAGE));
        assert_eq!(mapped, index != 5, "page {index}");
    }
    assert_eq!(bench.table.stats().splits, 1);
}

#[test]
fn unmap_4k_of_1g_splits_twice() {
    let mut bench = Bench::new();
    bench.map(GIB, GIB, GIB);
    let tables = bench.table.stats().tables;
    bench.unmap(range(GIB + 7 * PAGE, PAGE), SplitPolicy::Split);
    assert_eq!(bench.table.stats().tables, tables + 2);
    assert_eq!(bench.table.stats().mapped_bytes, GIB - PAGE);
    bench.check();
}

#[test]
fn absent_page_in_range_advances() {
    let mut bench = Bench::new();
    bench.map(0, 0, PAGE);
    bench.map(2 * GIB, PAGE, PAGE);
    let released = bench.unmap(range(0, 3 * GIB), SplitPolicy::Refuse);
    assert_eq!(released, [(0, PAGE, 0), (2 * GIB, PAGE, PAGE)]);
    assert_eq!(bench.table.stats().tables, 1);
}

#[test]
fn readonly_keeps_huge_bit() {
    let mut bench = Bench::new();
    bench.map(2 * MIB, 2 * MIB, 2 * MIB);
    bench.protect(range(2 * MIB, 2 * MIB), Attrs::R);
    let leaf = bench.table.translate(at(3 * MIB)).unwrap().leaf;
    assert_eq!((leaf.leaf_bytes, leaf.attrs, leaf.phys), (2 * MIB, Attrs::R, phys(2 * MIB)));
}

#[test]
fn exact_huge_ranges() {
    let mut bench = Bench::new();
    bench.map(GIB - 2 * MIB - PAGE, GIB - 2 * MIB - PAGE, GIB + 2 * MIB + 2 * PAGE);
    let leaves: Vec<_> =
        bench.table.runs().map(|run| run.map(|run| (run.leaf_bytes, run.range.bytes())).unwrap()).collect();
    let expected = [(PAGE, PAGE), (2 * MIB, 2 * MIB), (GIB, GIB), (PAGE, PAGE)];
    assert_eq!(leaves, expected);

    let bounded = bench.table.map(range(8 * GIB, GIB), phys(0), Attrs::RW, HugePolicy::UpTo(Level::new(1)));
    assert_eq!(bounded, Ok(()));
    assert_eq!(bench.table.translate(at(8 * GIB)).unwrap().leaf.leaf_bytes, 2 * MIB);
}

#[test]
fn walk_never_descends_a_leaf() {
    let mut bench = Bench::new();
    // The leaf leads to a frame that is a table: its own root.
    let root = bench.table.root();
    bench.map(0, root.get() & !(2 * MIB - 1), 2 * MIB);
    bench.map(2 * MIB, root.get(), PAGE);
    assert_eq!(bench.table.translate(at(2 * MIB)).map(|found| found.phys), Ok(root));
    assert_eq!(bench.table.translate(at(PAGE)).unwrap().leaf.leaf_bytes, 2 * MIB);
    assert!(matches!(
        bench.table.map(range(PAGE, PAGE), phys(0), Attrs::RW, HugePolicy::Never),
        Err(MapError::Occupied { .. })
    ));
}

#[test]
fn child_zero_before_link() {
    // The arena hands out frames full of junk that reads as present entries.
    let mut bench = Bench::new();
    bench.map(0, 0, PAGE);
    let census = bench.mmu().census();
    assert_eq!((census.tables.len(), census.leaves.as_slice()), (4, &[(0, PAGE)][..]));
}

#[test]
fn occupied_names_existing_frame() {
    let mut bench = Bench::new();
    bench.map(8 * PAGE, 77 * PAGE, PAGE);
    let before = bench.image();
    let result = bench.table.map(range(0, 16 * PAGE), phys(GIB), Attrs::RW, HugePolicy::Largest);
    let Err(MapError::Occupied { at: first, existing }) = result else { panic!("{result:?}") };
    assert_eq!((first, existing.phys, existing.attrs), (at(8 * PAGE), phys(77 * PAGE), Attrs::RW));
    assert_eq!(bench.image(), before);
}

#[test]
fn protect_keeps_accessed_dirty() {
    let mut bench = Bench::new();
    bench.map(2 * MIB, 2 * MIB, 2 * MIB);
    let write = Access { write: true, ..Access::default() };
    bench.mmu().access(2 * MIB, write).unwrap();
    bench.protect(range(2 * MIB, 2 * MIB), Attrs::R);
    let kept = |found: Translation| (found.leaf.accessed, found.leaf.dirty);
    assert_eq!(bench.table.translate(at(2 * MIB)).map(kept), Ok((true, true)));

    // A split hands them down.
    bench.unmap(range(2 * MIB, PAGE), SplitPolicy::Split);
    assert_eq!(bench.table.translate(at(2 * MIB + PAGE)).map(kept), Ok((true, true)));
}

#[test]
fn range_to_the_last_page() {
    let mut bench = Bench::new();
    let last = u64::MAX - PAGE + 1;
    bench.map(last, PAGE, PAGE);
    assert_eq!(bench.table.translate(at(u64::MAX)).map(|found| found.phys), Ok(phys(2 * PAGE - 1)));
    assert_eq!(bench.unmap(range(last, PAGE), SplitPolicy::Refuse), [(last, PAGE, PAGE)]);

    // All of the upper half: a range that ends with the last byte.
    bench.map(last - GIB, 0, PAGE);
    assert_eq!(bench.unmap(range(0xffff_8000_0000_0000, 1 << 47), SplitPolicy::Refuse).len(), 1);

    let mut old = Bench::two_level();
    let attrs = Attrs::RWX;
    old.table.map(range(0xffff_f000, PAGE), phys(PAGE), attrs, HugePolicy::Largest).unwrap();
    assert_eq!(old.table.translate(at(0xffff_ffff)).map(|found| found.phys), Ok(phys(2 * PAGE - 1)));
    let beyond = old.table.map(range(1 << 32, PAGE), phys(0), attrs, HugePolicy::Largest);
    assert_eq!(beyond, Err(MapError::Range(RangeError::NonCanonical { at: at(1 << 32) })));
}

#[test]
fn the_hole_is_an_error() {
    let mut bench = Bench::new();
    let hole = RangeError::NonCanonical { at: at(1 << 47) };
    let low_edge = range((1 << 47) - PAGE, PAGE);
    assert_eq!(bench.table.map(low_edge, phys(0), Attrs::RW, HugePolicy::Largest), Ok(()));
    let across = VirtRange::inclusive(at((1 << 47) - PAGE), at(0xffff_8000_0000_0fff)).unwrap();
    assert_eq!(bench.table.cursor(across).err(), Some(hole));
    assert_eq!(bench.table.cursor(range(1 << 47, PAGE)).err(), Some(hole));
    assert_eq!(bench.table.translate(at(1 << 47)), Err(TranslateError::NonCanonical { at: at(1 << 47) }));
}

#[test]
fn misaligned_frame_refused() {
    let mut bench = Bench::new();
    let result = bench.table.map(range(0, PAGE), phys(0x1234), Attrs::RW, HugePolicy::Largest);
    assert_eq!(result, Err(MapError::Misaligned { phys: phys(0x1234) }));
}

#[test]
fn frame_waits_for_shootdown() {
    let mut bench = Bench::new();
    bench.map(0x5000, 0x9000, PAGE);
    bench.touch(0x5000);
    bench.tlb.set_stuck(true);
    let unmapped = bench.table.unmap(range(0x5000, PAGE), SplitPolicy::Refuse).unwrap();
    assert!(unmapped.flush(&bench.tlb).is_err());
    // Nobody got the frame, and nobody can map over it.
    assert_eq!(bench.table.stats().quarantined_bytes, PAGE);
    let again = bench.table.map(range(0x5000, PAGE), phys(0), Attrs::RW, HugePolicy::Largest);
    assert_eq!(again, Err(MapError::Quarantined { at: at(0x5000) }));
    bench.check();

    bench.tlb.set_stuck(false);
    assert_eq!(bench.unmap(range(0x5000, PAGE), SplitPolicy::Refuse), [(0x5000, PAGE, 0x9000)]);
    assert!(!bench.tlb.holds(0x5000));
    assert_eq!((bench.table.stats().tables, bench.table.stats().quarantined_bytes), (1, 0));
}

#[test]
fn table_waits_for_shootdown() {
    let mut bench = Bench::new();
    bench.map(0, 0, 2 * PAGE);
    bench.touch(0);
    let used = bench.ports.inner().used();
    let unmapped = bench.table.unmap(range(0, 2 * PAGE), SplitPolicy::Refuse).unwrap();
    assert!(unmapped.flush_set().is_some_and(FlushSet::tables));
    assert_eq!(bench.ports.inner().used(), used);
    unmapped.flush(&bench.tlb).unwrap().release(drop);
    assert_eq!(bench.ports.inner().used(), 1);
    assert_eq!(bench.tlb.stale(&bench.mmu(), &[], |_| false), None);
}

#[test]
fn fresh_root_maps() {
    let mut bench = Bench::new();
    assert_eq!(bench.table.runs().count(), 0);
    bench.map(0xffff_ffff_8000_0000, MIB, PAGE);
    bench.check();
}

#[test]
fn wild_arguments() {
    assert_eq!(VirtRange::new(at(0), 0), Err(RangeError::Empty));
    let wraps = RangeError::Wraps { first: at(PAGE), bytes: u64::MAX };
    assert_eq!(VirtRange::new(at(PAGE), u64::MAX), Err(wraps));
    let mut bench = Bench::new();
    let all = VirtRange::new(at(0), u64::MAX).unwrap();
    assert!(matches!(bench.table.unmap(all, SplitPolicy::Split), Err(UnmapError::Range(_))));
    let far = bench.table.map(range(0, PAGE), phys(u64::MAX - PAGE + 1), Attrs::RW, HugePolicy::Largest);
    assert!(matches!(far, Err(MapError::PhysOutOfRange { .. })));
    let half = bench.table.map(range(0, 1 << 47), phys(PAGE), Attrs::RW, HugePolicy::Largest);
    assert_eq!(half.map_err(|error| matches!(error, MapError::OutOfTables { .. })), Err(true));
    bench.check();
}

#[test]
fn wild_entries_are_errors() {
    let mut bench = Bench::new();
    bench.map(0, 0, PAGE);
    let root = bench.table.root().get();
    for (entry, reserved) in [(1 | 1 << 7, true), (1 | 1 << 50, true), (0x7777_7007, false)] {
        bench.ports.inner().write(root + 8, entry);
        let error = bench.table.translate(at(1 << 39)).unwrap_err();
        let TranslateError::Walk(cause) = error else { panic!("{error:?}") };
        assert_eq!(matches!(cause, WalkError::Reserved { .. }), reserved, "{cause}");
        assert_eq!(bench.table.check(), Err(Corruption::Walk(cause)));
        let region = range(0, 1 << 40);
        assert_eq!(bench.table.unmap(region, SplitPolicy::Split).err(), Some(UnmapError::Walk(cause)));
        let damaged = bench.table.protect(range(1 << 39, PAGE), Attrs::R, SplitPolicy::Split).err();
        assert_eq!(damaged, Some(ProtectError::Walk(cause)));
        let mapped = bench.table.map(range(1 << 39, PAGE), phys(0), Attrs::R, HugePolicy::Largest);
        assert_eq!(mapped, Err(MapError::Walk(cause)));
        assert_eq!(bench.table.runs().filter(Result::is_err).count(), 1);
    }
}

#[test]
fn foreign_entries_are_found() {
    let bench = Bench::new();
    let root = bench.table.root().get();
    let at = at(1 << 39);
    bench.ports.inner().write(root + 8, 0x7777_7001);
    assert_eq!(bench.table.check(), Err(Corruption::ForeignTable { at, raw: 0x7777_7001 }));
    bench.ports.inner().write(root + 8, 0x40);
    assert_eq!(bench.table.check(), Err(Corruption::StrayBits { at, raw: 0x40 }));
    assert_eq!(bench.table.translate(at), Err(TranslateError::NotMapped { at, level: Level::new(3) }));
}

#[test]
fn a_circle_of_tables_ends() {
    let bench = Bench::new();
    let root = bench.table.root().get();
    bench.ports.inner().write(root, root | 7);
    // Four levels down the root is read as a table of pages; its entry leads to itself.
    assert_eq!(bench.table.translate(at(5)).map(|found| found.phys), Ok(phys(root + 5)));
    assert!(bench.table.check().is_err());
}

#[test]
fn write_and_execute_is_refused() {
    let mut bench = Bench::new();
    let map = bench.table.map(range(0, PAGE), phys(0), Attrs::RWX, HugePolicy::Largest);
    assert_eq!(map, Err(MapError::Attr(AttrError::WriteAndExecute)));
    bench.map(0, 0, PAGE);
    let protect = bench.table.protect(range(0, PAGE), Attrs::RWX, SplitPolicy::Refuse);
    assert_eq!(protect.err(), Some(ProtectError::Attr(AttrError::WriteAndExecute)));
}

#[test]
fn what_was_written_is_never_run() {
    let mut bench = Bench::under(WxPolicy::DenyHistory);
    let mut map =
        |page: u64, attrs| bench.table.map(range(page * PAGE, PAGE), phys(0), attrs, HugePolicy::Never);
    assert_eq!(map(0, Attrs::RWX), Err(MapError::Attr(AttrError::WriteAndExecute)));
    assert_eq!((map(0, Attrs::RX), map(1, Attrs::RX), map(2, Attrs::RW)), (Ok(()), Ok(()), Ok(())));
    let refused = Some(ProtectError::Attr(AttrError::ExecuteAfterwards));
    let before = bench.image();
    // One page that was not executable makes the whole range so.
    let all = bench.table.protect(range(0, 3 * PAGE), Attrs::RX, SplitPolicy::Refuse);
    assert_eq!(all.err(), refused);
    assert!(bench.image() == before);
    bench.protect(range(0, 2 * PAGE), Attrs::RX);
    bench.protect(range(0, PAGE), Attrs::RW);
    let again = bench.table.protect(range(0, PAGE), Attrs::RX, SplitPolicy::Refuse);
    assert_eq!(again.err(), refused);
}

#[test]
fn what_the_cpu_cannot_express_is_refused() {
    let mut bench = Bench::new();
    let mut map = |attrs: Attrs, first: u64| match bench.table.map(
        range(first, PAGE),
        phys(0),
        attrs,
        HugePolicy::Largest,
    ) {
        Err(MapError::Attr(cause)) => Some(cause),
        _ => None,
    };
    let combining = Attrs::RW.with_memory(MemoryType::WriteCombining);
    assert_eq!(map(combining, 0), Some(AttrError::NoMemorySlot(MemoryType::WriteCombining)));
    assert_eq!(map(Attrs::new(Flags::EXECUTE), 0), Some(AttrError::NotReadable));
    assert_eq!(map(Attrs::R.user(), 0xffff_8000_0000_0000), Some(AttrError::UserInKernelHalf));

    let old = X86Long::<4>::new(LongCaps { nx: false, ..LongCaps::FULL }).unwrap();
    assert_eq!(old.leaf_bits(Attrs::RW, Level::PAGE), Err(AttrError::NoExecuteDisable));
    assert_eq!(X86Long::<4>::new(LongCaps { phys_bits: 64, ..LongCaps::FULL }), Err(PhysBitsError(64)));
}

#[test]
fn protect_over_a_hole_changes_nothing() {
    let mut bench = Bench::new();
    bench.map(0, 0, PAGE);
    bench.map(2 * PAGE, 0, PAGE);
    let before = bench.image();
    let result = bench.table.protect(range(0, 3 * PAGE), Attrs::R, SplitPolicy::Split);
    assert_eq!(result.err(), Some(ProtectError::Hole { at: at(PAGE) }));
    assert_eq!(bench.image(), before);
}

#[test]
fn unusable_frames_go_back() {
    let ports = Arena::new(4);
    let small = X86Long::<4>::new(LongCaps { phys_bits: 32, ..LongCaps::FULL }).unwrap();
    let blind = common::Blind(&ports);
    assert!(matches!(Table::new(small, &blind, WxPolicy::Deny), Err(CreateError::UnusableFrame(_))));
    assert_eq!(ports.used(), 0);
}

#[test]
fn dense_tables_are_few() {
    // 1 GiB of small pages: 512 tables of pages, and one each above.
    let ports = Arena::new(600);
    let mut table = Table::new(common::long(), &ports, WxPolicy::Deny).unwrap();
    table.map(range(0, GIB), phys(0), Attrs::RW, HugePolicy::Never).unwrap();
    assert_eq!(table.stats().tables, 515);
    // 4 TiB in leaves of 1 GiB: eight tables and the root.
    table.map(range(huge(1), 4096 * GIB), phys(0), Attrs::RW, HugePolicy::Largest).unwrap();
    assert_eq!(table.stats().tables, 515 + 8);
}

#[test]
fn many_pages_are_one_flush() {
    let mut bench = Bench::new();
    bench.map(0, 0, 34 * PAGE);
    let set = |pages: u64| FlushSet::new(range(0, pages * PAGE), PAGE);
    assert!(matches!(set(33).scope(), Scope::Pages(addresses) if addresses.clone().count() == 33));
    assert!(matches!(set(34).scope(), Scope::All { global: false }));
    let unmapped = bench.table.unmap(range(0, 34 * PAGE), SplitPolicy::Refuse).unwrap();
    assert!(matches!(unmapped.flush_set().map(FlushSet::scope), Some(Scope::All { global: false })));
    unmapped.flush(&bench.tlb).unwrap().release(drop);
    // Nothing mapped: nothing to flush.
    let flushes = bench.tlb.flushes();
    bench.unmap(range(0, GIB), SplitPolicy::Refuse);
    assert_eq!(bench.tlb.flushes(), flushes);
}

#[test]
fn user_rights_are_flushed() {
    // Under SMEP and SMAP a stale entry lets the kernel run or read what is a program's now.
    let mut bench = Bench::new();
    bench.map(0, 0, PAGE);
    let mut protect = |attrs| {
        let protected = bench.table.protect(range(0, PAGE), attrs, SplitPolicy::Refuse).unwrap();
        let transition = protected.transition();
        protected.flush(&bench.tlb).unwrap();
        transition
    };
    assert_eq!(protect(Attrs::R), Transition::Flush);
    assert_eq!(protect(Attrs::RW), Transition::Lazy);
    assert_eq!(protect(Attrs::RW.user()), Transition::Flush);
}

#[test]
fn runs_end_where_the_range_does() {
    // Three like leaves, half of the first and of the last asked for: the refusal names one of them, not the run.
    let mut bench = Bench::new();
    bench.map(2 * MIB, 64 * MIB, 6 * MIB);
    for (asked, named) in [(range(3 * MIB, 5 * MIB), 2 * MIB), (range(2 * MIB, 5 * MIB), 6 * MIB)] {
        let refused = bench.table.protect(asked, Attrs::R, SplitPolicy::Refuse).err();
        let Some(ProtectError::PartOfHuge { leaf }) = refused else { panic!("{refused:?}") };
        assert_eq!((leaf.range, leaf.phys), (range(named, 2 * MIB), phys(62 * MIB + named)));
    }
}
