//! A thread as a CPU whose interrupts are signals: [`Host`], [`Rain`].
//!
//! The mask is a depth in software, as kernels have it that mask lazily: a handler that finds it above 0 leaves a note, and
//! who brings it to 0 does the work. A handler that comes as an NMI does not look at it.
//!
//! All of it may be interrupted by a handler of its own thread at any instruction, so nothing here allocates, prints, or
//! waits. What would hang a kernel ends the process.

use core::cell::Cell;
use core::ffi::c_int;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering, compiler_fence};

use kos_alloc::{CpuIndex, DirectMap, Env, FrameRange, Pfn, Violation};

/// What a signal does: the work of its handler.
pub(crate) trait Handler {
    fn interrupt(&self);
    /// Whether the mask does not hold it off.
    fn is_nmi(&self) -> bool;
}

/// What a CPU has of its own.
struct Cpu {
    depth: AtomicUsize,
    pending: AtomicBool,
    in_nmi: AtomicBool,
    handler: Cell<Option<&'static dyn Handler>>,
}

std::thread_local! {
    static CPU: Cpu = const {
        Cpu {
            depth: AtomicUsize::new(0),
            pending: AtomicBool::new(false),
            in_nmi: AtomicBool::new(false),
            handler: Cell::new(None),
        }
    };
}

/// Lets signals of this thread do the work of `handler` from now on.
pub(crate) fn attach(handler: Option<&'static dyn Handler>) {
    CPU.with(|cpu| cpu.handler.set(handler));
    compiler_fence(Ordering::SeqCst);
}

impl Cpu {
    fn mask(&self) {
        self.depth.store(self.depth.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    fn unmask(&self) {
        compiler_fence(Ordering::SeqCst);
        let outer = self.depth.load(Ordering::Relaxed) - 1;
        if outer == 0 {
            self.catch_up();
        }
        self.depth.store(outer, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        // One may have come after the last look.
        if outer == 0 && self.pending.load(Ordering::Relaxed) {
            self.mask();
            self.unmask();
        }
    }

    /// Does the work of the signals that came masked. Those that come meanwhile leave a note again.
    fn catch_up(&self) {
        while self.pending.load(Ordering::Relaxed) {
            self.pending.store(false, Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            self.handler.get().into_iter().for_each(Handler::interrupt);
        }
    }

    fn signal(&self) {
        let Some(handler) = self.handler.get() else { return };
        if handler.is_nmi() {
            self.in_nmi.store(true, Ordering::Relaxed);
            handler.interrupt();
            self.in_nmi.store(false, Ordering::Relaxed);
        } else if self.depth.load(Ordering::Relaxed) > 0 {
            self.pending.store(true, Ordering::Relaxed);
        } else {
            self.mask();
            handler.interrupt();
            self.unmask();
        }
    }
}

extern "C" fn on_signal(_: c_int) {
    CPU.with(Cpu::signal);
}

/// Nanoseconds from one signal to the next, where the machine can.
const PERIOD: libc::c_long = 50_000;

/// A timer that sends signals to the thread that made it, until it is dropped.
pub(crate) struct Rain {
    timer: libc::timer_t,
    on_this_thread: PhantomData<*mut ()>,
}

impl Rain {
    pub(crate) fn start() -> Self {
        install();
        // SAFETY: all zeroes is an event, of another kind.
        let mut event: libc::sigevent = unsafe { core::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGUSR1;
        // SAFETY: no conditions.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = ptr::null_mut();
        // SAFETY: the thread has a handler for the signal.
        let refused = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        assert_eq!(refused, 0);
        let period = libc::timespec { tv_sec: 0, tv_nsec: PERIOD };
        let times = libc::itimerspec { it_interval: period, it_value: period };
        // SAFETY: it was just made.
        let refused = unsafe { libc::timer_settime(timer, 0, &raw const times, ptr::null_mut()) };
        assert_eq!(refused, 0);
        Self { timer, on_this_thread: PhantomData }
    }
}

impl Drop for Rain {
    fn drop(&mut self) {
        // SAFETY: it was made by `start`, and is deleted once.
        unsafe { libc::timer_delete(self.timer) };
    }
}

fn install() {
    // SAFETY: a handler without flags and with an empty mask is all zeroes but for its address.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = on_signal as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler does only what a handler may.
    let refused = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
    assert_eq!(refused, 0);
}

/// A frame.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(crate) struct Page([u8; 4096]);

/// A machine of one CPU: the thread that uses it.
pub(crate) struct Host {
    map: DirectMap,
    /// Violations told.
    violations: AtomicUsize,
}

// SAFETY: the memory is plain, and only reached through the map, whose users answer for themselves.
unsafe impl Sync for Host {}

impl Host {
    /// One of `count` frames, for ever.
    pub(crate) fn new(count: usize) -> &'static Self {
        let memory = Vec::leak(vec![Page([0xa5; 4096]); count]);
        let base = NonNull::from(memory).cast::<u8>();
        let first = Pfn(base.addr().get() >> Self::PAGE_SHIFT);
        let map = DirectMap::new(base, FrameRange::new(first, count).unwrap());
        Box::leak(Box::new(Self { map, violations: AtomicUsize::new(0) }))
    }

    pub(crate) fn violations(&self) -> usize {
        self.violations.load(Ordering::Relaxed)
    }
}

// SAFETY: the lock excludes; the mask holds signals off, but those that are NMIs; the memory is never freed.
unsafe impl Env for Host {
    type Lock = Lock;
    type Irq = Masked;

    fn irq_save(&self) -> Masked {
        CPU.with(Cpu::mask);
        Masked(PhantomData)
    }

    fn cpu(&self) -> Option<CpuIndex> {
        Some(CpuIndex(0))
    }

    fn in_nmi(&self) -> bool {
        CPU.with(|cpu| cpu.in_nmi.load(Ordering::Relaxed))
    }

    fn direct_map(&self) -> DirectMap {
        self.map
    }

    fn secret(&self) -> u64 {
        0x9e6c_63d0_876a_9a47
    }

    fn violation(&self, _: &Violation) {
        self.violations.fetch_add(1, Ordering::Relaxed);
    }
}

/// Masks signals while it lives.
pub(crate) struct Masked(PhantomData<*mut ()>);

impl Drop for Masked {
    fn drop(&mut self) {
        CPU.with(Cpu::unmask);
    }
}

/// The lock of one CPU: who would wait for it would wait for ever.
pub(crate) struct Lock(AtomicBool);

// SAFETY: one caller at a time replaces false by true.
unsafe impl lock_api::RawMutex for Lock {
    const INIT: Self = Self(AtomicBool::new(false));

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        if CPU.with(|cpu| cpu.in_nmi.load(Ordering::Relaxed)) {
            die("an NMI takes a lock for which it may have to wait\n");
        }
        if !self.try_lock() {
            die("a lock is taken that this CPU holds\n");
        }
    }

    fn try_lock(&self) -> bool {
        if CPU.with(|cpu| cpu.depth.load(Ordering::Relaxed)) == 0 {
            die("a lock is taken with interrupts enabled\n");
        }
        self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Ends the process, as a handler may.
pub(crate) fn die(why: &'static str) -> ! {
    // SAFETY: the buffer has that many bytes.
    unsafe { libc::write(2, why.as_ptr().cast(), why.len()) };
    // SAFETY: no conditions.
    unsafe { libc::abort() }
}
