//! The same thing again and again: how long it takes is seen from outside.

use super::number;
use crate::abi::{READ, WRITE};
use crate::io::{Line, Words};
use crate::sys::{self, Errno};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// `repeat call|touch|fork [COUNT]`: system calls that do nothing, pages that are touched the first time, children that end at once.
pub(super) fn run(mut words: Words<'_>) -> u8 {
    let (what, count) = (words.next().unwrap_or(""), number(words.next(), 1));
    let done = match what {
        "call" => calls(count),
        "touch" => touch(count),
        "fork" => children(count),
        _ => Err(Errno::INVAL),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            Line::say(format_args!("repeat '{what}': error {}", error.0));
            1
        }
    }
}

fn calls(count: u64) -> Result<(), Errno> {
    for _ in 0..count {
        let _ = sys::pid();
    }
    Ok(())
}

#[expect(unsafe_code, reason = "writes to pages that it got")]
fn touch(count: u64) -> Result<(), Errno> {
    // As much for each count, so that what is mapped makes no difference.
    let start = sys::map(256 * PAGE, READ | WRITE, 0)?;
    for page in 0..count.min(256) {
        // SAFETY: the kernel has just mapped these pages to be written, and nobody else knows of them.
        unsafe { sys::poke(start + page * PAGE, page) };
    }
    Ok(())
}

fn children(count: u64) -> Result<(), Errno> {
    for _ in 0..count {
        if sys::fork()? == 0 {
            sys::exit(0);
        }
        sys::wait()?;
    }
    Ok(())
}
