//! What page-table code of others got wrong, in each format: the edges of the space, parts of huge leaves, minimum tables.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "bodies of tests: what they do must succeed"
)]

mod common;
#[macro_use]
#[path = "common/every_format.rs"]
mod every_format;

use common::{at, phys, range};
use kos_paging::testing::{Arena, FakeTlb, Rig};
use kos_paging::*;

in_every_format! {
    range_to_the_last_page => edges;
    misaligned_frame_refused => misaligned;
    fresh_root_maps => fresh;
    walk_never_descends_a_leaf => leaf;
    any_part_of_any_huge_leaf => parts;
    absent_entries_keep_their_state => states;
    a_dense_gib_takes_a_quarter_of_a_percent => dense_gib;
}

/// Readable, and what the MMU cannot do without.
fn attrs<F>(rig: &Rig<F>) -> Attrs {
    Attrs::new(Flags::READ | rig.always)
}

fn table<F: Format>(rig: &Rig<F>) -> Table<F, &'static Arena> {
    let memory: &'static Arena = Box::leak(Box::new(Arena::of_order(24, rig.order)));
    Table::new(rig.format, memory, rig.wx).unwrap()
}

fn unmap<F: Format>(table: &mut Table<F, &'static Arena>, range: VirtRange) -> u64 {
    let mut bytes = 0;
    let unmapped = table.unmap(range, SplitPolicy::Split).unwrap();
    unmapped.flush(&FakeTlb::new()).unwrap().release(|run| bytes += run.range.bytes());
    table.check().unwrap();
    bytes
}

/// Maps `bytes` in the smallest pages; the bytes of all tables.
fn dense<F: Format>(rig: &Rig<F>, bytes: u64, frames: usize) -> u64 {
    let memory = Arena::of_order(frames, rig.order);
    let mut table = Table::new(rig.format, &memory, rig.wx).unwrap();
    let whole = range(rig.mode.address(1 << 30), bytes);
    table.map(whole, phys(0), attrs(rig), HugePolicy::Never).unwrap();
    assert_eq!(table.stats().tables, memory.used());
    memory.used() << (12 + rig.order)
}

fn dense_gib<F: Format>(rig: Rig<F>) {
    assert!(dense(&rig, 1 << 30, 528) * 400 <= 1 << 30);
}

/// 32,768 tables of pages, 65 above them, the root.
#[test]
fn dense_64_gib_take_a_fifth_of_a_percent() {
    assert_eq!(dense(&Rig::long(), 64 << 30, 32_840), 32_834 << 12);
}

/// The first and the last page of each half.
fn edges<F: Format>(rig: Rig<F>) {
    let mut table = table(&rig);
    let last = !0 >> (64 - rig.mode.address_bits());
    let half = last / 2;
    let places = [0, half - (rig.page() - 1), half + 1, last - (rig.page() - 1)];
    for (number, place) in places.into_iter().enumerate() {
        let page = range(rig.mode.address(place), rig.page());
        let to = phys(number as u64 * rig.page());
        table.map(page, to, attrs(&rig), HugePolicy::Largest).unwrap();
        let found = table.translate(page.last()).unwrap();
        assert_eq!(found.phys.get(), to.get() + rig.page() - 1, "{page}");
    }
    assert_eq!(table.runs().map(|run| run.unwrap().range.bytes()).sum::<u64>(), 4 * rig.page());
    table.check().unwrap();
    for place in places {
        assert_eq!(unmap(&mut table, range(rig.mode.address(place), rig.page())), rig.page());
    }
    assert_eq!(table.stats().tables, rig.fixed_tables);
}

fn misaligned<F: Format>(rig: Rig<F>) {
    let mut table = table(&rig);
    let page = range(rig.mode.address(0), rig.page());
    for wrong in [rig.page() / 2, 0x10, 1] {
        let result = table.map(page, phys(wrong), attrs(&rig), HugePolicy::Largest);
        assert_eq!(result, Err(MapError::Misaligned { phys: phys(wrong) }));
    }
    let half = VirtRange::new(page.first(), rig.page() / 2).unwrap();
    assert!(matches!(table.cursor(half), Err(RangeError::Misaligned { .. })));
}

