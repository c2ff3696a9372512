//! [`Cores`]: a thread of the host for each CPU.
//!
//! An interrupt is a bit in the CPU's [`Core`] and a signal to its thread. The signal's handler serves it, on the stack that it
//! interrupted, unless the CPU has masked its interrupts: then the bit waits until it unmasks. A handler may switch stacks, and
//! what it interrupted may go on in another thread of the host. So nothing that belongs to the thread is remembered across
//! the moment of unmasking: [`core`](mod@core) finds the `Core` of the thread by its segment register, in one instruction.
#![expect(
    unsafe_code,
    reason = "switches stacks, and finds what belongs to the thread by a segment register"
)]

mod local;
mod signal;

use alloc::sync::{Arc, Weak};
use core::cell::UnsafeCell;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::SeqCst};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use kos_sched::arch::x86_64::{SavedContext, StackSwitch};
use kos_sched::{ContextSwitch, KernelStack};
use rustix::thread::futex;

use super::stack::{CPU_STACK, HostStack};
use super::{Death, HERE, Here, Interrupt, Software};
pub(super) use local::{is_masked, mask};
use signal::Alarm;
pub(super) use signal::now;

/// The bit of [`Core::pending`] by which a CPU is told to stop.
const STOP: u32 = 1 << Interrupt::ALL.len();

const fn bit(interrupt: Interrupt) -> u32 {
    1 << interrupt as u32
}

/// The CPUs of one machine.
pub(crate) struct Cores {
    /// Itself, for the threads that keep it.
    this: Weak<Self>,
    cores: Box<[Core]>,
    software: Arc<dyn Software>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// One CPU. The first three fields are known to the assembly in [`local`].
#[repr(C)]
struct Core {
    /// Its own address, once it is on.
    this: UnsafeCell<*const Self>,
    /// 1 while interrupts are masked. Used by the CPU's own thread only.
    masked: AtomicU32,
    /// Interrupts that came.
    pending: AtomicU32,
    number: usize,
    /// The thread, by the host's number; 0 while it is off.
    thread: AtomicI32,
    /// The machine, which outlives every CPU that is on.
    machine: UnsafeCell<*const Cores>,
    alarm: UnsafeCell<Option<Alarm>>,
    /// It is about to die, and serves nothing more.
    doomed: AtomicBool,
    /// Where its thread goes on when it stops.
    host: UnsafeCell<SavedContext>,
}

// SAFETY: the cells are used by the CPU's own thread only: written before it is on, then read, `host` also by the switches away
// from and to the thread's own stack. The rest is atomic.
unsafe impl Sync for Core {}
// SAFETY: as above; while the CPU is off, nobody uses the cells.
unsafe impl Send for Core {}

impl fmt::Debug for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cores").field("cores", &self.cores.len()).finish_non_exhaustive()
    }
}

impl Core {
    const fn new(number: usize) -> Self {
        Self {
            this: UnsafeCell::new(ptr::null()),
            masked: AtomicU32::new(1),
            pending: AtomicU32::new(0),
            number,
            thread: AtomicI32::new(0),
            machine: UnsafeCell::new(ptr::null()),
            alarm: UnsafeCell::new(None),
            doomed: AtomicBool::new(false),
            host: UnsafeCell::new(SavedContext::new()),
        }
    }

    /// The machine. Only on the CPU itself.
    fn machine(&self) -> &'static Cores {
        // SAFETY: `play` wrote it before the CPU was on, and only its own thread asks.
        let machine = unsafe { *self.machine.get() };
        // SAFETY: it outlives all its CPUs: `Running` keeps it until each has stopped. Who runs on one is abandoned then.
        unsafe { &*machine }
    }

    /// Raises bits; the signal that says so.
    fn raise(&self, bits: u32) {
        // Whoever raised others before has sent a signal, and who serves one looks for more before it ends.
        if self.pending.fetch_or(bits, SeqCst) == 0 {
            let thread = self.thread.load(SeqCst);
            if thread != 0 {
                signal::send(thread);
            }
        }
    }
}

impl Cores {
    /// `cpus` CPUs, all off.
    pub(super) fn new(cpus: usize, software: Arc<dyn Software>) -> Arc<Self> {
        let cores = (0..cpus.max(1)).map(Core::new).collect();
        Arc::new_cyclic(|this| Self { this: this.clone(), cores, software, threads: Mutex::default() })
    }

