//! 32-bit x86 paging with PAE: 4 KiB and 2 MiB leaves, physical addresses beyond 4 GiB, execute-disable.
//!
//! The root has four entries in 32 bytes below 4 GiB. The CPU reads them when CR3 is loaded, not when it walks: so their
//! tables are there from the creation to the end, and never change. They hold no rights: the bits of these are reserved.
//! Below them an entry is that of x86_64, but bits 52 to 62 are reserved too.
//! Source: SDM vol. 3, "PAE Paging".

use super::{Absent, Entry, Format, Level, Limit, LongCaps, ReservedBits, Transition, VaRule, X86Long, x86};
use crate::addr::PhysAddr;
use crate::attrs::{Attrs, MemorySlots};
use crate::error::{AttrError, PhysBitsError};

/// The level of the root's entries.
const ROOT: Level = Level::new(2);
/// Ignored in x86_64's entries, reserved in these.
const BEYOND: u64 = (1 << 63) - (1 << 52);
/// Reserved in an entry of the root besides what lies above the address: bits 1, 2 and 5 to 8.
const NO_RIGHTS: u64 = 0b1_1110_0110;
/// Bits 12 to 51.
const ADDRESS: u64 = (1 << 52) - (1 << 12);
/// Present.
const P: u64 = x86::P as u64;

/// What a 32-bit x86 CPU with PAE can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaeCaps {
    /// MAXPHYADDR: CPUID 8000_0008, EAX bits 0 to 7, or 36; 32 to 52.
    pub phys_bits: u8,
    /// Execute-disable exists (CPUID 8000_0001, EDX bit 20) and EFER.NXE is set.
    pub nx: bool,
    /// The PAT (MSR 277), or [`MemorySlots::X86_NO_PAT`].
    pub memory: MemorySlots,
}

impl PaeCaps {
    /// A late 32-bit CPU: 36 bits, NX, the PAT as after reset.
    pub const FULL: Self = Self { phys_bits: 36, nx: true, memory: MemorySlots::X86_RESET };
}

/// The format of 32-bit x86 with PAE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct X86Pae {
    caps: PaeCaps,
    /// What both formats have in common.
    long: X86Long<4>,
}

impl X86Pae {
    /// The format for a CPU with these abilities.
    ///
    /// # Errors
    ///
    /// [`PhysBitsError`] if `phys_bits` is none that a CPU with PAE can have.
    pub const fn new(caps: PaeCaps) -> Result<Self, PhysBitsError> {
        let PaeCaps { phys_bits, nx, memory } = caps;
        match X86Long::new(LongCaps { phys_bits, nx, memory, huge_1g: false, encryption_bit: None }) {
            Ok(long) => Ok(Self { caps, long }),
            Err(error) => Err(error),
        }
    }

    /// The abilities that it was made for.
    #[must_use]
    pub const fn caps(&self) -> &PaeCaps {
        &self.caps
    }
}

impl Format for X86Pae {
    type Raw = u64;

    const LEVELS: u8 = 3;
    const VA: VaRule = VaRule::Flat(32);
    const KEPT: u64 = X86Long::<4>::KEPT;
    const FIXED_ROOT: bool = true;

    #[inline]
    fn shift(level: Level) -> u32 {
        if level > ROOT { 32 } else { X86Long::<4>::shift(level) }
    }

    #[inline]
    fn max_phys(&self) -> PhysAddr {
        self.long.max_phys()
    }

    /// CR3 holds 32 bits.
    #[inline]
    fn max_table(&self, level: Level) -> PhysAddr {
        if level == ROOT { PhysAddr::new(u32::MAX as u64) } else { self.max_phys() }
    }

    #[inline]
    fn max_leaf(&self) -> Level {
        self.long.max_leaf()
    }

    #[inline]
    fn leaf_bits(&self, attrs: Attrs, level: Level) -> Result<u64, AttrError> {
        self.long.leaf_bits(attrs, level)
    }

    #[inline]
    fn with_address(bits: u64, phys: PhysAddr) -> u64 {
        X86Long::<4>::with_address(bits, phys)
    }

    #[inline]
    fn address_bits(&self, level: Level) -> u64 {
        self.long.address_bits(level)
    }

    #[inline]
    fn table(&self, phys: PhysAddr, level: Level) -> u64 {
        if level == ROOT { P | phys.get() } else { self.long.table(phys, level) }
    }

    #[inline]
    fn absent(&self, state: Absent) -> Result<u64, AttrError> {
        self.long.absent(state)
    }

    #[inline]
    fn decode(&self, raw: u64, level: Level) -> Result<Entry, ReservedBits> {
        if raw & P == 0 {
            return self.long.decode(raw, level);
        }
        if level == ROOT {
            let reserved = raw & (NO_RIGHTS | !(self.max_phys().get() | 0xfff));
            return match reserved {
                0 => Ok(Entry::Table { phys: PhysAddr::new(raw & ADDRESS), limit: Limit::all() }),
                bits => Err(ReservedBits(bits)),
            };
        }
        match raw & BEYOND {
            0 => self.long.decode(raw, level),
            bits => Err(ReservedBits(bits)),
        }
    }

    #[inline]
    fn split(&self, raw: u64, level: Level) -> u64 {
        self.long.split(raw, level)
    }

    #[inline]
    fn park(raw: u64) -> u64 {
        X86Long::<4>::park(raw)
    }

    #[inline]
    fn unpark(raw: u64) -> Option<u64> {
        X86Long::<4>::unpark(raw)
    }

    #[inline]
    fn mark(raw: u64, write: bool) -> u64 {
        X86Long::<4>::mark(raw, write)
    }

    #[inline]
    fn transition(&self, old: u64, new: u64, level: Level) -> Transition {
        if level == ROOT && old != new { Transition::Flush } else { self.long.transition(old, new, level) }
    }
}
