//! The header of a program's file: [`Image::parse`], a pure function of its first bytes.
//!
//! Static ELF files of 64 bits, little-endian, whose segments lie on pages. Whatever else the bytes say is refused by name; nothing
//! in them is trusted. A program that means the native calls says so by a program header of type [`KOS`]; what says nothing means
//! those of Linux, as every static program of a Linux compiler does. Source: System V ABI, chapters 4 and 5; Linux, elf(5).

use core::error::Error;
use core::fmt;

use kos_paging::Flags;

/// Bytes of a file in which headers must lie.
pub(crate) const HEAD: usize = 1024;
/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;

/// What is loaded at most.
const SEGMENTS: usize = 8;
const HEADER: u16 = 56;
/// The type of the program header by which a program says that it means the native calls: "kos" and the version of the ABI, among
/// the types that are an operating system's own. It describes no bytes.
const KOS: u64 = 0x6b6f_7301;
/// Whose ABI a file means by its header: System V's, which is whose it likes, and Linux's.
const SYSTEM_V: u8 = 0;
const GNU_LINUX: u8 = 3;

/// Whose system calls a program means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abi {
    /// Those of this kernel.
    Native,
    /// Those of Linux.
    Linux,
}

/// Where the program headers are in memory, for who reads them there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    /// Of the first one; 0 if no segment has them.
    pub(crate) at: u64,
    /// How many.
    pub(crate) count: u16,
}

impl Headers {
    /// Bytes of one.
    pub(crate) const BYTES: u16 = HEADER;
}

/// A part of the file, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The page where it begins in the file.
    pub(crate) offset: u64,
    /// The page where it begins in memory.
    pub(crate) first: u64,
    /// The end of what the file has, an address.
    pub(crate) file_end: u64,
    /// The end in memory; zeros from `file_end` on.
    pub(crate) end: u64,
    /// What may be done there.
    pub(crate) rights: Flags,
}

/// A program's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// Whose system calls it makes.
    pub(crate) abi: Abi,
    /// Its program headers.
    pub(crate) headers: Headers,
    /// The first instruction.
    pub(crate) entry: u64,
    /// By address; they do not meet on a page.
    pub(crate) segments: heapless::Vec<Segment, SEGMENTS>,
}

/// Why a file is no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum ElfError {
    /// Not an ELF file.
    Magic,
    /// Not of 64 bits, little-endian, version 1.
    Class,
    /// Linked to run at any address, or no program.
    Kind(u16),
    /// For another machine.
    Machine(u16),
    /// For another operating system.
    System(u8),
    /// It is to be put together with libraries.
    Dynamic,
    /// Headers that are not in the first bytes, or of another size.
    Headers,
    /// More segments than a program has.
    TooManySegments,
    /// A segment that wraps, is shorter in memory, lies elsewhere in its page than in the file, or meets another.
    Segment(u64),
    /// A segment that could be written and run, or neither read.
    Rights(u64),
    /// Nothing to load, or nothing to run at its entry.
    Entry(u64),
}

impl Image {
    /// Reads the headers in `head`, the first bytes of a file, for this machine.
    ///
    /// # Errors
    /// [`ElfError`]
    pub(crate) fn parse(head: &[u8], machine: u16) -> Result<Self, ElfError> {
        if !head.starts_with(b"\x7fELF") {
            return Err(ElfError::Magic);
        }
        if head.get(4..7) != Some(&[2, 1, 1]) {
            return Err(ElfError::Class);
        }
        match head.get(7) {
            Some(&(SYSTEM_V | GNU_LINUX)) => {}
            other => return Err(ElfError::System(other.copied().unwrap_or(u8::MAX))),
        }
        match (half(head, 16)?, half(head, 18)?) {
            (2, found) if found == machine => {}
            (2, found) => return Err(ElfError::Machine(found)),
            (kind, _) => return Err(ElfError::Kind(kind)),
        }
        let (entry, table) = (word(head, 24)?, word(head, 32)?);
        if half(head, 54)? != HEADER {
            return Err(ElfError::Headers);
        }
        let count = half(head, 56)?;
        let mut image = Self {
            abi: Abi::Linux,
            headers: Headers { at: 0, count },
            entry,
            segments: heapless::Vec::new(),
        };
        for index in 0..u64::from(count) {
            let at = table.checked_add(index * u64::from(HEADER)).ok_or(ElfError::Headers)?;
            let at = usize::try_from(at).map_err(|_| ElfError::Headers)?;
            image.add(head.get(at..).ok_or(ElfError::Headers)?)?;
        }
        image.headers.at = image.address_of(table).unwrap_or(0);
        let runs = |segment: &Segment| {
            segment.rights.contains(Flags::EXECUTE) && (segment.first..segment.file_end).contains(&entry)
        };
        if image.segments.iter().any(runs) { Ok(image) } else { Err(ElfError::Entry(entry)) }
    }

