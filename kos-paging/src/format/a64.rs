//! AArch64 paging, stage 1 of EL1 and EL0, with granules of 4, 16 or 64 KiB and 48-bit addresses.
//!
//! A [`Table`](crate::Table) is one of the two roots: `A64<12>` that of the low addresses (TTBR0), `A64<12, true>` that of
//! the high ones (TTBR1), which belong to the kernel. What a program may execute, the kernel may not, and the reverse:
//! other entries are errors, as are tables that take data access from user mode. A leaf is writable if it is dirty or its
//! DBM bit is set, on a CPU without FEAT_HAFDBS too: there the first store faults and [`Format::mark`] heals it. Bits that
//! are RES0 and no part of an address are ignored. The contiguous hint is never set.
//! Source: Arm Architecture Reference Manual for A-profile, D8 "The AArch64 Virtual Memory System Architecture".

use super::{Absent, Entry, Format, Level, Limit, ReservedBits, Transition, UseBits, VaRule, absent};
use crate::addr::PhysAddr;
use crate::attrs::{Attrs, Flags, MemorySlots};
use crate::error::{AttrError, PhysBitsError};

/// Valid.
const VALID: u64 = 1 << 0;
/// A page at level 0, a table above; clear in a block.
const NO_BLOCK: u64 = 1 << 1;
/// Bits 2 to 4: the memory slot.
const SLOT: u64 = 7 << 2;
/// AP\[1\]: user mode may access.
const USER: u64 = 1 << 6;
/// AP\[2\]: no stores. With `DBM`: none so far.
const READ_ONLY: u64 = 1 << 7;
/// Inner shareable.
const SHARED: u64 = 3 << 8;
/// Accessed.
const AF: u64 = 1 << 10;
/// Not global.
const NG: u64 = 1 << 11;
/// Dirty bit modifier: stores are allowed, the first clears `READ_ONLY`.
const DBM: u64 = 1 << 51;
/// A hint that sixteen leaves are alike.
const CONTIGUOUS: u64 = 1 << 52;
/// The kernel may not fetch.
const PXN: u64 = 1 << 53;
/// User mode may not fetch.
const UXN: u64 = 1 << 54;
/// Software's: was dirty when it lost the right to stores.
const DIRTY: u64 = 1 << 55;
/// Software's. In an invalid entry: it is parked.
const PARKED: u64 = 1 << 56;
/// Of a table: no fetch by the kernel below.
const PXN_TABLE: u64 = 1 << 59;
/// Of a table: no fetch by user mode below.
const UXN_TABLE: u64 = 1 << 60;
/// Of a table: no data access by user mode below.
const NO_USER_TABLE: u64 = 1 << 61;
/// Of a table: no stores below.
const READ_ONLY_TABLE: u64 = 1 << 62;
/// Bits 12 to 47.
const ADDRESS: u64 = (1 << 48) - (1 << 12);

/// What an AArch64 CPU can do, as the kernel found it and set it up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct A64Caps {
    /// Physical address bits, as in TCR_EL1.IPS: 32, 36, 40, 42, 44 or 48.
    pub phys_bits: u8,
    /// MAIR_EL1: [`MemorySlots::A64`] or another.
    pub memory: MemorySlots,
    /// TCR_EL1.HA and HD set (FEAT_HAFDBS) is [`UseBits::Hardware`].
    pub use_bits: UseBits,
    /// FEAT_BBM level 2: a leaf may be split in place.
    pub split_in_place: bool,
}

impl A64Caps {
    /// Any CPU with 40 address bits: accessed and dirty bits are preset.
    pub const BASE: Self =
        Self { phys_bits: 40, memory: MemorySlots::A64, use_bits: UseBits::Preset, split_in_place: false };
}

/// The format of one root of AArch64 with granules of `1 << GRANULE` bytes: 12, 14 or 16; `HIGH` for TTBR1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct A64<const GRANULE: usize, const HIGH: bool = false> {
    caps: A64Caps,
}

impl<const GRANULE: usize, const HIGH: bool> A64<GRANULE, HIGH> {
    const KNOWN: () =
        assert!(GRANULE == 12 || GRANULE == 14 || GRANULE == 16, "granules have 12, 14 or 16 bits");
    const SHIFT: u32 = match GRANULE {
        12 => 12,
        14 => 14,
        _ => 16,
    };
    /// The highest level of blocks.
    const BLOCK: u8 = if GRANULE == 12 { 2 } else { 1 };

