//! AArch64: Arm Architecture Reference Manual for A-profile, D8.3 "Translation table descriptor formats", D8.4 "Memory
//! access control", D8.5 "Hardware updates to the translation tables".

use super::{Found, Says};

pub(super) fn says(entry: u64, bit: u32, granule: u32, ips: u32) -> Says {
    let blocks: &[u32] = match granule {
        12 => &[30, 21],
        14 => &[25],
        _ => &[29],
    };
    let outside = |lowest: u32| (entry & 0x0000_ffff_ffff_ffff) >> lowest << lowest >> ips != 0;
    match entry & 0b11 {
        0b11 if bit == granule => {
            if outside(granule) {
                Says::Reserved
            } else {
                Says::Leaf
            }
        }
        // APTable[0] is one that the formats do not take on.
        0b11 if entry >> 61 & 1 == 1 || outside(granule) => Says::Reserved,
        0b11 => Says::Table((entry & 0x0000_ffff_ffff_ffff) >> granule << granule),
        0b01 if blocks.contains(&bit) => {
            if outside(bit) {
                Says::Reserved
            } else {
                Says::Leaf
            }
        }
        _ => Says::Absent,
    }
}

pub(super) fn found(entries: &[u64], bit: u32, linear: u64, hafdbs: bool, software_dirty: u32) -> Found {
    let (leaf, tables) = entries.split_last().map_or((0, entries), |(leaf, tables)| (*leaf, tables));
    let is = |bit: u32| leaf >> bit & 1 == 1;
    let table = |bit: u32| tables.iter().any(|entry| entry >> bit & 1 == 1);
    let (user, read_only, dbm) = (is(6), is(7), is(51));
    let user_fetch = !is(54) && !table(60);
    let kernel_fetch = !is(53) && !table(59);
    let offset = (1 << bit) - 1;
    Found {
        phys: leaf & 0x0000_ffff_ffff_ffff & !offset | linear & offset,
        page_bits: bit,
        readable: true,
        writable: (!read_only || dbm && hafdbs) && !table(62),
        user,
        executable: if user { user_fetch } else { kernel_fetch },
        global: !is(11),
        pat_index: [2, 3, 4]
            .iter()
            .zip([1, 2, 4])
            .map(|(bit, weight)| if is(*bit) { weight } else { 0 })
            .sum(),
        accessed: is(10),
        dirty: !read_only || is(software_dirty),
        odd: if user { !is(53) } else { !is(54) },
    }
}

/// AF is set; a store clears AP\[2\] where DBM allows it.
pub(super) const fn used(entry: u64, write: bool) -> u64 {
    let accessed = entry | 1 << 10;
    if write && entry >> 51 & 1 == 1 { accessed & !(1 << 7) } else { accessed }
}
