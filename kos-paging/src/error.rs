//! Errors: one enum per operation, each with its evidence. Whatever the error, the table is as it was before the call.
//!
//! The caller's fault ([`RangeError`], [`AttrError`], `Occupied`, `Hole`…), our limits (`OutOfTables`) and a table that
//! somebody else damaged ([`WalkError`]) are different variants.

use core::error::Error;
use core::fmt;

use crate::addr::{PhysAddr, VirtAddr};
use crate::attrs::MemoryType;
use crate::format::{Absent, Level};
use crate::walk::Mapping;

/// A range that no page table of the format can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RangeError {
    /// No byte at all.
    Empty,
    /// The range runs past the last 64-bit address.
    Wraps {
        /// Its first byte.
        first: VirtAddr,
        /// Its length.
        bytes: u64,
    },
    /// The range does not begin or end at the edge of a page.
    Misaligned {
        /// The first or last byte.
        at: VirtAddr,
    },
    /// The MMU does not translate this address, or the range crosses the hole between the canonical halves.
    NonCanonical {
        /// The address: the first one outside.
        at: VirtAddr,
    },
    /// The range is in a part whose tables are another table's.
    Shared {
        /// The first such address.
        at: VirtAddr,
    },
}

/// No CPU of this format has physical addresses of this many bits, or an encryption bit there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhysBitsError(pub u8);

/// Attributes that cannot or must not be given to a leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AttrError {
    /// The MMU lets programs read whatever they may use: a mapping without `READ` cannot be expressed.
    NotReadable,
    /// Writable and executable at once, under any policy but [`WxPolicy::Allow`](crate::WxPolicy::Allow).
    WriteAndExecute,
    /// `EXECUTE` for what was mapped without, under [`WxPolicy::DenyHistory`](crate::WxPolicy::DenyHistory).
    ExecuteAfterwards,
    /// The CPU has no execute-disable bit: a mapping without `EXECUTE` cannot be expressed.
    NoExecuteDisable,
    /// No slot of the CPU's table has this memory type.
    NoMemorySlot(MemoryType),
    /// `USER` in the upper half, which belongs to the kernel.
    UserInKernelHalf,
    /// An absent entry has no room for this frame or slot.
    StateOutOfReach(Absent),
}

/// A table that cannot be walked: not written by this crate, or damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WalkError {
    /// A present entry with bits set that the MMU reserves.
    Reserved {
        /// The first address that the entry translates.
        at: VirtAddr,
        /// The level of the entry.
        level: Level,
        /// The reserved bits that are set.
        bits: u64,
    },
    /// An entry points to a table that [`PhysMapper`](crate::PhysMapper) does not know.
    UnknownFrame {
        /// The first address that the entry translates.
        at: VirtAddr,
        /// The level of the entry; for the root, the number of levels.
        level: Level,
        /// Where it points.
        frame: PhysAddr,
    },
}

/// Why an address has no translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TranslateError {
    /// Not an address of this MMU.
    NonCanonical {
        /// The address.
        at: VirtAddr,
    },
    /// Nothing is mapped.
    NotMapped {
        /// The address.
        at: VirtAddr,
        /// The level of the entry that is absent.
        level: Level,
    },
    /// The table is damaged on the way.
    Walk(WalkError),
}

/// Why a table could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// No frame for the root.
    OutOfFrames,
    /// The frame source gave a frame that the MMU or the mapper cannot reach; it went back.
    UnusableFrame(PhysAddr),
}

/// Why a part of a table could not be shared. Nothing changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ShareError {
    /// The range is wrong.
    Range(RangeError),
    /// The range has parts of what an entry of the root translates.
    NotWholeEntries,
    /// The table maps something in the range, or shares a part already.
    Occupied,
    /// The format's root has tables from its creation, which cannot be another's.
    FixedRoot,
}

