//! Formats: how one MMU writes attributes and addresses into entries, as pure bit logic.
//!
//! A [`Format`] is a value: it carries what the CPU can do. It touches no memory, so that every format runs on every
//! host. Everything else in the crate is written once, over this trait.

mod a64;
mod absent;
mod riscv;
mod x86;
mod x86_long;
mod x86_pae;
mod x86_two_level;

use core::fmt;

use bitflags::bitflags;

pub use a64::{A64, A64Caps};
pub use riscv::{Riscv, RiscvCaps};
pub use x86_long::{LongCaps, X86Long};
pub use x86_pae::{PaeCaps, X86Pae};
pub use x86_two_level::{TwoLevelCaps, X86TwoLevel};

use crate::addr::{PhysAddr, VirtAddr};
use crate::attrs::{Attrs, Flags};
use crate::entry::RawEntry;
use crate::error::AttrError;

/// The most levels that a format may have.
pub const MAX_LEVELS: usize = 5;

/// A level of a table: 0 holds the smallest pages, the root has the highest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Level(u8);

impl Level {
    /// The level of the smallest pages.
    pub const PAGE: Self = Self(0);

    /// The level with this number.
    #[must_use]
    pub const fn new(level: u8) -> Self {
        Self(level)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The next higher level.
    #[must_use]
    pub const fn up(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The next lower level; `None` below the pages.
    #[must_use]
    pub const fn down(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(level) => Some(Self(level)),
            None => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which 64-bit numbers are virtual addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VaRule {
    /// `0 ..= 2^bits - 1`.
    Flat(u32),
    /// The top bit of `bits` repeats up to bit 63: two halves with a hole between them. The upper is the kernel's.
    SignExtended(u32),
    /// The last `2^bits` numbers: the kernel's alone.
    High(u32),
}

impl VaRule {
    /// The address without its repeated bits, the number that indexes the tables; `None` if it is not an address.
    #[must_use]
    pub const fn offset(self, address: VirtAddr) -> Option<u64> {
        let offset = address.get() & self.last_offset();
        if self.address(offset).get() == address.get() { Some(offset) } else { None }
    }

    /// The address with this offset.
    #[must_use]
    pub const fn address(self, offset: u64) -> VirtAddr {
        let high = if self.is_upper(offset) { !self.last_offset() } else { 0 };
        VirtAddr::new(offset | high)
    }

    /// Whether the offset lies in the kernel's half.
    #[must_use]
    pub const fn is_upper(self, offset: u64) -> bool {
        match self {
            Self::Flat(_) => false,
            Self::SignExtended(bits) => offset >> (bits - 1) & 1 == 1,
            Self::High(_) => true,
        }
    }

    /// The highest offset.
    #[must_use]
    pub const fn last_offset(self) -> u64 {
        let (Self::Flat(bits) | Self::SignExtended(bits) | Self::High(bits)) = self;
        (1 << bits) - 1
    }
}

/// Who keeps the accessed and dirty bits of a leaf.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UseBits {
    /// The MMU sets them.
    Hardware,
    /// The first access faults, and the first store: the handler sets them ([`Format::mark`]) and returns.
    Fault,
    /// Nobody: they are set from the beginning, and tell nothing.
    Preset,
}

/// What an entry that translates nothing stands for; the MMU ignores it, software reads it in its fault handler.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Absent {
    /// Nothing is here.
    #[default]
    Empty,
    /// Nothing may ever be here: a page beside a stack.
    Guard,
    /// A frame that nobody may access for now: what a mapping without any right comes to.
    Kept(PhysAddr),
    /// The page is in this slot of a swap device.
    Swap(u64),
    /// The page is on its way to another frame.
    Migrating,
}

bitflags! {
    /// What a table leaves to the leaves below it.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    pub struct Limit: u8 {
        /// Stores.
        const WRITE = 1 << 0;
        /// Instruction fetches from pages of the kernel.
        const EXECUTE = 1 << 1;
        /// Access from user mode.
        const USER = 1 << 2;
        /// Instruction fetches from pages of user mode.
        const USER_EXECUTE = 1 << 3;
        /// To be translations of one address space: without it all are global.
        const LOCAL = 1 << 4;
    }
}

impl Limit {
    /// A leaf's rights, narrowed by this limit.
    #[must_use]
    #[inline]
    pub fn narrow(self, flags: Flags) -> Flags {
        let fetch = if flags.contains(Flags::USER) { Self::USER_EXECUTE } else { Self::EXECUTE };
        let without = |limit: Self, flag: Flags| if self.contains(limit) { Flags::empty() } else { flag };
        let flags = if self.contains(Self::LOCAL) { flags } else { flags | Flags::GLOBAL };
        flags
            & !(without(Self::WRITE, Flags::WRITE)
                | without(fetch, Flags::EXECUTE)
                | without(Self::USER, Flags::USER))
    }
}

/// What an entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Entry {
    /// Nothing, for the MMU; what it stands for is software's matter.
    Absent(Absent),
    /// Absent for the MMU; unmapped by us and not flushed yet ([`Format::park`]).
    Parked,
    /// A table one level below.
    Table {
        /// Where it is.
        phys: PhysAddr,
        /// The rights that leaves below can have at most.
        limit: Limit,
    },
    /// A page.
    Leaf {
        /// Where it is.
        phys: PhysAddr,
        /// Its attributes.
        attrs: Attrs,
        /// The MMU has used it.
        accessed: bool,
        /// The MMU has written through it.
        dirty: bool,
    },
}

