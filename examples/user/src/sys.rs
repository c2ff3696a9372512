//! System calls, as functions.
#![expect(unsafe_code, reason = "the instruction of a system call")]

use core::arch::asm;

use crate::abi::{self, Call};

/// The number of an error, as Linux has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u16);

impl Errno {
    /// No such file.
    pub const NOENT: Self = Self(2);
    /// Not an open file.
    pub const BADF: Self = Self(9);
    /// Words that are too long.
    pub const TOOBIG: Self = Self(7);
    /// No program.
    pub const NOEXEC: Self = Self(8);
    /// No child.
    pub const CHILD: Self = Self(10);
    /// No memory, or more than is allowed.
    pub const NOMEM: Self = Self(12);
    /// Not allowed.
    pub const ACCES: Self = Self(13);
    /// A wild pointer.
    pub const FAULT: Self = Self(14);
    /// Of a capability: revoked.
    pub const STALE: Self = Self(116);
    /// The wait ended, or there is no room now.
    pub const AGAIN: Self = Self(11);
    /// Nobody is there any more.
    pub const PIPE: Self = Self(32);
    /// Words that mean nothing.
    pub const INVAL: Self = Self(22);
    /// No such call.
    pub const NOSYS: Self = Self(38);
}

/// What a call answers.
pub type Answer = Result<u64, Errno>;

/// Makes the call with this number.
///
/// # Errors
/// The kernel's.
///
/// # Safety
///
/// What the call does to the memory of the program is what Rust expects.
pub unsafe fn raw(number: u64, words: [u64; 6]) -> Answer {
    let [a, b, c, d, e, f] = words;
    let answer: u64;
    // SAFETY: the kernel changes rax, rcx, r11, and the memory for which the caller answers.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    match u16::try_from(answer.wrapping_neg()) {
        Ok(number @ 1..=4095) => Err(Errno(number)),
        _ => Ok(answer),
    }
}

pub(crate) fn call(call: Call, words: [u64; 6]) -> Answer {
    // SAFETY: the callers below give places for what the kernel writes, and what they unmap was mapped by them.
    unsafe { raw(call as u64, words) }
}

pub(crate) fn bytes(bytes: &[u8]) -> (u64, u64) {
    (bytes.as_ptr().expose_provenance() as u64, bytes.len() as u64)
}

/// Ends the program.
pub fn exit(status: u8) -> ! {
    loop {
        // It does not come back.
        let _ = call(Call::Exit, [status.into(), 0, 0, 0, 0, 0]);
    }
}

/// Writes to a descriptor; the bytes taken.
///
/// # Errors
/// The kernel's.
pub fn write(fd: u64, from: &[u8]) -> Answer {
    let (at, length) = bytes(from);
    call(Call::Write, [fd, at, length, 0, 0, 0])
}

/// Reads from a descriptor; the bytes read.
///
/// # Errors
/// The kernel's.
pub fn read(fd: u64, to: &mut [u8]) -> Answer {
    call(Call::Read, [fd, to.as_mut_ptr().expose_provenance() as u64, to.len() as u64, 0, 0, 0])
}

/// Opens a file; a descriptor.
///
/// # Errors
/// The kernel's.
pub fn open(path: &[u8], flags: u64) -> Answer {
    let (at, length) = bytes(path);
    call(Call::Open, [at, length, flags, 0, 0, 0])
}

/// Goes on as the program of a file, with these words and variables: a zero is behind each of them. Comes back only with an error.
#[must_use]
pub fn exec(path: &[u8], words: &[u8], variables: &[u8]) -> Errno {
    /// Bytes of both.
    const MOST: usize = 1024;
    let (mut strings, all) = ([0; MOST], words.len().saturating_add(variables.len()));
    let Some(room) = strings.get_mut(..all) else { return Errno::TOOBIG };
    room.iter_mut().zip(words.iter().chain(variables)).for_each(|(to, from)| *to = *from);
    let ((at, length), (strings, _)) = (bytes(path), bytes(&strings));
    let answer = call(Call::Exec, [at, length, strings, words.len() as u64, variables.len() as u64, 0]);
    answer.err().unwrap_or(Errno::NOSYS)
}

/// Closes a descriptor.
///
/// # Errors
/// The kernel's.
pub fn close(fd: u64) -> Answer {
    call(Call::Close, [fd, 0, 0, 0, 0, 0])
}

