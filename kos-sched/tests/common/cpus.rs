//! A machine whose CPUs are threads of the host: [`Host`], [`boot`].
//!
//! Interrupts are a flag for each CPU. They arrive where the mask ends, as on hardware, so tasks are preempted there. Time
//! is a number that grows with each look at it. A thread-local tells a thread its CPU's number; tasks move from thread to
//! thread, so each access is a call that is not inlined.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use core::time::Duration as HostTime;
use std::sync::OnceLock;
use std::thread::{self, Thread as HostThread};

use kos_sched::arch::x86_64::{SavedContext, StackSwitch};
use kos_sched::class::{Fair, Idle, Rt, Stop};
use kos_sched::core::{Config, CpuSlot, TaskSlot};
use kos_sched::runtime::{IdleContext, Main, Runtime, RuntimeSystem, StackOverflow, TaskStack, Thread};
use kos_sched::task::{Arena, Slot, TaskIndex};
use kos_sched::{
    Clock, CpuId, CpuMask, CpuSet, Instant, IpiError, Platform, Policy, Setup, SpawnArgs, System, TaskId,
};

use super::MappedStack;

/// Nanoseconds that pass from one look at the clock to the next.
const STEP: u64 = 50;
const NEVER: u64 = u64::MAX;
/// Turns of an idle loop, 10 ms each, in which no CPU does anything before the test fails.
const PATIENCE: u32 = 1_000;

std::thread_local! {
    static CPU: Cell<u32> = const { Cell::new(u32::MAX) };
    static MASKED: Cell<bool> = const { Cell::new(false) };
}

/// The CPU of this thread.
#[inline(never)]
pub(crate) fn cpu() -> u32 {
    CPU.get()
}

#[inline(never)]
fn masked() -> bool {
    MASKED.get()
}

#[inline(never)]
fn set_masked(masked: bool) {
    MASKED.set(masked);
}

#[derive(Debug)]
struct Cpu {
    kicked: AtomicBool,
    timer: AtomicU64,
    thread: OnceLock<HostThread>,
}

