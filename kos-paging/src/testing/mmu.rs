//! A software MMU, written from the manual's tables, bit by bit; no line of it comes from the formats.
//!
//! It walks the bytes of an [`Arena`], judges each access as a CPU with CR0.WP set and SMEP and SMAP clear would, sets
//! accessed and dirty bits, and takes a census of the tables. Source: Intel SDM vol. 3A, chapter 5 "Paging": table 5-3
//! to 5-6 (32-bit), 5-14 to 5-20 (4-level), section 5.7 "Page-Fault Exceptions", 5.9.2 "Memory Type".

use alloc::vec::Vec;

use super::Arena;
use crate::attrs::MemoryType;

/// Paging mode and what CPUID and the control registers say.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// CR4.PAE = 0, physical addresses of 32 bits.
    TwoLevel {
        /// CR4.PSE.
        pse: bool,
        /// CPUID 1, EDX bit 16.
        pat: bool,
    },
    /// CR4.PAE = 1, EFER.LMA = 1, CR4.LA57 = 0.
    FourLevel {
        /// EFER.NXE.
        nxe: bool,
        /// CPUID 8000_0001, EDX bit 26.
        page1gb: bool,
        /// CPUID 8000_0008, EAX bits 0 to 7.
        maxphyaddr: u32,
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
    /// General protection: the linear address is not canonical.
    NonCanonical,
    /// A page fault with this error code.
    Page(u32),
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
    /// R/W in every entry.
    pub writable: bool,
    /// U/S in every entry.
    pub user: bool,
    /// XD in no entry.
    pub executable: bool,
    /// G in the leaf.
    pub global: bool,
    /// The PAT entry: PAT·4 + PCD·2 + PWT.
    pub pat_index: u32,
    /// A in the leaf.
    pub accessed: bool,
    /// D in the leaf.
    pub dirty: bool,
}

/// A PAT as kernels program it: entries 5 and 7 need the PAT bit (SDM vol. 3A, table 13-11, for the encoding of types).
pub const PAT: [MemoryType; 8] = [
    MemoryType::WriteBack,
    MemoryType::WriteCombining,
    MemoryType::UncachedMinus,
    MemoryType::Uncached,
    MemoryType::WriteBack,
    MemoryType::WriteProtected,
    MemoryType::UncachedMinus,
    MemoryType::WriteThrough,
];

/// The memory types of PCD·2 + PWT on a CPU without the PAT.
pub const NO_PAT: [MemoryType; 4] =
    [MemoryType::WriteBack, MemoryType::WriteThrough, MemoryType::UncachedMinus, MemoryType::Uncached];

/// Tables and leaves that a root reaches.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Addresses of the tables, the root first, as often as they are linked.
    pub tables: Vec<u64>,
    /// Tables below the root in which no entry is present.
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

