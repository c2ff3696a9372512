//! The bodies of the fuzz targets.

use super::{Bytes, model};
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