fn fresh<F: Format>(rig: Rig<F>) {
    let mut table = table(&rig);
    assert_eq!((table.runs().count(), table.stats().tables), (0, rig.fixed_tables));
    table.check().unwrap();
    let page = range(rig.mode.address(rig.page()), rig.page());
    table.map(page, phys(0), attrs(&rig), HugePolicy::Largest).unwrap();
    assert_eq!(table.translate(page.first()).map(|found| found.phys), Ok(phys(0)));
}

/// A huge leaf, and a small one, that lead to the root.
fn leaf<F: Format>(rig: Rig<F>) {
    let mut table = table(&rig);
    let huge = 1 << rig.leaf_bits[1];
    let root = table.root();
    let below = phys(root.get() & !(huge - 1));
    table.map(range(rig.mode.address(0), huge), below, attrs(&rig), HugePolicy::Largest).unwrap();
    let frame = phys(root.get() & !(rig.page() - 1));
    table.map(range(rig.mode.address(huge), rig.page()), frame, attrs(&rig), HugePolicy::Largest).unwrap();
    let found = table.translate(at(rig.mode.address(rig.page() + 5))).unwrap();
    assert_eq!((found.leaf.leaf_bytes, found.phys.get()), (huge, below.get() + rig.page() + 5));
    assert_eq!(table.translate(at(rig.mode.address(huge))).map(|found| found.phys), Ok(frame));
    assert_eq!(table.runs().count(), 2);
}

/// A leaf of each size, and a range that begins and ends anywhere in it: exactly that goes.
fn parts<F: Format>(rig: Rig<F>) {
    for bits in &rig.leaf_bits[1..] {
        let (size, page) = (1_u64 << bits, rig.page());
        let pages = size / page;
        for (first, last) in [(0, 0), (0, pages - 2), (1, 1), (pages / 3, pages / 2), (pages - 1, pages - 1)]
        {
            let mut table = table(&rig);
            let base = rig.mode.address(0);
            table.map(range(base, size), phys(0), attrs(&rig), HugePolicy::Largest).unwrap();
            assert_eq!(table.translate(at(base)).unwrap().leaf.leaf_bytes, size);
            let part = range(base + first * page, (last - first + 1) * page);
            assert_eq!(unmap(&mut table, part), part.bytes());
            for index in [0, first.wrapping_sub(1), first, last, last + 1, pages - 1] {
                let found = (index < pages).then(|| table.translate(at(base + index * page)).ok()).flatten();
                let kept = index < pages && !(first..=last).contains(&index);
                assert_eq!(
                    found.map(|found| found.phys),
                    kept.then(|| phys(index * page)),
                    "{index} of {pages}"
                );
            }
            unmap(&mut table, range(base, size));
            assert_eq!(table.stats().tables, rig.fixed_tables);
        }
    }
}

/// An entry that is absent for a reason says which; one that cannot hold it is refused.
fn states<F: Format>(rig: Rig<F>) {
    let states = [
        Absent::Guard,
        Absent::Kept(phys(rig.page() * 77)),
        Absent::Swap(12_345),
        Absent::Migrating,
        Absent::Empty,
    ];
    for state in states {
        let raw = rig.format.absent(state).unwrap();
        assert_eq!(rig.format.decode(raw, Level::PAGE), Ok(Entry::Absent(state)));
        let leaf = rig.format.leaf_bits(attrs(&rig), Level::PAGE).unwrap();
        assert!(rig.format.transition(raw, leaf, Level::PAGE) <= Transition::Fence);
    }
    for wrong in [Absent::Swap(u64::MAX), Absent::Kept(phys(u64::MAX)), Absent::Kept(phys(1))] {
        assert_eq!(rig.format.absent(wrong), Err(AttrError::StateOutOfReach(wrong)));
    }
}

