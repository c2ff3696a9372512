//! The table of the high precision event timer: where its registers are.
//!
//! Source: IA-PC HPET specification 1.0a, section 3.2.4.

use super::{AcpiError, Part, Root, table, u8_at, u32_at, u64_at};
use crate::pvh::PhysicalMemory;

/// Where the address of the registers begins: what kind of address, then three bytes that say nothing here, then the address.
const ADDRESS: usize = 40;
/// Bytes of the table.
const LENGTH: usize = 56;
/// Bytes of the registers, which stand at a multiple of that.
const BLOCK: u64 = 1024;
/// The kind of an address in memory.
const MEMORY: u8 = 0;

/// The timer, as the firmware lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hpet {
    /// Physical address of its registers; never 0.
    pub address: u64,
}

impl Hpet {
    /// Finds the table from the root pointer at physical address `rsdp`, 0 if there is none; [`None`]: there is no such timer.
    ///
    /// # Errors
    /// [`AcpiError`]: what is unreadable or wrong. Tables of other kinds are not looked into.
    pub fn find<M: PhysicalMemory>(memory: &M, rsdp: u64) -> Result<Option<Self>, AcpiError> {
        if rsdp == 0 {
            return Ok(None);
        }
        let Some(at) = Root::read(memory, rsdp)?.find(memory, b"HPET") else { return Ok(None) };
        let table = table(memory, Part::Hpet, at, b"HPET")?;
        if table.len() < LENGTH {
            return Err(AcpiError::BadLength { part: Part::Hpet, length: u32_at(table, 4) });
        }
        let address = u64_at(table, ADDRESS + 4);
        if u8_at(table, ADDRESS) != MEMORY || address == 0 || !address.is_multiple_of(BLOCK) {
            return Err(AcpiError::BadEntry { part: Part::Hpet, offset: ADDRESS });
        }
        Ok(Some(Self { address }))
    }
}
