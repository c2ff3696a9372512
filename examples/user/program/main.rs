//! Where every program begins, and what the compiler calls without being asked.
#![no_std]
#![no_main]

#[cfg(not(panic = "abort"))]
extern crate std;

use core::arch::global_asm;

use kos_user::io::Words;
use kos_user::{programs, sys};

global_asm!(include_str!("start.s"), begin = sym begin);

/// Bytes of all words at most.
const WORDS: usize = 4096;

/// Called by `start.s` with the address of the words.
extern "C" fn begin(words: *const u8) -> ! {
    let (mut length, mut last) = (0, 0xff);
    while length < WORDS {
        // SAFETY: the kernel put words there, which end with an empty one, and the loop with them.
        let byte = unsafe { words.wrapping_add(length).read() };
        length += 1;
        if byte == 0 && last == 0 {
            break;
        }
        last = byte;
    }
    // SAFETY: these bytes were just read, and nobody writes them.
    let words = unsafe { core::slice::from_raw_parts(words, length) };
    sys::exit(programs::run(Words(words)))
}

#[cfg(panic = "abort")]
#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::exit(101)
}
