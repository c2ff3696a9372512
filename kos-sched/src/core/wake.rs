//! Waking: [`Scheduler::wake`], [`interrupt`](Scheduler::interrupt), [`on_kick`](Scheduler::on_kick).
//!
//! Who wins the wake owns the enqueue. A task whose CPU has not left its stack yet, or whose class keeps it, goes to that CPU's
//! wake list. Any other goes to the CPU that suits it best: into the queue here, into the wake list there. So a wake takes no
//! other CPU's lock, and no CPU waits for another.

use super::cpu_slot::CpuSlot;
use super::doorbell::Rung;
use super::scheduler::Scheduler;
use super::system::{System, Woken};
use crate::atomic::{Ordering, fence, spin};
use crate::cpu::{CpuId, CpuSet};
use crate::ports::Platform;
use crate::seeded::{Bug, seeded};
use crate::task::state::{Cause, Outcome};
use crate::task::{TaskId, TaskIndex};
use crate::time::Instant;

impl<S: System> Scheduler<'_, S> {
    /// Wakes `task`, or lets it find at its next sleep that it was woken. Any context; never blocks.
    #[inline]
    pub fn wake(&self, task: TaskId, now: Instant) -> Woken {
        self.wake_for(task, Cause::Wake, now)
    }

    /// Tells `task` that it is to die: it wakes, and does not sleep again before it has
    /// [taken note](Self::take_interrupt). Any context; never blocks.
    pub fn interrupt(&self, task: TaskId, now: Instant) -> Woken {
        self.wake_for(task, Cause::Interrupt, now)
    }

    #[inline]
    pub(super) fn wake_for(&self, task: TaskId, cause: Cause, now: Instant) -> Woken {
        let Some(slot) = self.find(task) else { return Woken::Gone };
        let _masked = self.platform.irq_save();
        match slot.state.wake(task.generation(), cause) {
            Outcome::Won => {
                self.enqueue_woken(task.index(), now);
                Woken::Enqueued
            }
            Outcome::Remembered => Woken::Remembered,
            Outcome::Gone => Woken::Gone,
        }
    }

    /// Puts a task, whose wake the caller owns, where it will be run. Interrupts are masked, no queue's lock is held.
    pub(super) fn enqueue_woken(&self, task: TaskIndex, now: Instant) {
        let (Some(slot), Some((here, _))) = (self.slot(task), self.here()) else { return };
        while seeded(Bug::OnCpuAwaited) && slot.is_on_cpu() {
            spin();
        }
        loop {
            let on_cpu = slot.is_on_cpu() && !seeded(Bug::OnCpuIgnored);
            let kept = self.arena.owner(task).is_some();
            let home = slot.home();
            let choice = || self.choose(slot, home, here).or_else(|| self.refuge(slot)).unwrap_or(home);
            let target = if on_cpu || kept { home } else { choice() };
            if on_cpu || target != here {
                return self.send(task, target, now);
            }
            let Some(mut held) = self.lock(here) else { return };
            let taken = held.take_woken(task, now);
            held.queue.counts.local = held.queue.counts.local.wrapping_add(u64::from(taken));
            held.release(now);
            if taken {
                return;
            }
            self.unclaim(here);
            if kept {
                return self.send(task, home, now);
            }
        }
    }

    /// Puts a task into the wake list of `target`.
    fn send(&self, task: TaskIndex, target: CpuId, now: Instant) {
        let (Some(slot), Some(cpu)) = (self.slot(task), self.cpus.get(target.as_usize())) else { return };
        slot.set_home(target);
        let was_empty = cpu.woken.push(task, &slot.link);
        // A CPU that leaves takes its bit back, fences, and then looks at its list for the last time.
        fence(Ordering::SeqCst);
        if let Some((_, here)) = self.here() {
            here.counts.remote.count();
        }
        if !self.online.contains(target) && !seeded(Bug::OfflineUnchecked) {
            self.sweep(target, now);
        } else if was_empty {
            self.tell(target, cpu);
        }
    }

    /// Takes in what is in the wake list of another CPU. Interrupts are masked, no queue's lock is held.
    pub(super) fn sweep(&self, cpu: CpuId, now: Instant) {
        if let Some(mut held) = self.lock(cpu) {
            held.drain(now);
            held.release(now);
        }
    }

    /// Tells `cpu` that it has work, which is published.
    #[inline]
    pub(super) fn tell(&self, cpu: CpuId, slot: &CpuSlot<'_, S>) {
        let Some((here, own)) = self.here() else { return };
        if cpu == here {
            slot.set_resched(true);
            return;
        }
        match slot.bell.ring(|| self.platform.kick(cpu)) {
            Rung::Sent => own.counts.sent.count(),
            Rung::Saved => own.counts.saved.count(),
            Rung::Failed => {
                own.counts.failed.count();
                own.unsent.insert(cpu);
                // A decision sends it again, or sets the timer for that; a task alone here might never come to one.
                own.set_resched(true);
            }
        }
    }

    /// Tries the interrupts again that could not be sent from here; whether all are sent now.
    #[inline]
    pub(super) fn retry_unsent(&self, own: &CpuSlot<'_, S>) -> bool {
        if own.unsent.is_empty() {
            return true;
        }
        for cpu in own.unsent.load().iter() {
            own.unsent.remove(cpu);
            if let Some(slot) = self.cpus.get(cpu.as_usize()) {
                self.tell(cpu, slot);
            }
        }
        own.unsent.is_empty()
    }

    /// Another CPU's interrupt has arrived. Interrupt context. On its way out the handler asks
    /// [`should_preempt`](Self::should_preempt).
    pub fn on_kick(&self, now: Instant) {
        let _masked = self.platform.irq_save();
        let Some((cpu, slot)) = self.here() else { return };
        self.retry_unsent(slot);
        slot.bell.answer(|| self.sweep(cpu, now));
    }
}
