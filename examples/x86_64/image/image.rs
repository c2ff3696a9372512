//! The image in memory: its sections, as `link.ld` lays them out; the stacks of the first CPU are among them.

use core::ops::Range;

use kos_demo_kernel::platform::{Mapping, Rights};
use kos_x86_64::layout::KERNEL_BASE;

use crate::stacks;

unsafe extern "C" {
    static image_start: u8;
    static text_end: u8;
    static rodata_end: u8;
    static data_end: u8;
    static boot_stack_bottom: u8;
    static boot_stack_top: u8;
    static ist_stacks: u8;
    static image_end: u8;
}

/// The programs, as an ELF file; `build.rs` makes it.
pub(crate) const PROGRAMS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/programs"));

/// A static program of std for Linux; empty where the host's C library could not be linked into one.
const STDHELLO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stdhello"));

/// The programs of Linux, by name.
pub(crate) const fn linux_programs() -> &'static [(&'static str, &'static [u8])] {
    if STDHELLO.is_empty() { &[] } else { &[("stdhello", STDHELLO)] }
}

/// The address of a linker symbol, of which only the address means something.
fn address(symbol: *const u8) -> u64 {
    symbol.addr() as u64
}

/// The virtual addresses of the whole image.
pub(crate) fn range() -> Range<u64> {
    address(&raw const image_start)..address(&raw const image_end)
}

/// The physical addresses of the whole image.
pub(crate) fn physical() -> Range<u64> {
    let Range { start, end } = range();
    start - KERNEL_BASE..end - KERNEL_BASE
}

/// Whether `address` is in the code of the image.
pub(crate) fn is_code(address: u64) -> bool {
    (self::address(&raw const image_start)..self::address(&raw const text_end)).contains(&address)
}

/// The stack on which the machine boots; the first CPU keeps it.
pub(crate) fn boot_stack() -> Range<u64> {
    address(&raw const boot_stack_bottom)..address(&raw const boot_stack_top)
}

/// Where the interrupt stacks of the first CPU lie, each above its guard page.
pub(crate) fn ist_stacks_start() -> u64 {
    address(&raw const ist_stacks)
}

/// What the final tables must map for the image, guard pages included.
pub(crate) fn mappings() -> impl Iterator<Item = Mapping> {
    let [start, text, rodata, data] =
        [&raw const image_start, &raw const text_end, &raw const rodata_end, &raw const data_end]
            .map(address);
    let sections = [
        mapping("text", start..text, Rights::ReadExecute),
        mapping("rodata", text..rodata, Rights::Read),
        mapping("data", rodata..data, Rights::ReadWrite),
    ];
    let stacks = stacks::of_first().flat_map(|stack| {
        [
            mapping("guard", stack.guard(), Rights::Guard),
            mapping(stack.name, stack.range(), Rights::ReadWrite),
        ]
    });
    sections.into_iter().chain(stacks)
}

fn mapping(name: &'static str, range: Range<u64>, rights: Rights) -> Mapping {
    Mapping {
        name,
        virt: range.start,
        phys: range.start - KERNEL_BASE,
        length: range.end - range.start,
        rights,
    }
}
