//! A software MMU, written from the manuals' tables, bit by bit; no line of it comes from the formats.
//!
//! It walks the bytes of an [`Arena`], judges each access, sets accessed and dirty bits, and takes a census of the
//! tables. The kernel may use what user mode may: x86 with CR0.WP set and SMEP and SMAP clear, A64 without PAN, RISC-V
//! with SUM. What an entry says is in one file a family; the walk from table to table is here.

mod a64;
mod riscv;
mod x86;

use alloc::vec::Vec;

pub use x86::{NO_PAT, PAT};

use super::Arena;

/// Paging mode and what the CPU and its control registers say.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// x86: CR4.PAE = 0, physical addresses of 32 bits.
    TwoLevel {
        /// CR4.PSE.
        pse: bool,
        /// CPUID 1, EDX bit 16.
        pat: bool,
    },
    /// x86: CR4.PAE = 1, EFER.LMA = 0.
    Pae {
        /// EFER.NXE.
        nxe: bool,
        /// CPUID 8000_0008, EAX bits 0 to 7.
        maxphyaddr: u32,
    },
    /// x86: CR4.PAE = 1, EFER.LMA = 1, CR4.LA57 = 0.
    FourLevel {
        /// EFER.NXE.
        nxe: bool,
        /// CPUID 8000_0001, EDX bit 26.
        page1gb: bool,
        /// CPUID 8000_0008, EAX bits 0 to 7.
        maxphyaddr: u32,
    },
    /// x86: CR4.PAE = 1, EFER.LMA = 1, CR4.LA57 = 1.
    FiveLevel {
        /// EFER.NXE.
        nxe: bool,
        /// CPUID 8000_0001, EDX bit 26.
        page1gb: bool,
        /// CPUID 8000_0008, EAX bits 0 to 7.
        maxphyaddr: u32,
    },
    /// AArch64, EL1&0 stage 1, 48 bits.
    A64 {
        /// log2 of the granule.
        granule: u32,
        /// TTBR1 translates, else TTBR0.
        high: bool,
        /// TCR_EL1.IPS in bits.
        ips: u32,
        /// TCR_EL1.HA and HD.
        hafdbs: bool,
        /// Software's dirty bit in a leaf.
        software_dirty: u32,
    },
    /// RISC-V, Sv39, Sv48 or Sv57.
    Riscv {
        /// Three, four or five.
        levels: u32,
        /// `menvcfg.ADUE`.
        adue: bool,
    },
}

/// One access of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Access {
    /// A store.
    pub write: bool,
    /// An instruction fetch.
    pub fetch: bool,
    /// In user mode.
    pub user: bool,
}

/// Why an access fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The linear address is none of this space.
    NonCanonical,
    /// A page fault with this error code, in the words of x86: bit 0 an entry is present, bit 3 a reserved one.
    Page(u32),
    /// Software has to set the accessed or the dirty bit first.
    UseBit,
    /// A table lies outside of memory.
    Bus(u64),
}

/// What a walk found, before any access is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The physical address of the byte.
    pub phys: u64,
    /// log2 of the page's bytes.
    pub page_bits: u32,
    /// Loads are allowed.
    pub readable: bool,
    /// Stores are allowed.
    pub writable: bool,
    /// User mode is allowed.
    pub user: bool,
    /// Fetches are allowed: by user mode if that is, else by the kernel.
    pub executable: bool,
    /// The translation is that of every address space.
    pub global: bool,
    /// The number of the memory type: PAT·4 + PCD·2 + PWT, or `AttrIndx`.
    pub pat_index: u32,
    /// The accessed bit of the leaf.
    pub accessed: bool,
    /// The dirty bit of the leaf.
    pub dirty: bool,
    /// Fetches are allowed to those that `executable` does not speak of.
    pub odd: bool,
}

/// Tables and leaves that a root reaches.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Addresses of the tables, the root first, as often as they are linked.
    pub tables: Vec<u64>,
    /// Tables below the root, and below a PAE root's, in which no entry is present.
    pub empty: u64,
    /// First address and bytes of every leaf.
    pub leaves: Vec<(u64, u64)>,
}

/// The MMU, its tables in an arena.
#[derive(Clone, Copy, Debug)]
pub struct Mmu<'a> {
    /// How it is set up.
    pub mode: Mode,
    /// Where its tables are.
    pub memory: &'a Arena,
    /// The root's address.
    pub cr3: u64,
}