/// The bits of a present entry that the MMU reserves and that are set; or bits that together say what
/// [`Attrs`] cannot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReservedBits(pub u64);

/// What the replacement of one entry by another asks of the TLBs, from least to most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Transition {
    /// Nothing: no TLB can hold what changed.
    None,
    /// A walk may overlook for a while what is there now: a barrier orders the store before the next access (A64:
    /// `DSB ISHST` and `ISB`; RISC-V: `SFENCE.VMA`).
    Fence,
    /// A TLB may refuse for a while what is allowed now: a spurious fault, healed by the next walk.
    Lazy,
    /// A TLB may allow for a while what is no longer allowed.
    Flush,
    /// Both entries must never be in TLBs at once: store an absent one, flush, then store the new one.
    BreakBeforeMake,
}

/// One MMU's entries and geometry. Pure: no method reads or writes memory. Levels given are below `LEVELS` but where a
/// method says otherwise.
///
/// Level 0 holds the smallest pages; an entry at level *n* translates `1 << shift(n)` bytes; the root is a table of
/// entries at level `LEVELS - 1`.
pub trait Format: Copy + fmt::Debug + 'static {
    /// An entry in memory.
    type Raw: RawEntry;

    /// Number of levels, at most [`MAX_LEVELS`].
    const LEVELS: u8;
    /// Which numbers are virtual addresses.
    const VA: VaRule;
    /// Bits of a leaf that belong to the MMU's bookkeeping and outlive [`protect`](crate::Table::protect): accessed, dirty.
    const KEPT: Self::Raw;

    /// The entries of the root lead to tables that are there from the creation to the end (PAE: the CPU reads them only
    /// when it loads the root).
    const FIXED_ROOT: bool = false;

    /// A leaf that a TLB may hold may become, in one store, a table of leaves that translate as it does. Where not, see
    /// [`Transition::BreakBeforeMake`].
    #[must_use]
    #[inline]
    fn splits_in_place(&self) -> bool {
        true
    }

    /// log2 of the bytes that an entry at `level` translates; for `LEVELS`, of the whole space.
    fn shift(level: Level) -> u32;

    /// log2 of the bytes of a table whose entries stand at `level`. All below the root are of one length; the root may be
    /// shorter.
    #[must_use]
    #[inline]
    fn table_shift(level: Level) -> u32 {
        Self::shift(level.up()) - Self::shift(level) + size_of::<Self::Raw>().ilog2()
    }

    /// The last byte of the physical address space.
    fn max_phys(&self) -> PhysAddr;

    /// The last byte that a table may have whose entries stand at `level`.
    #[inline]
    fn max_table(&self, level: Level) -> PhysAddr {
        let _ = level;
        self.max_phys()
    }

    /// The highest level at which this CPU has leaves; it has them at all levels below too.
    fn max_leaf(&self) -> Level;

    /// A leaf with these attributes, without an address: all that can be refused is refused here, once per range.
    ///
    /// # Errors
    ///
    /// [`AttrError`] for what the CPU cannot express.
    fn leaf_bits(&self, attrs: Attrs, level: Level) -> Result<Self::Raw, AttrError>;

    /// A leaf from [`leaf_bits`](Self::leaf_bits), at an address that is aligned and in reach.
    fn with_address(bits: Self::Raw, phys: PhysAddr) -> Self::Raw;

    /// The bits of a leaf at `level` that may hold its address. All others but [`KEPT`](Self::KEPT) are
    /// [`leaf_bits`](Self::leaf_bits), ignored or reserved; [`park`](Self::park) keeps or inverts each of them.
    fn address_bits(&self, level: Level) -> Self::Raw;

    /// An entry at `level` for the table at `phys`, which narrows no rights: the leaf decides.
    fn table(&self, phys: PhysAddr, level: Level) -> Self::Raw;

    /// An entry that the MMU ignores and [`decode`](Self::decode) reads back. At level 0, but for `Empty` and `Guard`.
    ///
    /// # Errors
    ///
    /// [`AttrError::StateOutOfReach`] for a frame or slot that an entry cannot hold.
    fn absent(&self, state: Absent) -> Result<Self::Raw, AttrError>;

    /// What the MMU makes of an entry.
    ///
    /// # Errors
    ///
    /// [`ReservedBits`]: the MMU would fault.
    fn decode(&self, raw: Self::Raw, level: Level) -> Result<Entry, ReservedBits>;

    /// The leaf one level below with the attributes of the huge leaf `raw` at `level`, for its first part, without an
    /// address.
    fn split(&self, raw: Self::Raw, level: Level) -> Self::Raw;

    /// A present entry, made absent for the MMU with nothing lost; never an address that a CPU may speculate on.
    fn park(raw: Self::Raw) -> Self::Raw;

    /// The present entry that was parked; `None` if this one was not.
    fn unpark(raw: Self::Raw) -> Option<Self::Raw>;

    /// The leaf `bits`, with an address or without, and what the MMU noted about the use of the leaf `old`.
    #[must_use]
    #[inline]
    fn carry(bits: Self::Raw, old: Self::Raw) -> Self::Raw {
        bits | old & Self::KEPT
    }

    /// The leaf `raw` as an MMU that keeps accessed and dirty bits leaves it after an access, or after a store.
    #[must_use]
    fn mark(raw: Self::Raw, write: bool) -> Self::Raw;

    /// What storing `new` over `old` asks of the TLBs. Where both have one address it plays no part.
    fn transition(&self, old: Self::Raw, new: Self::Raw, level: Level) -> Transition;
}
