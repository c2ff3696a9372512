//! x86_64 paging with four levels (48-bit addresses) or five (LA57: 57): 4 KiB, 2 MiB and 1 GiB leaves,
//! execute-disable.
//!
//! Source: SDM vol. 3, "4-Level Paging and 5-Level Paging"; bits that both Intel and AMD reserve are refused.

use super::{Absent, Entry, Format, Level, ReservedBits, Transition, VaRule};
use super::{absent, x86};
use crate::addr::PhysAddr;
use crate::attrs::{Attrs, Flags, MemorySlots};
use crate::error::{AttrError, PhysBitsError};

/// Execute-disable.
const XD: u64 = 1 << 63;
/// Bits 12 to 51: the address, and what the MMU reserves in its place.
const ADDRESS: u64 = (1 << 52) - (1 << 12);
/// Entries that the MMU keeps about use.
const AD: u64 = (x86::A | x86::D) as u64;

/// What an x86_64 CPU can do, as the kernel found it with CPUID and set it up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LongCaps {
    /// MAXPHYADDR: CPUID 8000_0008, EAX bits 0 to 7; 32 to 52.
    pub phys_bits: u8,
    /// Execute-disable exists (CPUID 8000_0001, EDX bit 20) and EFER.NXE is set.
    pub nx: bool,
    /// Leaves of 1 GiB exist (CPUID 8000_0001, EDX bit 26).
    pub huge_1g: bool,
    /// The PAT (MSR 277).
    pub memory: MemorySlots,
    /// The address bit that marks encrypted memory (SME, SEV: CPUID 8000_001F, EBX bits 0 to 5), from `phys_bits` to 51.
    /// Every entry gets it; one without it is an error.
    pub encryption_bit: Option<u8>,
}

impl LongCaps {
    /// A current CPU: 48 bits, NX, 1 GiB leaves, the PAT as after reset. For tests and tools; a kernel asks its CPU.
    pub const FULL: Self =
        Self { phys_bits: 48, nx: true, huge_1g: true, memory: MemorySlots::X86_RESET, encryption_bit: None };
}

/// The format of x86_64 with `LEVELS` levels, four or five.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct X86Long<const LEVELS: usize> {
    caps: LongCaps,
    /// What no present entry may have set on this CPU.
    reserved: u64,
    /// What every present entry has set: the encryption bit.
    mask: u64,
}

impl<const LEVELS: usize> X86Long<LEVELS> {
    const KNOWN: () = assert!(LEVELS == 4 || LEVELS == 5, "x86_64 has four or five levels");

    /// The format for a CPU with these abilities.
    ///
    /// # Errors
    ///
    /// [`PhysBitsError`] if `phys_bits` or `encryption_bit` is none that an x86_64 CPU can have.
    pub const fn new(caps: LongCaps) -> Result<Self, PhysBitsError> {
        let () = Self::KNOWN;
        let mask = match caps.encryption_bit {
            Some(bit) if bit < caps.phys_bits || bit > 51 => return Err(PhysBitsError(bit)),
            Some(bit) => 1 << bit,
            None => 0,
        };
        match caps.phys_bits {
            bits @ 32..=52 => {
                let xd = if caps.nx { 0 } else { XD };
                Ok(Self { caps, reserved: ADDRESS & !((1 << bits) - 1) & !mask | xd, mask })
            }
            bits => Err(PhysBitsError(bits)),
        }
    }

    /// The abilities that it was made for.
    #[must_use]
    pub const fn caps(&self) -> &LongCaps {
        &self.caps
    }

    #[inline(always)]
    fn is_leaf(raw: u64, level: Level) -> bool {
        level == Level::PAGE || raw & u64::from(x86::PS) != 0
    }

    /// What a leaf may not have set besides.
    #[inline]
    fn reserved_in_leaf(&self, level: Level) -> u64 {
        let size = if level > self.max_leaf() { u64::from(x86::PS) } else { 0 };
        let low = if level == Level::PAGE { 0 } else { below_huge(level) };
        size | low
    }
}

/// Address bits of a huge leaf that must be zero; bit 12 among them is the PAT's.
#[inline]
fn below_huge(level: Level) -> u64 {
    (1 << X86Long::<4>::shift(level)) - (1 << 13)
}

#[inline]
fn low(raw: u64) -> u32 {
    // Bits 0 to 12 are all that the shared code looks at.
    (raw & 0x1fff) as u32
}

impl<const LEVELS: usize> Format for X86Long<LEVELS> {
    type Raw = u64;