/// What the CPUs share.
#[derive(Debug)]
pub(crate) struct Shared {
    cpus: Vec<Cpu>,
    now: AtomicU64,
    runtime: OnceLock<&'static Runtime<Host>>,
    done: AtomicBool,
    /// Grows with everything that happens.
    progress: AtomicUsize,
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host(&'static Shared);

/// Puts the mask back as it was.
#[derive(Debug)]
pub(crate) struct Irq {
    host: Host,
    masked_before: bool,
}

impl Drop for Irq {
    fn drop(&mut self) {
        if !self.masked_before {
            self.host.unmask();
        }
    }
}

impl Host {
    /// Ends the mask; interrupts that wait arrive.
    fn unmask(self) {
        set_masked(false);
        while self.take_interrupts() {}
    }

    /// Handles what has come to this CPU; false if nothing has.
    fn take_interrupts(self) -> bool {
        let Some(own) = self.0.cpus.get(cpu() as usize) else { return false };
        let kicked = own.kicked.swap(false, SeqCst);
        let fired = own.timer.load(SeqCst) <= self.0.now.load(SeqCst);
        let Some(runtime) = self.0.runtime.get().filter(|_| kicked || fired) else { return false };
        self.0.progress.fetch_add(1, SeqCst);
        set_masked(true);
        if fired {
            own.timer.store(NEVER, SeqCst);
            runtime.scheduler().on_timer(runtime.now());
        }
        if kicked {
            runtime.scheduler().on_kick(runtime.now());
        }
        runtime.preempt();
        set_masked(false);
        true
    }

    fn has_interrupt(self) -> bool {
        let own = &self.0.cpus[cpu() as usize];
        own.kicked.load(SeqCst) || own.timer.load(SeqCst) <= Clock::now(&self).as_ticks()
    }

    /// The CPUs stop when they idle next.
    pub(crate) fn finish(self) {
        self.0.done.store(true, SeqCst);
        for own in &self.0.cpus {
            own.kicked.store(true, SeqCst);
            own.thread.get().unwrap().unpark();
        }
    }
}

impl Platform for Host {
    type Irq = Irq;

    fn irq_save(&self) -> Irq {
        let masked_before = masked();
        set_masked(true);
        Irq { host: *self, masked_before }
    }

    fn cpu(&self) -> CpuId {
        CpuId::new(cpu())
    }

    fn arm_timer(&self, at: Option<Instant>) {
        self.0.cpus[cpu() as usize].timer.store(at.map_or(NEVER, |at| at.as_ticks()), SeqCst);
    }

    fn kick(&self, cpu: CpuId) -> Result<(), IpiError> {
        let own = self.0.cpus.get(cpu.as_usize()).ok_or(IpiError { cpu })?;
        own.kicked.store(true, SeqCst);
        own.thread.get().unwrap().unpark();
        Ok(())
    }

    fn idle(&self, irq: Irq) {
        let (mut seen, mut turns) = (usize::MAX, 0);
        while !self.has_interrupt() && !self.0.done.load(SeqCst) {
            let sleeps = self.0.cpus[cpu() as usize].timer.load(SeqCst) == NEVER;
            if !sleeps {
                thread::yield_now();
                continue;
            }
            thread::park_timeout(HostTime::from_millis(10));
            let progress = self.0.progress.load(SeqCst);
            turns = if progress == seen { turns + 1 } else { 0 };
            seen = progress;
            assert!(turns < PATIENCE, "CPU {} waits for ever: a wake-up was lost", cpu());
        }
        drop(irq);
    }
}

impl Clock for Host {
    fn now(&self) -> Instant {
        Instant::from_ticks(self.0.now.fetch_add(STEP, SeqCst))
    }
}

/// A lock that lets others run while it waits: there are more CPUs than the host has.
#[derive(Debug)]
pub(crate) struct Yielding(AtomicBool);

// SAFETY: whoever changes the flag to true has the lock, one at a time, until he changes it back.
unsafe impl lock_api::RawMutex for Yielding {
    const INIT: Self = Self(AtomicBool::new(false));

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            thread::yield_now();
        }
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, SeqCst)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, SeqCst);
    }
}

impl System for Host {
    type Classes = (Stop, (Rt, (Fair, (Idle, ()))));
    type Mask = CpuMask<1>;
    type Platform = Self;
    type Lock = Yielding;
    type Trace = ();
    type Payload = Thread<Self>;
}

impl RuntimeSystem for Host {
    type Switch = StackSwitch;
    type Stack = MappedStack;
    type Clock = Self;
    type Data = ();

    const IDLE_POLLS: u32 = 10;

    fn enable_irq(platform: &Self) {
        platform.unmask();
    }

    fn irq_enabled(_: &Self) -> bool {
        !masked()
    }

    #[expect(clippy::panic, reason = "ends the test")]
    fn stack_overflow(overflow: StackOverflow) -> ! {
        panic!("{overflow}")
    }
}

