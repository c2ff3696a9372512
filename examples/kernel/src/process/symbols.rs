//! Names of addresses, from the symbol table of a program's file: [`names`].
//!
//! Nothing in the file is trusted: all loops are bounded, and a table that lies gives wrong names or none. Source: System V ABI,
//! chapter 4, "Symbol Table".

use core::fmt::{self, Write};

/// Section headers, and symbols, that are looked at.
const SECTIONS: u64 = 64;
const SYMBOLS: u64 = 1 << 15;
/// Bytes of a section header, of a symbol, of a name in the file.
const SECTION: u16 = 64;
const SYMBOL: usize = 24;
const MANGLED: usize = 256;
/// Symbols that are read at a time.
const BATCH: usize = 16;
/// Bytes of a name.
const NAME: usize = 96;

/// Reads bytes of the file at an offset into all of a buffer; false if it cannot.
pub(super) trait Bytes {
    /// Does so.
    fn read(&self, offset: u64, into: &mut [u8]) -> bool;
}

/// The function around an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Its name, cut if it is long.
    pub(super) name: heapless::String<NAME>,
    /// How far into it the address is.
    pub(super) offset: u64,
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", self.name, self.offset)
    }
}

/// A part of the file.
#[derive(Clone, Copy, Debug)]
struct Part {
    offset: u64,
    bytes: u64,
    link: u64,
}

/// What is known of an address up to now: where its function begins, and where in the strings its name does.
#[derive(Clone, Copy, Debug, Default)]
struct Best {
    start: u64,
    name: u64,
}

/// The functions around some addresses. None where the file has no symbols.
pub(super) fn names<const N: usize>(file: &dyn Bytes, addresses: &[u64; N]) -> [Option<Symbol>; N] {
    let mut best = [None; N];
    let strings = table(file).map(|(symbols, strings)| {
        search(file, symbols, addresses, &mut best);
        strings
    });
    let mut index = 0;
    addresses.map(|address| {
        let best: Option<Best> = best.get(index).copied().flatten();
        index += 1;
        let (best, strings) = (best?, strings?);
        Some(Symbol { name: name(file, strings, best.name)?, offset: address - best.start })
    })
}

/// The table of symbols and its strings.
fn table(file: &dyn Bytes) -> Option<(Part, Part)> {
    const TABLE: u32 = 2;
    let mut head = [0; 64];
    if !file.read(0, &mut head) || !head.starts_with(b"\x7fELF\x02\x01\x01") || half(&head, 58)? != SECTION {
        return None;
    }
    let (first, count) = (word(&head, 40)?, u64::from(half(&head, 60)?).min(SECTIONS));
    let section = |index: u64| {
        let mut header = [0; SECTION as usize];
        let at = first.checked_add(index.checked_mul(SECTION.into())?)?;
        let read = file.read(at, &mut header);
        let kind = u32::from_le_bytes(*header.get(4..)?.first_chunk()?);
        let link = u32::from_le_bytes(*header.get(40..)?.first_chunk()?);
        let part = Part { offset: word(&header, 24)?, bytes: word(&header, 32)?, link: link.into() };
        read.then_some((kind, part))
    };
    let (_, symbols) = (0..count).filter_map(section).find(|(kind, _)| *kind == TABLE)?;
    let (_, strings) = section(symbols.link)?;
    Some((symbols, strings))
}

/// Looks for the nearest function that begins at or before each address.
fn search<const N: usize>(
    file: &dyn Bytes,
    symbols: Part,
    addresses: &[u64; N],
    best: &mut [Option<Best>; N],
) {
    let mut batch = [0; BATCH * SYMBOL];
    let count = (symbols.bytes / SYMBOL as u64).min(SYMBOLS);
    for first in (0..count).step_by(BATCH) {
        let some = usize::try_from((count - first).min(BATCH as u64) * SYMBOL as u64).unwrap_or(0);
        let Some(bytes) = batch.get_mut(..some) else { return };
        let Some(at) = symbols.offset.checked_add(first * SYMBOL as u64) else { return };
        if !file.read(at, bytes) {
            return;
        }
        for symbol in bytes.chunks_exact(SYMBOL) {
            let Some((start, end, name)) = function(symbol) else { continue };
            for (address, best) in addresses.iter().zip(best.iter_mut()) {
                let nearer = best.is_none_or(|best| best.start <= start);
                if (start..end).contains(address) && nearer {
                    *best = Some(Best { start, name });
                }
            }
        }
    }
}

/// Where a function begins and ends, and its name; [`None`] for what is none. One without a length goes on.
fn function(symbol: &[u8]) -> Option<(u64, u64, u64)> {
    const FUNCTION: u8 = 2;
    let name = u32::from_le_bytes(*symbol.first_chunk()?);
    let (kind, section) = (*symbol.get(4)? & 0xf, half(symbol, 6)?);
    let (start, bytes) = (word(symbol, 8)?, word(symbol, 16)?);
    let labels = kind == 0 && start != 0;
    let end = if bytes == 0 { u64::MAX } else { start.checked_add(bytes)? };
    (section != 0 && name != 0 && (kind == FUNCTION || labels)).then_some((start, end, name.into()))
}

/// A name as its author wrote it.
fn name(file: &dyn Bytes, strings: Part, at: u64) -> Option<heapless::String<NAME>> {
    let left = strings.bytes.checked_sub(at)?;
    let mut place = [0; MANGLED];
    let mangled = place.get_mut(..usize::try_from(left).unwrap_or(MANGLED).min(MANGLED))?;
    if !file.read(strings.offset.checked_add(at)?, mangled) {
        return None;
    }
    let mangled = mangled.split(|&byte| byte == 0).next().and_then(|name| str::from_utf8(name).ok())?;
    let mut name = Name::default();
    // What is too long is cut.
    let _ = write!(name, "{:#}", rustc_demangle::demangle(mangled));
    Some(name.0).filter(|name| !name.is_empty())
}