/// What an entry says.
enum Says {
    Absent,
    Reserved,
    Table(u64),
    Leaf,
}

/// The entries that a walk used, their tables and places, and what they came to.
struct Path {
    tables: Vec<u64>,
    places: Vec<u64>,
    found: Found,
}

impl Mode {
    /// Lowest bit and number of bits of each level's index, the root first.
    const fn levels(&self) -> &'static [(u32, u32)] {
        const LONG: &[(u32, u32)] = &[(48, 9), (39, 9), (30, 9), (21, 9), (12, 9)];
        const PAE: &[(u32, u32)] = &[(30, 2), (21, 9), (12, 9)];
        const A16: &[(u32, u32)] = &[(47, 1), (36, 11), (25, 11), (14, 11)];
        const A64: &[(u32, u32)] = &[(42, 6), (29, 13), (16, 13)];
        let (five, rest) = (LONG, LONG.split_at(1).1);
        match self {
            Self::TwoLevel { .. } => &[(22, 10), (12, 10)],
            Self::Pae { .. } => PAE,
            Self::FiveLevel { .. } | Self::Riscv { levels: 5, .. } => five,
            Self::FourLevel { .. } | Self::Riscv { levels: 4, .. } | Self::A64 { granule: 12, .. } => rest,
            Self::A64 { granule: 14, .. } => A16,
            Self::A64 { .. } => A64,
            Self::Riscv { .. } => rest.split_at(1).1,
        }
    }

    /// Bits of an address that are translated.
    #[must_use]
    pub fn address_bits(&self) -> u32 {
        self.levels().first().map_or(0, |(bit, width)| bit + width)
    }

    /// The sign bit of an address, where there are two halves.
    #[must_use]
    pub fn sign_bit(&self) -> Option<u32> {
        let halves = matches!(self, Self::FourLevel { .. } | Self::FiveLevel { .. } | Self::Riscv { .. });
        halves.then(|| self.address_bits() - 1)
    }

    /// The address of these translated bits.
    #[must_use]
    pub fn address(&self, bits: u64) -> u64 {
        let above = !0 << self.address_bits();
        let ones = match self.sign_bit() {
            Some(sign) => bits >> sign & 1 == 1,
            None => matches!(self, Self::A64 { high: true, .. }),
        };
        if ones { bits | above } else { bits }
    }

    /// Whether a number is an address of this space.
    #[must_use]
    pub fn translates(&self, linear: u64) -> bool {
        self.address(linear & !(!0 << self.address_bits())) == linear
    }

    const fn entry_bytes(&self) -> u64 {
        if matches!(self, Self::TwoLevel { .. }) { 4 } else { 8 }
    }

    /// What an entry says whose index begins at `bit`.
    fn says(&self, entry: u64, bit: u32) -> Says {
        match *self {
            Self::A64 { granule, ips, .. } => a64::says(entry, bit, granule, ips),
            Self::Riscv { .. } => riscv::says(entry, bit),
            _ => x86::says(self, entry, bit),
        }
    }

    /// What a walk over these entries, the leaf last, comes to.
    fn found(&self, entries: &[u64], bit: u32, linear: u64) -> Found {
        match *self {
            Self::A64 { hafdbs, software_dirty, .. } => {
                a64::found(entries, bit, linear, hafdbs, software_dirty)
            }
            Self::Riscv { .. } => riscv::found(entries, bit, linear),
            _ => x86::found(self, entries, bit, linear),
        }
    }
}

