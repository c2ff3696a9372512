//! The memory map of a machine that does not exist, as QEMU's would look: the legacy holes below 1 MiB, a reserved piece under
//! the end of low memory, the device hole below 4 GiB, the rest above it.

use kos_demo_kernel::platform::{FirmwareKind, FirmwareRegion};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Low memory ends here at the latest; devices have the rest up to 4 GiB.
const DEVICE_HOLE: u64 = 3 * GIB;

/// Low memory that the firmware keeps at its end for its tables.
const TABLES: u64 = 128 * KIB;

/// The map of a machine with `memory` bytes.
#[must_use]
pub fn map_of(memory: u64) -> Vec<FirmwareRegion> {
    let low = memory.min(DEVICE_HOLE);
    let mut map = Vec::new();
    let mut add = |start: u64, end: u64, kind| {
        if start < end {
            map.push(FirmwareRegion { start, length: end - start, kind });
        }
    };
    add(0, low.min(639 * KIB), FirmwareKind::Usable);
    add(639 * KIB, 640 * KIB, FirmwareKind::Reserved);
    add(960 * KIB, MIB, FirmwareKind::Reserved);
    add(MIB, low.saturating_sub(TABLES), FirmwareKind::Usable);
    add(low.saturating_sub(TABLES).max(MIB), low, FirmwareKind::Reserved);
    add(4 * GIB - 256 * KIB, 4 * GIB, FirmwareKind::Reserved);
    add(4 * GIB, end_of_memory(memory), FirmwareKind::Usable);
    map
}

/// One past the last byte of memory of such a machine.
#[must_use]
pub const fn end_of_memory(memory: u64) -> u64 {
    if memory <= DEVICE_HOLE { memory } else { (memory - DEVICE_HOLE).saturating_add(4 * GIB) }
}
