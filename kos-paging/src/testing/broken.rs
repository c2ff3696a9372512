//! Any format with one fault of a kind: which one, and at which bit, are parameters. A model that does not catch them
//! proves nothing. [`mutant`](super::mutant) holds more of one format.

use core::cell::Cell;

use crate::addr::PhysAddr;
use crate::attrs::{Attrs, Flags, MemoryType};
use crate::error::AttrError;
use crate::format::{Absent, Entry, Format, Level, ReservedBits, Transition, VaRule};

/// The format `F` with a fault: one of the constants here, at a bit.
#[derive(Clone, Copy, Debug)]
pub struct Broken<F> {
    format: F,
    fault: u32,
    bit: u32,
}

std::thread_local! {
    /// The fault of the methods that have no `self`: that of the last format that was made on this thread.
    static FAULT: Cell<(u32, u32)> = const { Cell::new((SOUND, 0)) };
}

/// None.
pub const SOUND: u32 = 0;
/// A bit of the smallest leaves is flipped.
pub const PAGE_BIT: u32 = 1;
/// A bit of the huge leaves is flipped.
pub const HUGE_BIT: u32 = 2;
/// A bit of every table entry is flipped.
pub const TABLE_BIT: u32 = 3;
/// A bit of the root's table entries is flipped.
pub const ROOT_BIT: u32 = 4;
/// A split flips a bit.
pub const SPLIT_BIT: u32 = 5;
/// Protect forgets accessed and dirty.
pub const FORGETS_USE: u32 = 6;
/// No change asks for a flush.
pub const NO_FLUSH: u32 = 7;
/// A parked entry stays present.
pub const PARKED_PRESENT: u32 = 8;
/// A bit of every address is lost.
pub const ADDRESS_BIT: u32 = 9;
/// Every leaf is writable.
pub const WRITABLE: u32 = 10;
/// Every leaf is for user mode.
pub const FOR_USER: u32 = 11;
/// Global is dropped.
pub const NOT_GLOBAL: u32 = 12;
/// Every leaf is executable.
pub const EXECUTABLE: u32 = 13;
/// Every leaf is write-back.
pub const CACHED: u32 = 14;

impl<F: Format> Broken<F> {
    /// The format with this fault. One at a time on a thread: the last one counts.
    #[must_use]
    pub fn new(format: F, fault: u32, bit: u32) -> Self {
        FAULT.set((fault, bit));
        Self { format, fault, bit }
    }

    /// The entry with the bit flipped if this is the fault.
    fn flip(&self, raw: F::Raw, fault: bool) -> F::Raw {
        let bit = F::Raw::try_from(1 << self.bit).unwrap_or_default();
        if fault { raw & !bit | !raw & bit } else { raw }
    }
}

impl<F: Format> Format for Broken<F> {
    type Raw = F::Raw;

    const LEVELS: u8 = F::LEVELS;
    const VA: VaRule = F::VA;
    const KEPT: F::Raw = F::KEPT;
    const FIXED_ROOT: bool = F::FIXED_ROOT;

    fn shift(level: Level) -> u32 {
        F::shift(level)
    }

    fn max_phys(&self) -> PhysAddr {
        self.format.max_phys()
    }

    fn max_table(&self, level: Level) -> PhysAddr {
        self.format.max_table(level)
    }

    fn max_leaf(&self) -> Level {
        self.format.max_leaf()
    }

    fn leaf_bits(&self, attrs: Attrs, level: Level) -> Result<F::Raw, AttrError> {
        self.format.leaf_bits(attrs, level)?;
        let Attrs { flags, memory } = attrs;
        let attrs = match self.fault {
            WRITABLE => Attrs { flags: flags | Flags::READ | Flags::WRITE, memory },
            FOR_USER => attrs.user(),
            NOT_GLOBAL => Attrs { flags: flags - Flags::GLOBAL, memory },
            EXECUTABLE => Attrs { flags: flags | Flags::EXECUTE, memory },
            CACHED => attrs.with_memory(MemoryType::WriteBack),
            _ => attrs,
        };
        let bits = self.format.leaf_bits(attrs, level)?;
        let here = self.fault == if level == Level::PAGE { PAGE_BIT } else { HUGE_BIT };
        Ok(self.flip(bits, here))
    }

    fn with_address(bits: F::Raw, phys: PhysAddr) -> F::Raw {
        let (fault, bit) = FAULT.get();
        let lost = if fault == ADDRESS_BIT { 1 << bit } else { 0 };
        F::with_address(bits, PhysAddr::new(phys.get() & !lost))
    }

    fn address_bits(&self, level: Level) -> F::Raw {
        self.format.address_bits(level)
    }

    fn table(&self, phys: PhysAddr, level: Level) -> F::Raw {
        let root = level.get() + 1 == F::LEVELS;
        self.flip(self.format.table(phys, level), self.fault == TABLE_BIT || self.fault == ROOT_BIT && root)
    }

    fn absent(&self, state: Absent) -> Result<F::Raw, AttrError> {
        self.format.absent(state)
    }

    fn decode(&self, raw: F::Raw, level: Level) -> Result<Entry, ReservedBits> {
        self.format.decode(raw, level)
    }

    fn split(&self, raw: F::Raw, level: Level) -> F::Raw {
        self.flip(self.format.split(raw, level), self.fault == SPLIT_BIT)
    }

    fn park(raw: F::Raw) -> F::Raw {
        if FAULT.get().0 == PARKED_PRESENT { raw } else { F::park(raw) }
    }

    fn unpark(raw: F::Raw) -> Option<F::Raw> {
        F::unpark(raw)
    }

    fn carry(bits: F::Raw, old: F::Raw) -> F::Raw {
        if FAULT.get().0 == FORGETS_USE { bits } else { F::carry(bits, old) }
    }

    fn mark(raw: F::Raw, write: bool) -> F::Raw {
        F::mark(raw, write)
    }

    fn transition(&self, old: F::Raw, new: F::Raw, level: Level) -> Transition {
        if self.fault == NO_FLUSH { Transition::None } else { self.format.transition(old, new, level) }
    }
}
