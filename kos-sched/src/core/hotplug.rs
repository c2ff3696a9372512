//! CPUs that come and go: [`Scheduler::online`], [`offline`](Scheduler::offline).
//!
//! Which CPUs are online changes in one step. Their tasks follow in many: interrupts are masked, and affinities fixed, for some
//! slots at a time. A task that comes to a queue meanwhile was looked at by who put it there.

use super::error::TaskError;
use super::scheduler::Scheduler;
use super::slot::TaskSlot;
use super::system::{Offlined, System};
use crate::atomic::{Ordering, fence};
use crate::cpu::{CpuId, CpuSet};
use crate::ports::Platform;
use crate::task::{TaskId, TaskIndex};
use crate::time::Instant;

/// Slots that are looked at with interrupts masked.
const LOOKS: usize = 64;
/// Tasks that are moved with interrupts masked.
const MOVES: usize = 4;

impl<S: System> Scheduler<'_, S> {
    /// `cpu` is up: it runs tasks from now on, first those that waited for it. It reschedules next. Called with interrupts
    /// enabled, masks them for a few tasks at a time.
    ///
    /// # Errors
    /// [`TaskError::NoCpu`].
    pub fn online(&self, cpu: CpuId, now: Instant) -> Result<(), TaskError> {
        let slot = self.cpus.get(cpu.as_usize()).ok_or(TaskError::NoCpu)?;
        let masked = self.platform.irq_save();
        let control = self.control.lock();
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
        drop((control, masked));
        self.walk(|task| self.gather(task, cpu, now));
        Ok(())
    }

    /// Lets `task` come to `cpu` if it waited for it on one that is offline; whether it did.
    fn gather(&self, task: TaskIndex, cpu: CpuId, now: Instant) -> bool {
        let waited = |slot: &TaskSlot<S>| {
            slot.state.is_stranded() && slot.allowed.contains(cpu) && !self.online.contains(slot.home())
        };
        let Some(slot) = self.slot(task).filter(|slot| waited(slot)) else { return false };
        self.resettle(task, slot, now);
        true
    }

    /// Calls `each` for every slot, a few at a time with affinities fixed and interrupts masked. It says whether it was much work.
    fn walk(&self, mut each: impl FnMut(TaskIndex) -> bool) {
        let mut slots = (0..).map(TaskIndex::new).take(self.tasks.len()).peekable();
        while slots.peek().is_some() {
            let _masked = self.platform.irq_save();
            let _control = self.control.lock();
            let _moved = slots.by_ref().take(LOOKS).filter(|&task| each(task)).take(MOVES).count();
        }
    }

    /// `cpu` runs no task from now on. Its tasks go to other CPUs: those that wait at once, the one that runs when the CPU
    /// reschedules, which it is told to. Each task that may run nowhere else is named to `stranded`, and waits. Called with
    /// interrupts enabled, masks them for a few tasks at a time; `stranded` is called masked.
    ///
    /// # Errors
    /// [`TaskError::NoCpu`].
    pub fn offline(
        &self,
        cpu: CpuId,
        now: Instant,
        mut stranded: impl FnMut(TaskId),
    ) -> Result<Offlined, TaskError> {
        let slot = self.cpus.get(cpu.as_usize()).ok_or(TaskError::NoCpu)?;
        let masked = self.platform.irq_save();
        let control = self.control.lock();
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
        slot.set_resched(true);
        drop((control, masked));
        self.walk(|task| {
            let moved = done.moved;
            if self.evacuate(task, cpu, now, &mut done)
                && let Some(task) = self.id(task)
            {
                stranded(task);
            }
            done.moved > moved
        });
        self.waiting.remove(cpu);
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