    /// The format for a CPU with these abilities.
    ///
    /// # Errors
    ///
    /// [`PhysBitsError`] if `phys_bits` is none that this format can have.
    pub const fn new(caps: A64Caps) -> Result<Self, PhysBitsError> {
        let () = Self::KNOWN;
        match caps.phys_bits {
            32 | 36 | 40 | 42 | 44 | 48 => Ok(Self { caps }),
            bits => Err(PhysBitsError(bits)),
        }
    }

    /// The abilities that it was made for.
    #[must_use]
    pub const fn caps(&self) -> &A64Caps {
        &self.caps
    }

    /// The bits of an address that is a multiple of `1 << shift`.
    #[inline]
    const fn address(shift: u32) -> u64 {
        ADDRESS & !((1 << shift) - 1)
    }

    /// Refuses addresses that the CPU has not.
    #[inline]
    fn reach(&self, raw: u64, shift: u32) -> Result<PhysAddr, ReservedBits> {
        let address = raw & Self::address(shift);
        match address & !self.max_phys().get() {
            0 => Ok(PhysAddr::new(address)),
            bits => Err(ReservedBits(bits)),
        }
    }

    #[inline]
    fn table_entry(&self, raw: u64) -> Result<Entry, ReservedBits> {
        if raw & NO_USER_TABLE != 0 {
            return Err(ReservedBits(NO_USER_TABLE));
        }
        let taken = |bit: u64, limit: Limit| if raw & bit == 0 { Limit::empty() } else { limit };
        let taken = taken(PXN_TABLE, Limit::EXECUTE)
            | taken(UXN_TABLE, Limit::USER_EXECUTE)
            | taken(READ_ONLY_TABLE, Limit::WRITE);
        Ok(Entry::Table { phys: self.reach(raw, Self::SHIFT)?, limit: Limit::all().difference(taken) })
    }

    #[inline]
    fn leaf_entry(&self, raw: u64, level: Level) -> Result<Entry, ReservedBits> {
        let phys = self.reach(raw, Self::shift(level))?;
        let user = raw & USER != 0;
        let (theirs, others) = if user { (UXN, PXN) } else { (PXN, UXN) };
        if raw & others == 0 {
            return Err(ReservedBits(raw & (PXN | UXN | USER)));
        }
        let slot = u8::try_from((raw & SLOT) >> 2).unwrap_or_default();
        let memory = self.caps.memory.memory(slot).ok_or(ReservedBits(raw & SLOT))?;
        let dirty = raw & READ_ONLY == 0;
        let tracked = raw & DBM != 0 && self.caps.use_bits != UseBits::Preset;
        let flag = |holds: bool, flag: Flags| if holds { flag } else { Flags::empty() };
        let flags = Flags::READ
            | flag(dirty || tracked, Flags::WRITE)
            | flag(raw & theirs == 0, Flags::EXECUTE)
            | flag(user, Flags::USER)
            | flag(raw & NG == 0, Flags::GLOBAL);
        let accessed = raw & AF != 0;
        Ok(Entry::Leaf { phys, attrs: Attrs { flags, memory }, accessed, dirty: dirty || raw & DIRTY != 0 })
    }
}

impl<const GRANULE: usize, const HIGH: bool> Format for A64<GRANULE, HIGH> {
    type Raw = u64;

    const LEVELS: u8 = if GRANULE == 16 { 3 } else { 4 };
    const VA: VaRule = if HIGH { VaRule::High(48) } else { VaRule::Flat(48) };
    const KEPT: u64 = AF | DIRTY;

    #[inline]
    fn shift(level: Level) -> u32 {
        if level.get() >= Self::LEVELS {
            48
        } else {
            Self::SHIFT + (Self::SHIFT - 3) * u32::from(level.get())
        }
    }

    #[inline]
    fn max_phys(&self) -> PhysAddr {
        PhysAddr::new((1 << self.caps.phys_bits) - 1)
    }

    #[inline]
    fn max_leaf(&self) -> Level {
        Level::new(Self::BLOCK)
    }

