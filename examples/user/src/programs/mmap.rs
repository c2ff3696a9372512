//! A file as memory.
#![expect(unsafe_code, reason = "memory of a file lies behind no reference")]

use super::number;
use crate::abi;
use crate::io::{Line, Words};
use crate::sys;

const PAGE: u64 = 4096;

/// `mmap-demo FILE [PAGES]`: makes the file, doubles each number of it through a mapping, and reads it again.
pub(super) fn demo(mut words: Words<'_>) -> u8 {
    let path = words.next().unwrap_or("/tmp/mmap-demo");
    let pages = number(words.next(), 16);
    match double(path.as_bytes(), pages) {
        Ok(()) => {
            Line::say(format_args!("{path}: {pages} pages doubled in memory, read back from the file"));
            0
        }
        Err(step) => {
            Line::say(format_args!("{path}: {step}"));
            1
        }
    }
}

/// The number at the start of a page.
const fn mark(page: u64) -> u64 {
    page * 3 + 1
}

fn double(path: &[u8], pages: u64) -> Result<(), &'static str> {
    make(path, pages)?;
    let file = sys::open(path, abi::OPEN_WRITE).map_err(|_| "not opened")?;
    let bytes = pages * PAGE;
    let rights = abi::READ | abi::WRITE;
    let shared = sys::map_file(file, bytes, rights, abi::SHARED).map_err(|_| "not mapped shared")?;
    let private = sys::map_file(file, bytes, rights, 0).map_err(|_| "not mapped private")?;
    for page in 0..pages {
        // SAFETY: both are mapped, and behind no reference.
        let mine = unsafe { sys::peek(private + page * PAGE) };
        // SAFETY: as above.
        let theirs = unsafe { sys::peek(shared + page * PAGE) };
        if mine != mark(page) || theirs != mark(page) {
            return Err("the mapping is not the file");
        }
        // SAFETY: as above.
        unsafe { sys::poke(private + page * PAGE, 0) };
        // SAFETY: as above.
        unsafe { sys::poke(shared + page * PAGE, 2 * theirs) };
    }
    sys::sync(file).map_err(|_| "not synced")?;
    sys::unmap(shared, bytes).map_err(|_| "not unmapped")?;
    sys::unmap(private, bytes).map_err(|_| "not unmapped")?;
    let mut place = [0; 8];
    for page in 0..pages {
        read_exactly(file, &mut place)?;
        if u64::from_le_bytes(place) != 2 * mark(page) {
            return Err("what was written is not in the file");
        }
        skip(file)?;
    }
    sys::close(file).map(drop).map_err(|_| "not closed")
}

fn make(path: &[u8], pages: u64) -> Result<(), &'static str> {
    let flags = abi::OPEN_WRITE | abi::OPEN_CREATE | abi::OPEN_TRUNCATE;
    let file = sys::open(path, flags).map_err(|_| "not made")?;
    for page in 0..pages {
        let mut bytes = [0; 512];
        bytes.first_chunk_mut().into_iter().for_each(|place| *place = mark(page).to_le_bytes());
        for _ in 0..PAGE / 512 {
            if sys::write(file, &bytes) != Ok(512) {
                return Err("not written");
            }
            bytes = [0; 512];
        }
    }
    sys::close(file).map(drop).map_err(|_| "not closed")
}

fn read_exactly(file: u64, to: &mut [u8]) -> Result<(), &'static str> {
    let wanted = to.len() as u64;
    if sys::read(file, to) == Ok(wanted) { Ok(()) } else { Err("not read") }
}

/// Reads the rest of a page.
fn skip(file: u64) -> Result<(), &'static str> {
    let mut rest = [0; 511 * 8];
    read_exactly(file, &mut rest)
}