    /// Takes what a program header says.
    fn add(&mut self, header: &[u8]) -> Result<(), ElfError> {
        const INTERPRETER: u64 = 3;
        match word(header, 0)? & 0xffff_ffff {
            KOS => self.abi = Abi::Native,
            INTERPRETER => return Err(ElfError::Dynamic),
            _ => {}
        }
        let Some(segment) = segment(header)? else { return Ok(()) };
        if self.segments.last().is_some_and(|last: &Segment| pages(last.end) > segment.first) {
            return Err(ElfError::Segment(segment.first));
        }
        self.segments.push(segment).map_err(|_| ElfError::TooManySegments)
    }

    /// Where a byte of the file is in memory.
    fn address_of(&self, offset: u64) -> Option<u64> {
        let held = |segment: &&Segment| {
            offset.checked_sub(segment.offset).is_some_and(|inside| inside < segment.file_end - segment.first)
        };
        self.segments.iter().find(held).map(|segment| segment.first + (offset - segment.offset))
    }
}

/// What a header says, if it says that something is loaded.
fn segment(header: &[u8]) -> Result<Option<Segment>, ElfError> {
    const LOAD: u64 = 1;
    let kind = word(header, 0)?;
    if kind & 0xffff_ffff != LOAD {
        return Ok(None);
    }
    let (offset, at) = (word(header, 8)?, word(header, 16)?);
    let (in_file, in_memory) = (word(header, 32)?, word(header, 40)?);
    // Some linkers write a segment that nothing was put into.
    if (in_file, in_memory) == (0, 0) {
        return Ok(None);
    }
    let wrong = ElfError::Segment(at);
    let (file_end, end) = (at.checked_add(in_file).ok_or(wrong)?, at.checked_add(in_memory).ok_or(wrong)?);
    let sound = in_file <= in_memory
        && offset % PAGE == at % PAGE
        && offset.checked_add(in_file).is_some()
        && end < u64::MAX - PAGE;
    if !sound {
        return Err(wrong);
    }
    let rights = rights(kind >> 32).ok_or(ElfError::Rights(at))?;
    if in_memory > in_file && !rights.contains(Flags::WRITE) {
        return Err(wrong);
    }
    let inside = at % PAGE;
    Ok(Some(Segment { offset: offset - inside, first: at - inside, file_end, end, rights }))
}

fn rights(flags: u64) -> Option<Flags> {
    let (execute, write, read) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
    let mut rights = Flags::READ;
    rights.set(Flags::WRITE, write);
    rights.set(Flags::EXECUTE, execute);
    (read && !(write && execute)).then_some(rights)
}

/// The next multiple of a page.
pub(crate) const fn pages(address: u64) -> u64 {
    address.next_multiple_of(PAGE)
}

fn half(bytes: &[u8], at: usize) -> Result<u16, ElfError> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map(|field| u16::from_le_bytes(*field)).ok_or(ElfError::Headers)
}

fn word(bytes: &[u8], at: usize) -> Result<u64, ElfError> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map(|field| u64::from_le_bytes(*field)).ok_or(ElfError::Headers)
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("not an ELF file"),
            Self::Class => f.write_str("not an ELF file of 64 bits"),
            Self::Kind(kind) => write!(f, "an ELF file of kind {kind}, not a static program"),
            Self::Machine(machine) => write!(f, "for machine {machine}"),
            Self::Headers => f.write_str("headers where none can be"),
            Self::TooManySegments => write!(f, "more than {SEGMENTS} segments"),
            Self::Segment(at) => write!(f, "the segment at {at:#x} cannot be loaded"),
            Self::Rights(at) => write!(f, "the segment at {at:#x} has rights that no memory gets"),
            Self::Entry(at) => write!(f, "nothing can be run at {at:#x}"),
            Self::System(system) => write!(f, "for the operating system of number {system}"),
            Self::Dynamic => f.write_str("it is not static: it wants a loader of libraries"),
        }
    }
}

