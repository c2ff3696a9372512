//! The multiple APIC description table: CPUs, IO-APICs, and how the old interrupt lines are wired.

use super::walk::Walk;
use super::{AcpiError, HEADER, Part, Root, table, u8_at, u16_at, u32_at};
use crate::pvh::PhysicalMemory;

/// Where the entries begin.
const ENTRIES: usize = HEADER + 8;

/// The table, checked.
#[derive(Clone, Copy, Debug)]
pub struct Madt<'m> {
    entries: &'m [u8],
}

/// What the kernel uses of the entries; the others are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A CPU.
    Cpu(CpuEntry),
    /// An IO-APIC.
    IoApic(IoApicEntry),
    /// An interrupt line of the old bus that is wired otherwise than its number says.
    Override(Override),
}

/// A CPU as the firmware lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuEntry {
    /// The number of its local APIC; the firmware gives each CPU another one, or should.
    pub apic_id: u32,
    /// It is there and can be started. An entry that is not may be a place where a CPU can be plugged in.
    pub enabled: bool,
}

/// An IO-APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApicEntry {
    /// Physical address of its registers.
    pub address: u32,
    /// The global number of its first interrupt line.
    pub first_line: u32,
}

/// How an interrupt line of the ISA bus is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// The line's number on the ISA bus.
    pub irq: u8,
    /// Its global number.
    pub line: u32,
    /// It is active while low.
    pub active_low: bool,
    /// It stays active until it is served.
    pub level: bool,
}

impl<'m> Madt<'m> {
    /// Finds the table from the root pointer at physical address `rsdp`, 0 if there is none.
    ///
    /// # Errors
    /// [`AcpiError`]: what is missing, unreadable or wrong. Tables of other kinds are not looked into.
    pub fn find<M: PhysicalMemory>(memory: &'m M, rsdp: u64) -> Result<Self, AcpiError> {
        if rsdp == 0 {
            return Err(AcpiError::Absent);
        }
        let at = Root::read(memory, rsdp)?.find(memory, b"APIC").ok_or(AcpiError::NoMadt)?;
        let table = table(memory, Part::Madt, at, b"APIC")?;
        let length = u32_at(table, 4);
        let entries = table.get(ENTRIES..).ok_or(AcpiError::BadLength { part: Part::Madt, length })?;
        let mut walk = Walk::new(entries, fixed_length);
        while let Some(offset) = walk.left() {
            walk.step().ok_or(AcpiError::BadEntry { part: Part::Madt, offset: ENTRIES + offset })?;
        }
        Ok(Self { entries })
    }

    /// The entries that mean something here, in their order.
    pub fn entries(self) -> impl Iterator<Item = Entry> + use<'m> {
        let mut walk = Walk::new(self.entries, fixed_length);
        core::iter::from_fn(move || walk.step()).filter_map(entry)
    }
}

const LOCAL_APIC: u8 = 0;
const IO_APIC: u8 = 1;
const OVERRIDE: u8 = 2;
const LOCAL_X2APIC: u8 = 9;

/// The least that an entry of this type has.
fn fixed_length(kind: u8) -> usize {
    match kind {
        LOCAL_APIC => 8,
        IO_APIC => 12,
        OVERRIDE => 10,
        LOCAL_X2APIC => 16,
        _ => 2,
    }
}

/// Bit 0 of a CPU's flags.
const ENABLED: u32 = 1;

fn entry(bytes: &[u8]) -> Option<Entry> {
    match u8_at(bytes, 0) {
        LOCAL_APIC => {
            let (apic_id, enabled) = (u32::from(u8_at(bytes, 3)), u32_at(bytes, 4) & ENABLED != 0);
            Some(Entry::Cpu(CpuEntry { apic_id, enabled }))
        }
        LOCAL_X2APIC => {
            let (apic_id, enabled) = (u32_at(bytes, 4), u32_at(bytes, 8) & ENABLED != 0);
            Some(Entry::Cpu(CpuEntry { apic_id, enabled }))
        }
        IO_APIC => {
            Some(Entry::IoApic(IoApicEntry { address: u32_at(bytes, 4), first_line: u32_at(bytes, 8) }))
        }
        OVERRIDE => {
            let flags = u16_at(bytes, 8);
            // Both fields say in 0 that the bus decides; on the ISA bus that is active high and edge.
            let (active_low, level) = (flags & 0b11 == 0b11, flags >> 2 & 0b11 == 0b11);
            let (irq, line) = (u8_at(bytes, 3), u32_at(bytes, 4));
            Some(Entry::Override(Override { irq, line, active_low, level }))
        }
        _ => None,
    }
}
