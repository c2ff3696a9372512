//! Builds the first tables of a kernel on fake physical memory, guards a stack, and prints what is mapped.
//!
//! `cargo run -p kos-paging --example identity`
#![expect(clippy::print_stdout, reason = "an example prints")]

use kos_paging::testing::mmu::{Access, Mmu, Mode};
use kos_paging::testing::{Arena, FakeTlb};
use kos_paging::{
    Attrs, Flags, HugePolicy, LongCaps, Mapping, MemoryType, PhysAddr, SplitPolicy, Table, VirtAddr,
    VirtRange, WxPolicy, X86Long,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const KERNEL: u64 = 0xffff_ffff_8000_0000;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let memory = Arena::new(64);
    let mut table = Table::new(X86Long::<4>::new(LongCaps::FULL)?, &memory, WxPolicy::Deny)?;
    let registers = Attrs::RW.with_memory(MemoryType::Uncached);
    let regions = [
        ("identity", 0, 0, 4 * GIB - 20 * MIB, Attrs::RW),
        ("local APIC", 0xfee0_0000, 0xfee0_0000, 4 * KIB, registers),
        ("code", KERNEL + MIB, MIB, 256 * KIB, Attrs::RX.global()),
        ("constants", KERNEL + MIB + 256 * KIB, MIB + 256 * KIB, 64 * KIB, Attrs::R.global()),
        ("data and stack", KERNEL + 2 * MIB, 2 * MIB, 2 * MIB, Attrs::RW.global()),
    ];
    for (name, virt, phys, bytes, attrs) in regions {
        let range = VirtRange::new(VirtAddr::new(virt), bytes)?;
        table.map(range, PhysAddr::new(phys), attrs, HugePolicy::Largest)?;
        println!("{name:>14}  {range}");
    }

    // A guard page in the middle of a 2 MiB leaf: the leaf is split, exactly one page goes.
    let tlb = FakeTlb::new();
    let guard = VirtRange::new(VirtAddr::new(KERNEL + 3 * MIB), 4 * KIB)?;
    table
        .unmap(guard, SplitPolicy::Split)?
        .flush(&tlb)
        .map_err(|failed| failed.cause)?
        .release(|page| println!("         guard  {}", page.range));

    // The software MMU, which shares no code with the format, agrees.
    let mode = Mode::FourLevel { nxe: true, page1gb: true, maxphyaddr: 48 };
    let mmu = Mmu { mode, memory: &memory, cr3: table.root().get() };
    let store = Access { write: true, ..Access::default() };
    println!("\nstore to constants: {:x?}", mmu.access(KERNEL + MIB + 256 * KIB, store).err());
    println!("store to the guard: {:x?}", mmu.access(KERNEL + 3 * MIB, store).err());
    println!("store to the stack: {:x?}\n", mmu.access(KERNEL + 3 * MIB - 8, store).map(|found| found.phys));

    for run in table.runs() {
        println!("{}", line(&run?));
    }
    table.check()?;
    println!("{} table frames", table.stats().tables);
    Ok(())
}

/// One run, as a page map prints it.
fn line(run: &Mapping) -> String {
    let letters = [
        (Flags::READ, 'r'),
        (Flags::WRITE, 'w'),
        (Flags::EXECUTE, 'x'),
        (Flags::USER, 'u'),
        (Flags::GLOBAL, 'g'),
    ];
    let flags: String = letters
        .map(|(flag, letter)| if run.attrs.flags.contains(flag) { letter } else { '-' })
        .iter()
        .collect();
    let leaves = run.range.bytes() / run.leaf_bytes;
    format!(
        "{} -> {:#x}  {flags}  {leaves} x {} KiB  {:?}",
        run.range,
        run.phys,
        run.leaf_bytes / KIB,
        run.attrs.memory
    )
}