/// Why a range was not mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MapError {
    /// The virtual range is wrong.
    Range(RangeError),
    /// The attributes are wrong.
    Attr(AttrError),
    /// The physical address is not a multiple of the smallest page.
    Misaligned {
        /// The physical address.
        phys: PhysAddr,
    },
    /// The range would reach beyond the physical address space.
    PhysOutOfRange {
        /// The physical address of its first byte.
        phys: PhysAddr,
        /// The last byte that the MMU can address.
        highest: PhysAddr,
    },
    /// Something is mapped in the range.
    Occupied {
        /// The first mapped address in the range.
        at: VirtAddr,
        /// The leaf that is there.
        existing: Mapping,
    },
    /// A page of the range is absent, but stands for something.
    Held {
        /// The first such address.
        at: VirtAddr,
        /// For what.
        state: Absent,
    },
    /// Pages of the range were unmapped but never flushed: a TLB may still translate them.
    /// Unmap the range again, flush and release.
    Quarantined {
        /// The first such address.
        at: VirtAddr,
    },
    /// Not enough frames for the tables.
    OutOfTables {
        /// How many the operation needs.
        needed: u64,
    },
    /// The frame source gave a frame that the MMU or the mapper cannot reach; it went back.
    UnusableFrame(PhysAddr),
    /// The table is damaged.
    Walk(WalkError),
}

/// Why a range was not unmapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UnmapError {
    /// The virtual range is wrong.
    Range(RangeError),
    /// The range covers part of a huge leaf, which may not be split: see [`SplitPolicy`](crate::SplitPolicy).
    PartOfHuge {
        /// The leaf.
        leaf: Mapping,
    },
    /// Not enough frames for the tables of a split.
    OutOfTables {
        /// How many the operation needs.
        needed: u64,
    },
    /// The frame source gave a frame that the MMU or the mapper cannot reach; it went back.
    UnusableFrame(PhysAddr),
    /// The table is damaged.
    Walk(WalkError),
}

/// Why the attributes of a range were not changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProtectError {
    /// The virtual range is wrong.
    Range(RangeError),
    /// The attributes are wrong.
    Attr(AttrError),
    /// CPUs may use the leaf, and its old and new attributes must not meet in a TLB
    /// ([`Transition::BreakBeforeMake`](crate::Transition::BreakBeforeMake): memory type, sharing, globality on A64). Unmap, flush,
    /// map again.
    MustBreak {
        /// The leaf.
        leaf: Mapping,
    },
    /// Part of the range is not mapped.
    Hole {
        /// The first unmapped address.
        at: VirtAddr,
    },
    /// The range covers part of a huge leaf, which may not be split: see [`SplitPolicy`](crate::SplitPolicy).
    PartOfHuge {
        /// The leaf.
        leaf: Mapping,
    },
    /// Not enough frames for the tables of a split.
    OutOfTables {
        /// How many the operation needs.
        needed: u64,
    },
    /// The frame source gave a frame that the MMU or the mapper cannot reach; it went back.
    UnusableFrame(PhysAddr),
    /// The table is damaged.
    Walk(WalkError),
}

/// Why a huge leaf of a live table was not split.
#[derive(Debug)]
#[non_exhaustive]
pub enum SplitError<E> {
    /// The virtual range is wrong.
    Range(RangeError),
    /// Not enough frames for the tables.
    OutOfTables {
        /// How many the split of one leaf needs.
        needed: u64,
    },
    /// The frame source gave a frame that the MMU or the mapper cannot reach; it went back.
    UnusableFrame(PhysAddr),
    /// The leaf could not be flushed; it is in its place again.
    Flush(E),
    /// The table is damaged.
    Walk(WalkError),
}