/// Runs `first` as the first task of a machine of `cpus` CPUs and up to `tasks` tasks, until somebody calls
/// [`Host::finish`]. Returns the machine's runtime, to look at.
pub(crate) fn boot(cpus: u32, tasks: usize, first: Main<Host>) -> &'static Runtime<Host> {
    let new_cpu =
        |_| Cpu { kicked: AtomicBool::new(false), timer: AtomicU64::new(NEVER), thread: OnceLock::new() };
    let shared = Box::leak(Box::new(Shared {
        cpus: (0..cpus).map(new_cpu).collect(),
        now: AtomicU64::new(0),
        runtime: OnceLock::new(),
        done: AtomicBool::new(false),
        progress: AtomicUsize::new(0),
    }));
    let host = Host(shared);
    let slots: Vec<Slot> = (0..tasks).map(|_| Slot::new()).collect();
    let (arena, free) = Arena::new(slots.leak());
    let classes = || (Stop::new(), (Rt::new(), (Fair::new(), (Idle::new(), ()))));
    let cpu_slots: Vec<_> = (0..cpus).map(|_| CpuSlot::new(arena.queue().unwrap(), classes())).collect();
    let task_slots: Vec<_> = (0..tasks).map(|_| TaskSlot::new()).collect();
    let config = Config::default();
    let setup = Setup {
        arena,
        free,
        tasks: task_slots.leak(),
        cpus: cpu_slots.leak(),
        platform: host,
        trace: (),
        config,
    };
    let idle: Vec<_> = (0..cpus).map(|_| IdleContext::new(SavedContext::new())).collect();
    let runtime: &'static _ = Box::leak(Box::new(Runtime::new(setup, host, idle.leak()).unwrap()));
    shared.runtime.set(runtime).unwrap();
    thread::scope(|scope| {
        for number in 0..cpus {
            let spawned = scope.spawn(move || run_cpu(host, runtime, number, first));
            host.0.cpus[number as usize].thread.set(spawned.thread().clone()).unwrap();
        }
    });
    runtime.scheduler().check().unwrap();
    runtime
}

/// Lets this thread be a CPU of a machine whose own threads have ended, interrupts masked.
pub(crate) fn act_as(number: u32) {
    CPU.set(number);
    MASKED.set(true);
}

/// The life of a CPU.
fn run_cpu(host: Host, runtime: &'static Runtime<Host>, number: u32, first: Main<Host>) {
    CPU.set(number);
    while host.0.cpus.iter().any(|cpu| cpu.thread.get().is_none()) {
        thread::yield_now();
    }
    runtime.scheduler().online(CpuId::new(number), runtime.now()).unwrap();
    while (runtime.scheduler().online_cpus().count() as usize) < host.0.cpus.len() {
        thread::yield_now();
    }
    if number == 0 {
        spawn(runtime, Policy::NORMAL, first, 0);
    }
    while !host.0.done.load(SeqCst) {
        runtime.idle_once();
        host.0.progress.fetch_add(1, SeqCst);
    }
}

/// A task that may run everywhere.
pub(crate) fn spawn(runtime: &'static Runtime<Host>, policy: Policy, main: Main<Host>, arg: usize) -> TaskId {
    spawn_within(runtime, CpuMask::first_cpus(64), policy, main, arg)
}

/// A task that runs on one CPU.
pub(crate) fn spawn_on(
    runtime: &'static Runtime<Host>,
    cpu: u32,
    policy: Policy,
    main: Main<Host>,
    arg: usize,
) -> TaskId {
    spawn_within(runtime, CpuMask::only(CpuId::new(cpu)), policy, main, arg)
}

fn spawn_within(
    runtime: &'static Runtime<Host>,
    allowed: CpuMask<1>,
    policy: Policy,
    main: Main<Host>,
    arg: usize,
) -> TaskId {
    let stack = TaskStack::painted(MappedStack::new(64 << 10));
    let thread = Thread::new(stack, SavedContext::new(), (), main, arg);
    runtime.spawn(SpawnArgs { allowed, ..SpawnArgs::new(policy, thread) }).unwrap()
}

/// The name of a task in a number.
pub(crate) fn packed(task: TaskId) -> usize {
    (task.generation() as usize) << 32 | task.index().as_usize()
}

/// The task of that name.
#[expect(clippy::cast_possible_truncation, reason = "two halves of a word")]
pub(crate) fn unpacked(task: usize) -> TaskId {
    TaskId::new(TaskIndex::new(task as u32), (task >> 32) as u32)
}

impl kos_sched::CriticalSection for Host {
    type Lock = Yielding;
    type Irq = Irq;

    fn irq_save(&self) -> Irq {
        Platform::irq_save(self)
    }
}
