//! What the core refuses.

use core::error::Error;
use core::fmt;

use crate::cpu::CpuId;
use crate::error::{AttrError, Corruption};
use crate::task::TaskIndex;

/// Storage from which no scheduler can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// No CPUs, or more than the mask can name.
    Cpus {
        /// How many there were.
        asked: usize,
        /// How many there can be.
        most: usize,
    },
    /// As many task slots as slots of the arena are needed.
    Slots {
        /// Slots of the arena.
        arena: usize,
        /// Task slots.
        tasks: usize,
    },
    /// A CPU whose key is of another arena.
    Foreign {
        /// The CPU.
        cpu: CpuId,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpus { asked, most } => write!(f, "{asked} CPUs are not in 1..={most}"),
            Self::Slots { arena, tasks } => write!(f, "{tasks} task slots for {arena} slots of the arena"),
            Self::Foreign { cpu } => write!(f, "the queue of CPU {cpu} belongs to another arena"),
        }
    }
}

impl Error for SetupError {}

/// Why a task was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnFailure {
    /// All slots are taken.
    NoSlot,
    /// What it was to have cannot be.
    Attr(AttrError),
}

impl fmt::Display for SpawnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlot => f.write_str("all task slots are taken"),
            Self::Attr(error) => error.fmt(f),
        }
    }
}

/// A task that was not made: nothing changed, and everything comes back.
pub struct SpawnError<A> {
    /// What was to be the task.
    pub args: A,
    /// Why.
    pub why: SpawnFailure,
}

impl<A> fmt::Debug for SpawnError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnError").field("why", &self.why).finish_non_exhaustive()
    }
}

impl<A> fmt::Display for SpawnError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.why, f)
    }
}

impl<A> Error for SpawnError<A> {}

/// Why an operation on a task was not done. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskError {
    /// There is no such task any more.
    Gone,
    /// It has not ended, or its CPU has not left its stack yet.
    Alive,
    /// Another task waits for its end already, or nobody ever does: it is detached.
    Joined,
    /// What it is to have cannot be.
    Attr(AttrError),
    /// There is no such CPU.
    NoCpu,
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the task is gone"),
            Self::Alive => f.write_str("the task has not ended"),
            Self::Joined => f.write_str("another task waits for its end"),
            Self::Attr(error) => error.fmt(f),
            Self::NoCpu => f.write_str("there is no such CPU"),
        }
    }
}

impl Error for TaskError {}

impl From<AttrError> for TaskError {
    fn from(error: AttrError) -> Self {
        Self::Attr(error)
    }
}

/// An invariant of the core that does not hold: a fault of this crate, or of a class or platform of the integrator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A queue is broken.
    Queue(CpuId, Corruption),
    /// The sleepers of a CPU are not in order.
    Sleepers(CpuId),
    /// A task that wants to run and is in no queue, or in that of another CPU than it says.
    Lost(TaskIndex),
    /// A task that two CPUs run.
    Twice(TaskIndex),
    /// A task that waits on a CPU on which it may not run, with no interrupt on its way to it.
    Forbidden(TaskIndex, CpuId),
    /// A task whose state and place disagree.
    State(TaskIndex),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(cpu, corruption) => write!(f, "queue of CPU {cpu}: {corruption}"),
            Self::Sleepers(cpu) => write!(f, "the sleepers of CPU {cpu} are not in order"),
            Self::Lost(task) => write!(f, "task {task:?} wants to run and no queue has it"),
            Self::Twice(task) => write!(f, "two CPUs run task {task:?}"),
            Self::Forbidden(task, cpu) => write!(f, "task {task:?} waits on CPU {cpu}, where it may not run"),
            Self::State(task) => write!(f, "state and place of task {task:?} disagree"),
        }
    }
}

impl Error for Fault {}