    #[inline]
    fn leaf_bits(&self, attrs: Attrs, level: Level) -> Result<u64, AttrError> {
        let has = |flag: Flags| attrs.flags.contains(flag);
        if !has(Flags::READ) {
            return Err(AttrError::NotReadable);
        }
        let slot = self.caps.memory.slot(attrs.memory).ok_or(AttrError::NoMemorySlot(attrs.memory))?;
        let preset = self.caps.use_bits == UseBits::Preset;
        let kind = if level == Level::PAGE { VALID | NO_BLOCK } else { VALID };
        let (theirs, others) = if has(Flags::USER) { (UXN, PXN | USER) } else { (PXN, UXN) };
        let write = match (has(Flags::WRITE), preset) {
            (true, true) => DBM,
            (true, false) => DBM | READ_ONLY,
            (false, _) => READ_ONLY,
        };
        let fetch = if has(Flags::EXECUTE) { 0 } else { theirs };
        let global = if has(Flags::GLOBAL) { 0 } else { NG };
        let used = if preset { AF } else { 0 };
        Ok(kind | u64::from(slot) << 2 | SHARED | write | fetch | others | global | used)
    }

    #[inline]
    fn with_address(bits: u64, phys: PhysAddr) -> u64 {
        bits | phys.get()
    }

    #[inline]
    fn address_bits(&self, level: Level) -> u64 {
        self.max_phys().get() & Self::address(Self::shift(level))
    }

    #[inline]
    fn table(&self, phys: PhysAddr, _level: Level) -> u64 {
        VALID | NO_BLOCK | phys.get()
    }

    #[inline]
    fn absent(&self, state: Absent) -> Result<u64, AttrError> {
        absent::encode(state, ADDRESS)
    }

    /// An entry whose kind the level does not have is one that the MMU takes for invalid.
    #[inline]
    fn decode(&self, raw: u64, level: Level) -> Result<Entry, ReservedBits> {
        if raw & VALID == 0 {
            let state = || Entry::Absent(absent::decode(raw, ADDRESS));
            return Ok(if Self::unpark(raw).is_some() { Entry::Parked } else { state() });
        }
        match (raw & NO_BLOCK != 0, level) {
            (true, Level::PAGE) => self.leaf_entry(raw, level),
            (true, _) => self.table_entry(raw),
            (false, level) if level != Level::PAGE && level <= self.max_leaf() => self.leaf_entry(raw, level),
            (false, _) => Ok(Entry::Absent(Absent::Empty)),
        }
    }

    #[inline]
    fn split(&self, raw: u64, level: Level) -> u64 {
        let kind = if level.down() == Some(Level::PAGE) { NO_BLOCK } else { 0 };
        raw & !(ADDRESS | CONTIGUOUS | NO_BLOCK) | kind
    }

    #[inline]
    fn park(raw: u64) -> u64 {
        raw & !VALID | PARKED
    }

    #[inline]
    fn unpark(raw: u64) -> Option<u64> {
        (raw & (VALID | PARKED) == PARKED).then_some(raw & !PARKED | VALID)
    }

    /// A leaf that was dirty by its bit `READ_ONLY` is so by one of software's.
    #[inline]
    fn carry(bits: u64, old: u64) -> u64 {
        bits | old & Self::KEPT | if old & READ_ONLY == 0 { DIRTY } else { 0 }
    }

    #[inline]
    fn mark(raw: u64, write: bool) -> u64 {
        if write && raw & DBM != 0 { (raw | AF) & !READ_ONLY } else { raw | AF }
    }

    #[inline]
    fn splits_in_place(&self) -> bool {
        self.caps.split_in_place
    }

    #[inline]
    fn transition(&self, old: u64, new: u64, level: Level) -> Transition {
        match (old & VALID, new & VALID) {
            (0, 0) => return Transition::None,
            (0, _) => return Transition::Fence,
            (_, 0) => return Transition::Flush,
            _ => {}
        }
        let block = |raw: u64| level == Level::PAGE || raw & NO_BLOCK == 0;
        let changed = old ^ new;
        match (block(old), block(new)) {
            (true, true) if changed & (ADDRESS | SLOT | SHARED | NG | CONTIGUOUS) != 0 => {
                Transition::BreakBeforeMake
            }
            (true, true) if changed & !(AF | DIRTY) == 0 && old & AF == 0 => Transition::None,
            (true, true) | (false, false) if changed & !DIRTY == 0 => Transition::None,
            (true, true) => Transition::Flush,
            (true, false) if self.splits_in_place() => Transition::Flush,
            _ => Transition::BreakBeforeMake,
        }
    }
}