/// An invariant that [`Table::check`](crate::Table::check) found broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Corruption {
    /// The table cannot be walked.
    Walk(WalkError),
    /// An entry that the MMU takes for absent, but that has bits this crate never writes.
    StrayBits {
        /// The first address that the entry translates.
        at: VirtAddr,
        /// The entry.
        raw: u64,
    },
    /// A table entry that is not what this crate writes: it narrows the rights of everything below.
    ForeignTable {
        /// The first address that the entry translates.
        at: VirtAddr,
        /// The entry.
        raw: u64,
    },
    /// A table below the root without an entry.
    EmptyTable {
        /// The first address that it translates.
        at: VirtAddr,
        /// Where it is.
        frame: PhysAddr,
    },
    /// A leaf that the table's policies forbid.
    Forbidden {
        /// The first address that the leaf translates.
        at: VirtAddr,
        /// Why.
        cause: AttrError,
    },
    /// A counter of [`Stats`](crate::Stats) is not what a recount finds.
    Miscounted {
        /// The name of the counter.
        counter: &'static str,
        /// The counter.
        counted: u64,
        /// The recount.
        found: u64,
    },
}

/// A flush that failed, with the token to try again.
#[derive(Debug)]
pub struct FlushError<T, E> {
    /// What still waits for its flush.
    pub token: T,
    /// What [`TlbControl`](crate::TlbControl) said.
    pub cause: E,
}

macro_rules! causes {
    ($($error:ident: $($variant:ident($cause:ident))*;)*) => { $($(
        impl From<$cause> for $error {
            fn from(cause: $cause) -> Self {
                Self::$variant(cause)
            }
        }
    )*)* };
}

causes! {
    TranslateError: Walk(WalkError);
    MapError: Range(RangeError) Attr(AttrError) Walk(WalkError);
    UnmapError: Range(RangeError) Walk(WalkError);
    ProtectError: Range(RangeError) Attr(AttrError) Walk(WalkError);
    Corruption: Walk(WalkError);
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the range is empty"),
            Self::Wraps { first, bytes } => write!(f, "{bytes} bytes from {first} wrap around"),
            Self::Misaligned { at } => write!(f, "{at} is not at the edge of a page"),
            Self::NonCanonical { at } => write!(f, "{at} is not a canonical address"),
            Self::Shared { at } => write!(f, "the tables of {at} are another's"),
        }
    }
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(cause) => cause.fmt(f),
            Self::NotWholeEntries => f.write_str("the range ends within an entry of the root"),
            Self::Occupied => f.write_str("the table has something there already"),
            Self::FixedRoot => f.write_str("the root of this format always has tables of its own"),
        }
    }
}

impl fmt::Display for PhysBitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no CPU of this format has {} physical address bits", self.0)
    }
}

impl fmt::Display for AttrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReadable => f.write_str("the MMU has no mapping that cannot be read"),
            Self::WriteAndExecute => f.write_str("writable and executable at once"),
            Self::ExecuteAfterwards => f.write_str("executable only after it was mapped"),
            Self::NoExecuteDisable => f.write_str("the CPU cannot forbid execution"),
            Self::NoMemorySlot(memory) => write!(f, "no slot of the CPU has memory type {memory:?}"),
            Self::UserInKernelHalf => f.write_str("user access in the kernel's half"),
            Self::StateOutOfReach(state) => write!(f, "no absent entry can hold {state:?}"),
        }
    }
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved { at, level, bits } => {
                write!(f, "level {level} entry of {at} has reserved bits {bits:#x}")
            }
            Self::UnknownFrame { at, level, frame } => {
                write!(f, "level {level} entry of {at} points to {frame}, which is no table memory")
            }
        }
    }
}

impl fmt::Display for TranslateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonCanonical { at } => write!(f, "{at} is not a canonical address"),
            Self::NotMapped { at, level } => write!(f, "{at} is not mapped (level {level})"),
            Self::Walk(cause) => cause.fmt(f),
        }
    }
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfFrames => f.write_str("no frame for the root table"),
            Self::UnusableFrame(frame) => unusable(f, *frame),
        }
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(cause) => cause.fmt(f),
            Self::Attr(cause) => cause.fmt(f),
            Self::Misaligned { phys } => write!(f, "physical address {phys} is not a multiple of the page"),
            Self::PhysOutOfRange { phys, highest } => {
                write!(f, "the range from physical address {phys} ends beyond {highest}")
            }
            Self::Occupied { at, existing } => write!(f, "{at} is already mapped to {}", existing.phys),
            Self::Held { at, state } => write!(f, "{at} is held: {state:?}"),
            Self::Quarantined { at } => write!(f, "{at} was unmapped but not flushed"),
            Self::OutOfTables { needed } => out_of_tables(f, *needed),
            Self::UnusableFrame(frame) => unusable(f, *frame),
            Self::Walk(cause) => cause.fmt(f),
        }
    }
}

