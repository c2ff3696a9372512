//! A second reader of the start information, written from the specification and not from [`crate::pvh`]: one byte at a time,
//! in 128-bit arithmetic, with owned results.

use alloc::vec::Vec;

use super::Bytes;

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
