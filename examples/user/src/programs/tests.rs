//! What the system calls promise, seen from ring 3. The status is the number of the first promise that is broken.
#![expect(unsafe_code, reason = "memory from the kernel lies behind no reference; wild calls")]

use core::hint::black_box;

use crate::abi::{self, READ, WRITE};
use crate::io::{Line, Words};
use crate::sys::{self, Errno};

const PAGE: u64 = 4096;

/// Whether a promise was kept.
type Test = fn() -> bool;

/// `usertests [FILE]`
pub(super) fn run(mut words: Words<'_>) -> u8 {
    const TESTS: [(&str, Test); 8] = [
        ("the heap grows and shrinks", heap),
        ("memory comes as zeros and goes", memory),
        ("rights are those that were asked for last", rights),
        ("the stack grows", stack),
        ("wild calls are refused", wild),
        ("children end with what they say", children),
        ("a program that cannot be leaves the one that is", exec),
        ("memory that is shared is the same", shared),
    ];
    let path = words.next().unwrap_or("/tmp/usertests").as_bytes();
    let tests = TESTS.iter().map(|(name, test)| (*name, test()));
    let all = tests.chain(core::iter::once_with(|| ("files are made, written and read", files(path))));
    for (number, (name, good)) in (1..).zip(all) {
        Line::say(format_args!("{} {name}", if good { "ok" } else { "BROKEN" }));
        if !good {
            return number;
        }
    }
    0
}

fn heap() -> bool {
    let Ok(start) = sys::brk(0) else { return false };
    let grown = sys::brk(start + 16 * PAGE) == Ok(start + 16 * PAGE);
    // SAFETY: the heap's, and behind no reference.
    let zeros = (0..16).all(|page| unsafe { sys::peek(start + page * PAGE) } == 0);
    // SAFETY: as above.
    unsafe { sys::poke(start + 15 * PAGE, 9) };
    let shrunk = sys::brk(start + PAGE) == Ok(start + PAGE) && sys::brk(start + 16 * PAGE).is_ok();
    // SAFETY: as above.
    let again = unsafe { sys::peek(start + 15 * PAGE) } == 0;
    let below = sys::brk(start - PAGE).is_err();
    grown && zeros && shrunk && again && below && sys::brk(start) == Ok(start)
}

fn memory() -> bool {
    let Ok(at) = sys::map(64 * PAGE, READ | WRITE, 0) else { return false };
    for page in 0..64 {
        // SAFETY: just mapped; likewise below.
        if unsafe { sys::peek(at + page * PAGE) } != 0 {
            return false;
        }
        // SAFETY: as above.
        unsafe { sys::poke(at + page * PAGE, page) };
    }
    let hole = sys::unmap(at + 8 * PAGE, 8 * PAGE).is_ok();
    // SAFETY: the call reads what is mapped no more.
    let gone = unsafe { sys::raw(abi::Call::Write as u64, [1, at + 8 * PAGE, 8, 0, 0, 0]) };
    // SAFETY: still mapped.
    let kept = unsafe { sys::peek(at + 16 * PAGE) } == 16;
    hole && gone == Err(Errno::FAULT) && kept && sys::unmap(at, 64 * PAGE).is_ok()
}

fn rights() -> bool {
    let Ok(at) = sys::map(PAGE, READ | WRITE, 0) else { return false };
    // SAFETY: just mapped.
    unsafe { sys::poke(at, 5) };
    let narrowed = sys::protect(at, PAGE, READ).is_ok();
    // SAFETY: the kernel must refuse to write there.
    let refused = unsafe { sys::raw(abi::Call::Read as u64, [0, at, 8, 0, 0, 0]) }.is_err();
    // SAFETY: mapped for reading.
    let kept = unsafe { sys::peek(at) } == 5;
    let widened = sys::protect(at, PAGE, READ | WRITE).is_ok();
    // SAFETY: mapped for writing again.
    unsafe { sys::poke(at, 6) };
    // SAFETY: as above.
    narrowed && refused && kept && widened && unsafe { sys::peek(at) } == 6 && sys::unmap(at, PAGE).is_ok()
}

/// More than the kernel mapped at the start.
#[inline(never)]
fn stack() -> bool {
    fn sum(depth: u64) -> u64 {
        let mut place = [depth; 512];
        black_box(&mut place);
        let below = if depth == 0 { 0 } else { sum(depth - 1) };
        place.iter().sum::<u64>() / 512 + below
    }
    sum(black_box(50)) == 50 * 51 / 2
}