    const LEVELS: u8 = if LEVELS == 5 { 5 } else { 4 };
    const VA: VaRule = VaRule::SignExtended(if LEVELS == 5 { 57 } else { 48 });
    const KEPT: u64 = AD;

    #[inline]
    fn shift(level: Level) -> u32 {
        12 + 9 * u32::from(level.get())
    }

    #[inline]
    fn max_phys(&self) -> PhysAddr {
        PhysAddr::new((1 << self.caps.phys_bits) - 1)
    }

    #[inline]
    fn max_leaf(&self) -> Level {
        Level::new(if self.caps.huge_1g { 2 } else { 1 })
    }

    #[inline]
    fn leaf_bits(&self, attrs: Attrs, level: Level) -> Result<u64, AttrError> {
        let bits = u64::from(x86::leaf_bits(attrs, level, &self.caps.memory)?) | self.mask;
        match (attrs.flags.contains(Flags::EXECUTE), self.caps.nx) {
            (true, _) => Ok(bits),
            (false, true) => Ok(bits | XD),
            (false, false) => Err(AttrError::NoExecuteDisable),
        }
    }

    #[inline]
    fn with_address(bits: u64, phys: PhysAddr) -> u64 {
        bits | phys.get()
    }

    #[inline]
    fn address_bits(&self, level: Level) -> u64 {
        self.max_phys().get() & !((1 << Self::shift(level)) - 1)
    }

    #[inline]
    fn table(&self, phys: PhysAddr, _level: Level) -> u64 {
        u64::from(x86::TABLE) | self.mask | phys.get()
    }

    /// Inverts the address bits: see [`park`](Self::park).
    #[inline]
    fn absent(&self, state: Absent) -> Result<u64, AttrError> {
        let entry = absent::encode(state, ADDRESS)?;
        Ok(if entry == 0 { 0 } else { entry ^ ADDRESS })
    }

    // Always: at a level known at the call most of it folds away.
    #[inline(always)]
    fn decode(&self, raw: u64, level: Level) -> Result<Entry, ReservedBits> {
        if raw & u64::from(x86::P) == 0 {
            return Ok(if Self::unpark(raw).is_some() {
                Entry::Parked
            } else {
                Entry::Absent(absent::decode(raw ^ ADDRESS, ADDRESS))
            });
        }
        let leaf = Self::is_leaf(raw, level);
        let reserved = raw & (self.reserved | if leaf { self.reserved_in_leaf(level) } else { 0 });
        let missing = !raw & self.mask;
        if reserved | missing != 0 {
            return Err(ReservedBits(reserved | missing));
        }
        if !leaf {
            let limit = x86::limit(low(raw), raw & XD == 0);
            return Ok(Entry::Table { phys: PhysAddr::new(raw & ADDRESS & !self.mask), limit });
        }
        let mut attrs =
            x86::attrs(low(raw), level, &self.caps.memory).map_err(|bit| ReservedBits(bit.into()))?;
        attrs.flags |= if raw & XD == 0 { Flags::EXECUTE } else { Flags::empty() };
        // Bits beyond the CPU's addresses were refused above.
        let phys = PhysAddr::new(raw & ADDRESS & !self.mask & !((1 << Self::shift(level)) - 1));
        let bit = |bit: u32| raw & u64::from(bit) != 0;
        Ok(Entry::Leaf { phys, attrs, accessed: bit(x86::A), dirty: bit(x86::D) })
    }

    #[inline]
    fn split(&self, raw: u64, level: Level) -> u64 {
        u64::from(x86::split(low(raw), level)) | raw & (XD | self.mask)
    }

    /// Inverts the address, so that a CPU with the L1TF fault speculates on no memory that exists.
    #[inline]
    fn park(raw: u64) -> u64 {
        (raw ^ ADDRESS) & !u64::from(x86::P) | u64::from(x86::PARKED)
    }

    #[inline]
    fn unpark(raw: u64) -> Option<u64> {
        let state = raw & u64::from(x86::P | x86::PARKED);
        (state == u64::from(x86::PARKED))
            .then_some((raw ^ ADDRESS ^ u64::from(x86::PARKED)) | u64::from(x86::P))
    }

    #[inline]
    fn mark(raw: u64, write: bool) -> u64 {
        raw | u64::from(if write { x86::A | x86::D } else { x86::A })
    }

    #[inline]
    fn transition(&self, old: u64, new: u64, _level: Level) -> Transition {
        if old & u64::from(x86::P) == 0 {
            return Transition::None;
        }
        // Turned so that every one of these bits allows something.
        x86::transition(old ^ XD, new ^ XD, u64::from(x86::RW) | XD)
    }
}
