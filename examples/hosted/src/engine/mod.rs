//! The CPUs of a machine, as this process plays them: [`Engine`].
//!
//! | engine | CPUs | time | interrupts |
//! |---|---|---|---|
//! | [`sim`] | all in one thread of the host, by turns | virtual | come at points that the seed chooses |
//! | [`threads`] | a thread of the host each | the host's | a flag and a signal, deferred while they are masked |
//!
//! Either way each CPU has a stack of its own, on which it calls [`Software::run`], and the kernel's context switches leave that
//! stack for others. The functions of this module are the instructions of such a CPU (`cli`, `sti; hlt`, …). A thread of the host
//! that is no CPU may call them, too: there is nothing to mask there, and it has no number.
//!
//! Rule: code of the host (its allocator, its locks) runs on a CPU with interrupts masked, for a handler may switch stacks.

mod sim;
mod stack;
mod threads;

use alloc::sync::Arc;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use std::io;
use std::panic::catch_unwind;
use std::sync::Once;
use std::thread::JoinHandle;

use sim::Simulation;
use threads::Cores;

/// Who plays the CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// A thread of the host for each.
    #[default]
    Threads,
    /// One thread for all, under a virtual clock: the same seed gives the same run.
    Sim {
        /// Chooses whose turn it is, how long everything takes and when interrupts arrive.
        seed: u64,
    },
}

/// Why a machine cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Death {
    /// The kernel panicked.
    Panic {
        /// On which CPU.
        cpu: usize,
        /// What it said, and where.
        message: String,
    },
    /// Every CPU of a simulation sleeps, and nothing will ever wake one: a wake-up was lost.
    Deadlock {
        /// Virtual time since the start.
        after_ns: u64,
    },
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { cpu, message } => write!(f, "cpu {cpu} panicked: {message}"),
            Self::Deadlock { after_ns } => {
                write!(f, "after {after_ns} ns every CPU sleeps, and nothing will wake one")
            }
        }
    }
}

impl core::error::Error for Death {}

/// What interrupts a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Its timer.
    Timer,
    /// Another CPU wants it to look.
    Call,
    /// Another CPU wants the memory that rests in its caches.
    Drain,
}

impl Interrupt {
    pub(crate) const ALL: [Self; 3] = [Self::Timer, Self::Call, Self::Drain];
}

/// What runs on the CPUs.
pub(crate) trait Software: Send + Sync {
    /// What a CPU does; called on its own stack, interrupts masked.
    fn run(&self, cpu: usize) -> !;
    /// Serves an interrupt of the calling CPU, interrupts masked. May switch stacks.
    fn interrupt(&self, interrupt: Interrupt);
    /// Called by a thread of the host while no CPU of a simulation runs: waits until the first has something to do. False:
    /// never again.
    fn await_work(&self) -> bool;
    /// The machine dies. Called on the CPU.
    fn died(&self, death: Death);
}

/// The CPUs of a machine that is on. Dropped, they stop where they are; what lies on their stacks is not dropped.
#[derive(Debug)]
pub(crate) struct Running {
    thread: Option<JoinHandle<()>>,
    cores: Option<Arc<Cores>>,
}

impl Running {
    /// Turns the first of `cpus` CPUs on.
    ///
    /// # Errors
    /// The host has no memory or no threads.
    pub(crate) fn start(engine: Engine, cpus: usize, software: Arc<dyn Software>) -> io::Result<Self> {
        tell_of_panics();
        match engine {
            Engine::Sim { seed } => {
                let thread = std::thread::Builder::new().name("simulation".into());
                let thread = thread.spawn(move || simulate(cpus, seed, software))?;
                Ok(Self { thread: Some(thread), cores: None })
            }
            Engine::Threads => {
                let cores = Cores::new(cpus, software);
                cores.start(0)?;
                Ok(Self { thread: None, cores: Some(cores) })
            }
        }
    }

