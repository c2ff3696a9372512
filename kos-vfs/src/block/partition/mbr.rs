//! The partition table of the PC: four entries, and a chain of extended ones.
//!
//! The chain is bounded, and each link must lie behind the one before it: so a cycle ends.

use alloc::vec::Vec;

use super::{PartitionEntry, PartitionError, PartitionKind, Sector, bytes_at, push, u32_at};
use crate::block::device::{BlockDevice, Geometry};

/// The most logical partitions that are looked for.
const LOGICAL_MAX: u32 = 256;
/// The type of the one entry of a disk that has a GPT.
const PROTECTIVE: u8 = 0xee;

/// The four entries of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table([Slot; 4]);

#[derive(Clone, Copy, Debug)]
struct Slot {
    kind: u8,
    first: u32,
    sectors: u32,
}

impl Slot {
    const fn is_extended(self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    fn entry(self, number: u32, base: u64) -> PartitionEntry {
        let sectors = if self.kind == 0 { 0 } else { u64::from(self.sectors) };
        PartitionEntry {
            number,
            first: base.saturating_add(u64::from(self.first)),
            sectors,
            kind: PartitionKind::Mbr(self.kind),
            guid: [0; 16],
        }
    }
}

impl Table {
    /// Whether it only says that there is a GPT.
    pub(super) fn is_protective(self) -> bool {
        self.0.iter().any(|slot| slot.kind == PROTECTIVE)
    }

    fn extended(self) -> Option<Slot> {
        self.0.into_iter().find(|slot| slot.is_extended() && slot.sectors != 0)
    }
}

/// Reads the table in sector `number`.
pub(super) fn read_table<D: BlockDevice + ?Sized>(
    device: &D,
    number: u64,
    sector: &mut Sector,
) -> Result<Table, PartitionError> {
    let bytes = sector.read(device, number)?;
    let found = u16::from_le_bytes(bytes_at(bytes, 510));
    if found != 0xaa55 {
        return Err(PartitionError::NotPartitioned { found });
    }
    Ok(Table(core::array::from_fn(|slot| {
        let at = 446 + 16 * slot;
        let [kind] = bytes_at(bytes, at + 4);
        Slot { kind, first: u32_at(bytes, at + 8), sectors: u32_at(bytes, at + 12) }
    })))
}

/// The partitions of `table`, then those of the extended one.
pub(super) fn scan<D: BlockDevice + ?Sized>(
    device: &D,
    table: Table,
    sector: &mut Sector,
) -> Result<Vec<PartitionEntry>, PartitionError> {
    let geometry = device.geometry();
    let mut found = Vec::new();
    for (number, slot) in (1..).zip(table.0) {
        if !slot.is_extended() {
            push(&mut found, geometry, slot.entry(number, 0))?;
        }
    }
    if let Some(extended) = table.extended() {
        scan_logical(device, u64::from(extended.first), &mut found, sector)?;
    }
    Ok(found)
}

/// Follows the chain of tables in the extended partition at `base`. A broken link ends it.
fn scan_logical<D: BlockDevice + ?Sized>(
    device: &D,
    base: u64,
    found: &mut Vec<PartitionEntry>,
    sector: &mut Sector,
) -> Result<(), PartitionError> {
    let geometry = device.geometry();
    let mut at = base;
    for number in 5..5 + LOGICAL_MAX {
        let Some(table) = read_link(device, geometry, at, sector)? else { return Ok(()) };
        let logical = table.0.into_iter().find(|slot| !slot.is_extended() && slot.kind != 0);
        if let Some(slot) = logical {
            push(found, geometry, slot.entry(number, at))?;
        }
        let Some(next) = table.extended() else { return Ok(()) };
        let next = base.saturating_add(u64::from(next.first));
        if next <= at {
            return Ok(());
        }
        at = next;
    }
    Ok(())
}

/// The table at `at`; `None` where there is none.
fn read_link<D: BlockDevice + ?Sized>(
    device: &D,
    geometry: Geometry,
    at: u64,
    sector: &mut Sector,
) -> Result<Option<Table>, PartitionError> {
    if geometry.check_sectors(at, 1).is_err() {
        return Ok(None);
    }
    match read_table(device, at, sector) {
        Ok(table) => Ok(Some(table)),
        Err(PartitionError::NotPartitioned { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
