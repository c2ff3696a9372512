//! What the core tells of its decisions: [`TraceEvent`] to a [`TraceSink`].

use core::fmt;

use crate::cpu::CpuId;
use crate::ports::BlockReason;
use crate::task::TaskId;
use crate::time::Instant;

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceEvent {
    /// A CPU goes from one task to another; no task is idling.
    Switch {
        /// Where.
        cpu: CpuId,
        /// Who ran.
        prev: Option<TaskId>,
        /// Who runs from now on.
        next: Option<TaskId>,
    },
    /// A new task.
    Spawned {
        /// The task.
        task: TaskId,
        /// Where it waits.
        cpu: CpuId,
    },
    /// A task goes to sleep.
    Blocked {
        /// The task.
        task: TaskId,
        /// Why.
        why: BlockReason,
    },
    /// A task was woken and waits.
    Woken {
        /// The task.
        task: TaskId,
        /// Where it waits.
        cpu: CpuId,
    },
    /// A task that wants to run has another CPU.
    Migrated {
        /// The task.
        task: TaskId,
        /// Where it waits now.
        to: CpuId,
    },
    /// No CPU on which the task may run is online: it waits for one.
    Stranded {
        /// The task.
        task: TaskId,
    },
    /// A task has left for ever.
    Exited {
        /// The task.
        task: TaskId,
    },
}

/// Gets each decision. Called with interrupts masked and a queue's lock held: takes little and constant time, does not allocate,
/// block or call the scheduler. `()` takes none and leaves no code.
pub trait TraceSink: Sync + fmt::Debug {
    /// `event` happened at `at`.
    fn record(&self, at: Instant, event: TraceEvent);
}

impl TraceSink for () {
    #[inline]
    fn record(&self, _: Instant, _: TraceEvent) {}
}

impl<T: TraceSink> TraceSink for &T {
    #[inline]
    fn record(&self, at: Instant, event: TraceEvent) {
        (**self).record(at, event);
    }
}