    /// Lets the first CPU look for work. A simulated one is asked by [`Software::await_work`].
    pub(crate) fn call(&self) {
        if let Some(cores) = &self.cores {
            cores.interrupt(0, Interrupt::Call);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(cores) = &self.cores {
            cores.stop();
        }
        // A thread that panicked has said so.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn simulate(cpus: usize, seed: u64, software: Arc<dyn Software>) {
    // Without memory for one stack nobody will ever answer: the machine is told.
    let simulation = match Simulation::new(cpus, seed, Arc::clone(&software)) {
        Ok(simulation) => simulation,
        Err(error) => return software.died(Death::Panic { cpu: 0, message: error.to_string() }),
    };
    while software.await_work() {
        HERE.set(Here::Sim(&raw const *simulation));
        let goes_on = simulation.resume();
        HERE.set(Here::Nowhere);
        if !goes_on {
            return;
        }
    }
}

/// A panic on a CPU is the machine's death, which [`catch`] carries out. Until then that CPU serves nothing, and the unwinding is
/// not interrupted: the host counts panics by thread.
fn tell_of_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(cpu) = cpu() {
                doom(Death::Panic { cpu, message: panic.to_string() });
            }
            others(panic);
        }));
    });
}

/// Does `work` on a stack that has nothing below to unwind to.
pub(crate) fn catch(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        match here() {
            Here::Nowhere => {}
            Here::Sim(simulation) => ask(simulation, |simulation| simulation.die()),
            Here::Core => threads::die(),
        }
    }
}

/// The machine of the calling CPU is about to die.
fn doom(death: Death) {
    match here() {
        Here::Nowhere => {}
        Here::Sim(simulation) => ask(simulation, |simulation| simulation.doom(death)),
        Here::Core => threads::doom(death),
    }
}

/// What the thread of the host is.
#[derive(Clone, Copy)]
enum Here {
    /// No CPU.
    Nowhere,
    /// All CPUs of this simulation; it lives as long as it stands here.
    Sim(*const Simulation),
    /// A CPU of its own.
    Core,
}

std::thread_local! {
    static HERE: Cell<Here> = const { Cell::new(Here::Nowhere) };
}

/// Never inlined: code that goes on in another thread of the host must not have kept the address of the first one's cell.
#[inline(never)]
fn here() -> Here {
    HERE.get()
}

/// Interrupts are masked while it lives, if the thread is a CPU.
#[derive(Debug)]
#[must_use = "dropped at once it masks nothing"]
pub struct Masked {
    unmask: bool,
    /// It belongs to the CPU.
    here: PhantomData<*const ()>,
}

impl Drop for Masked {
    fn drop(&mut self) {
        if self.unmask {
            unmask();
        }
    }
}

/// What the simulation that this thread plays says.
#[expect(unsafe_code, reason = "finds the simulation by its address")]
fn ask<R>(simulation: *const Simulation, question: impl FnOnce(&Simulation) -> R) -> R {
    // SAFETY: what `HERE` points to lives as long as it stands there, which is until `resume` returns to `simulate`; the callers
    // took it from there and run in between.
    question(unsafe { &*simulation })
}

/// Masks the interrupts of the calling CPU.
pub(crate) fn mask() -> Masked {
    let was_masked = match here() {
        Here::Nowhere => true,
        Here::Sim(simulation) => ask(simulation, Simulation::mask),
        Here::Core => threads::mask(),
    };
    Masked { unmask: !was_masked, here: PhantomData }
}

/// The same, where only interrupts that come at any time need to be held off: between two points of a simulation none comes.
pub(crate) fn mask_signals() -> Masked {
    let was_masked = !matches!(here(), Here::Core) || threads::mask();
    Masked { unmask: !was_masked, here: PhantomData }
}

/// Unmasks them, whatever was.
pub(crate) fn unmask() {
    match here() {
        Here::Nowhere => {}
        Here::Sim(simulation) => ask(simulation, Simulation::unmask),
        Here::Core => threads::unmask(),
    }
}