/// The number of the process.
#[must_use]
pub fn pid() -> u64 {
    call(Call::GetPid, [0; 6]).unwrap_or(0)
}

/// Lets others run.
pub fn yield_now() {
    // It cannot fail.
    let _ = call(Call::Yield, [0; 6]);
}

/// Tells whoever started the program that it can be used.
pub fn ready() {
    // It cannot fail.
    let _ = call(Call::Ready, [0; 6]);
}

/// Nanoseconds since the machine started.
#[must_use]
pub fn clock() -> u64 {
    call(Call::Clock, [0; 6]).unwrap_or(0)
}

/// Makes the heap end at `end`; 0 asks where it ends. Nothing of it may be in use that then goes.
///
/// # Errors
/// The kernel's.
pub fn brk(end: u64) -> Answer {
    call(Call::Brk, [end, 0, 0, 0, 0, 0])
}

/// Maps memory of no file, at an address that the kernel chooses.
///
/// # Errors
/// The kernel's.
pub fn map(length: u64, rights: u64, flags: u64) -> Answer {
    call(Call::Map, [0, length, rights, flags & !abi::FIXED, abi::NO_FILE, 0])
}

/// Maps a file from its start, at an address that the kernel chooses.
///
/// # Errors
/// The kernel's.
pub fn map_file(fd: u64, length: u64, rights: u64, flags: u64) -> Answer {
    call(Call::Map, [0, length, rights, flags & !abi::FIXED, fd, 0])
}

/// Takes a mapping away. Nothing of it may be in use.
///
/// # Errors
/// The kernel's.
pub fn unmap(at: u64, length: u64) -> Answer {
    call(Call::Unmap, [at, length, 0, 0, 0, 0])
}

/// Gives a mapping other rights.
///
/// # Errors
/// The kernel's.
pub fn protect(at: u64, length: u64, rights: u64) -> Answer {
    call(Call::Protect, [at, length, rights, 0, 0, 0])
}

/// Writes what shared mappings of a file have changed to the file.
///
/// # Errors
/// The kernel's.
pub fn sync(fd: u64) -> Answer {
    call(Call::Sync, [fd, 0, 0, 0, 0, 0])
}

/// Makes a child that has all that the program has; 0 in the child, its number in the parent.
///
/// # Errors
/// The kernel's; there is no child.
pub fn fork() -> Answer {
    call(Call::Fork, [0; 6])
}

/// Waits for a child; its number and status.
///
/// # Errors
/// The kernel's: there is none.
pub fn wait() -> Result<(u64, u32), Errno> {
    let mut status = 0_u32;
    let place = (&raw mut status).expose_provenance() as u64;
    let pid = call(Call::Wait, [place, 0, 0, 0, 0, 0])?;
    Ok((pid, status))
}

/// Maps memory for so many values, for as long as the program runs.
///
/// # Errors
/// The kernel's.
pub fn memory<T>(count: usize, make: impl Fn() -> T) -> Result<&'static mut [T], Errno> {
    let at = map((count * size_of::<T>()).next_multiple_of(4096) as u64, abi::READ | abi::WRITE, 0)?;
    let first = core::ptr::with_exposed_provenance_mut::<T>(usize::try_from(at).unwrap_or(0));
    for number in 0..count {
        // SAFETY: within what was just mapped.
        let place = unsafe { first.add(number) };
        // SAFETY: it begins at a page and so is aligned for any `T` here, and is nobody else's.
        unsafe { place.write(make()) };
    }
    // SAFETY: all were written, and nobody else ever gets this memory.
    Ok(unsafe { core::slice::from_raw_parts_mut(first, count) })
}

/// The number at an address that [`map`] or [`brk`] gave.
///
/// # Safety
///
/// It is mapped, for reading, and nobody has a reference to it.
#[must_use]
pub unsafe fn peek(at: u64) -> u64 {
    let at = core::ptr::with_exposed_provenance::<u64>(usize::try_from(at).unwrap_or(0));
    // SAFETY: the caller's promise.
    unsafe { at.read_volatile() }
}

/// Writes the number at an address that [`map`] or [`brk`] gave.
///
/// # Safety
///
/// It is mapped, for writing, and nobody has a reference to it.
pub unsafe fn poke(at: u64, number: u64) {
    let at = core::ptr::with_exposed_provenance_mut::<u64>(usize::try_from(at).unwrap_or(0));
    // SAFETY: the caller's promise.
    unsafe { at.write_volatile(number) }
}
