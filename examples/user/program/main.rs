//! Where every program begins, and what the compiler calls without being asked.
#![no_std]
#![no_main]

#[cfg(not(panic = "abort"))]
extern crate std;

use core::arch::global_asm;

use kos_user::io::Words;
use kos_user::{programs, sys};

global_asm!(include_str!("start.s"), begin = sym begin);

/// What lies at the address that a program begins with: two lengths, and behind them so many bytes of words and of variables.
#[repr(C)]
struct Block {
    words: usize,
    variables: usize,
}

/// Called by `start.s`.
extern "C" fn begin(block: &'static Block) -> ! {
    let bytes = core::ptr::from_ref(block).wrapping_add(1).cast::<u8>();
    // SAFETY: the kernel put all of it there before the program began, and nobody writes it.
    let strings = unsafe { core::slice::from_raw_parts(bytes, block.words.saturating_add(block.variables)) };
    let (words, variables) = strings.split_at_checked(block.words).unwrap_or_default();
    sys::exit(programs::run(Words::new(words, variables)))
}

#[cfg(panic = "abort")]
#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::exit(101)
}
