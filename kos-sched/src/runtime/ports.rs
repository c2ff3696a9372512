//! The ports of this crate that a [`Runtime`] provides: wait queues, locks, processes, work and futures stand on it.

use super::scheduler::Runtime;
use super::system::RuntimeSystem;
use crate::core::Urgency;
use crate::ports::{BlockReason, CpuTime, CriticalSection, Park, Platform, PriorityInheritance, Resume};
use crate::task::TaskId;
use crate::time::{Duration, Instant};

impl<R: RuntimeSystem> Park for Runtime<R> {
    type Task = TaskId;

    /// The running task; an idle CPU is [`TaskId::NOBODY`].
    fn current(&self) -> TaskId {
        self.scheduler().current().unwrap_or(TaskId::NOBODY)
    }

    fn park(&self, until: Option<Instant>, why: BlockReason) -> Resume {
        if let Err(resume) = self.scheduler().prepare(why) {
            return resume;
        }
        self.carry_out(self.scheduler().block(until, self.now()));
        self.scheduler().resume()
    }

    fn hand_off(&self, to: TaskId, until: Option<Instant>, why: BlockReason) -> Resume {
        if let Err(resume) = self.scheduler().prepare(why) {
            self.unpark(to);
            return resume;
        }
        self.carry_out(self.scheduler().hand_off(to, until, self.now()));
        self.scheduler().resume()
    }

    /// A task that is to run before the caller does so at once, if interrupts are enabled; else on the handler's way out.
    fn unpark(&self, task: TaskId) {
        self.scheduler().wake(task, self.now());
        // Also if it was awake: a lock that the caller released may have left it less urgent.
        self.preempt_if_enabled();
    }
}

impl<R: RuntimeSystem> CpuTime for Runtime<R> {
    fn cpu_time(&self) -> Duration {
        let sched = self.scheduler();
        let usage = sched.current().and_then(|task| sched.usage(task, self.now()));
        usage.map_or(Duration::from_ticks(0), |times| times.total())
    }
}

/// The lock of the queues, and the platform's mask.
impl<R: RuntimeSystem> CriticalSection for Runtime<R> {
    type Lock = R::Lock;
    type Irq = <R::Platform as Platform>::Irq;

    fn irq_save(&self) -> Self::Irq {
        self.scheduler().platform().irq_save()
    }
}

/// Of all classes, through [`Scheduler::inherit`](crate::Scheduler::inherit). One
/// [`PiDomain`](crate::sync::PiDomain) for each runtime: a task inherits from one.
impl<R: RuntimeSystem> PriorityInheritance for Runtime<R> {
    type Key = Urgency;

    fn index(&self, task: TaskId) -> usize {
        task.index().as_usize()
    }

    fn key(&self, task: TaskId) -> Urgency {
        self.scheduler().own_urgency(task).unwrap_or(Urgency::NONE)
    }

    fn inherit(&self, task: TaskId, key: Option<Urgency>) {
        // A task that is gone inherits nothing.
        let _ = self.scheduler().inherit(task, key, self.now());
    }
}

#[cfg(feature = "process")]
impl<R: RuntimeSystem> crate::ports::Interrupt for Runtime<R> {
    fn interrupt(&self, task: TaskId) {
        self.scheduler().interrupt(task, self.now());
        self.preempt_if_enabled();
    }
}
