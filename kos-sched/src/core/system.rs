//! [`System`]: the one type parameter of the core, and the values that it names.

use core::fmt;

use crate::class::ClassSet;
use crate::cpu::{CpuId, CpuSet};
use crate::ports::Platform;
use crate::task::{Policy, TaskId};
use crate::time::Duration;
use crate::trace::TraceSink;

/// The types of one machine. Everything is resolved while compiling.
pub trait System: Sized + 'static {
    /// The scheduling classes, `(A, (B, ()))`, first things first.
    type Classes: ClassSet + Send;
    /// A set of its CPUs.
    type Mask: CpuSet;
    /// The machine.
    type Platform: Platform;
    /// The lock of a queue. Spins; the core masks interrupts around it.
    type Lock: lock_api::RawMutex + Send + Sync;
    /// Who is told of decisions; `()` is nobody.
    type Trace: TraceSink;
    /// What the integrator keeps with each task.
    type Payload: Send + Sync;
}

/// Numbers to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How often a CPU with tasks that wait looks whether another one could take some.
    pub balance_interval: Duration,
    /// How soon an interrupt that could not be sent is tried again.
    pub retry: Duration,
    /// Whether a task can be made to leave the CPU before it asks to.
    pub preemptive: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            balance_interval: Duration::from_ticks(4_000_000),
            retry: Duration::from_ticks(100_000),
            preemptive: true,
        }
    }
}

/// What a new task is to be.
pub struct SpawnArgs<S: System> {
    /// How it is scheduled.
    pub policy: Policy,
    /// Where it may run.
    pub allowed: S::Mask,
    /// Whether nobody joins it: then [`reap_any`](super::Scheduler::reap_any) finds it at the end.
    pub detached: bool,
    /// The integrator's.
    pub payload: S::Payload,
}

impl<S: System> SpawnArgs<S> {
    /// A task that may run everywhere and that somebody joins.
    pub fn new(policy: Policy, payload: S::Payload) -> Self {
        Self { policy, allowed: S::Mask::first_cpus(S::Mask::CAPACITY), detached: false, payload }
    }
}

impl<S: System> fmt::Debug for SpawnArgs<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnArgs")
            .field("policy", &self.policy)
            .field("allowed", &self.allowed)
            .field("detached", &self.detached)
            .finish_non_exhaustive()
    }
}

/// Who ran on a CPU and who is to. No task is idling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who ran.
    pub prev: Option<TaskId>,
    /// Who is to run.
    pub next: Option<TaskId>,
}

/// What a wake did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The task slept; it is in a queue, or about to be.
    Enqueued,
    /// The task is awake; it will find that it was woken.
    Remembered,
    /// There is no such task any more.
    Gone,
}

/// Where a task is in its life, a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Being made.
    New,
    /// Waits for a CPU.
    Runnable,
    /// Has one.
    Running,
    /// Has one and is about to sleep.
    Blocking,
    /// Sleeps.
    Blocked,
    /// Woken, on its way to a queue.
    Waking,
    /// On its way from one queue to another.
    Migrating,
    /// Leaves for ever.
    Exiting,
    /// Ended, not reaped yet.
    Zombie,
}

/// What became of the tasks of a CPU that went offline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Offlined {
    /// Tasks that another CPU has now.
    pub moved: u32,
    /// Tasks that may run nowhere else: they wait until one of their CPUs comes online, or their affinity changes.
    pub stranded: u32,
}

/// The CPUs of `set` beginning at `from`, once round.
pub(super) fn round<M: CpuSet>(set: M, from: u32) -> impl Iterator<Item = CpuId> {
    let mut rest = set;
    let mut at = CpuId::new(from);
    core::iter::from_fn(move || {
        let next = rest.next_from(at).or_else(|| rest.first())?;
        rest.remove(next);
        at = next;
        Some(next)
    })
}
