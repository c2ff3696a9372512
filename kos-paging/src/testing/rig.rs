//! Formats with the machines that they are for: new and old CPUs of both kinds.

use super::mmu::{self, Mode};
use crate::attrs::{Flags, MemorySlots, MemoryType};
use crate::format::{
    A64, A64Caps, LongCaps, PaeCaps, Riscv, RiscvCaps, TwoLevelCaps, UseBits, X86Long, X86Pae, X86TwoLevel,
};
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
    /// Frames for tables: few enough that large mappings in small pages run out.
    pub frames: usize,
    /// log2 of their length in units of 4 KiB.
    pub order: u8,
    /// Tables that are always there.
    pub fixed_tables: u64,
    /// Accessed and dirty bits are set from the beginning.
    pub preset: bool,
    /// The kernel may run what user mode may.
    pub kernel_runs_user: bool,
    /// A page need not be readable.
    pub execute_only: bool,
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
            frames: 48,
            order: 0,
            fixed_tables: 1,
            preset: false,
            kernel_runs_user: true,
            execute_only: false,
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
fn long<const LEVELS: usize>(phys_bits: u8, nx: bool, huge_1g: bool) -> X86Long<LEVELS> {
    X86Long::new(LongCaps { phys_bits, nx, huge_1g, memory: SLOTS, encryption_bit: None })
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
            frames: 48,
            order: 0,
            fixed_tables: 1,
            preset: false,
            kernel_runs_user: true,
            execute_only: false,
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

impl Rig<X86Long<5>> {
    /// x86_64 with LA57 and 52-bit physical addresses.
    #[must_use]
    pub fn five_levels() -> Self {
        let rig = Rig::<X86Long<4>>::long().with_format(long(52, true, true));
        Self {
            mode: Mode::FiveLevel { nxe: true, page1gb: true, maxphyaddr: 52 },
            phys_end: 1 << 52,
            bases: &[
                0,
                0x3fe0_0000,
                0x007f_ffe0_0000,
                0xffff_ffe0_0000,
                0x00ff_ffff_ffe0_0000,
                0x0100_0000_0000_0000,
                0xff00_0000_0000_0000,
                0xfffe_ffff_c000_0000,
                0xffff_ffff_ffe0_0000,
                0xffff_ffff_c000_0000,
            ],
            ..rig
        }
    }
}

#[expect(clippy::expect_used, reason = "the rigs give constants that are right")]
fn pae() -> X86Pae {
    X86Pae::new(PaeCaps { phys_bits: 40, nx: true, memory: SLOTS }).expect("between 32 and 52 bits")
}

impl Rig<X86Pae> {
    /// 32-bit x86 with PAE, NX and 40-bit physical addresses.
    #[must_use]
    pub fn pae() -> Self {
        let rig = Rig::<X86Long<4>>::long().with_format(pae());
        Self {
            mode: Mode::Pae { nxe: true, maxphyaddr: 40 },
            leaf_bits: &[12, 21],
            phys_end: 1 << 40,
            bases: &[
                0,
                0x001f_f000,
                0x3fe0_0000,
                0x4000_0000,
                0x7fff_f000,
                0xbfe0_0000,
                0xffe0_0000,
                0xffff_f000,
                1 << 32,
            ],
            fixed_tables: 5,
            ..rig
        }
    }
}

/// Memory types of the AArch64 rigs, by slot.
const A64_TYPES: &[MemoryType] =
    &[MemoryType::WriteBack, MemoryType::Uncached, MemoryType::WriteCombining, MemoryType::WriteThrough];

/// The edges of the low root of AArch64, for each granule.
const LOW_BASES: &[u64] = &[
    0,
    0x3e00_0000,
    0x4000_0000,
    0x1fff_f000_0000,
    0x007f_ffe0_0000,
    0x7fff_fe00_0000,
    0x8000_0000_0000,
    0xffff_c000_0000,
    0xffff_ffff_0000,
    1 << 48,
];

impl<const GRANULE: usize> Rig<A64<GRANULE>> {
    /// The low root of AArch64, with 40-bit physical addresses and FEAT_HAFDBS.
    #[must_use]
    pub fn a64_low() -> Self {
        a64(UseBits::Hardware, false)
    }
}

impl<const GRANULE: usize> Rig<A64<GRANULE, true>> {
    /// The high root of AArch64, with 40-bit physical addresses; use bits are preset.
    #[must_use]
    pub fn a64_high() -> Self {
        a64(UseBits::Preset, true)
    }
}

#[expect(clippy::expect_used, reason = "the rigs give constants that are right")]
fn a64<const GRANULE: usize, const HIGH: bool>(use_bits: UseBits, high: bool) -> Rig<A64<GRANULE, HIGH>> {
    let caps = A64Caps { use_bits, ..A64Caps::BASE };
    let (granule, leaf_bits, order): (_, &[u32], _) = match GRANULE {
        12 => (12, &[12, 21, 30], 0),
        14 => (14, &[14, 25], 2),
        _ => (16, &[16, 29], 4),
    };
    let hafdbs = use_bits == UseBits::Hardware;
    Rig {
        format: A64::new(caps).expect("40 bits"),
        mode: Mode::A64 { granule, high, ips: 40, hafdbs, software_dirty: 55 },
        pat: A64_TYPES,
        wx: WxPolicy::Deny,
        always: Flags::empty(),
        leaf_bits,
        phys_end: 1 << 40,
        bases: if high { HIGH_BASES } else { LOW_BASES },
        frames: if order == 0 { 48 } else { 12 },
        order,
        fixed_tables: 1,
        preset: !hafdbs,
        kernel_runs_user: false,
        execute_only: false,
    }
}

/// The edges of the high root of AArch64.
const HIGH_BASES: &[u64] = &[
    0xffff_0000_0000_0000,
    0xffff_0000_3e00_0000,
    0xffff_0000_4000_0000,
    0xffff_7fff_fe00_0000,
    0xffff_8000_0000_0000,
    0xffff_ffff_c000_0000,
    0xffff_ffff_fe00_0000,
    0xffff_ffff_ffff_0000,
    0xfffe_ffff_ffff_0000,
];

impl<const LEVELS: usize> Rig<Riscv<LEVELS>> {
    /// RISC-V with Svadu.
    #[must_use]
    pub fn riscv() -> Self {
        riscv(UseBits::Hardware)
    }

    /// RISC-V with Svade; use bits are preset.
    #[must_use]
    pub fn early_riscv() -> Self {
        riscv(UseBits::Preset)
    }
}

fn riscv<const LEVELS: usize>(use_bits: UseBits) -> Rig<Riscv<LEVELS>> {
    let (levels, leaf_bits, bases): (_, &[u32], &[u64]) = match LEVELS {
        3 => (
            3,
            &[12, 21, 30],
            &[
                0,
                0x3fe0_0000,
                0x4000_0000,
                0x003f_c000_0000,
                0x003f_ffe0_0000,
                0x0040_0000_0000,
                0xffff_ffc0_0000_0000,
                0xffff_ffff_ffe0_0000,
                0xffff_ffff_c000_0000,
            ],
        ),
        4 => (4, &[12, 21, 30, 39], LONG_BASES),
        _ => (
            5,
            &[12, 21, 30, 39, 48],
            &[
                0,
                0x3fe0_0000,
                0x007f_ffe0_0000,
                0xffff_ffe0_0000,
                0x00ff_ffff_ffe0_0000,
                0x0100_0000_0000_0000,
                0xff00_0000_0000_0000,
                0xffff_ffff_ffe0_0000,
                0xffff_ffff_c000_0000,
            ],
        ),
    };
    let adue = use_bits == UseBits::Hardware;
    Rig {
        format: Riscv::new(RiscvCaps { use_bits }),
        mode: Mode::Riscv { levels, adue },
        pat: &[MemoryType::WriteBack],
        wx: WxPolicy::Deny,
        always: Flags::empty(),
        leaf_bits,
        phys_end: 1 << 56,
        bases,
        frames: 48,
        order: 0,
        fixed_tables: 1,
        preset: !adue,
        kernel_runs_user: false,
        execute_only: true,
    }
}

impl<F> Rig<F> {
    /// The same machine with another subject.
    #[must_use]
    pub fn with_format<G>(self, format: G) -> Rig<G> {
        let Self { mode, pat, wx, always, leaf_bits, phys_end, bases, frames, order, .. } = self;
        let Self { fixed_tables, preset, kernel_runs_user, execute_only, .. } = self;
        Rig {
            format,
            mode,
            pat,
            wx,
            always,
            leaf_bits,
            phys_end,
            bases,
            frames,
            order,
            fixed_tables,
            preset,
            kernel_runs_user,
            execute_only,
        }
    }

    /// Bytes of the smallest page.
    #[must_use]
    pub fn page(&self) -> u64 {
        1 << self.leaf_bits.first().copied().unwrap_or(12)
    }

    /// Whether the MMU can express these rights to loads.
    pub(super) const fn readable(&self, flags: Flags) -> bool {
        let fetch_only = flags.contains(Flags::EXECUTE) && !flags.contains(Flags::WRITE);
        flags.contains(Flags::READ) || self.execute_only && fetch_only
    }
}
