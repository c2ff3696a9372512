//! Threads of the kernel: kos-sched's runtime with this machine's parts, and who there is.
//!
//! | part | what it is |
//! |---|---|
//! | [`Threads`] | the runtime, and the tables around it |
//! | [`Kernel::on_main_thread`](crate::Kernel::on_main_thread) | from the boot's stack to a thread; meanwhile the CPU idles there and runs whatever there is |
//! | [`How`], [`Kernel::spawn`](crate::Kernel::spawn), [`Kernel::join`](crate::Kernel::join) | threads that work for the kernel |
//! | [`list`] | names and figures, for `ps` |
//!
//! The scheduler's tables lie in the heap for as long as the machine ([`storage`]); stacks are frames of their own ([`stack`]).
//! Each CPU idles on the stack on which it booted, and runs threads from there.
//!
//! A thread of [`Kernel::spawn`](crate::Kernel::spawn) borrows the kernel. It runs only while some CPU is in [`Kernel::on_main_thread`](crate::Kernel::on_main_thread) or
//! [`Kernel::run_cpu`](crate::Kernel::run_cpu), which borrow the kernel too; and the first of them does not return before all such threads have ended.

mod accounts;
mod list;
mod main;
mod spawn;
mod stack;
pub(crate) mod storage;
mod team;

use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering};

use kos_alloc::{AllocError, Env, FrameError, Locked};
use kos_sched::class::{Deadline, Fair, Idle, Rt, Stop};
use kos_sched::core::{Config, CpuSlot, SpawnFailure, TaskError, TaskSlot};
use kos_sched::runtime::{IdleContext, Runtime, RuntimeError, RuntimeSystem, StackOverflow, Thread};
use kos_sched::task::{Arena, Slot};
use kos_sched::{BlockReason, CpuId, CpuSet, CriticalSection, Park, Resume, Setup, System, TaskId};

use crate::kernel::{Heap, SharedFrames};
use crate::platform::{Platform, SchedulerPort};
use crate::time::{Duration, Instant};
pub(crate) use accounts::Accounts;
use accounts::Since;
use list::List;
pub(crate) use list::{Role, View};
pub(crate) use main::command_stack;
pub(crate) use spawn::How;
use stack::{FrameStack, Stacks};
pub(crate) use team::{MOST as TEAM, Member};

/// Threads that there can be, beside the worker of each CPU.
const THREADS: usize = 128;

/// The scheduler's types on a machine.
pub(crate) struct Sched<P>(PhantomData<fn() -> P>);

type Classes = (Stop, (Deadline, (Rt, (Fair, (Idle, ())))));

const fn classes() -> Classes {
    (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))))
}

impl<P: Platform> System for Sched<P> {
    type Classes = Classes;
    type Mask = P::Cpus;
    type Platform = P::Scheduler;
    type Lock = <P::Env as Env>::Lock;
    type Trace = ();
    type Payload = Thread<Self>;
}

impl<P: Platform> RuntimeSystem for Sched<P> {
    type Switch = P::Switch;
    type Stack = FrameStack<P>;
    type Clock = P::Scheduler;
    type Data = spawn::Work<P>;

    fn enable_irq(port: &P::Scheduler) {
        port.enable_irq();
    }

    fn irq_enabled(port: &P::Scheduler) -> bool {
        port.irq_enabled()
    }

    #[expect(clippy::panic, reason = "memory is no longer what it was")]
    fn stack_overflow(overflow: StackOverflow) -> ! {
        panic!("{overflow}");
    }
}

/// The runtime of a machine.
pub(crate) type Running<P> = Runtime<Sched<P>>;

/// Every thread of the kernel.
pub(crate) struct Threads<P: Platform> {
    runtime: &'static Running<P>,
    list: Locked<P::Env, List>,
    stacks: Stacks<P>,
    idling: &'static [Idling],
}

/// One CPU's idle loop.
#[derive(Debug, Default)]
struct Idling {
    /// Somebody is in it.
    entered: AtomicBool,
    since: Since,
}

impl<P: Platform> fmt::Debug for Threads<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}

/// Why there is no scheduler, or no thread.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadError {
    /// The heap has no room for tables.
    Tables(AllocError),
    /// The parts do not fit together.
    Runtime(RuntimeError),
    /// No frames for a stack.
    Stack(FrameError),
    /// The stack cannot be mapped.
    Map(kos_paging::MapError),
    /// The scheduler refuses it.
    Spawn(SpawnFailure),
    /// The scheduler does not do this to it.
    Task(TaskError),
    /// The CPU is in its idle loop already.
    Busy,
    /// The thread ended before it had a result.
    NoResult,
}

impl fmt::Display for ThreadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tables(error) => write!(f, "tables of the scheduler: {error}"),
            Self::Runtime(error) => error.fmt(f),
            Self::Stack(error) => write!(f, "stack of a thread: {error}"),
            Self::Map(error) => write!(f, "stack of a thread: {error}"),
            Self::Spawn(error) => error.fmt(f),
            Self::Task(error) => error.fmt(f),
            Self::Busy => f.write_str("this CPU runs threads already"),
            Self::NoResult => f.write_str("the thread left without a result"),
        }
    }
}

impl core::error::Error for ThreadError {}