/// The entries that a walk used, in order, and what they came to.
struct Path {
    entries: Vec<u64>,
    found: Found,
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
        let denied = access.write && !found.writable
            || access.user && !found.user
            || access.fetch && !found.executable;
        if denied {
            return Err(Fault::Page(1 | asked));
        }
        for entry in &path.entries {
            self.memory.set_bits(*entry, self.entry_bytes(), 1 << 5);
        }
        if let (true, Some(leaf)) = (access.write, path.entries.last()) {
            self.memory.set_bits(*leaf, self.entry_bytes(), 1 << 6);
        }
        Ok(found)
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
        let entries = self.walk(linear).map(|path| path.entries).unwrap_or_default();
        entries.iter().map(|entry| entry & !0xfff).collect()
    }

    /// Counts all that the root reaches.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        match self.mode {
            Mode::TwoLevel { .. } => self.count(&mut census, self.cr3, 0, 31, 22),
            Mode::FourLevel { .. } => self.count(&mut census, self.cr3, 0, 47, 39),
        }
        census
    }

    fn count(&self, census: &mut Census, table: u64, base: u64, top_bit: u32, bit: u32) {
        census.tables.push(table);
        let mut present = 0;
        let (step, pages) = match self.mode {
            Mode::TwoLevel { .. } => (10, 1024_u64),
            Mode::FourLevel { .. } => (9, 512),
        };
        for index in 0..pages {
            let Some(entry) = self.memory.read(table + index * self.entry_bytes(), self.entry_bytes()) else {
                break;
            };
            if entry & 1 == 0 {
                continue;
            }
            present += 1;
            let linear = sign_extend(base + (index << bit), top_bit);
            if bit == 12 || entry >> 7 & 1 == 1 && self.has_leaf(bit) {
                census.leaves.push((linear, 1 << bit));
            } else {
                self.count(census, entry & 0x000f_ffff_ffff_f000, base + (index << bit), top_bit, bit - step);
            }
        }
        census.empty += u64::from(present == 0 && table != self.cr3);
    }

    fn has_leaf(&self, bit: u32) -> bool {
        match self.mode {
            Mode::TwoLevel { pse, .. } => pse && bit == 22,
            Mode::FourLevel { page1gb, .. } => bit == 21 || bit == 30 && page1gb,
        }
    }

    fn entry_bytes(&self) -> u64 {
        match self.mode {
            Mode::TwoLevel { .. } => 4,
            Mode::FourLevel { .. } => 8,
        }
    }

    /// The I/D bit of the error code is 0 unless the CPU has execute-disable or SMEP.
    fn reports_fetch(&self) -> bool {
        matches!(self.mode, Mode::FourLevel { nxe: true, .. })
    }

    fn walk(&self, linear: u64) -> Result<Path, Fault> {
        match self.mode {
            Mode::TwoLevel { pse, pat } => self.walk_two(linear, pse, pat),
            Mode::FourLevel { nxe, page1gb, maxphyaddr } => self.walk_four(linear, nxe, page1gb, maxphyaddr),
        }
    }

    fn walk_two(&self, linear: u64, pse: bool, pat: bool) -> Result<Path, Fault> {
        if linear > 0xffff_ffff {
            return Err(Fault::NonCanonical);
        }
        let pde_at = (self.cr3 & 0xffff_f000) + (linear >> 22) * 4;
        let pde = self.read(pde_at)?;
        if pde >> 7 & 1 == 1 && pse {
            // Bits 21:13 carry address bits 40:32 with PSE-36; with 32 physical address bits they are reserved.
            reserved(pde & if pat { 0x003f_e000 } else { 0x003f_f000 })?;
            let phys = pde & 0xffc0_0000 | linear & 0x003f_ffff;
            return Ok(Path { entries: [pde_at].into(), found: found(phys, 22, &[pde], pde >> 12) });
        }
        let pte_at = (pde & 0xffff_f000) + (linear >> 12 & 0x3ff) * 4;
        let pte = self.read(pte_at)?;
        reserved(pte & if pat { 0 } else { 1 << 7 })?;
        let phys = pte & 0xffff_f000 | linear & 0xfff;
        Ok(Path { entries: [pde_at, pte_at].into(), found: found(phys, 12, &[pde, pte], pte >> 7) })
    }

    fn walk_four(&self, linear: u64, nxe: bool, page1gb: bool, maxphyaddr: u32) -> Result<Path, Fault> {
        if sign_extend(linear & 0x0000_ffff_ffff_ffff, 47) != linear {
            return Err(Fault::NonCanonical);
        }
        let always = (0x000f_ffff_ffff_ffff >> maxphyaddr << maxphyaddr) | if nxe { 0 } else { 1 << 63 };
        let pml4e_at = (self.cr3 & 0x000f_ffff_ffff_f000) + (linear >> 39 & 0x1ff) * 8;
        let pml4e = self.read(pml4e_at)?;
        reserved(pml4e & (always | 1 << 7))?;

        let pdpte_at = (pml4e & 0x000f_ffff_ffff_f000) + (linear >> 30 & 0x1ff) * 8;
        let pdpte = self.read(pdpte_at)?;
        reserved(pdpte & (always | if page1gb { 0 } else { 1 << 7 }))?;
        if pdpte & 1 << 7 != 0 {
            reserved(pdpte & 0x3fff_e000)?;
            let phys = pdpte & 0x000f_ffff_c000_0000 | linear & 0x3fff_ffff;
            let found = found(phys, 30, &[pml4e, pdpte], pdpte >> 12);
            return Ok(Path { entries: [pml4e_at, pdpte_at].into(), found });
        }

        let pde_at = (pdpte & 0x000f_ffff_ffff_f000) + (linear >> 21 & 0x1ff) * 8;
        let pde = self.read(pde_at)?;
        reserved(pde & always)?;
        if pde & 1 << 7 != 0 {
            reserved(pde & 0x001f_e000)?;
            let phys = pde & 0x000f_ffff_ffe0_0000 | linear & 0x001f_ffff;
            let found = found(phys, 21, &[pml4e, pdpte, pde], pde >> 12);
            return Ok(Path { entries: [pml4e_at, pdpte_at, pde_at].into(), found });
        }

        let pte_at = (pde & 0x000f_ffff_ffff_f000) + (linear >> 12 & 0x1ff) * 8;
        let pte = self.read(pte_at)?;
        reserved(pte & always)?;
        let phys = pte & 0x000f_ffff_ffff_f000 | linear & 0xfff;
        let found = found(phys, 12, &[pml4e, pdpte, pde, pte], pte >> 7);
        Ok(Path { entries: [pml4e_at, pdpte_at, pde_at, pte_at].into(), found })
    }

    /// A present entry.
    fn read(&self, at: u64) -> Result<u64, Fault> {
        let entry = self.memory.read(at, self.entry_bytes()).ok_or(Fault::Bus(at))?;
        if entry & 1 == 0 { Err(Fault::Page(0)) } else { Ok(entry) }
    }
}

/// Error code: RSVD and P.
fn reserved(bits: u64) -> Result<(), Fault> {
    if bits == 0 { Ok(()) } else { Err(Fault::Page(0b1001)) }
}

fn found(phys: u64, page_bits: u32, entries: &[u64], pat: u64) -> Found {
    let all = |bit: u32| entries.iter().all(|entry| entry >> bit & 1 == 1);
    let none = |bit: u32| entries.iter().all(|entry| entry >> bit & 1 == 0);
    let leaf = entries.last().copied().unwrap_or_default();
    let index = [leaf >> 3 & 1, leaf >> 4 & 1, pat & 1];
    Found {
        phys,
        page_bits,
        writable: all(1),
        user: all(2),
        executable: none(63),
        global: leaf >> 8 & 1 == 1,
        pat_index: index.iter().zip([1, 2, 4]).map(|(bit, weight)| if *bit == 1 { weight } else { 0 }).sum(),
        accessed: leaf >> 5 & 1 == 1,
        dirty: leaf >> 6 & 1 == 1,
    }
}

/// Repeats bit `top` upwards, for the 48-bit mode; a 32-bit address stays.
const fn sign_extend(linear: u64, top: u32) -> u64 {
    if top == 47 && linear >> 47 & 1 == 1 { linear | 0xffff_0000_0000_0000 } else { linear }
}