#[test]
fn changes_ask_for_what_each_architecture_says() {
    let arm = Rig::<A64<12>>::a64_low().format;
    let leaf = |attrs, to| A64::<12>::with_address(arm.leaf_bits(attrs, Level::PAGE).unwrap(), phys(to));
    let change = |old, new| arm.transition(old, new, Level::PAGE);
    assert_eq!(change(0, leaf(Attrs::RW, 0)), Transition::Fence);
    assert_eq!(change(leaf(Attrs::RW, 0), leaf(Attrs::R, 0)), Transition::Flush);
    assert_eq!(change(leaf(Attrs::R, 0), leaf(Attrs::R, 4096)), Transition::BreakBeforeMake);
    assert_eq!(
        change(leaf(Attrs::R, 0), leaf(Attrs::R.with_memory(MemoryType::Uncached), 0)),
        Transition::BreakBeforeMake
    );
    let huge = arm.leaf_bits(Attrs::R, Level::new(1)).unwrap();
    assert_eq!(
        arm.transition(huge, arm.table(phys(4096), Level::new(1)), Level::new(1)),
        Transition::BreakBeforeMake
    );

    let riscv = Rig::<Riscv<3>>::riscv().format;
    let leaf = |attrs| riscv.leaf_bits(attrs, Level::PAGE).unwrap();
    assert_eq!(riscv.transition(0, leaf(Attrs::R), Level::PAGE), Transition::Fence);
    assert_eq!(riscv.transition(leaf(Attrs::R), leaf(Attrs::RW), Level::PAGE), Transition::Flush);
    let used = Riscv::<3>::mark(leaf(Attrs::RW), true);
    assert_eq!(riscv.transition(leaf(Attrs::RW), used, Level::PAGE), Transition::None);

    let long = Rig::long().format;
    let leaf = |attrs| long.leaf_bits(attrs, Level::PAGE).unwrap();
    assert_eq!(long.transition(0, leaf(Attrs::R), Level::PAGE), Transition::None);
    assert_eq!(long.transition(leaf(Attrs::R), leaf(Attrs::RW), Level::PAGE), Transition::Lazy);
}

#[test]
fn dirty_outlives_the_right_to_stores() {
    let arm = Rig::<A64<12>>::a64_low().format;
    let bits = |attrs| arm.leaf_bits(attrs, Level::PAGE).unwrap();
    let written = A64::<12>::mark(bits(Attrs::RW), true);
    let dirty =
        |raw| matches!(arm.decode(raw, Level::PAGE), Ok(Entry::Leaf { accessed: true, dirty: true, .. }));
    assert!(dirty(written));
    let read_only = A64::<12>::carry(bits(Attrs::R), written);
    assert!(dirty(read_only) && dirty(A64::<12>::carry(bits(Attrs::RW), read_only)));
    let clean = A64::<12>::carry(bits(Attrs::R), A64::<12>::mark(bits(Attrs::RW), false));
    assert!(matches!(arm.decode(clean, Level::PAGE), Ok(Entry::Leaf { accessed: true, dirty: false, .. })));
}

#[test]
fn encrypted_memory_has_its_bit_everywhere() {
    let caps = LongCaps { phys_bits: 43, encryption_bit: Some(47), ..LongCaps::FULL };
    let format = X86Long::<4>::new(caps).unwrap();
    let leaf = X86Long::<4>::with_address(format.leaf_bits(Attrs::RW, Level::PAGE).unwrap(), phys(0x1000));
    assert!(leaf & 1 << 47 != 0 && format.table(phys(0x1000), Level::new(1)) & 1 << 47 != 0);
    assert!(
        matches!(format.decode(leaf, Level::PAGE), Ok(Entry::Leaf { phys: at, .. }) if at == phys(0x1000))
    );
    assert_eq!(format.decode(leaf & !(1 << 47), Level::PAGE), Err(ReservedBits(1 << 47)));
    let inside = LongCaps { phys_bits: 48, encryption_bit: Some(47), ..LongCaps::FULL };
    assert_eq!(X86Long::<4>::new(inside), Err(PhysBitsError(47)));
}
