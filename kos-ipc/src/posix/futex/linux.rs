//! The futexes of the host: the system call, and whether a thread sleeps in it.

use core::sync::atomic::AtomicU32;
use core::{mem, ptr};
use std::{format, fs, io};

/// An error number.
pub(super) type Errno = i32;

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// Wait for a wake-up by one of these bits if the word has this value; `true`: no longer than no time at all.
    Wait(u32, u32, bool),
    /// Wake so many by these bits.
    Wake(usize, u32),
    /// Wake so many, move so many; if the word has this value.
    Requeue(usize, usize, Option<u32>),
    /// Wake so many here and there, by this word.
    WakeOp(usize, usize, u32),
}

/// Calls for the words `at` and `other`; how many were woken and moved.
pub(super) fn futex(call: Call, at: &AtomicU32, other: &AtomicU32) -> Result<usize, Errno> {
    // SAFETY: a time of zeros is one.
    let no_time = unsafe { mem::zeroed::<libc::timespec>() };
    let long = |number: usize| libc::c_ulong::try_from(number).unwrap();
    let timeout = |now: bool| if now { (&raw const no_time).addr() } else { 0 };
    let (op, first, second, third) = match call {
        Call::Wait(value, bits, now) => (libc::FUTEX_WAIT_BITSET, value.into(), timeout(now), bits),
        Call::Wake(count, bits) => (libc::FUTEX_WAKE_BITSET, long(count), 0, bits),
        Call::Requeue(wake, count, None) => (libc::FUTEX_REQUEUE, long(wake), count, 0),
        Call::Requeue(wake, count, Some(value)) => (libc::FUTEX_CMP_REQUEUE, long(wake), count, value),
        Call::WakeOp(wake, more, word) => (libc::FUTEX_WAKE_OP, long(wake), more, word),
    };
    // Not private: those of a process have few queues, in which order is lost.
    // SAFETY: both words last as long as the call; the time is a local.
    let result = unsafe {
        libc::syscall(libc::SYS_futex, ptr::from_ref(at), op, first, second, ptr::from_ref(other), third)
    };
    usize::try_from(result).map_err(|_| io::Error::last_os_error().raw_os_error().unwrap())
}

/// The calling thread's number.
pub(super) fn thread() -> i32 {
    // SAFETY: it takes no arguments.
    unsafe { libc::gettid() }
}

/// Whether a thread sleeps at a word.
pub(super) fn sleeps_at(thread: i32, word: &AtomicU32) -> bool {
    let call = fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).unwrap();
    let mut words = call.split_whitespace();
    let futex = format!("{}", libc::SYS_futex);
    words.next() == Some(&*futex) && words.next() == Some(&*format!("{:#x}", ptr::from_ref(word).addr()))
}