/// Whether they are masked.
pub(crate) fn is_masked() -> bool {
    match here() {
        Here::Nowhere => false,
        Here::Sim(simulation) => ask(simulation, Simulation::is_masked),
        Here::Core => threads::is_masked(),
    }
}

/// Unmasks them and sleeps until one was served. Who is no CPU only gives others time.
pub(crate) fn idle() {
    match here() {
        Here::Nowhere => std::thread::yield_now(),
        Here::Sim(simulation) => ask(simulation, Simulation::idle),
        Here::Core => threads::idle(),
    }
}

/// The number of the calling CPU, if the thread is one. Stays true while interrupts are masked.
pub(crate) fn cpu() -> Option<usize> {
    match here() {
        Here::Nowhere => None,
        Here::Sim(simulation) => Some(ask(simulation, Simulation::current)),
        Here::Core => Some(threads::current()),
    }
}

/// Nanoseconds of the clock that [`arm`] goes by: the virtual one, or the host's monotonic one. Who reads the virtual one
/// unmasked lets others go on.
pub(crate) fn now() -> u64 {
    match here() {
        Here::Sim(simulation) => ask(simulation, Simulation::now),
        Here::Nowhere | Here::Core => threads::now(),
    }
}

/// Arms the timer of the calling CPU for a time of [`now`].
pub(crate) fn arm(at: Option<u64>) {
    match here() {
        Here::Nowhere => {}
        Here::Sim(simulation) => ask(simulation, |simulation| simulation.arm(at)),
        Here::Core => threads::arm(at),
    }
}

/// Interrupts `cpu`; whether it is on. Only a CPU of the same machine can.
pub(crate) fn interrupt(cpu: usize, what: Interrupt) -> bool {
    match here() {
        Here::Nowhere => false,
        Here::Sim(simulation) => ask(simulation, |simulation| simulation.interrupt(cpu, what)),
        Here::Core => threads::interrupt(cpu, what),
    }
}

/// Interrupts the calling CPU as its timer would.
pub(crate) fn look_again() {
    if let Some(own) = cpu() {
        interrupt(own, Interrupt::Timer);
    }
}

/// Turns `cpu` of the same machine on.
///
/// # Errors
/// There is no such CPU, or it is on, or the host has no memory or threads.
pub(crate) fn start(cpu: usize) -> io::Result<()> {
    match here() {
        Here::Nowhere => Err(io::ErrorKind::NotFound.into()),
        Here::Sim(simulation) => ask(simulation, |simulation| simulation.start(cpu)),
        Here::Core => threads::start(cpu),
    }
}

/// Sleeps until an interrupt was served, unless `ready`, which is asked with interrupts masked. They are unmasked afterwards.
pub(crate) fn idle_unless(ready: &dyn Fn() -> bool) {
    let masked = mask();
    if !ready() {
        idle();
        let _ = ManuallyDrop::new(masked);
    }
}

/// The first CPU has nothing to do until `ready`. A simulation stands still meanwhile.
pub(crate) fn rest(ready: &dyn Fn() -> bool) {
    if let Here::Sim(simulation) = here() {
        ask(simulation, Simulation::pause);
    } else {
        idle_unless(ready);
    }
}

/// A number below `bound` of the seed's choice, in a simulation.
pub(crate) fn chance(bound: u64) -> Option<u64> {
    match here() {
        Here::Sim(simulation) => Some(ask(simulation, |simulation| simulation.chance(bound))),
        Here::Nowhere | Here::Core => None,
    }
}

/// A number that stands for everything that happened on the CPUs of a simulation.
pub(crate) fn history() -> Option<u64> {
    match here() {
        Here::Sim(simulation) => Some(ask(simulation, Simulation::history)),
        Here::Nowhere | Here::Core => None,
    }
}
