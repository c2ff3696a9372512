//! Every trait that an integrator implements, and nothing else.
//!
//! | port | who implements it | used by |
//! |---|---|---|
//! | [`Platform`] | the kernel, once a machine | the core |
//! | [`Clock`] | the kernel | the runtime, where no caller passes the time |
//! | [`CriticalSection`] | the kernel: the lock and the mask of everything short | wait queues, locks, timer wheels |
//! | [`Park`] | the runtime of this crate, or your own scheduler | wait queues, mutexes, processes, named work |
//! | `ProcessExt`, `Interrupt`, `SignalSink` | the kernel | processes (feature `process`) |
//! | [`CpuTime`] | the same | the executor, to account futures |
//! | [`ContextSwitch`] | [`arch`](crate::arch), or a kernel that also switches address spaces around it | the runtime |
//! | [`KernelStack`] | the kernel: whoever maps stacks | the runtime |

use core::fmt;
use core::ops::Range;

use crate::cpu::CpuId;
use crate::error::IpiError;
use crate::time::{Duration, Instant};

/// What a machine lends to the scheduler core: the interrupt mask, the CPU's number, a timer, a way to interrupt another CPU
/// and a way to sleep.
///
/// A wrong implementation loses wake-ups or time, not memory. Every method may be called in any context with interrupts
/// masked, takes constant time, and must not allocate, block or call back into the crate.
pub trait Platform: Sync {
    /// Masks interrupts while it lives; dropping it restores the state found. Nests in stack order.
    type Irq;

    /// Masks interrupts on this CPU and remembers whether they were enabled.
    fn irq_save(&self) -> Self::Irq;

    /// The calling CPU. Called with interrupts masked, so that the answer stays true.
    fn cpu(&self) -> CpuId;

    /// Arms this CPU's timer for `at` (a time in the past: at once), or disarms it. The newest call counts. When it fires the
    /// integrator calls the scheduler's timer entry on this CPU.
    fn arm_timer(&self, at: Option<Instant>);

    /// Interrupts `cpu` soon; its handler calls the scheduler's reschedule entry. Also ends its [`idle`](Self::idle).
    ///
    /// # Errors
    /// [`IpiError`] if that is known not to arrive; the scheduler counts it and tries again.
    fn kick(&self, cpu: CpuId) -> Result<(), IpiError>;

    /// Unmasks interrupts and waits for one in a single step (`sti; hlt`), so that an interrupt that came while `irq` was held
    /// is not slept over. May return early.
    fn idle(&self, irq: Self::Irq);
}

/// Tells the time.
pub trait Clock: Sync {
    /// Now. Monotonic on one CPU; callable in any context, in constant time.
    fn now(&self) -> Instant;
}

/// What makes a few instructions exclusive: a spinning lock, and the interrupt mask that must be on while it is held.
///
/// A lock that does not exclude breaks memory safety, as [`lock_api::RawMutex`] says. A mask that does not mask deadlocks a
/// CPU whose interrupt handler wakes or expires something; where no handler does, `Irq = ()` will do.
pub trait CriticalSection: Sync {
    /// Spins, never sleeps.
    type Lock: lock_api::RawMutex + Send + Sync;

    /// Masks interrupts while it lives; dropping it restores the state found. Nests in stack order.
    type Irq;

    /// Masks interrupts on this CPU and remembers whether they were enabled.
    fn irq_save(&self) -> Self::Irq;
}

impl<C: CriticalSection> CriticalSection for &C {
    type Lock = C::Lock;
    type Irq = C::Irq;

    fn irq_save(&self) -> Self::Irq {
        (**self).irq_save()
    }
}

/// All that wait queues and the locks on them stand on. Whatever has both ports is one.
pub trait SyncEnv: CriticalSection + Park {}

impl<E: CriticalSection + Park> SyncEnv for E {}

/// Puts the running task to sleep and wakes others, by permit: an [`unpark`](Self::unpark) that comes before the
/// [`park`](Self::park) is remembered, once, and that park returns at once. So who registers somewhere, checks his condition
/// and then parks cannot miss a wake-up.
///
/// May return without cause: callers check their condition again in a loop.
pub trait Park: Sync {
    /// Names a task.
    type Task: Copy + Eq + fmt::Debug + Send + Sync;