/// A name without characters that would do something to a terminal.
#[derive(Default)]
struct Name(heapless::String<NAME>);

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            self.0.push(if character.is_control() { '?' } else { character }).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|field| u16::from_le_bytes(*field))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|field| u64::from_le_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    impl Bytes for Vec<u8> {
        fn read(&self, offset: u64, into: &mut [u8]) -> bool {
            let from = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
            let from = from.and_then(|from| from.get(..into.len()));
            from.inspect(|from| into.copy_from_slice(from)).is_some()
        }
    }

    /// A file with symbols: address, length, kind, name.
    fn file(symbols: &[(u64, u64, u8, &str)]) -> Vec<u8> {
        let (mut table, mut strings) = (vec![0; 24], vec![0]);
        for (start, bytes, kind, name) in symbols {
            table.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
            table.extend([*kind, 0, 1, 0]);
            table.extend(start.to_le_bytes());
            table.extend(bytes.to_le_bytes());
            strings.extend(name.as_bytes());
            strings.push(0);
        }
        let mut file = vec![0; 64 + 3 * 64];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[40..48].copy_from_slice(&64_u64.to_le_bytes());
        file[58..62].copy_from_slice(&[64, 0, 3, 0]);
        for (section, kind, content) in [(1, 2_u32, table), (2, 3, strings)] {
            let (at, end) = (64 + section * 64, file.len() as u64);
            file[at + 4..at + 8].copy_from_slice(&kind.to_le_bytes());
            file[at + 24..at + 32].copy_from_slice(&end.to_le_bytes());
            file[at + 32..at + 40].copy_from_slice(&(content.len() as u64).to_le_bytes());
            file[at + 40..at + 44].copy_from_slice(&2_u32.to_le_bytes());
            file.extend(content);
        }
        file
    }

    fn said<const N: usize>(file: &Vec<u8>, addresses: &[u64; N]) -> [Option<alloc::string::String>; N] {
        names(file, addresses).map(|symbol| symbol.map(|symbol| alloc::format!("{symbol}")))
    }

    fn some(text: &str) -> Option<alloc::string::String> {
        Some(text.into())
    }

    #[test]
    fn the_function_around_an_address_is_named() {
        let file = file(&[
            (0x1000, 0x40, 2, "main"),
            (0x1040, 0, 0, "label"),
            (0x2000, 0x10, 2, "_ZN4core3fmt5write17h0123456789abcdefE"),
            (0x2004, 8, 1, "data"),
        ]);
        let found = said(&file, &[0x1000, 0x103f, 0x1041, 0x2008, 0xfff]);
        let expected =
            [some("main+0x0"), some("main+0x3f"), some("label+0x1"), some("core::fmt::write+0x8"), None];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_stripped_or_wrong_file_has_no_names() {
        let good = file(&[(0x1000, 0x40, 2, "main")]);
        assert_eq!(said(&vec![], &[1]), [None]);
        assert_eq!(said(&b"#!/bin/sh\n".to_vec(), &[1]), [None]);
        for at in [0, 4, 58] {
            let mut wrong = good.clone();
            wrong[at] ^= 1;
            assert_eq!(said(&wrong, &[0x1000]), [None], "{at}");
        }
        let mut stripped = good.clone();
        stripped[60] = 1;
        assert_eq!(said(&stripped, &[0x1000]), [None]);
        for end in 0..good.len() {
            let _ = said(&good[..end].to_vec(), &[0x1000]);
        }
    }

    #[test]
    fn names_do_nothing_to_a_terminal_and_are_cut() {
        let long = "x".repeat(300);
        let file = file(&[(0x1000, 0x10, 2, "a\x1b[2Jb"), (0x2000, 0x10, 2, &long)]);
        let [control, cut] = names(&file, &[0x1000, 0x2000]);
        assert_eq!(control.unwrap().name.as_str(), "a?[2Jb");
        assert_eq!(cut.unwrap().name.len(), NAME);
    }

    /// This test itself, as the compiler and the linker wrote it.
    #[test]
    fn a_real_program_names_its_functions() {
        #[inline(never)]
        fn here() -> u64 {
            core::hint::black_box(5)
        }
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let table = table(&program).unwrap();
        // Its own address is that of the file and where it was loaded: the symbol is looked for by its name.
        let mut found = 0;
        for at in 0..(table.0.bytes / SYMBOL as u64).min(200_000) {
            let mut symbol = [0; SYMBOL];
            assert!(program.read(table.0.offset + at * SYMBOL as u64, &mut symbol));
            let Some((start, _, place)) = function(&symbol) else { continue };
            let known = name(&program, table.1, place);
            if known.is_some_and(|name| name.ends_with("a_real_program_names_its_functions::here"))
                && start > 0
            {
                found += 1;
            }
        }
        assert!(here() == 5 && found > 0, "not among {} symbols", table.0.bytes / SYMBOL as u64);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(edits in prop::collection::vec((0_usize..400, any::<u8>()), 0..12), address: u64) {
            let mut file = file(&[(0x1000, 0x40, 2, "main"), (0x1040, 0, 0, "label")]);
            for (at, byte) in edits {
                if let Some(place) = file.get_mut(at) {
                    *place = byte;
                }
            }
            let _ = said(&file, &[0x1000, 0x1050, address]);
        }
    }
}
