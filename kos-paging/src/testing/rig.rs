//! Formats with the machines that they are for: new and old CPUs of both kinds.

use super::mmu::{self, Mode};
use crate::attrs::{Flags, MemorySlots, MemoryType};
use crate::format::{LongCaps, TwoLevelCaps, X86Long, X86TwoLevel};
use crate::policy::WxPolicy;

/// A format and the machine that it is for.
#[derive(Clone, Copy, Debug)]
pub struct Rig<F> {
    /// The subject.
    pub format: F,
    /// How the MMU is set up.
    pub mode: Mode,
    /// Memory types by number.
    pub pat: &'static [MemoryType],
    /// The policy of the table.
    pub wx: WxPolicy,
    /// Flags that every mapping gets, because the MMU cannot do without.
    pub always: Flags,
    /// log2 of the leaf sizes, smallest first.
    pub leaf_bits: &'static [u32],
    /// Physical addresses are below this.
    pub phys_end: u64,
    /// Addresses around which something may go wrong.
    pub bases: &'static [u64],
}

/// The PAT of the rigs.
const SLOTS: MemorySlots = {
    use MemoryType::{Uncached, UncachedMinus, WriteBack, WriteCombining, WriteProtected, WriteThrough};
    MemorySlots::new([
        WriteBack,
        WriteCombining,
        UncachedMinus,
        Uncached,
        WriteBack,
        WriteProtected,
        UncachedMinus,
        WriteThrough,
    ])
};

/// Edges of levels, of the halves and of the space.
const LONG_BASES: &[u64] = &[
    0,
    0x3fe0_0000,
    0x4000_0000,
    0x007f_ffe0_0000,
    0x7fff_ffe0_0000,
    0x7fff_c000_0000,
    0x8000_0000_0000,
    0xffff_8000_0000_0000,
    0xffff_ffff_ffe0_0000,
    0xffff_ffff_c000_0000,
];

impl Rig<X86Long<4>> {
    /// x86_64 with 1 GiB leaves and 46-bit physical addresses, W^X.
    #[must_use]
    pub fn long() -> Self {
        let mode = Mode::FourLevel { nxe: true, page1gb: true, maxphyaddr: 46 };
        Self {
            format: long(46, true, true),
            mode,
            pat: &mmu::PAT,
            wx: WxPolicy::Deny,
            always: Flags::empty(),
            leaf_bits: &[12, 21, 30],
            phys_end: 1 << 46,
            bases: LONG_BASES,
        }
    }

    /// An early x86_64: no execute-disable, no 1 GiB leaves, 36-bit physical addresses. W^X cannot be had.
    #[must_use]
    pub fn early_long() -> Self {
        Self {
            format: long(36, false, false),
            mode: Mode::FourLevel { nxe: false, page1gb: false, maxphyaddr: 36 },
            wx: WxPolicy::Allow,
            always: Flags::EXECUTE,
            leaf_bits: &[12, 21],
            phys_end: 1 << 36,
            ..Self::long()
        }
    }
}

#[expect(clippy::expect_used, reason = "the rigs give constants that are right")]
fn long(phys_bits: u8, nx: bool, huge_1g: bool) -> X86Long<4> {
    X86Long::<4>::new(LongCaps { phys_bits, nx, huge_1g, memory: SLOTS, encryption_bit: None })
        .expect("between 32 and 52 bits")
}

impl Rig<X86TwoLevel> {
    /// 32-bit x86 with PSE. Every mapping is executable, so W^X cannot be had.
    #[must_use]
    pub fn two_level() -> Self {
        Self {
            format: X86TwoLevel::new(TwoLevelCaps { pse: true, memory: SLOTS }),
            mode: Mode::TwoLevel { pse: true, pat: true },
            pat: &mmu::PAT,
            wx: WxPolicy::Allow,
            always: Flags::EXECUTE,
            leaf_bits: &[12, 22],
            phys_end: 1 << 32,
            bases: &[
                0,
                0x003f_0000,
                0x0040_0000,
                0x7fff_0000,
                0xbfc0_0000,
                0xffc0_0000,
                0xffff_0000,
                1 << 32,
            ],
        }
    }

    /// An 80486: small pages only, no PAT.
    #[must_use]
    pub fn early_two_level() -> Self {
        Self {
            format: X86TwoLevel::new(TwoLevelCaps { pse: false, memory: MemorySlots::X86_NO_PAT }),
            mode: Mode::TwoLevel { pse: false, pat: false },
            pat: &mmu::NO_PAT,
            leaf_bits: &[12],
            ..Self::two_level()
        }
    }
}

impl<F> Rig<F> {
    /// The same machine with another subject.
    #[must_use]
    pub fn with_format<G>(self, format: G) -> Rig<G> {
        let Self { mode, pat, wx, always, leaf_bits, phys_end, bases, .. } = self;
        Rig { format, mode, pat, wx, always, leaf_bits, phys_end, bases }
    }
}