impl Mmu<'_> {
    /// Accesses one byte: judges, sets accessed and dirty bits.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub fn access(&self, linear: u64, access: Access) -> Result<Found, Fault> {
        let asked = u32::from(access.write) << 1 | u32::from(access.user) << 2;
        let asked = asked | if self.reports_fetch() { u32::from(access.fetch) << 4 } else { 0 };
        let path = self.walk(linear).map_err(|fault| match fault {
            Fault::Page(code) => Fault::Page(code | asked),
            other => other,
        })?;
        let found = path.found;
        let kernel_fetch = access.fetch && !access.user && found.user && !self.is_x86();
        let denied = access.write && !found.writable
            || access.user && !found.user
            || access.fetch && !found.executable
            || !access.write && !access.fetch && !found.readable
            || kernel_fetch;
        if denied {
            return Err(Fault::Page(1 | asked));
        }
        self.note(&path, access.write)?;
        Ok(found)
    }

    /// Sets accessed and dirty bits, or has software do it.
    fn note(&self, path: &Path, write: bool) -> Result<(), Fault> {
        let Some(leaf) = path.places.last().copied() else { return Ok(()) };
        let entry = self.memory.read(leaf, self.mode.entry_bytes()).ok_or(Fault::Bus(leaf))?;
        let used = match self.mode {
            Mode::A64 { .. } => a64::used(entry, write),
            Mode::Riscv { .. } => riscv::used(entry, write),
            _ => {
                // A PDPTE of PAE has no accessed bit.
                let first = usize::from(matches!(self.mode, Mode::Pae { .. }));
                for place in path.places.iter().skip(first) {
                    self.memory.set_bits(*place, self.mode.entry_bytes(), 1 << 5);
                }
                self.memory.set_bits(leaf, self.mode.entry_bytes(), u64::from(write) << 6);
                return Ok(());
            }
        };
        match self.mode {
            _ if used == entry => {}
            Mode::A64 { hafdbs: true, .. } | Mode::Riscv { adue: true, .. } => self.memory.write(leaf, used),
            _ => return Err(Fault::UseBit),
        }
        Ok(())
    }

    /// What an access would find; changes nothing.
    ///
    /// # Errors
    ///
    /// [`Fault`], as for a supervisor's load.
    pub fn probe(&self, linear: u64) -> Result<Found, Fault> {
        self.walk(linear).map(|path| path.found)
    }

    /// The tables that a walk to `linear` reads, the root first.
    #[must_use]
    pub fn tables_to(&self, linear: u64) -> Vec<u64> {
        self.walk(linear).map(|path| path.tables).unwrap_or_default()
    }

    /// Counts all that the root reaches.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        self.count(&mut census, self.cr3, 0, self.mode.levels(), 0);
        census
    }

    fn count(&self, census: &mut Census, table: u64, base: u64, levels: &[(u32, u32)], depth: u32) {
        let Some(((bit, width), below)) = levels.split_first() else { return };
        census.tables.push(table);
        let mut present = false;
        for index in 0..1_u64 << width {
            let place = table + index * self.mode.entry_bytes();
            let Some(entry) = self.memory.read(place, self.mode.entry_bytes()) else { break };
            if entry & 1 == 0 {
                continue;
            }
            let first = base + (index << bit);
            match self.mode.says(entry, *bit) {
                Says::Absent | Says::Reserved => {}
                Says::Leaf => census.leaves.push((self.mode.address(first), 1 << bit)),
                Says::Table(next) => self.count(census, next, first, below, depth + 1),
            }
            present = true;
        }
        let fixed = if matches!(self.mode, Mode::Pae { .. }) { 1 } else { 0 };
        census.empty += u64::from(!present && depth > fixed);
    }

    /// The I/D bit of the error code is 0 unless the CPU has execute-disable or SMEP.
    const fn reports_fetch(&self) -> bool {
        matches!(
            self.mode,
            Mode::Pae { nxe: true, .. }
                | Mode::FourLevel { nxe: true, .. }
                | Mode::FiveLevel { nxe: true, .. }
        )
    }

    const fn is_x86(&self) -> bool {
        !matches!(self.mode, Mode::A64 { .. } | Mode::Riscv { .. })
    }

    fn walk(&self, linear: u64) -> Result<Path, Fault> {
        if !self.mode.translates(linear) {
            return Err(Fault::NonCanonical);
        }
        let (mut tables, mut places, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        let mut table = self.cr3;
        for (bit, width) in self.mode.levels() {
            let place = table + (linear >> bit & ((1 << width) - 1)) * self.mode.entry_bytes();
            let entry = self.memory.read(place, self.mode.entry_bytes()).ok_or(Fault::Bus(place))?;
            tables.push(table);
            places.push(place);
            entries.push(entry);
            match self.mode.says(entry, *bit) {
                Says::Absent => return Err(Fault::Page(0)),
                Says::Reserved => return Err(Fault::Page(0b1001)),
                Says::Table(next) => table = next,
                Says::Leaf => {
                    let found = self.mode.found(&entries, *bit, linear);
                    return Ok(Path { tables, places, found });
                }
            }
        }
        Err(Fault::Page(0b1001))
    }
}
