//! The signals of the host, for a child process of one thread: raw system calls, as the C library keeps two signals for itself.

use alloc::boxed::Box;
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::io::Write;
use std::{panic, process};

use super::{Action, ActionFlags, Disposition, Signal, SignalCode, SignalInfo, SignalSet};

/// An error number.
pub(super) type Errno = i32;

/// Bytes of a set.
const SET: usize = 8;

/// What the kernel knows as `siginfo_t`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct RawInfo {
    number: i32,
    errno: i32,
    code: i32,
    padding: i32,
    pid: u32,
    uid: u32,
    value: u64,
    rest: [u64; 12],
}

impl RawInfo {
    const NONE: Self =
        Self { number: 0, errno: 0, code: 0, padding: 0, pid: 0, uid: 0, value: 0, rest: [0; 12] };

    fn of(info: SignalInfo) -> Self {
        let number = i32::from(info.signal.number());
        Self { number, code: info.code.0, pid: info.pid, uid: info.uid, value: info.value, ..Self::NONE }
    }

    fn info(&self) -> SignalInfo {
        let signal = Signal::new(u8::try_from(self.number).unwrap()).unwrap();
        SignalInfo { signal, code: SignalCode(self.code), pid: self.pid, uid: self.uid, value: self.value }
    }
}

/// What the kernel knows as `sigaction`.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawAction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// A system call of up to four arguments, of which those that are addresses are of memory that the call may use.
///
/// # Safety
/// They are.
unsafe fn call(number: libc::c_long, args: [usize; 4]) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    let result = unsafe { libc::syscall(number, args[0], args[1], args[2], args[3]) };
    usize::try_from(result).map_err(|_| std::io::Error::last_os_error().raw_os_error().unwrap())
}

pub(super) fn pid() -> u32 {
    process::id()
}

pub(super) fn uid() -> u32 {
    // SAFETY: it takes no arguments.
    unsafe { libc::getuid() }
}

/// Blocks `mask` and nothing else; returns what was blocked.
pub(super) fn set_mask(mask: SignalSet) -> SignalSet {
    let (new, mut old) = (mask.bits(), 0_u64);
    let how = usize::try_from(libc::SIG_SETMASK).unwrap();
    // SAFETY: both sets are locals of `SET` bytes.
    unsafe { call(libc::SYS_rt_sigprocmask, [how, (&raw const new).addr(), (&raw mut old).addr(), SET]) }
        .unwrap();
    SignalSet::from_bits(old)
}

fn mask() -> SignalSet {
    let mut old = 0_u64;
    // SAFETY: no new set; the old one is a local of `SET` bytes.
    unsafe { call(libc::SYS_rt_sigprocmask, [0, 0, (&raw mut old).addr(), SET]) }.unwrap();
    SignalSet::from_bits(old)
}

pub(super) fn pending() -> SignalSet {
    let mut set = 0_u64;
    // SAFETY: the set is a local of `SET` bytes.
    unsafe { call(libc::SYS_rt_sigpending, [(&raw mut set).addr(), SET, 0, 0]) }.unwrap();
    SignalSet::from_bits(set)
}

/// Sends `info` to this process, or to its one thread, by the call that its code is of.
pub(super) fn send(info: SignalInfo, to_thread: bool) -> Result<(), Errno> {
    let (me, number, raw) = (pid() as usize, usize::from(info.signal.number()), RawInfo::of(info));
    let (number_of_call, args) = match (info.code, to_thread) {
        (SignalCode::USER, false) => (libc::SYS_kill, [me, number, 0, 0]),
        (SignalCode::THREAD, _) => (libc::SYS_tgkill, [me, me, number, 0]),
        (_, false) => (libc::SYS_rt_sigqueueinfo, [me, number, (&raw const raw).addr(), 0]),
        (_, true) => (libc::SYS_rt_tgsigqueueinfo, [me, me, number, (&raw const raw).addr()]),
    };
    // SAFETY: the info is a local of the kernel's size.
    unsafe { call(number_of_call, args) }.map(drop)
}

/// Takes a signal of `wanted`, without sleeping.
pub(super) fn try_take(wanted: SignalSet) -> Result<SignalInfo, Errno> {
    let (set, mut raw, time) = (wanted.bits(), RawInfo::NONE, [0_u64; 2]);
    let args = [(&raw const set).addr(), (&raw mut raw).addr(), (&raw const time).addr(), SET];
    // SAFETY: set, info and time are locals of the kernel's sizes.
    unsafe { call(libc::SYS_rt_sigtimedwait, args) }?;
    Ok(raw.info())
}

/// The function to which the C library's handlers return.
fn restorer() -> usize {
    // SAFETY: an action of zeros is one: the default.
    let plain = unsafe { core::mem::zeroed::<libc::sigaction>() };
    let handled = libc::sigaction { sa_sigaction: on_signal as *const () as usize, ..plain };
    // SAFETY: the action is a local, the handler a function of the right kind.
    let set = unsafe { libc::sigaction(libc::SIGUSR1, &raw const handled, ptr::null_mut()) };
    assert_eq!(set, 0);
    let mut raw = RawAction { handler: 0, flags: 0, restorer: 0, mask: 0 };
    // SAFETY: no new action; the old one is a local of the kernel's size.
    unsafe { call(libc::SYS_rt_sigaction, [libc::SIGUSR1 as usize, 0, (&raw mut raw).addr(), SET]) }.unwrap();
    raw.restorer
}

