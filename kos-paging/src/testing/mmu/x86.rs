//! x86: Intel SDM vol. 3A, chapter 5 "Paging": tables 5-3 to 5-6 (32-bit), 5-8 to 5-11 (PAE), 5-14 to 5-20 (4-level and
//! 5-level), sections 5.7 "Page-Fault Exceptions" and 5.9.2 "Memory Type".

use super::{Found, Mode, Says};
use crate::attrs::MemoryType;

/// A PAT as kernels program it: entries 5 and 7 need the PAT bit (SDM vol. 3A, table 13-11, for the encoding of types).
pub const PAT: [MemoryType; 8] = [
    MemoryType::WriteBack,
    MemoryType::WriteCombining,
    MemoryType::UncachedMinus,
    MemoryType::Uncached,
    MemoryType::WriteBack,
    MemoryType::WriteProtected,
    MemoryType::UncachedMinus,
    MemoryType::WriteThrough,
];

/// The memory types of PCD·2 + PWT on a CPU without the PAT.
pub const NO_PAT: [MemoryType; 4] =
    [MemoryType::WriteBack, MemoryType::WriteThrough, MemoryType::UncachedMinus, MemoryType::Uncached];

pub(super) fn says(mode: &Mode, entry: u64, bit: u32) -> Says {
    if entry & 1 == 0 {
        return Says::Absent;
    }
    let leaf = bit == 12 || entry >> 7 & 1 == 1 && has_leaf(mode, bit);
    if entry & reserved(mode, bit, leaf) != 0 {
        return Says::Reserved;
    }
    if leaf { Says::Leaf } else { Says::Table(entry & 0x000f_ffff_ffff_f000) }
}

const fn has_leaf(mode: &Mode, bit: u32) -> bool {
    match mode {
        Mode::TwoLevel { pse, .. } => *pse && bit == 22,
        Mode::FourLevel { page1gb, .. } | Mode::FiveLevel { page1gb, .. } => {
            bit == 21 || bit == 30 && *page1gb
        }
        _ => bit == 21,
    }
}

/// The bits that must be zero in a present entry.
const fn reserved(mode: &Mode, bit: u32, leaf: bool) -> u64 {
    match *mode {
        Mode::TwoLevel { pat, .. } => match (leaf, bit) {
            // Bits 21:13 carry address bits 40:32 with PSE-36; with 32 physical address bits they are reserved.
            (true, 22) => {
                if pat {
                    0x003f_e000
                } else {
                    0x003f_f000
                }
            }
            (true, _) => {
                if pat {
                    0
                } else {
                    1 << 7
                }
            }
            (false, _) => 0,
        },
        Mode::Pae { nxe, maxphyaddr } => match bit {
            30 => 0xfff0_0000_0000_01e6 | beyond(maxphyaddr),
            21 if leaf => 0x7ff0_0000_001f_e000 | beyond(maxphyaddr) | execute_disable(nxe),
            _ => 0x7ff0_0000_0000_0000 | beyond(maxphyaddr) | execute_disable(nxe),
        },
        Mode::FourLevel { nxe, page1gb, maxphyaddr } | Mode::FiveLevel { nxe, page1gb, maxphyaddr } => {
            let size = match (bit, leaf) {
                (39 | 48, _) => 1 << 7,
                (30, false) if !page1gb => 1 << 7,
                (30, true) => 0x3fff_e000,
                (21, true) => 0x001f_e000,
                _ => 0,
            };
            size | beyond(maxphyaddr) | execute_disable(nxe)
        }
        _ => 0,
    }
}

const fn beyond(maxphyaddr: u32) -> u64 {
    0x000f_ffff_ffff_ffff >> maxphyaddr << maxphyaddr
}

const fn execute_disable(nxe: bool) -> u64 {
    if nxe { 0 } else { 1 << 63 }
}

pub(super) fn found(mode: &Mode, entries: &[u64], bit: u32, linear: u64) -> Found {
    let leaf = entries.last().copied().unwrap_or_default();
    // A PDPTE of PAE has no rights.
    let rights =
        if matches!(mode, Mode::Pae { .. }) { entries.get(1..).unwrap_or_default() } else { entries };
    let all = |bit: u32| rights.iter().all(|entry| entry >> bit & 1 == 1);
    let none = |bit: u32| rights.iter().all(|entry| entry >> bit & 1 == 0);
    let pat = if bit == 12 { leaf >> 7 } else { leaf >> 12 };
    let index = [leaf >> 3 & 1, leaf >> 4 & 1, pat & 1];
    let offset = (1 << bit) - 1;
    Found {
        phys: leaf & 0x000f_ffff_ffff_f000 & !offset | linear & offset,
        page_bits: bit,
        readable: true,
        writable: all(1),
        user: all(2),
        executable: none(63),
        global: leaf >> 8 & 1 == 1,
        pat_index: index.iter().zip([1, 2, 4]).map(|(bit, weight)| if *bit == 1 { weight } else { 0 }).sum(),
        accessed: leaf >> 5 & 1 == 1,
        dirty: leaf >> 6 & 1 == 1,
        odd: false,
    }
}
