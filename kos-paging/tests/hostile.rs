//! Tables of any content: `translate` says what the MMU says, or an error, and always ends.

mod common;

use kos_paging::testing::mmu::{Fault, Mmu, Mode};
use kos_paging::testing::{Arena, Rig, cases, noise};
use kos_paging::*;

const TABLES: usize = 6;

fn word(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|_| bytes.next().unwrap_or_default()))
}

/// An entry that mostly leads to a table of the arena, with random low and high bits; sometimes anything.
fn entry(bytes: &mut impl Iterator<Item = u8>, frames: &[u64]) -> u64 {
    let (any, bits) = (word(bytes), word(bytes));
    let table = frames.iter().cycle().nth((any & 0xff) as usize).copied().unwrap_or_default();
    match bits & 7 {
        0 => any,
        1 => any & 0x8000_7fff_ffff_ffff | 1,
        2 => any & 0x8000_7fff_c000_01ff | 1,
        // RISC-V writes an address two bits lower.
        3 => table >> 2 | any >> 8 & 0x3ff | 1,
        4 => table >> 2 | any >> 8 & 0x320 | 1,
        5 => table | any >> 8 & 0x67e | any & 0x0068_0000_0000_0000 | 3,
        6 => table | 3 | any & 0x5800_0000_0000_0000,
        _ => table | any >> 8 & 0x67e | 1 | if bits & 0x38 == 0 { 1 << 63 } else { 0 },
    }
}

fn compare<F: Format>(rig: Rig<F>, seed: u64) -> Result<(), String> {
    let memory = Arena::of_order(TABLES, rig.order);
    let limit = FrameRequest::below(PhysAddr::new(u64::from(u32::MAX)));
    let frames: Vec<u64> =
        (0..TABLES).filter_map(|_| memory.allocate(limit).ok()).map(|frame| frame.address().get()).collect();
    let mut bytes = noise(seed, 1 << 24);
    for frame in &frames {
        for slot in 0..512 << rig.order {
            let wide = !matches!(rig.mode, Mode::TwoLevel { .. });
            let high = if wide { 0 } else { entry(&mut bytes, &frames) << 32 };
            let low = entry(&mut bytes, &frames) & if wide { u64::MAX } else { 0xffff_ffff };
            memory.write(frame + slot * 8, low | high);
        }
    }
    let cr3 = frames.first().copied().unwrap_or_default();
    let mmu = Mmu { mode: rig.mode, memory: &memory, cr3 };
    for _ in 0..256 {
        let any = word(&mut bytes);
        let at = if any & 6 == 0 { any } else { rig.mode.address(any >> (64 - rig.mode.address_bits())) };
        let said = walk::translate(rig.format, &memory, PhysAddr::new(cr3), VirtAddr::new(at));
        let agree = match (mmu.probe(at), &said) {
            (Ok(found), Ok(said)) => {
                let flags = said.leaf.attrs.flags;
                found.phys == said.phys.get()
                    && 1 << found.page_bits == said.leaf.leaf_bytes
                    && !found.odd
                    && found.readable == flags.contains(Flags::READ)
                    && found.writable == flags.contains(Flags::WRITE)
                    && found.user == flags.contains(Flags::USER)
                    && found.executable == flags.contains(Flags::EXECUTE)
                    && found.global == flags.contains(Flags::GLOBAL)
            }
            // Fetches that attributes have no word for, or a memory type that is not in use.
            (Ok(found), Err(TranslateError::Walk(WalkError::Reserved { .. }))) => {
                found.odd || found.pat_index as usize >= rig.pat.len()
            }
            (Err(Fault::Page(0)), Err(TranslateError::NotMapped { .. })) => true,
            (Err(Fault::Page(9)), Err(TranslateError::Walk(WalkError::Reserved { .. }))) => true,
            (Err(Fault::Bus(_)), Err(TranslateError::Walk(WalkError::UnknownFrame { .. }))) => true,
            (Err(Fault::NonCanonical), Err(TranslateError::NonCanonical { .. })) => true,
            _ => false,
        };
        if !agree {
            return Err(format!("seed {seed}, {at:#x}: MMU {:x?}, translate {said:x?}", mmu.probe(at)));
        }
    }
    Ok(())
}

#[test]
fn translate_agrees_with_the_mmu_on_any_image() {
    for seed in 0..u64::from(cases(32)).min(2000) {
        assert_eq!(compare(Rig::long(), seed), Ok(()));
        assert_eq!(compare(Rig::early_long(), seed), Ok(()));
        assert_eq!(compare(Rig::two_level(), seed), Ok(()));
        assert_eq!(compare(Rig::early_two_level(), seed), Ok(()));
        assert_eq!(compare(Rig::five_levels(), seed), Ok(()));
        assert_eq!(compare(Rig::pae(), seed), Ok(()));
        assert_eq!(compare(Rig::<Riscv<3>>::riscv(), seed), Ok(()));
        assert_eq!(compare(Rig::<Riscv<4>>::early_riscv(), seed), Ok(()));
        assert_eq!(compare(Rig::<Riscv<5>>::riscv(), seed), Ok(()));
        assert_eq!(compare(Rig::<A64<12>>::a64_low(), seed), Ok(()));
        if seed % 8 == 0 {
            assert_eq!(compare(Rig::<A64<12, true>>::a64_high(), seed), Ok(()));
            assert_eq!(compare(Rig::<A64<14>>::a64_low(), seed), Ok(()));
            assert_eq!(compare(Rig::<A64<16>>::a64_low(), seed), Ok(()));
        }
    }
}

/// One page further than the last is no address: the carry would be a bit that the MMU reserves.
#[test]
fn a_run_ends_where_physical_addresses_end() {
    const RIGHTS: u64 = 3 | 1 << 63;
    let (rig, memory) = (Rig::long(), Arena::new(TABLES));
    let limit = FrameRequest::below(PhysAddr::new(u64::from(u32::MAX)));
    let tables: Vec<u64> = (0..4).map(|_| memory.allocate(limit).unwrap().address().get()).collect();
    for table in &tables {
        (0..512).for_each(|slot| memory.write(table + slot * 8, 0));
    }
    for pair in tables.windows(2) {
        memory.write(pair[0], pair[1] | 3);
    }
    let pages = tables[3];
    memory.write(pages, (rig.phys_end - 4096) | RIGHTS);
    memory.write(pages + 8, rig.phys_end | RIGHTS);
    let runs: Vec<_> = walk::runs(rig.format, &memory, PhysAddr::new(tables[0])).collect();
    assert!(matches!(runs[0], Ok(Mapping { phys, .. }) if phys.get() == rig.phys_end - 4096), "{runs:x?}");
    assert!(matches!(runs[1], Err(WalkError::Reserved { .. })), "{runs:x?}");
}
