//! Second readers of start information and MADT, written from the specifications and not from [`crate::pvh`] or
//! [`crate::acpi`]: one byte at a time, in 128-bit arithmetic, with owned results.

use alloc::vec::Vec;

use super::Bytes;
use crate::acpi::{CpuEntry, Entry, IoApicEntry, Override};

/// What the start information says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) command_line: Vec<u8>,
    /// Start, length, kind.
    pub(super) memory_map: Vec<(u64, u64, u32)>,
    /// Start and content.
    pub(super) modules: Vec<(u64, Vec<u8>)>,
}

/// Reads it; `None` if anything is wrong with it.
pub(super) fn read(memory: Bytes<'_>, at: u64) -> Option<Facts> {
    let word = |address: u128, size: u32| {
        (0..size).try_fold(0u64, |value, i| {
            Some(value | u64::from(byte(memory, address + u128::from(i))?) << (8 * i))
        })
    };
    let at = u128::from(at);
    // The whole header must exist, also the fields that are not used.
    (0..40).try_for_each(|i| byte(memory, at + i).map(drop))?;
    if word(at, 4)? != 0x336e_c578 {
        return None;
    }
    let mut memory_map = Vec::new();
    if word(at + 4, 4)? > 0 {
        (40..56).try_for_each(|i| byte(memory, at + i).map(drop))?;
        let (table, count) = (u128::from(word(at + 40, 8)?), word(at + 48, 4)?);
        for entry in (0..limited(count, 128)?).map(|i| table + 24 * u128::from(i)) {
            word(entry + 20, 4)?;
            memory_map.push((
                word(entry, 8)?,
                word(entry + 8, 8)?,
                u32::try_from(word(entry + 16, 4)?).ok()?,
            ));
        }
    }
    let mut modules = Vec::new();
    let (table, count) = (u128::from(word(at + 16, 8)?), word(at + 12, 4)?);
    for entry in (0..limited(count, 16)?).map(|i| table + 32 * u128::from(i)) {
        word(entry + 24, 8)?;
        let (start, length) = (word(entry, 8)?, word(entry + 8, 8)?);
        let content = (0..length).map(|i| byte(memory, u128::from(start) + u128::from(i)));
        modules.push((start, content.collect::<Option<Vec<u8>>>()?));
    }
    let mut command_line = Vec::new();
    let start = u128::from(word(at + 24, 8)?);
    if start != 0 {
        for i in 0.. {
            match byte(memory, start + i)? {
                0 => break,
                _ if i == 4095 => return None,
                other => command_line.push(other),
            }
        }
    }
    Some(Facts { command_line, memory_map, modules })
}

fn byte(memory: Bytes<'_>, address: u128) -> Option<u8> {
    let index = usize::try_from(address.checked_sub(u128::from(memory.base))?).ok()?;
    memory.bytes.get(index).copied()
}

fn limited(count: u64, limit: u64) -> Option<u64> {
    (count <= limit).then_some(count)
}

/// What the entries of a MADT say; `None` if one of them is broken.
pub(crate) fn madt_entries(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let &[kind, length, ..] = bytes else { return None };
        if length < 2 || bytes.len() < usize::from(length) {
            return None;
        }
        let (entry, rest) = bytes.split_at(usize::from(length));
        bytes = rest;
        let word = |at: usize| {
            Some(u32::from_le_bytes([
                *entry.get(at)?,
                *entry.get(at + 1)?,
                *entry.get(at + 2)?,
                *entry.get(at + 3)?,
            ]))
        };
        match kind {
            0 => {
                let (apic_id, flags) = (u32::from(*entry.get(3)?), word(4)?);
                found.push(Entry::Cpu(CpuEntry { apic_id, enabled: flags % 2 == 1 }));
            }
            1 => found.push(Entry::IoApic(IoApicEntry { address: word(4)?, first_line: word(8)? })),
            2 => {
                let (irq, line, flags) = (*entry.get(3)?, word(4)?, *entry.get(8)?);
                entry.get(9)?;
                let (active_low, level) = (flags % 4 == 3, flags / 4 % 4 == 3);
                found.push(Entry::Override(Override { irq, line, active_low, level }));
            }
            9 => {
                word(12)?;
                found.push(Entry::Cpu(CpuEntry { apic_id: word(4)?, enabled: word(8)? % 2 == 1 }));
            }
            _ => {}
        }
    }
    Some(found)
}

/// What a MADT says that was accepted: no sum or length is checked again.
pub(super) fn madt(memory: Bytes<'_>, rsdp: u64) -> Option<Vec<Entry>> {
    let number = |address: u128, size: u32| {
        (0..size).try_fold(0u64, |value, i| {
            Some(value | u64::from(byte(memory, address + u128::from(i))?) << (8 * i))
        })
    };
    let rsdp = u128::from(rsdp);
    let new = number(rsdp + 15, 1)? >= 2 && number(rsdp + 24, 8)? != 0;
    let (root, width) = if new { (number(rsdp + 24, 8)?, 8) } else { (number(rsdp + 16, 4)?, 4) };
    let root = u128::from(root);
    let tables = (number(root + 4, 4)? - 36) / u64::from(width);
    let mut tables = (0..tables).filter_map(|i| number(root + 36 + u128::from(i) * u128::from(width), width));
    let madt =
        tables.find(|&table| number(table.into(), 4) == Some(u64::from(u32::from_le_bytes(*b"APIC"))))?;
    let end = number(u128::from(madt) + 4, 4)?;
    let entries = (44..end).map(|i| byte(memory, u128::from(madt) + u128::from(i)));
    madt_entries(&entries.collect::<Option<Vec<u8>>>()?)
}
