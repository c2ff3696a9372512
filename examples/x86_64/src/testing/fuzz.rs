//! The bodies of the fuzz targets.

use super::{Bytes, model};
use crate::acpi::{Affinity, Hpet, Madt, Srat};
use crate::pvh::StartInfo;

/// Physical address of the first byte of a fuzz input.
pub const BASE: u64 = 0x1000;

/// Reads `data` as physical memory with start information at an address given by its first two bytes, and compares the
/// result with the model's.
///
/// # Panics
/// If the two differ.
pub fn pvh_start_info(data: &[u8]) {
    let Some((&[low, high], _)) = data.split_first_chunk() else { return };
    let memory = Bytes { base: BASE, bytes: data };
    let at = BASE + u64::from(u16::from_le_bytes([low, high]));
    let found = StartInfo::read(&memory, at).ok().map(|info| model::Facts {
        command_line: info.command_line().to_vec(),
        memory_map: info.memory_map().map(|entry| (entry.start, entry.length, entry.kind)).collect(),
        modules: info.modules().map(|module| (module.start, module.bytes.to_vec())).collect(),
    });
    assert_eq!(found, model::read(memory, at));
}

/// Reads `data` as physical memory that begins with an ACPI root pointer. Whatever is accepted as MADT is what a naive reader finds;
/// memory of an SRAT ends where addresses do, and an HPET is somewhere.
///
/// # Panics
/// If the two differ.
pub fn acpi_madt(data: &[u8]) {
    let memory = Bytes { base: BASE, bytes: data };
    if let Ok(madt) = Madt::find(&memory, BASE) {
        let found: alloc::vec::Vec<_> = madt.entries().collect();
        assert_eq!(Some(found), model::madt(memory, BASE));
    }
    if let Ok(Some(srat)) = Srat::find(&memory, BASE) {
        let fits = |affinity| match affinity {
            Affinity::Memory { start, length, .. } => start.checked_add(length).is_some(),
            Affinity::Cpu { .. } => true,
        };
        assert!(srat.entries().all(fits), "memory beyond all addresses");
    }
    if let Ok(Some(hpet)) = Hpet::find(&memory, BASE) {
        assert!(hpet.address > 0, "a timer at no address");
    }
}
