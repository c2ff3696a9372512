//! The system resource affinity table: which memory and which CPUs are near each other, by proximity domain.
//!
//! Source: ACPI specification 6.5, section 5.2.16.

use super::walk::Walk;
use super::{AcpiError, HEADER, Part, Root, table, u8_at, u32_at, u64_at};
use crate::pvh::PhysicalMemory;

/// Where the entries begin.
const ENTRIES: usize = HEADER + 12;

/// The table, checked.
#[derive(Clone, Copy, Debug)]
pub struct Srat<'m> {
    entries: &'m [u8],
}

/// What is near what; what is not there now is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// A CPU.
    Cpu {
        /// The number of its local APIC.
        apic_id: u32,
        /// Where.
        domain: u32,
    },
    /// Memory, perhaps with holes in it.
    Memory {
        /// First byte.
        start: u64,
        /// Bytes. The end fits 64 bits.
        length: u64,
        /// Where.
        domain: u32,
    },
}

impl<'m> Srat<'m> {
    /// Finds the table from the root pointer at physical address `rsdp`, 0 if there is none; [`None`]: all is equally near.
    ///
    /// # Errors
    /// [`AcpiError`]: what is unreadable or wrong. Tables of other kinds are not looked into.
    pub fn find<M: PhysicalMemory>(memory: &'m M, rsdp: u64) -> Result<Option<Self>, AcpiError> {
        if rsdp == 0 {
            return Ok(None);
        }
        let Some(at) = Root::read(memory, rsdp)?.find(memory, b"SRAT") else { return Ok(None) };
        let table = table(memory, Part::Srat, at, b"SRAT")?;
        let length = u32_at(table, 4);
        let entries = table.get(ENTRIES..).ok_or(AcpiError::BadLength { part: Part::Srat, length })?;
        let mut walk = Walk::new(entries, fixed_length);
        while let Some(offset) = walk.left() {
            let entry = walk.step();
            let broken = AcpiError::BadEntry { part: Part::Srat, offset: ENTRIES + offset };
            entry.filter(|entry| is_possible(entry)).ok_or(broken)?;
        }
        Ok(Some(Self { entries }))
    }

    /// The entries that mean something here, in their order.
    pub fn entries(self) -> impl Iterator<Item = Affinity> + use<'m> {
        let mut walk = Walk::new(self.entries, fixed_length);
        core::iter::from_fn(move || walk.step()).filter_map(entry)
    }
}

const LOCAL_APIC: u8 = 0;
const MEMORY: u8 = 1;
const LOCAL_X2APIC: u8 = 2;

/// The least that an entry of this type has.
fn fixed_length(kind: u8) -> usize {
    match kind {
        LOCAL_APIC => 16,
        MEMORY => 40,
        LOCAL_X2APIC => 24,
        _ => 2,
    }
}

/// Bit 0 of the flags of each kind.
const ENABLED: u32 = 1;

/// Whether memory ends where addresses do.
fn is_possible(bytes: &[u8]) -> bool {
    u8_at(bytes, 0) != MEMORY || u64_at(bytes, 8).checked_add(u64_at(bytes, 16)).is_some()
}

fn entry(bytes: &[u8]) -> Option<Affinity> {
    let when = |flags, affinity| if flags & ENABLED != 0 { Some(affinity) } else { None };
    match u8_at(bytes, 0) {
        LOCAL_APIC => {
            let high = [u8_at(bytes, 9), u8_at(bytes, 10), u8_at(bytes, 11)];
            let domain = u32::from_le_bytes([u8_at(bytes, 2), high[0], high[1], high[2]]);
            when(u32_at(bytes, 4), Affinity::Cpu { apic_id: u8_at(bytes, 3).into(), domain })
        }
        LOCAL_X2APIC => {
            let (domain, apic_id) = (u32_at(bytes, 4), u32_at(bytes, 8));
            when(u32_at(bytes, 12), Affinity::Cpu { apic_id, domain })
        }
        MEMORY => {
            let (domain, start, length) = (u32_at(bytes, 2), u64_at(bytes, 8), u64_at(bytes, 16));
            when(u32_at(bytes, 28), Affinity::Memory { start, length, domain })
        }
        _ => None,
    }
}