    /// Turns `cpu` on.
    ///
    /// # Errors
    /// There is no such CPU, or it is on, or the host has no memory or threads.
    pub(super) fn start(&self, cpu: usize) -> io::Result<()> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        // They start in order.
        if cpu >= self.cores.len() || cpu < threads.len() {
            return Err(io::ErrorKind::NotFound.into());
        }
        signal::install()?;
        let (stack, machine) =
            (HostStack::new(CPU_STACK)?, self.this.upgrade().ok_or(io::ErrorKind::NotFound)?);
        let thread = thread::Builder::new().name(format!("cpu {cpu}"));
        threads.push(thread.spawn(move || play(&machine, cpu, &stack))?);
        Ok(())
    }

    /// Interrupts `cpu`; whether there is one.
    pub(super) fn interrupt(&self, cpu: usize, what: Interrupt) -> bool {
        self.cores.get(cpu).inspect(|core| core.raise(bit(what))).is_some()
    }

    /// Stops all CPUs and waits for them.
    pub(super) fn stop(&self) {
        self.cores.iter().for_each(|core| core.raise(STOP));
        let threads = core::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // A thread that panicked has said so.
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

/// The life of a CPU: from its thread's own stack to `stack`, and back when it stops.
fn play(machine: &Cores, cpu: usize, stack: &HostStack) {
    let Some(core) = machine.cores.get(cpu) else { return };
    let alarm = signal::prepare_thread();
    // SAFETY: the CPU is off: this thread alone uses its cells.
    unsafe { *core.this.get() = core };
    // SAFETY: as above.
    unsafe { *core.machine.get() = machine };
    // SAFETY: as above.
    unsafe { *core.alarm.get() = alarm.ok() };
    local::enter(core);
    HERE.set(Here::Core);
    core.thread.store(signal::this_thread(), SeqCst);
    let mut context = SavedContext::new();
    let argument = ptr::from_ref(core).cast_mut().cast();
    // SAFETY: the stack is this CPU's alone and outlives it; `begin` gets the core, which does so, too.
    unsafe { StackSwitch::prepare(&mut context, stack.bounds(), begin, argument) };
    // SAFETY: `context` was prepared; `host` is this thread's own until `leave` goes on there. Interrupts are masked.
    unsafe { StackSwitch::switch(core.host.get(), &raw const context) };
    HERE.set(Here::Nowhere);
    core.thread.store(0, SeqCst);
    // SAFETY: the CPU is off again.
    unsafe { *core.alarm.get() = None };
}

/// Where a CPU begins.
///
/// # Safety
/// `core` is the `&Core` of the thread, which outlives the CPU's being on.
unsafe extern "C" fn begin(core: *mut ()) -> ! {
    // SAFETY: the caller's promise.
    let core = unsafe { &*core.cast_const().cast::<Core>() };
    super::catch(|| core.machine().software.run(core.number));
    die()
}

/// Goes back to the thread's own stack, for good. Interrupts are masked.
fn leave() -> ! {
    let mut abandoned = SavedContext::new();
    loop {
        let host = local::this().host.get();
        // SAFETY: `play` left there and waits; nobody continues what is abandoned.
        unsafe { StackSwitch::switch(&raw mut abandoned, host) };
    }
}

/// Unmasks, and serves what came meanwhile.
pub(super) fn unmask() {
    if local::unmask() {
        serve();
    }
}

/// Serves what is pending until nothing is. Called unmasked, or masked in place of unmasking.
fn serve() {
    loop {
        mask();
        let core = local::this();
        if core.doomed.load(SeqCst) {
            local::unmask();
            return;
        }
        let pending = core.pending.load(SeqCst);
        if pending & STOP != 0 {
            leave();
        }
        // One at a time: serving it may switch stacks, and this one go on as another CPU. The rest waits for who unmasks here.
        let next = Interrupt::ALL.into_iter().find(|&interrupt| pending & bit(interrupt) != 0);
        if let Some(interrupt) = next {
            core.pending.fetch_and(!bit(interrupt), SeqCst);
            core.machine().software.interrupt(interrupt);
        }
        if !local::unmask() {
            return;
        }
    }
}

/// Unmasks and sleeps until an interrupt was served.
pub(super) fn idle() {
    mask();
    let pending = &local::this().pending;
    while pending.load(SeqCst) == 0 {
        // A signal ends the wait, and one that came before has changed the word.
        let _ = futex::wait(pending, futex::Flags::PRIVATE, 0, None);
    }
    serve();
}

/// The number of the calling CPU.
pub(super) fn current() -> usize {
    let masked = super::mask();
    let number = local::this().number;
    drop(masked);
    number
}

/// Arms the timer of the calling CPU for a time of the host's monotonic clock, in nanoseconds.
pub(super) fn arm(at: Option<u64>) {
    let masked = super::mask();
    // SAFETY: this thread's own cell, written before the CPU was on.
    let alarm = unsafe { &*local::this().alarm.get() };
    if let Some(alarm) = alarm {
        alarm.set(at);
    }
    drop(masked);
}

/// Interrupts `cpu` of the same machine; whether there is one.
pub(super) fn interrupt(cpu: usize, what: Interrupt) -> bool {
    let _masked = super::mask();
    local::this().machine().interrupt(cpu, what)
}

/// Turns `cpu` of the same machine on.
pub(super) fn start(cpu: usize) -> io::Result<()> {
    let _masked = super::mask();
    local::this().machine().start(cpu)
}

/// The machine is about to die: the calling CPU serves nothing more, not even the order to stop, until it [does](die).
pub(super) fn doom(death: Death) {
    let masked = super::mask();
    signal::block();
    let core = local::this();
    core.doomed.store(true, SeqCst);
    core.machine().software.died(death);
    drop(masked);
}

/// Ends the doomed machine: all its CPUs stop that still take interrupts.
pub(super) fn die() -> ! {
    mask();
    local::this().machine().cores.iter().for_each(|core| core.raise(STOP));
    leave()
}

#[cfg(test)]
mod tests;