impl Error for ElfError {}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use super::*;

    /// A file with one segment of text and one of data.
    fn file() -> Vec<u8> {
        let mut file = vec![0; 256];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF\x02\x01\x01");
        put(16, &2_u16.to_le_bytes());
        put(18, &62_u16.to_le_bytes());
        put(24, &0x40_0010_u64.to_le_bytes());
        put(32, &64_u64.to_le_bytes());
        put(54, &56_u16.to_le_bytes());
        put(56, &3_u16.to_le_bytes());
        put(176, &0x6b6f_7301_u32.to_le_bytes());
        let segments = [
            (64, 5_u32, 0x1000_u64, 0x40_0000_u64, 0x800_u64, 0x800_u64),
            (120, 6, 0x2010, 0x40_1010, 8, 0x3000),
        ];
        for (at, flags, offset, address, in_file, in_memory) in segments {
            put(at, &1_u32.to_le_bytes());
            put(at + 4, &flags.to_le_bytes());
            put(at + 8, &offset.to_le_bytes());
            put(at + 16, &address.to_le_bytes());
            put(at + 32, &in_file.to_le_bytes());
            put(at + 40, &in_memory.to_le_bytes());
        }
        file
    }

    #[test]
    fn segments_are_on_pages() {
        let image = Image::parse(&file(), 62).unwrap();
        assert_eq!(image.entry, 0x40_0010);
        assert_eq!(image.headers, Headers { at: 0, count: 3 }, "no segment has them");
        let data = Segment {
            offset: 0x2000,
            first: 0x40_1000,
            file_end: 0x40_1018,
            end: 0x40_4010,
            rights: Flags::READ | Flags::WRITE,
        };
        assert_eq!(image.segments[1], data);
        assert_eq!(image.segments[0].rights, Flags::READ | Flags::EXECUTE);
    }

    #[test]
    fn who_says_nothing_means_linux() {
        assert_eq!(Image::parse(&file(), 62).unwrap().abi, Abi::Native);
        let mut other = file();
        other[176..180].copy_from_slice(&4_u32.to_le_bytes());
        // Text that begins with the headers, as linkers lay it out.
        other[64 + 8..64 + 16].fill(0);
        let image = Image::parse(&other, 62).unwrap();
        assert_eq!(image.abi, Abi::Linux);
        assert_eq!(image.headers, Headers { at: 0x40_0040, count: 3 });
        other[7] = 3;
        assert_eq!(Image::parse(&other, 62).unwrap().abi, Abi::Linux);
        other[7] = 9;
        assert_eq!(Image::parse(&other, 62), Err(ElfError::System(9)), "FreeBSD's");
        other[7] = 0;
        other[176] = 3;
        assert_eq!(Image::parse(&other, 62), Err(ElfError::Dynamic));
    }

    #[test]
    fn a_segment_of_nothing_is_left_out() {
        let mut file = file();
        file[120 + 8..120 + 48].fill(0);
        assert_eq!(Image::parse(&file, 62).unwrap().segments.len(), 1);
    }

    #[test]
    fn what_is_no_program_is_refused_by_name() {
        let refused = |at: usize, byte: u8| {
            let mut file = file();
            file[at] = byte;
            Image::parse(&file, 62).unwrap_err()
        };
        assert_eq!(Image::parse(b"#!/bin/sh", 62), Err(ElfError::Magic));
        assert_eq!(Image::parse(&file(), 243), Err(ElfError::Machine(62)));
        assert_eq!(Image::parse(&file()[..100], 62), Err(ElfError::Headers));
        assert_eq!(refused(4, 1), ElfError::Class);
        assert_eq!(refused(16, 3), ElfError::Kind(3));
        assert_eq!(refused(54, 32), ElfError::Headers);
        assert_eq!(refused(64 + 4, 7), ElfError::Rights(0x40_0000));
        assert_eq!(refused(64 + 8, 1), ElfError::Segment(0x40_0000), "elsewhere in its page");
        assert_eq!(refused(64 + 41, 0), ElfError::Segment(0x40_0000), "shorter in memory");
        assert_eq!(refused(120 + 17, 0), ElfError::Segment(0x40_0000), "two on one page");
        assert_eq!(refused(26, 0), ElfError::Entry(0x10));
        assert_eq!(refused(64 + 39, 0xff), ElfError::Segment(0x40_0000), "wraps");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(edits in prop::collection::vec((0_usize..256, any::<u8>()), 0..12)) {
            let mut file = file();
            edits.into_iter().for_each(|(at, byte)| file[at] = byte);
            if let Ok(image) = Image::parse(&file, 62) {
                for segment in &image.segments {
                    prop_assert!(segment.first <= segment.file_end && segment.file_end <= segment.end);
                    prop_assert!(!segment.rights.contains(Flags::WRITE | Flags::EXECUTE));
                }
            }
        }
    }
}
