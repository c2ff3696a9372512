//! What the command must know of a kernel image: whether QEMU can boot it, the memory it needs, its symbols.
//!
//! The symbol module is text: the line `KSYM1`, then `<16 hexadecimal digits> <demangled name>` a function, sorted by
//! address. It travels to the kernel as its first boot module, for the names in its exception reports.

use core::error::Error;
use core::fmt;
use core::fmt::Write;
use std::io;
use std::path::Path;

use elf::ElfBytes;
use elf::abi::{EM_X86_64, PT_LOAD, PT_NOTE, SHF_EXECINSTR, STT_FUNC, STT_NOTYPE};
use elf::endian::LittleEndian;
use elf::note::Note;
use elf::parse::ParseError;
use elf::symbol::Symbol;

/// First line of a symbol module.
pub const SYMBOL_MAGIC: &str = "KSYM1";

/// Type of the note that gives QEMU the 32-bit entry (Xen's `public/elfnote.h`).
const XEN_ELFNOTE_PHYS32_ENTRY: u64 = 18;

/// Facts about one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The end of the loaded image: the lowest memory size in bytes at which it can be loaded at all.
    pub end: u64,
    /// The symbol module.
    pub symbols: String,
}

/// Why a file is no bootable image.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImageError {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is not ELF, or damaged.
    NotElf(ParseError),
    /// It is for another machine; holds the ELF machine number.
    OtherMachine(u16),
    /// It has no PVH entry note: QEMU could not start it.
    NoEntry,
    /// Nothing in it is to be loaded, or its addresses wrap.
    NothingToLoad,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(cause) => write!(f, "cannot be read: {cause}"),
            Self::NotElf(cause) => write!(f, "is no ELF file: {cause}"),
            Self::OtherMachine(machine) => write!(f, "is not for x86_64 (ELF machine {machine})"),
            Self::NoEntry => f.write_str("has no PVH entry note"),
            Self::NothingToLoad => f.write_str("has no loadable segment within the address space"),
        }
    }
}

impl Error for ImageError {}

impl From<ParseError> for ImageError {
    fn from(cause: ParseError) -> Self {
        Self::NotElf(cause)
    }
}

impl Image {
    /// Reads the image at `path`.
    ///
    /// # Errors
    /// What keeps it from being bootable.
    pub fn read(path: &Path) -> Result<Self, ImageError> {
        Self::parse(&std::fs::read(path).map_err(ImageError::Unreadable)?)
    }

    /// Reads an image from its bytes.
    ///
    /// # Errors
    /// What keeps it from being bootable.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let file = ElfBytes::<LittleEndian>::minimal_parse(bytes)?;
        if file.ehdr.e_machine != EM_X86_64 {
            return Err(ImageError::OtherMachine(file.ehdr.e_machine));
        }
        if !has_entry(&file)? {
            return Err(ImageError::NoEntry);
        }
        let segments = file.segments().ok_or(ImageError::NothingToLoad)?;
        let loaded = segments.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz > 0);
        let ends = loaded.map(|segment| segment.p_paddr.checked_add(segment.p_memsz));
        let end = ends.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
        Ok(Self { end: end.ok_or(ImageError::NothingToLoad)?, symbols: symbols(&file)? })
    }
}

fn has_entry(file: &ElfBytes<'_, LittleEndian>) -> Result<bool, ParseError> {
    for segment in file.segments().iter().flat_map(|segments| segments.iter()) {
        if segment.p_type == PT_NOTE && file.segment_data_as_notes(&segment)?.any(|note| is_entry(&note)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_entry(note: &Note<'_>) -> bool {
    matches!(note, Note::Unknown(any) if any.n_type == XEN_ELFNOTE_PHYS32_ENTRY && any.name == b"Xen\0")
}

/// The boot module: the symbols, and behind them, from the next multiple of four bytes on, an archive for the root in memory. QEMU
/// hands one module over; NULs, which no text has, are between its parts.
///
/// # Errors
/// It cannot be read, or is no cpio archive.
pub fn module(symbols: String, initrd: Option<&Path>) -> io::Result<Vec<u8>> {
    let Some(path) = initrd else { return Ok(symbols.into_bytes()) };
    let archive = std::fs::read(path)?;
    if !archive.starts_with(b"07070") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "is no cpio archive (cpio -H newc)"));
    }
    Ok(module_with(symbols, &archive))
}

/// The same with an archive that is at hand.
#[must_use]
pub fn module_with(symbols: String, archive: &[u8]) -> Vec<u8> {
    let mut module = symbols.into_bytes();
    module.push(0);
    module.resize(module.len().next_multiple_of(4), 0);
    module.extend(archive);
    module
}

/// The symbols; empty but for its first line when the image is stripped.
fn symbols(file: &ElfBytes<'_, LittleEndian>) -> Result<String, ParseError> {
    let mut named = Vec::new();
    if let Some((table, strings)) = file.symbol_table()? {
        let sections = file.section_headers();
        let code = |symbol: &Symbol| {
            let section = sections.and_then(|sections| sections.get(symbol.st_shndx.into()).ok());
            section.is_some_and(|section| section.sh_flags & u64::from(SHF_EXECINSTR) != 0)
        };
        let functions = table.iter().filter(|symbol| is_function(symbol) && code(symbol));
        named = functions
            .map(|symbol| Ok((symbol.st_value, demangled(strings.get(symbol.st_name as usize)?))))
            .collect::<Result<Vec<_>, ParseError>>()?;
    }
    // The longest of several names of one address says most.
    named.retain(|(_, name)| !name.is_empty());
    named.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.len().cmp(&a.1.len())).then_with(|| a.1.cmp(&b.1)));
    named.dedup_by_key(|(address, _)| *address);
    let mut text = format!("{SYMBOL_MAGIC}\n");
    for (address, name) in named {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{address:016x} {name}");
    }
    Ok(text)
}

/// Functions, and labels of assembly that has no types.
fn is_function(symbol: &Symbol) -> bool {
    symbol.st_value != 0 && matches!(symbol.st_symtype(), STT_FUNC | STT_NOTYPE)
}

/// Without the hash; a name never breaks the line.
fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name)).replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with many symbols: this test.
    fn this_program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn symbols_are_sorted_unique_and_demangled() {
        let program = this_program();
        let text = symbols(&ElfBytes::minimal_parse(&program).unwrap()).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(SYMBOL_MAGIC));
        let parsed: Vec<_> = lines.map(|line| line.split_once(' ').unwrap()).collect();
        assert!(parsed.iter().all(|(address, name)| address.len() == 16 && !name.is_empty()));
        assert!(parsed.is_sorted_by(|a, b| a.0 < b.0));
        let own = concat!(module_path!(), "::this_program");
        assert!(parsed.iter().any(|(_, name)| *name == own), "{own} is among {} names", parsed.len());
    }

    #[test]
    fn program_that_is_no_kernel_is_refused() {
        assert!(matches!(Image::parse(&this_program()), Err(ImageError::NoEntry)));
        assert!(matches!(Image::parse(b"#!/bin/sh\n"), Err(ImageError::NotElf(_))));
    }

    #[test]
    fn cut_program_is_an_error() {
        let program = this_program();
        for end in (0..512).chain((512..program.len()).step_by(program.len() / 64)) {
            let Ok(file) = ElfBytes::minimal_parse(&program[..end]) else { continue };
            assert!(symbols(&file).is_err(), "cut at {end}");
        }
    }
}
