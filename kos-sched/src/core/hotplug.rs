//! CPUs that come and go: [`Scheduler::online`], [`offline`](Scheduler::offline).

use super::error::TaskError;
use super::scheduler::Scheduler;
use super::system::{Offlined, System};
use crate::atomic::{Ordering, fence};
use crate::cpu::{CpuId, CpuSet};
use crate::ports::Platform;
use crate::task::{TaskId, TaskIndex};
use crate::time::Instant;

impl<S: System> Scheduler<'_, S> {
    /// `cpu` is up: it runs tasks from now on, first those that waited for it. It reschedules next.
    ///
    /// # Errors
    /// [`TaskError::NoCpu`].
    pub fn online(&self, cpu: CpuId, now: Instant) -> Result<(), TaskError> {
        let _masked = self.platform.irq_save();
        let slot = self.cpus.get(cpu.as_usize()).ok_or(TaskError::NoCpu)?;
        let _control = self.control.lock();
        if self.online.contains(cpu) {
            return Ok(());
        }
        self.online.insert(cpu);
        fence(Ordering::SeqCst);
        if let Some(mut held) = self.lock(cpu) {
            held.queue.account.open(now);
            held.queue.balance_at = now;
            held.drain(now);
            held.heed(crate::class::Verdict::Resched);
            held.release(now);
        }
        self.idle.insert(cpu);
        slot.set_resched(true);
        self.gather(cpu, now);
        Ok(())
    }

    /// Tasks that waited for `cpu` on CPUs that are offline come to it.
    fn gather(&self, cpu: CpuId, now: Instant) {
        for task in (0..).map(TaskIndex::new).take(self.tasks.len()) {
            let Some(slot) = self.slot(task) else { return };
            if slot.state.is_stranded() && slot.allowed.contains(cpu) && !self.online.contains(slot.home()) {
                self.resettle(task, slot, now);
            }
        }
    }

    /// `cpu` runs no task from now on. Its tasks go to other CPUs: those that wait at once, the one that runs when the CPU
    /// reschedules, which it is told to. Each task that may run nowhere else is named to `stranded`, and waits.
    ///
    /// # Errors
    /// [`TaskError::NoCpu`].
    pub fn offline(
        &self,
        cpu: CpuId,
        now: Instant,
        mut stranded: impl FnMut(TaskId),
    ) -> Result<Offlined, TaskError> {
        let _masked = self.platform.irq_save();
        let slot = self.cpus.get(cpu.as_usize()).ok_or(TaskError::NoCpu)?;
        let _control = self.control.lock();
        let mut done = Offlined::default();
        self.online.remove(cpu);
        self.idle.remove(cpu);
        fence(Ordering::SeqCst);
        // Whoever pushes after this look sees that the CPU is offline, and takes the task back himself.
        if let Some(mut held) = self.lock(cpu) {
            held.drain(now);
            held.account(now);
            held.queue.account.close();
            held.heed(crate::class::Verdict::Resched);
            held.release(now);
        }
        for task in (0..).map(TaskIndex::new).take(self.tasks.len()) {
            if self.evacuate(task, cpu, now, &mut done)
                && let Some(task) = self.id(task)
            {
                stranded(task);
            }
        }
        self.waiting.remove(cpu);
        slot.set_resched(true);
        Ok(done)
    }

    /// Moves `task` off `cpu`, if it is there; whether it can run nowhere now.
    fn evacuate(&self, task: TaskIndex, cpu: CpuId, now: Instant, done: &mut Offlined) -> bool {
        let Some(slot) = self.slot(task).filter(|slot| slot.state.is_alive()) else { return false };
        let stranded = slot.allowed.contains(cpu) && self.possible(slot).is_empty();
        done.stranded = done.stranded.saturating_add(u32::from(stranded));
        if slot.home() == cpu {
            self.resettle(task, slot, now);
            done.moved = done.moved.saturating_add(u32::from(slot.home() != cpu));
        }
        if stranded {
            slot.state.strand(true);
        }
        stranded
    }
}