    /// The running task.
    fn current(&self) -> Self::Task;

    /// Sleeps until unparked, until `until` has passed, or until the task is to die. Task context only, interrupts on, no
    /// spinning lock held.
    fn park(&self, until: Option<Instant>, why: BlockReason) -> Resume;

    /// Gives `task` its permit and wakes it if it is parked. Any context; never blocks. A task that is gone is nobody.
    fn unpark(&self, task: Self::Task);

    /// Wakes `to` and sleeps, in one step where the scheduler can: it then runs `to` next on this CPU without looking at the
    /// others. For a client that calls a server.
    fn hand_off(&self, to: Self::Task, until: Option<Instant>, why: BlockReason) -> Resume {
        self.unpark(to);
        self.park(until, why)
    }
}

impl<P: Park> Park for &P {
    type Task = P::Task;

    fn current(&self) -> Self::Task {
        (**self).current()
    }

    fn park(&self, until: Option<Instant>, why: BlockReason) -> Resume {
        (**self).park(until, why)
    }

    fn unpark(&self, task: Self::Task) {
        (**self).unpark(task);
    }

    fn hand_off(&self, to: Self::Task, until: Option<Instant>, why: BlockReason) -> Resume {
        (**self).hand_off(to, until, why)
    }
}

/// A [`Park`] that knows how long its tasks have run.
pub trait CpuTime: Park {
    /// CPU time of the running task up to now. Grows only while it runs.
    fn cpu_time(&self) -> Duration;
}

impl<P: CpuTime> CpuTime for &P {
    fn cpu_time(&self) -> Duration {
        (**self).cpu_time()
    }
}

/// Where a task begins. It gets the argument that was given to [`ContextSwitch::prepare`]; it never returns, and a panic in
/// it aborts: below it there is nothing to unwind to.
pub type Entry = unsafe extern "C" fn(arg: *mut ()) -> !;

/// Leaves one stack and continues on another.
///
/// A kernel with address spaces implements it around [`StackSwitch`](crate::arch::x86_64::StackSwitch): its context holds the
/// page table and the FPU area beside ours, its `switch` loads them and then calls ours.
///
/// # Safety
/// The implementer promises that [`switch`](Self::switch) returns only when somebody switches to the context that it wrote,
/// and then on the same stack with everything as the calling convention wants it: callee-saved registers, stack, direction
/// flag and floating-point control words. It allocates nothing, does not panic, and at each of its instructions an interrupt
/// finds a valid stack.
#[expect(unsafe_code, reason = "a wrong switch breaks memory: the trait says so, the code is in `arch`")]
pub unsafe trait ContextSwitch {
    /// What is kept of code that does not run. While the code runs, what is in it is without meaning.
    type Context: Send;

    /// Lets the first switch to `context` call `entry(arg)` on `stack`, at its high end.
    ///
    /// # Safety
    /// `stack` is writable, aligned to 16 at its high end, at least 512 bytes long, its provenance exposed, and nobody else's
    /// until the context has been left for ever. What `entry` asks of `arg` holds when the first switch happens.
    unsafe fn prepare(context: &mut Self::Context, stack: Range<usize>, entry: Entry, arg: *mut ());

    /// Saves the running code in `prev` and continues `next`.
    ///
    /// # Safety
    /// Both are valid and nobody else's during the call, `next` until its code runs. `next` was prepared, or written by a
    /// switch, and not continued since; its stack is still there. Interrupts are masked, or their handlers do not switch.
    unsafe fn switch(prev: *mut Self::Context, next: *const Self::Context);
}

/// Memory for a task to run on.
///
/// # Safety
/// The implementer promises that [`bounds`](Self::bounds) always gives the same range; that the range is mapped, writable and
/// nobody else's as long as the value lives, wherever the value moves; that its ends are aligned to 16 and its provenance is
/// exposed; and that an access to the [`GUARD`](Self::GUARD) bytes below it faults.
#[expect(unsafe_code, reason = "a wrong range breaks memory: the trait says so")]
pub unsafe trait KernelStack: Send + Sync {
    /// Bytes below the stack where any access faults, so that an overflow does. With 0 the runtime looks for overflow at each
    /// switch instead.
    const GUARD: usize;

