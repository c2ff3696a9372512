//! What all x86 entries have in common: the low twelve bits, and bit 12 of a huge leaf.
//!
//! Source: SDM vol. 3, "Paging": formats of paging-structure entries.

use crate::attrs::{Attrs, Flags, MemorySlots};
use crate::error::AttrError;
use crate::format::{Level, Limit, Transition};

/// Present.
pub(super) const P: u32 = 1 << 0;
/// Writable.
pub(super) const RW: u32 = 1 << 1;
/// Usable in user mode.
pub(super) const US: u32 = 1 << 2;
/// Bit 0 of the memory slot.
const PWT: u32 = 1 << 3;
/// Bit 1 of the memory slot.
const PCD: u32 = 1 << 4;
/// Accessed.
pub(super) const A: u32 = 1 << 5;
/// Dirty; leaves only.
pub(super) const D: u32 = 1 << 6;
/// Page size: a leaf above level 0.
pub(super) const PS: u32 = 1 << 7;
/// Bit 2 of the memory slot, in a leaf at level 0: the place of `PS`.
const PAT: u32 = 1 << 7;
/// Global; leaves only.
const G: u32 = 1 << 8;
/// Ignored by the MMU. In an absent entry: it is parked.
pub(super) const PARKED: u32 = 1 << 9;
/// Bit 2 of the memory slot, in a huge leaf.
pub(super) const PAT_HUGE: u32 = 1 << 12;

/// Bits of a table entry: it narrows nothing.
pub(super) const TABLE: u32 = P | RW | US;

/// All bits of a leaf but the address and execute-disable.
#[inline]
pub(super) fn leaf_bits(attrs: Attrs, level: Level, memory: &MemorySlots) -> Result<u32, AttrError> {
    if !attrs.flags.contains(Flags::READ) {
        return Err(AttrError::NotReadable);
    }
    let slot = memory.slot(attrs.memory).ok_or(AttrError::NoMemorySlot(attrs.memory))?;
    let when = |flag: Flags, bit: u32| if attrs.flags.contains(flag) { bit } else { 0 };
    let size = if level == Level::PAGE { 0 } else { PS };
    Ok(P | when(Flags::WRITE, RW)
        | when(Flags::USER, US)
        | when(Flags::GLOBAL, G)
        | slot_bits(slot, level)
        | size)
}

/// The attributes of a leaf but for `EXECUTE`; an error is the bit that selects a slot which the CPU has not.
#[inline]
pub(super) fn attrs(bits: u32, level: Level, memory: &MemorySlots) -> Result<Attrs, u32> {
    let when = |bit: u32, flag: Flags| if bits & bit == 0 { Flags::empty() } else { flag };
    let flags = Flags::READ | when(RW, Flags::WRITE) | when(US, Flags::USER) | when(G, Flags::GLOBAL);
    match memory.memory(slot(bits, level)) {
        Some(memory) => Ok(Attrs { flags, memory }),
        None => Err(pat(level)),
    }
}

/// The rights that a table entry leaves to what is below it.
#[inline]
pub(super) fn limit(bits: u32, execute: bool) -> Limit {
    let when = |allowed: bool, limit: Limit| if allowed { limit } else { Limit::empty() };
    let fetch = Limit::EXECUTE.union(Limit::USER_EXECUTE);
    when(bits & RW != 0, Limit::WRITE)
        | when(bits & US != 0, Limit::USER)
        | when(execute, fetch)
        | Limit::LOCAL
}

/// The low bits of a huge leaf at `level`, moved to where a leaf one level below has them.
#[inline]
pub(super) fn split(bits: u32, level: Level) -> u32 {
    let below = level.down().unwrap_or_default();
    let size = if below == Level::PAGE { 0 } else { PS };
    bits & !(PS | PAT_HUGE) | slot_bits(slot(bits, level), below) | size
}

/// What `was` to `is` asks of the TLBs, `was` being present and each bit of `rights` allowing something.
///
/// A TLB may keep what it read; it walks again before it refuses (SDM vol. 3, "Optional Invalidation"). `US` is no such
/// right: under SMEP and SMAP it takes from the kernel what it gives to programs.
#[inline]
pub(super) fn transition(was: u64, is: u64, rights: u64) -> Transition {
    let use_bits = u64::from(A | D);
    let changed = was ^ is;
    if changed & !(rights | use_bits) != 0 || was & !is != 0 {
        Transition::Flush
    } else if changed & rights != 0 {
        Transition::Lazy
    } else {
        Transition::None
    }
}

#[inline]
const fn pat(level: Level) -> u32 {
    if level.get() == 0 { PAT } else { PAT_HUGE }
}

#[inline]
fn slot(bits: u32, level: Level) -> u8 {
    let bit = |mask: u32, value: u8| if bits & mask == 0 { 0 } else { value };
    bit(PWT, 1) | bit(PCD, 2) | bit(pat(level), 4)
}

#[inline]
const fn slot_bits(slot: u8, level: Level) -> u32 {
    let low = if slot & 1 == 0 { 0 } else { PWT };
    let middle = if slot & 2 == 0 { 0 } else { PCD };
    let high = if slot & 4 == 0 { 0 } else { pat(level) };
    low | middle | high
}
