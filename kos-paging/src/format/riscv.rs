//! RISC-V paging: Sv39, Sv48 and Sv57, with leaves at every level.
//!
//! A leaf has a right; an entry without any leads to a table. Memory types are the platform's (PMAs): only write-back can
//! be said, and means what the PMAs say of the address. Svnapot and Svpbmt are not used: their bits are errors.
//! Source: The RISC-V Instruction Set Manual, volume II, "Sv32", "Sv39", "Sv48", "Sv57", "Svade", "Svadu".

use super::{Absent, Entry, Format, Level, Limit, ReservedBits, Transition, UseBits, VaRule, absent};
use crate::addr::PhysAddr;
use crate::attrs::{Attrs, Flags, MemoryType};
use crate::error::AttrError;

/// Valid.
const V: u64 = 1 << 0;
/// Loads.
const R: u64 = 1 << 1;
/// Stores.
const W: u64 = 1 << 2;
/// Fetches.
const X: u64 = 1 << 3;
/// User mode.
const U: u64 = 1 << 4;
/// Global.
const G: u64 = 1 << 5;
/// Accessed.
const A: u64 = 1 << 6;
/// Dirty.
const D: u64 = 1 << 7;
/// Software's. In an invalid entry: it is parked.
const PARKED: u64 = 1 << 8;
/// Bits 10 to 53: the page number, two bits below the address.
const PAGE_NUMBER: u64 = (1 << 54) - (1 << 10);
/// Bits 54 to 63: reserved, PBMT and N.
const RESERVED: u64 = !((1 << 54) - 1);
/// Where the number of an absent entry goes.
const NUMBER: u64 = (1 << 54) - (1 << 12);

/// What a RISC-V hart can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RiscvCaps {
    /// Svadu, enabled in `menvcfg`, is [`UseBits::Hardware`]; Svade is one of the others.
    pub use_bits: UseBits,
}

impl RiscvCaps {
    /// Any hart: accessed and dirty bits are preset.
    pub const BASE: Self = Self { use_bits: UseBits::Preset };
}

/// The format of RISC-V with `LEVELS` levels: three (Sv39), four (Sv48) or five (Sv57).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Riscv<const LEVELS: usize> {
    caps: RiscvCaps,
}

impl<const LEVELS: usize> Riscv<LEVELS> {
    const KNOWN: () = assert!(LEVELS >= 3 && LEVELS <= 5, "RISC-V has three to five levels");

    /// The format for a hart with these abilities.
    #[must_use]
    pub const fn new(caps: RiscvCaps) -> Self {
        let () = Self::KNOWN;
        Self { caps }
    }

    /// The abilities that it was made for.
    #[must_use]
    pub const fn caps(&self) -> &RiscvCaps {
        &self.caps
    }
}

impl<const LEVELS: usize> Format for Riscv<LEVELS> {
    type Raw = u64;

    const LEVELS: u8 = match LEVELS {
        3 => 3,
        4 => 4,
        _ => 5,
    };
    const VA: VaRule = VaRule::SignExtended(12 + 9 * Self::LEVELS as u32);
    const KEPT: u64 = A | D;

    #[inline]
    fn shift(level: Level) -> u32 {
        12 + 9 * u32::from(level.get())
    }

    #[inline]
    fn max_phys(&self) -> PhysAddr {
        PhysAddr::new((1 << 56) - 1)
    }

    #[inline]
    fn max_leaf(&self) -> Level {
        Level::new(Self::LEVELS - 1)
    }

    #[inline]
    fn leaf_bits(&self, attrs: Attrs, _level: Level) -> Result<u64, AttrError> {
        let has = |flag: Flags| attrs.flags.contains(flag);
        if !has(Flags::READ) && (has(Flags::WRITE) || !has(Flags::EXECUTE)) {
            return Err(AttrError::NotReadable);
        }
        if attrs.memory != MemoryType::WriteBack {
            return Err(AttrError::NoMemorySlot(attrs.memory));
        }
        let bit = |flag: Flags, bit: u64| if has(flag) { bit } else { 0 };
        let used = match self.caps.use_bits {
            UseBits::Preset => A | bit(Flags::WRITE, D),
            UseBits::Hardware | UseBits::Fault => 0,
        };
        let rights = bit(Flags::READ, R) | bit(Flags::WRITE, W) | bit(Flags::EXECUTE, X);
        Ok(V | rights | bit(Flags::USER, U) | bit(Flags::GLOBAL, G) | used)
    }

    #[inline]
    fn with_address(bits: u64, phys: PhysAddr) -> u64 {
        bits | phys.get() >> 2
    }

    #[inline]
    fn address_bits(&self, level: Level) -> u64 {
        PAGE_NUMBER & !((1 << (Self::shift(level) - 2)) - 1)
    }

    #[inline]
    fn table(&self, phys: PhysAddr, _level: Level) -> u64 {
        V | phys.get() >> 2
    }

    #[inline]
    fn absent(&self, state: Absent) -> Result<u64, AttrError> {
        absent::encode(state, NUMBER)
    }

    #[inline]
    fn decode(&self, raw: u64, level: Level) -> Result<Entry, ReservedBits> {
        if raw & V == 0 {
            let state = || Entry::Absent(absent::decode(raw, NUMBER));
            return Ok(if Self::unpark(raw).is_some() { Entry::Parked } else { state() });
        }
        let leaf = raw & (R | W | X) != 0;
        let reserved = match (leaf, level) {
            (true, _) => {
                raw & PAGE_NUMBER & !self.address_bits(level) | if raw & R == 0 { raw & W } else { 0 }
            }
            (false, Level::PAGE) => V,
            (false, _) => raw & (A | D | U),
        };
        if reserved | raw & RESERVED != 0 {
            return Err(ReservedBits(reserved | raw & RESERVED));
        }
        let phys = PhysAddr::new((raw & PAGE_NUMBER) << 2);
        if !leaf {
            let limit = if raw & G == 0 { Limit::all() } else { Limit::all().difference(Limit::LOCAL) };
            return Ok(Entry::Table { phys, limit });
        }
        let flag = |bit: u64, flag: Flags| if raw & bit == 0 { Flags::empty() } else { flag };
        let flags = flag(R, Flags::READ) | flag(W, Flags::WRITE) | flag(X, Flags::EXECUTE);
        let attrs = Attrs::new(flags | flag(U, Flags::USER) | flag(G, Flags::GLOBAL));
        Ok(Entry::Leaf { phys, attrs, accessed: raw & A != 0, dirty: raw & D != 0 })
    }

    #[inline]
    fn split(&self, raw: u64, _level: Level) -> u64 {
        raw & !PAGE_NUMBER
    }

    #[inline]
    fn park(raw: u64) -> u64 {
        raw & !V | PARKED
    }

    #[inline]
    fn unpark(raw: u64) -> Option<u64> {
        (raw & (V | PARKED) == PARKED).then_some(raw & !PARKED | V)
    }

    #[inline]
    fn mark(raw: u64, write: bool) -> u64 {
        raw | A | if write { D } else { 0 }
    }

    /// A hart may keep absent entries, and need not walk again before it refuses: any change of a valid entry but a use
    /// bit that was set is to be flushed.
    #[inline]
    fn transition(&self, old: u64, new: u64, _level: Level) -> Transition {
        match (old & V, new & V) {
            (0, 0) => Transition::None,
            (0, _) => Transition::Fence,
            _ if old | new & (A | D) == new => Transition::None,
            _ => Transition::Flush,
        }
    }
}
