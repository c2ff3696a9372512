//! 32-bit x86 paging with two levels: 4 KiB leaves, and 4 MiB leaves with PSE. Physical addresses of 32 bits.
//!
//! There is no execute-disable bit: every mapping is executable and must say so. PSE-36 (physical addresses beyond
//! 4 GiB in huge leaves) is not used; such an entry is an error.
//! Source: SDM vol. 3, "32-Bit Paging".

use super::{Absent, Entry, Format, Level, ReservedBits, Transition, VaRule};
use super::{absent, x86};
use crate::addr::PhysAddr;
use crate::attrs::{Attrs, Flags, MemorySlots};
use crate::error::AttrError;

/// Bits 12 to 31.
const ADDRESS: u32 = !0xfff;
/// Address bits of a 4 MiB leaf that must be zero without PSE-36.
const BELOW_HUGE: u32 = (1 << 22) - (1 << 13);
/// Bits that the MMU keeps about use.
const AD: u32 = x86::A | x86::D;

/// What a 32-bit x86 CPU can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TwoLevelCaps {
    /// Leaves of 4 MiB exist (CPUID 1, EDX bit 3) and CR4.PSE is set.
    pub pse: bool,
    /// The PAT (MSR 277), or [`MemorySlots::X86_NO_PAT`].
    pub memory: MemorySlots,
}

impl TwoLevelCaps {
    /// A late 32-bit CPU: PSE, the PAT as after reset.
    pub const FULL: Self = Self { pse: true, memory: MemorySlots::X86_RESET };
}

/// The format of 32-bit x86 without PAE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct X86TwoLevel {
    caps: TwoLevelCaps,
}

impl X86TwoLevel {
    /// The format for a CPU with these abilities.
    #[must_use]
    pub const fn new(caps: TwoLevelCaps) -> Self {
        Self { caps }
    }

    /// The abilities that it was made for.
    #[must_use]
    pub const fn caps(&self) -> &TwoLevelCaps {
        &self.caps
    }

    /// Without PSE the MMU ignores the size bit.
    #[inline]
    fn is_leaf(&self, raw: u32, level: Level) -> bool {
        level == Level::PAGE || self.caps.pse && raw & x86::PS != 0
    }
}

impl Format for X86TwoLevel {
    type Raw = u32;

    const LEVELS: u8 = 2;
    const VA: VaRule = VaRule::Flat(32);
    const KEPT: u32 = AD;

    #[inline]
    fn shift(level: Level) -> u32 {
        12 + 10 * u32::from(level.get())
    }

    #[inline]
    fn max_phys(&self) -> PhysAddr {
        PhysAddr::new(u32::MAX as u64)
    }

    #[inline]
    fn max_leaf(&self) -> Level {
        Level::new(self.caps.pse.into())
    }

    #[inline]
    fn leaf_bits(&self, attrs: Attrs, level: Level) -> Result<u32, AttrError> {
        let bits = x86::leaf_bits(attrs, level, &self.caps.memory)?;
        if attrs.flags.contains(Flags::EXECUTE) { Ok(bits) } else { Err(AttrError::NoExecuteDisable) }
    }

    #[inline]
    fn with_address(bits: u32, phys: PhysAddr) -> u32 {
        bits | address_bits(phys)
    }

    #[inline]
    fn address_bits(&self, level: Level) -> u32 {
        !((1 << Self::shift(level)) - 1)
    }

    #[inline]
    fn table(&self, phys: PhysAddr, _level: Level) -> u32 {
        x86::TABLE | address_bits(phys)
    }

    #[inline]
    fn absent(&self, state: Absent) -> Result<u32, AttrError> {
        let entry = absent::encode(state, ADDRESS.into())?;
        u32::try_from(entry).map_err(|_| AttrError::StateOutOfReach(state))
    }

    #[inline]
    fn decode(&self, raw: u32, level: Level) -> Result<Entry, ReservedBits> {
        if raw & x86::P == 0 {
            let state = absent::decode(raw.into(), ADDRESS.into());
            return Ok(if Self::unpark(raw).is_some() { Entry::Parked } else { Entry::Absent(state) });
        }
        if !self.is_leaf(raw, level) {
            let limit = x86::limit(raw, true);
            return Ok(Entry::Table { phys: PhysAddr::new((raw & ADDRESS).into()), limit });
        }
        let reserved = if level == Level::PAGE { 0 } else { raw & BELOW_HUGE };
        if reserved != 0 {
            return Err(ReservedBits(reserved.into()));
        }
        let mut attrs = x86::attrs(raw, level, &self.caps.memory).map_err(|bit| ReservedBits(bit.into()))?;
        attrs.flags |= Flags::EXECUTE;
        let phys = PhysAddr::new((raw & self.address_bits(level)).into());
        Ok(Entry::Leaf { phys, attrs, accessed: raw & x86::A != 0, dirty: raw & x86::D != 0 })
    }

    #[inline]
    fn split(&self, raw: u32, level: Level) -> u32 {
        x86::split(raw & 0x1fff, level)
    }

    #[inline]
    fn park(raw: u32) -> u32 {
        raw & !x86::P | x86::PARKED
    }

    #[inline]
    fn unpark(raw: u32) -> Option<u32> {
        (raw & (x86::P | x86::PARKED) == x86::PARKED).then_some(raw & !x86::PARKED | x86::P)
    }

    #[inline]
    fn mark(raw: u32, write: bool) -> u32 {
        raw | x86::A | if write { x86::D } else { 0 }
    }

    #[inline]
    fn transition(&self, old: u32, new: u32, _level: Level) -> Transition {
        if old & x86::P == 0 {
            return Transition::None;
        }
        x86::transition(u64::from(old), u64::from(new), u64::from(x86::RW))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "callers keep to addresses up to max_phys, which is 32 bits"
)]
const fn address_bits(phys: PhysAddr) -> u32 {
    phys.get() as u32
}
