//! Programs that do what they may not: each ends by a fault of its own, if the kernel holds.
#![expect(unsafe_code, reason = "does what no program may")]

use core::arch::asm;
use core::hint::black_box;

use crate::abi;
use crate::io::{Line, Words};
use crate::sys::{self, Errno};

/// Does what its first word names. It does not come back if the kernel is right.
pub(super) fn run(mut words: Words<'_>) -> u8 {
    match words.next() {
        Some("null") => jump(0),
        Some("stack") => {
            let _ = deeper(1);
        }
        Some("pointers") => pointers(),
        Some("kernel") => {
            // SAFETY: none: the kernel must refuse it.
            let _ = unsafe { sys::peek(0xffff_8000_0010_0000) };
        }
        // SAFETY: none: the CPU must refuse it.
        Some("privileged") => unsafe { asm!("cli", "hlt") },
        Some("hog") => hog(),
        Some("wx") => write_and_run(),
        Some("bomb") => bomb(),
        Some("files") => files(),
        _ => Line::say(format_args!("crash null|stack|pointers|kernel|privileged|hog|wx|bomb|files")),
    }
    1
}

fn jump(to: u64) {
    // SAFETY: none: there is nothing that can be run.
    unsafe { asm!("jmp {}", in(reg) to) };
}

/// Each call takes more of the stack than the one before it could get back.
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let mut place = [depth; 512];
    black_box(&mut place);
    let below = if black_box(depth) == u64::MAX { 0 } else { deeper(depth + 1) };
    place.iter().fold(below, |sum, number| sum.wrapping_add(*number))
}

/// Hands the kernel wild pointers, which it must refuse, and then follows one itself.
fn pointers() {
    const WILD: [u64; 7] = [
        0,
        8,
        0x7fff_ffff_f000,
        0x8000_0000_0000,
        0xffff_8000_0010_0000,
        0xffff_ffff_8010_0000,
        u64::MAX - 7,
    ];
    for at in WILD {
        // SAFETY: the kernel must refuse to write there; what it reads is nobody's.
        let call = |number, words| unsafe { sys::raw(number, words) };
        let answers = [
            call(abi::Call::Write as u64, [1, at, 16, 0, 0, 0]),
            call(abi::Call::Open as u64, [at, 16, 0, 0, 0, 0]),
            call(abi::Call::Wait as u64, [at, 0, 0, 0, 0, 0]),
        ];
        let [write, open, wait] = answers;
        if write != Err(Errno::FAULT) || open != Err(Errno::FAULT) || wait != Err(Errno::CHILD) {
            Line::say(format_args!("at {at:#x} the kernel answers {answers:?}"));
            sys::exit(2);
        }
    }
    // SAFETY: none: nothing is mapped there.
    let _ = unsafe { sys::peek(8) };
}

/// Takes memory until there is no more.
fn hog() {
    const PIECE: u64 = 1 << 20;
    let mut taken = 0_u64;
    while let Ok(at) = sys::map(PIECE, abi::READ | abi::WRITE, 0) {
        for page in (at..at + PIECE).step_by(4096) {
            // SAFETY: just mapped, and nobody else uses it.
            unsafe { sys::poke(page, page) };
        }
        taken += PIECE;
        if taken.is_multiple_of(64 * PIECE) {
            sys::yield_now();
        }
    }
    // It was refused the address space before it ran out of pages; it dies all the same.
    jump(0);
}

/// Makes children that make children, until it is ended.
fn bomb() {
    loop {
        if sys::fork().is_err() {
            sys::yield_now();
        }
    }
}

/// Opens files until there are no more, and says how many it has.
fn files() {
    let mut open = 0;
    while sys::open(b"/bin/crash", 0).is_ok() {
        open += 1;
    }
    Line::say(format_args!("{open} files"));
    sys::exit(0);
}

/// Asks for memory that can be written and run, and then runs what it wrote where it may not.
fn write_and_run() {
    const RET: u64 = 0xc3;
    let both = abi::READ | abi::WRITE | abi::EXECUTE;
    if sys::map(4096, both, 0) != Err(Errno::ACCES) {
        sys::exit(2);
    }
    let Ok(at) = sys::map(4096, abi::READ | abi::WRITE, 0) else { sys::exit(3) };
    if sys::protect(at, 4096, both) != Err(Errno::ACCES) {
        sys::exit(4);
    }
    // SAFETY: just mapped, and nobody else uses it.
    unsafe { sys::poke(at, RET) };
    jump(at);
}
