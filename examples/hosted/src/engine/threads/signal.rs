//! Signals: the one by which CPUs call each other, and the one of a CPU's timer.
//!
//! The handler runs with both blocked by the host until it knows whether the CPU has masked them, and only then lets them come
//! again: an interrupt that switches stacks must not leave the next thread deaf.
#![expect(unsafe_code, reason = "calls of the host's C library, with a signal handler")]

use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::Ordering::SeqCst;
use std::io;
use std::sync::OnceLock;

use libc::{c_int, c_void, siginfo_t};

use super::{bit, local, serve};
use crate::engine::{Here, Interrupt, catch, here};

/// CPUs call each other.
fn call() -> c_int {
    libc::SIGRTMIN() + 1
}

/// The timer of a CPU came.
fn timer() -> c_int {
    libc::SIGRTMIN() + 2
}

/// Both.
fn both() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: writes the whole set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in [call(), timer()] {
        // SAFETY: a set that was written, and a valid signal.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: `sigemptyset` wrote it.
    unsafe { set.assume_init() }
}

/// What the host said.
fn result(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Installs the handler for this process, once.
///
/// # Errors
/// The host refuses.
pub(super) fn install() -> io::Result<()> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_signal;
        let action = libc::sigaction {
            sa_sigaction: handler as *const () as usize,
            sa_mask: both(),
            sa_flags: libc::SA_SIGINFO | libc::SA_RESTART,
            sa_restorer: None,
        };
        [call(), timer()].into_iter().all(|signal| {
            // SAFETY: the handler only does what may be done in one: it touches this thread's core, and code that was not in the
            // host's (module's rule: that runs masked).
            unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) == 0 }
        })
    });
    if *done { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

/// Makes the calling thread a place for a CPU: no alternate stack, whose address would follow interrupted code to other threads;
/// both signals welcome; a timer.
///
/// # Errors
/// The host has no timer.
pub(super) fn prepare_thread() -> io::Result<Alarm> {
    let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: turns the thread's alternate stack off; who set it up frees it by its own address.
    unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) };
    unblock();
    Alarm::new()
}

fn unblock() {
    change_mask(libc::SIG_UNBLOCK);
}

/// Lets no more of both come to the calling thread.
pub(super) fn block() {
    change_mask(libc::SIG_BLOCK);
}

fn change_mask(how: c_int) {
    let both = both();
    // SAFETY: a valid set.
    unsafe { libc::pthread_sigmask(how, &raw const both, ptr::null_mut()) };
}

/// The host's number of the calling thread.
pub(super) fn this_thread() -> libc::pid_t {
    // SAFETY: asks for a number.
    unsafe { libc::gettid() }
}

/// Nanoseconds of the host's monotonic clock.
pub(in super::super) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: valid for the call, which reads a clock that every Linux has.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let [seconds, nanoseconds] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// Calls `thread` of this process. One that has ended hears nothing.
pub(super) fn send(thread: libc::pid_t) {
    let process = std::process::id();
    // SAFETY: a signal with a handler, to this process.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, call()) };
}

/// Both signals come here, with both blocked.
extern "C" fn on_signal(signal: c_int, _: *mut siginfo_t, _: *mut c_void) {
    if !matches!(here(), Here::Core) {
        return;
    }
    let masked = local::mask();
    if signal == timer() {
        local::this().pending.fetch_or(bit(Interrupt::Timer), SeqCst);
    }
    if !masked {
        unblock();
        // What was interrupted expects no panic.
        catch(serve);
    }
}

/// A CPU's timer.
#[derive(Debug)]
pub(super) struct Alarm(libc::timer_t);

impl Alarm {
    /// For the calling thread, not armed.
    fn new() -> io::Result<Self> {
        let mut id = ptr::null_mut();
        // SAFETY: all zeros is a valid value of this plain structure.
        let mut event: libc::sigevent = unsafe { core::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = timer();
        event.sigev_notify_thread_id = this_thread();
        // SAFETY: both are valid for the call.
        result(unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut id) })?;
        Ok(Self(id))
    }

    /// Lets it come at `at`, in nanoseconds of the monotonic clock, or not at all.
    pub(super) fn set(&self, at: Option<u64>) {
        // Zero would disarm it.
        let at = at.map_or(0, |at| at.max(1));
        let [seconds, nanoseconds] = [at / 1_000_000_000, at % 1_000_000_000];
        let value = libc::timespec {
            tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
        };
        let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = libc::itimerspec { it_interval: never, it_value: value };
        // SAFETY: the timer is this value's; the setting is valid for the call.
        unsafe { libc::timer_settime(self.0, libc::TIMER_ABSTIME, &raw const setting, ptr::null_mut()) };
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the timer is this value's, and nobody uses it any more.
        unsafe { libc::timer_delete(self.0) };
    }
}