impl fmt::Display for UnmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(cause) => cause.fmt(f),
            Self::PartOfHuge { leaf } => part_of_huge(f, leaf),
            Self::OutOfTables { needed } => out_of_tables(f, *needed),
            Self::UnusableFrame(frame) => unusable(f, *frame),
            Self::Walk(cause) => cause.fmt(f),
        }
    }
}

impl fmt::Display for ProtectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(cause) => cause.fmt(f),
            Self::Attr(cause) => cause.fmt(f),
            Self::MustBreak { leaf } => {
                write!(f, "{} must be unmapped and flushed before it changes so", leaf.range)
            }
            Self::Hole { at } => write!(f, "{at} is not mapped"),
            Self::PartOfHuge { leaf } => part_of_huge(f, leaf),
            Self::OutOfTables { needed } => out_of_tables(f, *needed),
            Self::UnusableFrame(frame) => unusable(f, *frame),
            Self::Walk(cause) => cause.fmt(f),
        }
    }
}

impl<E: fmt::Display> fmt::Display for SplitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(cause) => cause.fmt(f),
            Self::OutOfTables { needed } => out_of_tables(f, *needed),
            Self::UnusableFrame(frame) => unusable(f, *frame),
            Self::Flush(cause) => write!(f, "the flush failed: {cause}"),
            Self::Walk(cause) => cause.fmt(f),
        }
    }
}

impl<E> From<RangeError> for SplitError<E> {
    fn from(cause: RangeError) -> Self {
        Self::Range(cause)
    }
}

impl<E> From<WalkError> for SplitError<E> {
    fn from(cause: WalkError) -> Self {
        Self::Walk(cause)
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Walk(cause) => cause.fmt(f),
            Self::StrayBits { at, raw } => write!(f, "absent entry of {at} has stray bits {raw:#x}"),
            Self::ForeignTable { at, raw } => write!(f, "table entry of {at} is foreign: {raw:#x}"),
            Self::EmptyTable { at, frame } => write!(f, "the table of {at} at {frame} is empty"),
            Self::Forbidden { at, cause } => write!(f, "the leaf at {at} is forbidden: {cause}"),
            Self::Miscounted { counter, counted, found } => {
                write!(f, "{counter}: counted {counted}, found {found}")
            }
        }
    }
}

impl<T, E: fmt::Display> fmt::Display for FlushError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the flush failed: {}", self.cause)
    }
}

fn out_of_tables(f: &mut fmt::Formatter<'_>, needed: u64) -> fmt::Result {
    write!(f, "not enough frames for {needed} tables")
}

fn unusable(f: &mut fmt::Formatter<'_>, frame: PhysAddr) -> fmt::Result {
    write!(f, "the frame source gave {frame}, which the MMU or the mapper cannot reach")
}

fn part_of_huge(f: &mut fmt::Formatter<'_>, leaf: &Mapping) -> fmt::Result {
    write!(f, "the range covers part of the huge leaf {}", leaf.range)
}

impl Error for RangeError {}
impl Error for ShareError {}
impl Error for PhysBitsError {}
impl Error for AttrError {}
impl Error for WalkError {}
impl Error for TranslateError {}
impl Error for CreateError {}
impl Error for MapError {}
impl Error for UnmapError {}
impl Error for ProtectError {}
impl<E: Error> Error for SplitError<E> {}
impl Error for Corruption {}
impl<T: fmt::Debug, E: fmt::Debug + fmt::Display> Error for FlushError<T, E> {}