/// Has `on_signal` called where `action` says that something is.
pub(super) fn set_action(signal: Signal, action: Action) -> Result<(), Errno> {
    static RESTORER: AtomicUsize = AtomicUsize::new(0);
    if RESTORER.load(Ordering::Relaxed) == 0 {
        RESTORER.store(restorer(), Ordering::Relaxed);
    }
    let handler = match action.disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
        Disposition::Handle { .. } => on_signal as *const () as usize,
    };
    let flags = u64::from((action.flags | ActionFlags::INFO | ActionFlags::RESTORER).bits());
    let restorer = RESTORER.load(Ordering::Relaxed);
    let raw = RawAction { handler, flags, restorer, mask: action.mask.bits() };
    let args = [usize::from(signal.number()), (&raw const raw).addr(), 0, SET];
    // SAFETY: the action is a local of the kernel's size; its handler is a function of the right kind, which calls only what a
    // handler may, and its restorer is the C library's.
    unsafe { call(libc::SYS_rt_sigaction, args) }.map(drop)
}

const WORDS: usize = 5;
static SEEN: [AtomicU64; 512 * WORDS] = [const { AtomicU64::new(0) }; 512 * WORDS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Notes what it is given, and what is blocked meanwhile.
extern "C" fn on_signal(_: c_int, info: *const RawInfo, _: *mut c_void) {
    // SAFETY: the kernel calls it with an info, as `ActionFlags::INFO` is set.
    let raw = unsafe { *info };
    let at = COUNT.fetch_add(1, Ordering::Relaxed) * WORDS;
    let words = [
        u64::from(raw.number.cast_unsigned()),
        u64::from(raw.code.cast_unsigned()),
        u64::from(raw.pid) << 32 | u64::from(raw.uid),
        raw.value,
    ];
    for (place, word) in SEEN[at..].iter().zip(words.into_iter().chain([mask().bits()])) {
        place.store(word, Ordering::Relaxed);
    }
}

fn half(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap()
}

/// What the handlers were given since this was asked last, and what they blocked.
pub(super) fn seen() -> impl Iterator<Item = (SignalInfo, SignalSet)> {
    (0..COUNT.swap(0, Ordering::Relaxed)).map(|at| {
        let word = |number: usize| SEEN[at * WORDS + number].load(Ordering::Relaxed);
        let signal = Signal::new(u8::try_from(word(0)).unwrap()).unwrap();
        let (pid, uid) = (half(word(2) >> 32), half(word(2)));
        let code = SignalCode(half(word(1)).cast_signed());
        let info = SignalInfo { signal, code, pid, uid, value: word(3) };
        (info, SignalSet::from_bits(word(4)))
    })
}

/// Becomes a user of whom nobody else is, who may have `limit` signals queued; false if that is not allowed.
pub(super) fn limit_queue(limit: u64) -> bool {
    let limits = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: the limits are a local.
    let limited = unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &raw const limits) } == 0;
    // SAFETY: it takes a number.
    limited && unsafe { libc::setuid(1_000_000 + pid()) } == 0
}

/// How a child ended, or that it stopped (which ends it here).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Exit(i32),
    Signal(i32),
    Stopped(i32),
}

/// Runs `work` in a child process; what it panics with goes to the standard error, and makes the end `Exit(1)`.
pub(super) fn in_child(work: impl FnOnce() + panic::UnwindSafe) -> End {
    // SAFETY: the child has this thread alone; it allocates, which the C library provides for, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no child");
    if child == 0 {
        // A group of its own, whose parent is in another of the same session: Linux ignores terminal stops in an orphaned group
        // (POSIX, "Stop signals"), and so may be the one that runs the tests.
        // SAFETY: it takes numbers.
        assert_eq!(unsafe { libc::setpgid(0, 0) }, 0, "no process group");
        panic::set_hook(Box::new(|info| _ = writeln!(std::io::stderr(), "{info}")));
        let failed = panic::catch_unwind(work).is_err();
        // SAFETY: it takes a number.
        unsafe { libc::_exit(i32::from(failed)) }
    }
    let mut status = 0;
    // SAFETY: the status is a local.
    let waited = unsafe { libc::waitpid(child, &raw mut status, libc::WUNTRACED) };
    assert_eq!(waited, child);
    if !libc::WIFSTOPPED(status) {
        return match libc::WIFSIGNALED(status) {
            true => End::Signal(libc::WTERMSIG(status)),
            false => End::Exit(libc::WEXITSTATUS(status)),
        };
    }
    // SAFETY: it takes numbers; the child is ours and not yet waited for to its end.
    unsafe { libc::kill(child, libc::SIGKILL) };
    let mut end = 0;
    // SAFETY: the status is a local.
    unsafe { libc::waitpid(child, &raw mut end, 0) };
    End::Stopped(libc::WSTOPSIG(status))
}