    /// The addresses of the stack, without guard.
    fn bounds(&self) -> Range<usize>;
}

/// How urgent tasks are, and how they become more so: what locks with priority inheritance need of a scheduler.
pub trait PriorityInheritance: SyncEnv {
    /// How urgent a task is; greater is more urgent.
    type Key: Copy + Ord + fmt::Debug + Send;

    /// The number of `task`, below the number of slots that the locks were given. Of all tasks that live, each has its own.
    fn index(&self, task: Self::Task) -> usize;

    /// How urgent `task` is of its own, without what it inherits. Called with the locks' books held: takes no lock that is
    /// held while a task waits or wakes.
    fn key(&self, task: Self::Task) -> Self::Key;

    /// Lets `task` be at least as urgent as `key`, and no longer as anything it inherited before; on a run queue it changes
    /// its place in the same step. Called with the locks' books held and interrupts masked; may take a run queue's lock.
    fn inherit(&self, task: Self::Task, key: Option<Self::Key>);
}

impl<P: PriorityInheritance> PriorityInheritance for &P {
    type Key = P::Key;

    fn index(&self, task: Self::Task) -> usize {
        (**self).index(task)
    }

    fn key(&self, task: Self::Task) -> Self::Key {
        (**self).key(task)
    }

    fn inherit(&self, task: Self::Task, key: Option<Self::Key>) {
        (**self).inherit(task, key);
    }
}

/// Why a task sleeps, for `ps` and traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockReason {
    /// Nothing said.
    #[default]
    Park,
    /// Until a time.
    Sleep,
    /// For a lock.
    Lock,
    /// For an event: a wait queue, a semaphore, a condition.
    Wait,
    /// For input or output.
    Io,
    /// For a child process.
    Child,
    /// Stopped until continued.
    Stopped,
}

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Resume {
    /// Somebody woke the task, or there was no cause.
    Woken,
    /// The time had passed.
    TimedOut,
    /// The task is to die: it gives up what it waits for and leaves.
    Interrupted,
}

/// Kills sleepers: what processes need beside [`Park`].
#[cfg(feature = "process")]
pub trait Interrupt: Park {
    /// Lets this and every later park of `task` return [`Resume::Interrupted`], and wakes it. Any context; never blocks. A task
    /// that is gone is nobody.
    fn interrupt(&self, task: Self::Task);
}

/// The integrator's part of a process: memory map, files, credentials.
///
/// A value is a handle: it is cloned under the lock of the table, with interrupts masked, so that a clone takes constant time
/// (an `Arc`, an index). A drop may do all it likes: none happens under a lock.
#[cfg(feature = "process")]
pub trait ProcessExt: Clone {
    /// The image that a process executes: its memory map.
    type Space;
    /// Why a fork failed.
    type Error;

    /// What the child of a fork gets. Called in task context without a lock.
    ///
    /// # Errors
    /// The integrator's; nothing is left then.
    fn fork(&self) -> Result<Self, Self::Error>;

    /// Puts a new image in the place of the old one, which it returns. Called under the lock: constant time, no drop.
    fn replace_space(&mut self, space: Self::Space) -> Self::Space;
}

/// Who may send signals to whom, and what becomes of them; KILL, STOP and CONT have their effect in the process table. All
/// methods are called with the table locked and interrupts masked: constant time, no call back.
#[cfg(feature = "process")]
pub trait SignalSink<X>: Sync {
    /// Whether `sender` may send `signal` to `target`. Not asked for the kernel, nor for CONT within a session.
    fn permits(&self, sender: &X, target: &X, signal: crate::process::Signal) -> bool;

    /// Makes `signal` pending for `target`. True if its threads are to be woken to look at it.
    fn post(&self, target: &mut X, signal: crate::process::Signal) -> bool;

    /// Whether a signal is pending that ends a sleep.
    fn pending(&self, of: &X) -> bool;
}
