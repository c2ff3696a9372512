//! Looking at the core: [`Scheduler::state`], [`stats`](Scheduler::stats), [`check`](Scheduler::check).

use super::error::Fault;
use super::held::Held;
use super::scheduler::Scheduler;
use super::slot::TaskSlot;
use super::system::{System, TaskState};
use crate::cpu::CpuId;
use crate::ports::{BlockReason, Platform};
use crate::stats::Stats;
use crate::task::state::Phase;
use crate::task::{TaskId, TaskIndex};
use crate::time::Instant;

impl<S: System> Scheduler<'_, S> {
    /// Where `task` is in its life, a moment ago.
    #[must_use]
    pub fn state(&self, task: TaskId) -> Option<TaskState> {
        let slot = self.find(task)?;
        let state = match slot.state.phase() {
            Phase::Free => return None,
            Phase::New => TaskState::New,
            Phase::Ready if slot.is_on_cpu() => TaskState::Running,
            Phase::Ready if self.arena.owner(task.index()).is_none() => TaskState::Migrating,
            Phase::Ready => TaskState::Runnable,
            Phase::Blocking => TaskState::Blocking,
            Phase::Blocked => TaskState::Blocked,
            Phase::Waking => TaskState::Waking,
            Phase::Exiting => TaskState::Exiting,
            Phase::Zombie => TaskState::Zombie,
        };
        Some(state)
    }

    /// Why `task` sleeps, or slept last.
    #[must_use]
    pub fn reason(&self, task: TaskId) -> Option<BlockReason> {
        Some(super::block::reason(self.find(task)?))
    }

    /// When the sleep of `task` ends if nobody wakes it before, and the CPU whose timer ends it.
    #[must_use]
    pub fn sleeps_until(&self, task: TaskId) -> Option<(Instant, CpuId)> {
        let slot = self.find(task)?;
        let _masked = self.platform.irq_save();
        let cpu = CpuId::new(slot.sleep.armed_on()?);
        let _held = self.lock(cpu)?;
        let there = slot.sleep.armed_on() == Some(cpu.get()) && self.id(task.index()) == Some(task);
        there.then(|| (slot.sleep.at(), cpu))
    }

    /// The CPU on which `task` runs, waits, or ran last, a moment ago.
    #[must_use]
    pub fn cpu_of(&self, task: TaskId) -> Option<CpuId> {
        Some(self.find(task)?.home())
    }

    /// Whether `task` is to die and has not taken note yet.
    #[must_use]
    pub fn is_interrupted(&self, task: TaskId) -> bool {
        self.find(task).is_some_and(|slot| slot.state.is_interrupted())
    }

    /// The task that `cpu` runs, a moment ago.
    #[must_use]
    pub fn running_on(&self, cpu: CpuId) -> Option<TaskId> {
        self.id(self.cpus.get(cpu.as_usize())?.running()?)
    }

    /// Counters, summed over the CPUs one after the other.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let _masked = self.platform.irq_save();
        let mut sum = Stats::default();
        for (cpu, slot) in (0..).map(CpuId::new).zip(self.cpus) {
            sum.wakes_remote = sum.wakes_remote.wrapping_add(slot.counts.remote.get());
            sum.ipis_sent = sum.ipis_sent.wrapping_add(slot.counts.sent.get());
            sum.ipis_saved = sum.ipis_saved.wrapping_add(slot.counts.saved.get());
            sum.ipis_failed = sum.ipis_failed.wrapping_add(slot.counts.failed.get());
            let Some(held) = self.lock(cpu) else { continue };
            let (counts, queue) = (held.queue.counts, held.queue.rq.stats());
            sum.switches = sum.switches.wrapping_add(counts.switches);
            sum.wakes_local = sum.wakes_local.wrapping_add(counts.local);
            sum.migrations = sum.migrations.wrapping_add(counts.migrations);
            sum.steals = sum.steals.wrapping_add(counts.steals);
            sum.stranded = sum.stranded.wrapping_add(counts.stranded);
            sum.overcommitted = sum.overcommitted.wrapping_add(counts.overcommitted);
            sum.throttles = sum.throttles.wrapping_add(queue.throttles);
            sum.runnable = sum.runnable.wrapping_add(u64::from(held.queue.rq.runnable()));
        }
        sum
    }

    /// Walks every invariant. Takes time in proportion to CPUs times tasks. What it says holds if nothing else happens meanwhile.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Fault> {
        let _masked = self.platform.irq_save();
        let _control = self.control.lock();
        for cpu in (0..).map(CpuId::new).take(self.cpus.len()) {
            if let Some(held) = self.lock(cpu) {
                held.check()?;
            }
        }
        (0..).map(TaskIndex::new).zip(self.tasks).try_for_each(|(task, slot)| self.check_task(task, slot))
    }

    fn check_task(&self, task: TaskIndex, slot: &TaskSlot<S>) -> Result<(), Fault> {
        let runs = self.cpus.iter().filter(|cpu| cpu.running() == Some(task)).count();
        let owned = self.arena.owner(task).is_some();
        match slot.state.phase() {
            _ if runs > 1 => Err(Fault::Twice(task)),
            _ if (runs == 1) != slot.is_on_cpu() => Err(Fault::State(task)),
            Phase::Ready | Phase::Blocking if !owned => Err(Fault::Lost(task)),
            Phase::Free | Phase::Blocked | Phase::Waking | Phase::Zombie if runs > 0 => {
                Err(Fault::State(task))
            }
            Phase::Exiting if runs == 0 => Err(Fault::State(task)),
            _ if slot.lent.is_lent() && slot.lent.inherited() <= slot.lent.own() => Err(Fault::State(task)),
            _ => Ok(()),
        }
    }
}

impl<S: System> Held<'_, '_, S> {
    fn check(&self) -> Result<(), Fault> {
        let (sched, cpu) = (self.sched, self.cpu);
        let queue = &*self.queue;
        queue.rq.check().map_err(|corruption| Fault::Queue(cpu, corruption))?;
        queue.sleepers.check(sched.tasks).ok_or(Fault::Sleepers(cpu))?;
        if queue.rq.current() != self.slot.running() {
            return Err(Fault::Lost(
                queue.rq.current().or(self.slot.running()).unwrap_or(TaskIndex::new(u32::MAX)),
            ));
        }
        for (task, slot) in (0..).map(TaskIndex::new).zip(sched.tasks) {
            if !queue.rq.nodes().owns(task) {
                continue;
            }
            if slot.home() != cpu {
                return Err(Fault::Lost(task));
            }
            // One that was woken is in a wake list, whose CPU will look.
            let asleep = matches!(slot.state.phase(), Phase::Blocked | Phase::Waking);
            let leaves = queue.rq.current() == Some(task) && self.slot.needs_resched();
            if !sched.may_wait(slot, cpu) && !leaves && slot.state.is_alive() && !asleep {
                return Err(Fault::Forbidden(task, cpu));
            }
        }
        Ok(())
    }
}
