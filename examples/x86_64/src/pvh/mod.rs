//! The PVH start information: `hvm_start_info` versions 0 and 1 and what it points to.
//!
//! [`StartInfo::read`] checks everything once: magic, every pointer, every count, the command line's terminator, each
//! module. What it returns needs no further check. Memory is seen through [`PhysicalMemory`], so a wild pointer is an error
//! and a host test can pass any bytes. Memory map entries are passed on as they are: overlapping, unaligned, empty or
//! wrapping ones are the kernel's to judge.
//!
//! Source: Xen, `xen/include/public/arch-x86/hvm/start_info.h`; later versions only append fields.

mod error;
#[cfg(test)]
mod tests;

pub use error::{Part, StartInfoError};

/// First field of the start information.
pub const MAGIC: u32 = 0x336e_c578;
/// The most modules that are accepted.
pub const MAX_MODULES: u32 = 16;
/// The most memory map entries that are accepted (the limit of the E820 interface).
pub const MAX_MEMORY_MAP: u32 = 128;
/// The longest command line that is accepted, in bytes, without its terminator.
pub const MAX_COMMAND_LINE: usize = 4095;

/// Bytes of the version 0 structure.
const HEADER: u64 = 40;
/// Bytes of what version 1 appends.
const HEADER_V1: u64 = 16;
const MODULE_ENTRY: usize = 32;
const MEMORY_ENTRY: usize = 24;

/// Physical memory as the boot loader left it.
pub trait PhysicalMemory {
    /// The `length` bytes, at least one, from physical address `start`; `None` if any of them is not readable memory or if
    /// the range wraps.
    fn bytes(&self, start: u64, length: u64) -> Option<&[u8]>;
}

/// One entry of the memory map, as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryMapEntry {
    /// First physical address.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// Type, numbered as in E820: 1 is usable.
    pub kind: u32,
}

/// One module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module<'m> {
    /// Its physical address.
    pub start: u64,
    /// Its content.
    pub bytes: &'m [u8],
}

/// Start information that was checked.
#[derive(Clone, Copy, Debug)]
pub struct StartInfo<'m, M> {
    memory: &'m M,
    version: u32,
    rsdp: u64,
    command_line: &'m [u8],
    memory_map: &'m [u8],
    modules: &'m [u8],
}

impl<'m, M: PhysicalMemory> StartInfo<'m, M> {
    /// Reads the start information at physical address `at` and everything it points to.
    ///
    /// # Errors
    /// [`StartInfoError`]: which part is unreadable, wrong or too large.
    pub fn read(memory: &'m M, at: u64) -> Result<Self, StartInfoError> {
        let header = part(memory, Part::Header, at, HEADER)?;
        let magic = u32_at(header, 0);
        if magic != MAGIC {
            return Err(StartInfoError::BadMagic { found: magic });
        }
        let version = u32_at(header, 4);
        let modules = table(memory, Part::Modules, u64_at(header, 16), u32_at(header, 12))?;
        let memory_map = if version == 0 {
            &[]
        } else {
            let start = at.saturating_add(HEADER);
            let tail = part(memory, Part::Header, start, HEADER_V1)?;
            table(memory, Part::MemoryMap, u64_at(tail, 0), u32_at(tail, 8))?
        };
        let command_line = command_line(memory, u64_at(header, 24))?;
        let info = Self { memory, version, rsdp: u64_at(header, 32), command_line, memory_map, modules };
        info.check_modules()?;
        Ok(info)
    }

    /// The structure's version; 0 has no memory map.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Physical address of the ACPI root pointer, unchecked; 0 if there is none.
    #[must_use]
    pub fn rsdp(&self) -> u64 {
        self.rsdp
    }

    /// The command line, without its terminator; empty if there is none.
    #[must_use]
    pub fn command_line(&self) -> &'m [u8] {
        self.command_line
    }

    /// The memory map; empty in version 0.
    pub fn memory_map(&self) -> impl Iterator<Item = MemoryMapEntry> + use<'m, M> {
        self.memory_map.chunks_exact(MEMORY_ENTRY).map(|entry| MemoryMapEntry {
            start: u64_at(entry, 0),
            length: u64_at(entry, 8),
            kind: u32_at(entry, 16),
        })
    }

    /// The modules, in order.
    pub fn modules(&self) -> impl Iterator<Item = Module<'m>> + use<'m, M> {
        let memory = self.memory;
        self.module_ranges().filter_map(move |(start, length)| {
            part(memory, Part::Module, start, length).ok().map(|bytes| Module { start, bytes })
        })
    }

    fn module_ranges(&self) -> impl Iterator<Item = (u64, u64)> + use<'m, M> {
        self.modules.chunks_exact(MODULE_ENTRY).map(|entry| (u64_at(entry, 0), u64_at(entry, 8)))
    }

    fn check_modules(&self) -> Result<(), StartInfoError> {
        for (start, length) in self.module_ranges() {
            part(self.memory, Part::Module, start, length)?;
        }
        Ok(())
    }
}

/// The bytes of one part, or which part is unreadable. Nothing is readable anywhere.
fn part<M: PhysicalMemory>(memory: &M, part: Part, start: u64, length: u64) -> Result<&[u8], StartInfoError> {
    if length == 0 {
        return Ok(&[]);
    }
    memory.bytes(start, length).ok_or(StartInfoError::Unreadable { part, start, length })
}

/// A table of `count` entries; the pointer of an empty one means nothing.
fn table<M: PhysicalMemory>(memory: &M, what: Part, start: u64, count: u32) -> Result<&[u8], StartInfoError> {
    let (entry, limit) = match what {
        Part::Modules => (MODULE_ENTRY, MAX_MODULES),
        _ => (MEMORY_ENTRY, MAX_MEMORY_MAP),
    };
    match count {
        0 => Ok(&[]),
        _ if count > limit => Err(StartInfoError::TooMany { part: what, count, limit }),
        _ => part(memory, what, start, u64::from(count) * entry as u64),
    }
}

/// The bytes up to the first zero; address 0 means that there is no command line.
fn command_line<M: PhysicalMemory>(memory: &M, start: u64) -> Result<&[u8], StartInfoError> {
    if start == 0 {
        return Ok(&[]);
    }
    for length in 0..=MAX_COMMAND_LINE as u64 {
        let at = start.saturating_add(length);
        if part(memory, Part::CommandLine, at, 1)? == [0] {
            return part(memory, Part::CommandLine, start, length);
        }
    }
    Err(StartInfoError::EndlessCommandLine { start })
}

/// The little-endian word at `offset`. All callers pass offsets inside a length they have checked; beyond it reads zero.
fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word))
}

/// The same for eight bytes.
fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
}
