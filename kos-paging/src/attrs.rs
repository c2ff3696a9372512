//! What a mapping allows: rights, scope and memory type, in words that no format owns.
//!
//! A format that cannot express an attribute refuses it ([`AttrError`](crate::AttrError)); none is ever dropped.

use bitflags::bitflags;

bitflags! {
    /// Rights and scope of a mapping.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    pub struct Flags: u8 {
        /// Loads are allowed.
        const READ = 1 << 0;
        /// Stores are allowed.
        const WRITE = 1 << 1;
        /// Instruction fetches are allowed.
        const EXECUTE = 1 << 2;
        /// Programs in user mode may use it too.
        const USER = 1 << 3;
        /// The same in every address space: a TLB keeps it across a switch of the root.
        const GLOBAL = 1 << 4;
    }
}

/// How the CPU may cache and order accesses (SDM vol. 3, "Memory Cache Control").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum MemoryType {
    /// Ordinary memory.
    #[default]
    WriteBack,
    /// Cached for reads; writes go through.
    WriteThrough,
    /// Not cached, writes may combine: frame buffers.
    WriteCombining,
    /// Reads cached, writes go to the bus and drop the line everywhere.
    WriteProtected,
    /// Not cached; a range register (MTRR) may turn it into write-combining.
    UncachedMinus,
    /// Not cached, in program order: device registers.
    Uncached,
}

/// Attributes of a mapping.
///
/// ```
/// use kos_paging::{Attrs, Flags, MemoryType};
///
/// let registers = Attrs::RW.global().with_memory(MemoryType::Uncached);
/// assert!(registers.flags.contains(Flags::WRITE) && !registers.flags.contains(Flags::EXECUTE));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Attrs {
    /// Rights and scope.
    pub flags: Flags,
    /// Memory type.
    pub memory: MemoryType,
}

impl Attrs {
    /// Read-only data.
    pub const R: Self = Self::new(Flags::READ);
    /// Data.
    pub const RW: Self = Self::new(Flags::READ.union(Flags::WRITE));
    /// Code.
    pub const RX: Self = Self::new(Flags::READ.union(Flags::EXECUTE));
    /// Writable code: only a table under [`WxPolicy::Allow`](crate::WxPolicy::Allow) takes it.
    pub const RWX: Self = Self::new(Flags::READ.union(Flags::WRITE).union(Flags::EXECUTE));

    /// These flags on ordinary memory.
    #[must_use]
    pub const fn new(flags: Flags) -> Self {
        Self { flags, memory: MemoryType::WriteBack }
    }

    /// The same, for user mode too.
    #[must_use]
    pub const fn user(self) -> Self {
        Self { flags: self.flags.union(Flags::USER), ..self }
    }

    /// The same, kept by TLBs across address spaces.
    #[must_use]
    pub const fn global(self) -> Self {
        Self { flags: self.flags.union(Flags::GLOBAL), ..self }
    }

    /// The same, with another memory type.
    #[must_use]
    pub const fn with_memory(self, memory: MemoryType) -> Self {
        Self { memory, ..self }
    }
}

/// The CPU's table of memory types that an entry selects from by number: on x86 the PAT, index = PAT·4 + PCD·2 + PWT;
/// on AArch64 MAIR_EL1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemorySlots([Option<MemoryType>; 8]);

impl MemorySlots {
    /// The x86 PAT as it stands after reset: no slot is write-combining (SDM vol. 3, "Page Attribute Table").
    pub const X86_RESET: Self = {
        use MemoryType::{Uncached, UncachedMinus, WriteBack, WriteThrough};
        Self::new([
            WriteBack,
            WriteThrough,
            UncachedMinus,
            Uncached,
            WriteBack,
            WriteThrough,
            UncachedMinus,
            Uncached,
        ])
    };
    /// An x86 CPU without the PAT: PCD and PWT alone.
    pub const X86_NO_PAT: Self = {
        use MemoryType::{Uncached, UncachedMinus, WriteBack, WriteThrough};
        Self([
            Some(WriteBack),
            Some(WriteThrough),
            Some(UncachedMinus),
            Some(Uncached),
            None,
            None,
            None,
            None,
        ])
    };

    /// An AArch64 MAIR_EL1 of four slots: normal write-back memory (0xff), device nGnRE (0x04), normal not cached (0x44),
    /// normal write-through (0xbb); the others are never used.
    pub const A64: Self = {
        use MemoryType::{Uncached, WriteBack, WriteCombining, WriteThrough};
        Self::with_gaps([
            Some(WriteBack),
            Some(Uncached),
            Some(WriteCombining),
            Some(WriteThrough),
            None,
            None,
            None,
            None,
        ])
    };

    /// The table with these slots, in the CPU's order; `None` is never used.
    #[must_use]
    pub const fn with_gaps(slots: [Option<MemoryType>; 8]) -> Self {
        Self(slots)
    }

    /// The table with these slots, in the CPU's order.
    #[must_use]
    pub const fn new(slots: [MemoryType; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = slots;
        Self([Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g), Some(h)])
    }

    /// The lowest slot with this type.
    #[must_use]
    pub fn slot(&self, memory: MemoryType) -> Option<u8> {
        (0..8).find(|&slot| self.memory(slot) == Some(memory))
    }

    /// The type in a slot; `None` if the CPU has no such slot.
    #[must_use]
    pub fn memory(&self, slot: u8) -> Option<MemoryType> {
        self.0.get(usize::from(slot)).copied().flatten()
    }
}
