//! RISC-V: The RISC-V Instruction Set Manual, volume II, "Virtual Address Translation Process" and "Sv39".

use super::{Found, Says};

pub(super) fn says(entry: u64, bit: u32) -> Says {
    if entry & 1 == 0 {
        return Says::Absent;
    }
    // Bits 63:54: N, PBMT and reserved, without Svnapot and Svpbmt.
    if entry >> 54 != 0 || entry & 0b110 == 0b100 {
        return Says::Reserved;
    }
    let address = (entry & 0x003f_ffff_ffff_fc00) << 2;
    match entry & 0b1110 {
        0 if bit == 12 || entry & 0b1101_0000 != 0 => Says::Reserved,
        0 => Says::Table(address),
        _ if address & ((1 << bit) - 1) != 0 => Says::Reserved,
        _ => Says::Leaf,
    }
}

pub(super) fn found(entries: &[u64], bit: u32, linear: u64) -> Found {
    let leaf = entries.last().copied().unwrap_or_default();
    let is = |bit: u32| leaf >> bit & 1 == 1;
    Found {
        phys: ((leaf & 0x003f_ffff_ffff_fc00) << 2) + (linear & ((1 << bit) - 1)),
        page_bits: bit,
        readable: is(1),
        writable: is(2),
        user: is(4),
        executable: is(3),
        global: entries.iter().any(|entry| entry >> 5 & 1 == 1),
        pat_index: 0,
        accessed: is(6),
        dirty: is(7),
        odd: false,
    }
}

pub(super) const fn used(entry: u64, write: bool) -> u64 {
    entry | 1 << 6 | if write { 1 << 7 } else { 0 }
}
