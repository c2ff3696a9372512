//! The firmware's lists of CPUs, interrupt controllers, what is near what, and a timer: RSDP, root table, MADT, SRAT, HPET.
//!
//! [`Madt::find`], [`Srat::find`] and [`Hpet::find`] check everything once: signatures, checksums, every length, every pointer. What they return needs
//! no further check. Memory is seen through [`PhysicalMemory`], so a wild pointer is an error and a host test can pass any bytes. No table
//! is kept: the kernel copies what it needs before the memory below the tables means anything else. There is no AML here.
//!
//! It runs before there is a heap, because the number of CPUs decides how much memory the allocators take.
//!
//! Source: ACPI specification 6.5, sections 5.2.5 (RSDP), 5.2.7 (RSDT), 5.2.8 (XSDT), 5.2.12 (MADT), 5.2.16 (SRAT); the HPET has one of its own.

mod error;
mod hpet;
mod madt;
mod srat;
#[cfg(test)]
mod tests;
mod walk;

pub use error::{AcpiError, Part};
pub use hpet::Hpet;
pub use madt::{CpuEntry, Entry, IoApicEntry, Madt, Override};
pub use srat::{Affinity, Srat};

use crate::pvh::PhysicalMemory;

/// Bytes of the root pointer's first version.
const RSDP: u64 = 20;
/// Bytes of its second one.
const RSDP_V2: u64 = 36;
/// Bytes of the header of every table.
const HEADER: usize = 36;
/// Longest table that is read; a MADT of 1024 CPUs has some 16 KiB.
const LONGEST: u32 = 1 << 20;

/// A root table, and how wide its pointers are.
#[derive(Clone, Copy, Debug)]
struct Root<'m> {
    pointers: &'m [u8],
    width: usize,
}

impl<'m> Root<'m> {
    /// The root table that the pointer at physical address `rsdp` names.
    fn read<M: PhysicalMemory>(memory: &'m M, rsdp: u64) -> Result<Self, AcpiError> {
        let pointer = bytes(memory, Part::Rsdp, rsdp, RSDP)?;
        if !pointer.starts_with(b"RSD PTR ") {
            return Err(AcpiError::BadSignature(Part::Rsdp));
        }
        check_sum(Part::Rsdp, pointer)?;
        let extended = if u8_at(pointer, 15) < 2 { None } else { Some(extension(memory, rsdp)?) };
        let (at, signature, width) = match extended.map(|pointer| u64_at(pointer, 24)) {
            Some(xsdt @ 1..) => (xsdt, b"XSDT", 8),
            _ => (u64::from(u32_at(pointer, 16)), b"RSDT", 4),
        };
        let table = table(memory, Part::Root, at, signature)?;
        Ok(Self { pointers: table.get(HEADER..).unwrap_or_default(), width })
    }

    /// The address of the first table with this signature.
    fn find<M: PhysicalMemory>(self, memory: &M, signature: &[u8; 4]) -> Option<u64> {
        self.tables().find(|&at| memory.bytes(at, 4) == Some(signature))
    }

    /// The addresses of the tables; a pointer that is cut off is none.
    fn tables(self) -> impl Iterator<Item = u64> + use<'m> {
        let width = self.width;
        self.pointers.chunks_exact(width).map(move |pointer| match width {
            8 => u64_at(pointer, 0),
            _ => u64::from(u32_at(pointer, 0)),
        })
    }
}

/// The whole root pointer of the second version.
fn extension<M: PhysicalMemory>(memory: &M, rsdp: u64) -> Result<&[u8], AcpiError> {
    let length = u32_at(bytes(memory, Part::Rsdp, rsdp, RSDP_V2)?, 20);
    if u64::from(length) < RSDP_V2 || length > 4096 {
        return Err(AcpiError::BadLength { part: Part::Rsdp, length });
    }
    let pointer = bytes(memory, Part::Rsdp, rsdp, u64::from(length))?;
    check_sum(Part::Rsdp, pointer)?;
    Ok(pointer)
}

/// The table at physical address `at`, header included.
fn table<'m, M: PhysicalMemory>(
    memory: &'m M,
    part: Part,
    at: u64,
    signature: &[u8; 4],
) -> Result<&'m [u8], AcpiError> {
    let header = bytes(memory, part, at, HEADER as u64)?;
    if !header.starts_with(signature) {
        return Err(AcpiError::BadSignature(part));
    }
    let length = u32_at(header, 4);
    if (length as usize) < HEADER || length > LONGEST {
        return Err(AcpiError::BadLength { part, length });
    }
    let table = bytes(memory, part, at, u64::from(length))?;
    check_sum(part, table)?;
    Ok(table)
}

fn bytes<M: PhysicalMemory>(memory: &M, part: Part, start: u64, length: u64) -> Result<&[u8], AcpiError> {
    memory.bytes(start, length).ok_or(AcpiError::Unreadable { part, start, length })
}

fn check_sum(part: Part, bytes: &[u8]) -> Result<(), AcpiError> {
    let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    if sum == 0 { Ok(()) } else { Err(AcpiError::BadChecksum(part)) }
}

/// The byte at `offset`. All callers pass offsets inside a length that they have checked; beyond it reads zero.
fn u8_at(bytes: &[u8], offset: usize) -> u8 {
    bytes.get(offset).copied().unwrap_or(0)
}

/// The same for two bytes, little-endian.
fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |word| u16::from_le_bytes(*word))
}

/// The same for four bytes.
fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word))
}

/// The same for eight bytes.
fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
}
