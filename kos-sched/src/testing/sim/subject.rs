//! [`Subject`]: what the simulator drives. The shipping code behind it decides; the engine only says what happens to it.

use core::fmt;

use crate::cpu::CpuId;
use crate::error::AttrError;
use crate::task::{Policy, TaskId};
use crate::time::{Duration, Instant};

use super::workload::Mask;

/// A scheduler of some CPUs. Each call happens on CPU `cpu` at `now`, which never goes back.
pub trait Subject: fmt::Debug {
    /// Makes a task that may run at once.
    ///
    /// # Errors
    /// Whatever the scheduler refuses it for; nothing has changed then.
    fn spawn(
        &mut self,
        cpu: CpuId,
        policy: Policy,
        allowed: &Mask,
        now: Instant,
    ) -> Result<TaskId, AttrError>;

    /// The running task of `cpu` goes to sleep, until it is woken or until `until`. Who has timers of his own wakes it then by
    /// himself; who has not, in [`sleep_ends`](Self::sleep_ends).
    fn block(&mut self, cpu: CpuId, until: Option<Instant>, now: Instant);

    /// The running task of `cpu` ends.
    fn exit(&mut self, cpu: CpuId, now: Instant);

    /// The running task of `cpu` lets others go first.
    fn yield_now(&mut self, cpu: CpuId, now: Instant);

    /// A sleeping task is to run again.
    fn wake(&mut self, cpu: CpuId, task: TaskId, now: Instant);

    /// The time has come up to which `task` sleeps on `cpu`.
    fn sleep_ends(&mut self, cpu: CpuId, task: TaskId, now: Instant) {
        self.wake(cpu, task, now);
    }

    /// Gives a task another policy.
    ///
    /// # Errors
    /// Whatever the scheduler refuses it for; nothing has changed then.
    fn set_policy(&mut self, cpu: CpuId, task: TaskId, policy: Policy, now: Instant)
    -> Result<(), AttrError>;

    /// Gives a task another set of CPUs.
    ///
    /// # Errors
    /// Whatever the scheduler refuses it for; nothing has changed then.
    fn set_affinity(
        &mut self,
        cpu: CpuId,
        task: TaskId,
        allowed: &Mask,
        now: Instant,
    ) -> Result<(), AttrError>;

    /// The timer of `cpu` fires.
    fn timer(&mut self, cpu: CpuId, now: Instant);

    /// An inter-processor interrupt arrives at `cpu`.
    fn kicked(&mut self, cpu: CpuId, now: Instant);

    /// Ends every other call: takes the decision, if one is due, and tells who runs on `cpu` from now on.
    fn settle(&mut self, cpu: CpuId, now: Instant) -> Option<TaskId>;

    /// When the timer of `cpu` is to fire.
    fn alarm(&self, cpu: CpuId) -> Option<Instant>;

    /// A CPU that it interrupted since the last call, one after the other.
    fn next_kick(&mut self) -> Option<CpuId>;

    /// The CPU time of a task up to `now`, by the scheduler's own account; [`None`] if it keeps none of this task.
    fn cpu_time(&self, task: TaskId, now: Instant) -> Option<Duration>;
}