fn wild() -> bool {
    // SAFETY: the kernel must refuse them all.
    let raw = |number, words| unsafe { sys::raw(number, words) };
    let fault = Err(Errno::FAULT);
    raw(abi::Call::ALL.len() as u64, [0; 6]) == Err(Errno::NOSYS)
        && raw(u64::MAX, [u64::MAX; 6]) == Err(Errno::NOSYS)
        && raw(abi::Call::Write as u64, [1, 0xffff_8000_0000_0000, 1, 0, 0, 0]) == fault
        && raw(abi::Call::Write as u64, [77, 0, 0, 0, 0, 0]) == Err(Errno::BADF)
        && raw(abi::Call::Map as u64, [0, 0, READ, 0, abi::NO_FILE, 0]) == Err(Errno::INVAL)
        && raw(abi::Call::Map as u64, [0, u64::MAX, READ, 0, abi::NO_FILE, 0]).is_err()
        && raw(abi::Call::Map as u64, [0, PAGE, READ, 0, 55, 0]) == Err(Errno::BADF)
        && raw(abi::Call::Unmap as u64, [0xffff_8000_0000_0000, PAGE, 0, 0, 0, 0]) == Err(Errno::INVAL)
        && raw(abi::Call::Unmap as u64, [1, PAGE, 0, 0, 0, 0]) == Err(Errno::INVAL)
        && sys::open(b"/no/such/file", 0) == Err(Errno::NOENT)
        && sys::close(12) == Err(Errno::BADF)
        && sys::wait() == Err(Errno::CHILD)
}

fn files(path: &[u8]) -> bool {
    let flags = abi::OPEN_WRITE | abi::OPEN_CREATE | abi::OPEN_TRUNCATE;
    let Ok(file) = sys::open(path, flags) else { return false };
    let written = sys::write(file, b"some words") == Ok(10);
    let closed = sys::close(file).is_ok();
    let Ok(file) = sys::open(path, 0) else { return false };
    let mut place = [0; 16];
    let read = sys::read(file, &mut place) == Ok(10) && place.starts_with(b"some words");
    let end = sys::read(file, &mut place) == Ok(0);
    let locked = sys::write(file, b"x") == Err(Errno::BADF);
    written && closed && read && end && locked && sys::close(file).is_ok()
}

fn children() -> bool {
    for status in [0_u8, 7, 255] {
        let Ok(child) = sys::fork() else { return false };
        if child == 0 {
            sys::exit(status);
        }
        if sys::wait() != Ok((child, abi::exited(status))) {
            return false;
        }
    }
    let Ok(child) = sys::fork() else { return false };
    if child == 0 {
        // SAFETY: none: the child dies of it.
        let _ = unsafe { sys::peek(0) };
    }
    sys::wait() == Ok((child, abi::KILLED)) && sys::wait() == Err(Errno::CHILD)
}

/// Refused for each of its words, and once it is another program.
fn exec() -> bool {
    let (path, words) = (b"/bin/printenv".as_slice(), b"printenv\0OF_A_CHILD\0".as_slice());
    let at = |bytes: &[u8]| bytes.as_ptr().expose_provenance() as u64;
    // SAFETY: the kernel must refuse them all: none becomes another program.
    let raw = |words| unsafe { sys::raw(abi::Call::Exec as u64, words) };
    let (name, length) = (at(path), path.len() as u64);
    let refused = sys::exec(b"/bin/nothing", words, b"") == Errno::NOENT
        && sys::exec(path, b"printenv", b"") == Errno::INVAL
        && sys::exec(path, b"\xff\0", b"") == Errno::INVAL
        && raw([0xffff_8000_0000_0000, 8, at(words), 9, 0, 0]) == Err(Errno::FAULT)
        && raw([name, length, 0xffff_8000_0000_0000, 9, 0, 0]) == Err(Errno::FAULT)
        && raw([name, length, at(words), 128 << 10, 1, 0]) == Err(Errno::TOOBIG)
        && raw([name, length, at(words), u64::MAX, u64::MAX, 0]) == Err(Errno::TOOBIG);
    let Ok(child) = sys::fork() else { return false };
    if child == 0 {
        let _ = sys::exec(path, words, b"OF_A_CHILD=here\0");
        sys::exit(77);
    }
    refused && sys::wait() == Ok((child, 0))
}

fn shared() -> bool {
    let Ok(at) = sys::map(2 * PAGE, READ | WRITE, abi::SHARED) else { return false };
    let Ok(child) = sys::fork() else { return false };
    if child == 0 {
        // SAFETY: mapped; likewise below.
        unsafe { sys::poke(at + PAGE, 42) };
        sys::exit(0);
    }
    let ended = sys::wait() == Ok((child, 0));
    // SAFETY: as above.
    ended && unsafe { sys::peek(at + PAGE) } == 42 && sys::unmap(at, 2 * PAGE).is_ok()
}