impl<P: Platform> Threads<P> {
    /// A scheduler for the CPUs of the machine, all of them offline.
    ///
    /// # Errors
    /// [`ThreadError`]: what could not be had.
    pub(crate) fn new(platform: &P, heap: &Heap<P>, frames: SharedFrames<P>) -> Result<Self, ThreadError> {
        let cpus = platform.cpus().count().clamp(1, P::Cpus::CAPACITY as usize);
        let count = THREADS + cpus;
        let slots = storage::array(heap, count, |_| Slot::new())?;
        let (arena, free) = Arena::new(slots);
        let tasks = storage::array(heap, count, |_| TaskSlot::new())?;
        let keys = (0..cpus).map_while(|_| arena.queue());
        let cpus = storage::from_iter(heap, cpus, &mut keys.map(|key| CpuSlot::new(key, classes())))?;
        let idle = storage::array(heap, cpus.len(), |_| IdleContext::new(Default::default()))?;
        let idling = storage::array(heap, cpus.len(), |_| Idling::default())?;
        let list = storage::array(heap, count, |_| None)?;
        let (port, config) =
            (platform.scheduler(), Config { preemptive: P::INTERRUPTS, ..Config::default() });
        let setup = Setup { arena, free, tasks, cpus, platform: port.clone(), trace: (), config };
        let runtime = Runtime::new(setup, port, idle).map_err(ThreadError::Runtime)?;
        Ok(Self {
            runtime: storage::value(heap, runtime)?,
            list: Locked::new(platform.env(), List::new(list)),
            stacks: Stacks::new(platform.env(), frames),
            idling,
        })
    }

    /// The calling CPU takes part from now on, and `work` runs in its idle loop; [`None`] if it does so already.
    fn as_idle<R>(&self, work: impl FnOnce() -> R) -> Option<R> {
        let cpu = self.this_cpu();
        let own = self.idling.get(cpu.as_usize())?;
        if own.entered.swap(true, Ordering::AcqRel) {
            return None;
        }
        if !self.runtime.scheduler().online_cpus().contains(cpu) {
            let now = self.runtime.now();
            own.since.set(now);
            // A CPU that calls is there.
            let _ = self.runtime.scheduler().online(cpu, now);
        }
        let result = work();
        own.entered.store(false, Ordering::Release);
        Some(result)
    }

    /// The process whose thread calls; 0 if it is none's. In any context, and takes no lock.
    pub(crate) fn process(&self) -> u32 {
        self.runtime.scheduler().with_current(|thread| thread.data().process).unwrap_or(0)
    }

    /// One turn of the idle loop.
    fn idle(&self) {
        self.runtime.idle_once();
        if !P::INTERRUPTS {
            self.on_timer();
        }
    }

    /// A moment of computing. Where nothing interrupts, it is here that others take their turn.
    pub(crate) fn breathe(&self) {
        core::hint::spin_loop();
        if !P::INTERRUPTS {
            self.on_timer();
            self.runtime.yield_now();
        }
    }

    /// The calling CPU; true as long as the caller cannot be moved.
    pub(crate) fn this_cpu(&self) -> CpuId {
        kos_sched::Platform::cpu(self.runtime.scheduler().platform())
    }

    /// Frames of all stacks.
    pub(crate) fn stack_frames(&self) -> usize {
        self.stacks.pages()
    }

    /// What switches between them.
    pub(crate) const fn runtime(&self) -> &'static Running<P> {
        self.runtime
    }

    /// The calling thread sleeps so long; sooner if it is to end.
    pub(crate) fn sleep(&self, length: Duration) -> Resume {
        self.sleep_until(self.runtime.now().checked_add_duration(length))
    }

    /// The same until a time; `None`: until it is to end.
    pub(crate) fn sleep_until(&self, until: Option<Instant>) -> Resume {
        loop {
            let resume = self.runtime.park(until, BlockReason::Sleep);
            if resume == Resume::Interrupted || until.is_some_and(|until| self.runtime.now() >= until) {
                return resume;
            }
        }
    }

    /// Interrupt context, on the way out: another thread may have to run. A CPU that idles looks by itself.
    pub(crate) fn preempt(&self) {
        if self.runtime.scheduler().current().is_some() {
            self.runtime.preempt();
        }
    }

    /// The timer of the calling CPU has fired.
    pub(crate) fn on_timer(&self) {
        self.runtime.scheduler().on_timer(self.runtime.now());
    }

    /// Another CPU has called this one.
    pub(crate) fn on_kick(&self) {
        self.runtime.scheduler().on_kick(self.runtime.now());
    }
}

impl From<AllocError> for ThreadError {
    fn from(error: AllocError) -> Self {
        Self::Tables(error)
    }
}

/// How threads wait for each other: what the locks of kos-sched stand on.
pub(crate) struct Waits<P: Platform>(&'static Running<P>);

impl<P: Platform> Waits<P> {
    pub(crate) const fn new(threads: &Threads<P>) -> Self {
        Self(threads.runtime)
    }
}

impl<P: Platform> CriticalSection for Waits<P> {
    type Lock = <P::Env as Env>::Lock;
    type Irq = <P::Scheduler as kos_sched::Platform>::Irq;

    fn irq_save(&self) -> Self::Irq {
        kos_sched::Platform::irq_save(self.0.scheduler().platform())
    }
}

impl<P: Platform> Park for Waits<P> {
    type Task = TaskId;

    fn current(&self) -> TaskId {
        self.0.current()
    }

    fn park(&self, until: Option<Instant>, why: BlockReason) -> Resume {
        self.0.park(until, why)
    }

    fn unpark(&self, task: TaskId) {
        self.0.unpark(task);
    }
}
