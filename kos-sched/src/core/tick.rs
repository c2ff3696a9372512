//! What time brings: [`Scheduler::on_timer`], and the account of where it went.

use super::account::Mode;
use super::held::Held;
use super::scheduler::Scheduler;
use super::system::System;
use crate::cpu::CpuId;
use crate::ports::Platform;
use crate::stats::Times;
use crate::task::TaskId;
use crate::task::state::{Cause, Outcome};
use crate::time::Instant;

impl<S: System> Scheduler<'_, S> {
    /// The timer of this CPU has fired, or a tick came: ends sleeps and budgets, and balances. Interrupt context. On its way out
    /// the handler asks [`should_preempt`](Self::should_preempt).
    ///
    /// A platform with a tick calls it on each tick; one with a timer when that fires. Too often does no harm.
    pub fn on_timer(&self, now: Instant) {
        let _masked = self.platform.irq_save();
        let Some((cpu, slot)) = self.here() else { return };
        self.retry_unsent(slot);
        let Some(mut held) = self.lock(cpu) else { return };
        // It has fired, or the platform has its own rhythm: whatever was armed is to be armed again.
        held.queue.rearm = true;
        held.drain(now);
        held.account(now);
        let verdict = held.queue.rq.charge(now);
        held.heed(verdict);
        held.wake_sleepers(now);
        let balance = held.is_balance_due(now, self.config.balance_interval);
        held.release(now);
        if balance {
            self.balance(cpu, now);
        }
    }

    /// When this CPU needs [`on_timer`](Self::on_timer) next, as its timer was armed. [`None`]: never; an idle CPU without
    /// sleepers gets no ticks.
    #[must_use]
    pub fn next_event(&self, cpu: CpuId) -> Option<Instant> {
        let _masked = self.platform.irq_save();
        self.lock(cpu)?.next_event()
    }

    /// From here on the CPU's time counts as its task's user time.
    pub fn enter_user(&self, now: Instant) {
        self.set_mode(Mode::User, now);
    }

    /// From here on the CPU's time counts as its task's system time.
    pub fn leave_user(&self, now: Instant) {
        self.set_mode(Mode::System, now);
    }

    fn set_mode(&self, mode: Mode, now: Instant) {
        let _masked = self.platform.irq_save();
        let Some((cpu, _)) = self.here() else { return };
        let Some(mut held) = self.lock(cpu) else { return };
        held.account(now);
        held.queue.account.set_mode(mode);
    }

    /// Where the time of `cpu` went, up to `now` if it is the calling one, else up to its last decision. While it was online,
    /// the sum is the time that passed.
    #[must_use]
    pub fn cpu_times(&self, cpu: CpuId, now: Instant) -> Times {
        let _masked = self.platform.irq_save();
        let Some(mut held) = self.lock(cpu) else { return Times::default() };
        held.account(now);
        held.queue.account.times()
    }

    /// Where the time of `task` went, up to `now`.
    #[must_use]
    pub fn usage(&self, task: TaskId, now: Instant) -> Option<Times> {
        let slot = self.find(task)?;
        let _masked = self.platform.irq_save();
        let mut held = self.lock(slot.home())?;
        held.account(now);
        let [user, system] = slot.times.each_ref().map(|time| crate::time::Duration::from_ticks(time.get()));
        drop(held);
        self.find(task).map(|_| Times { user, system, ..Times::default() })
    }
}

impl<S: System> Held<'_, '_, S> {
    /// Wakes the tasks whose sleep is over; they are placed when the lock is free.
    fn wake_sleepers(&mut self, now: Instant) {
        while let Some(task) = self.queue.sleepers.pop(self.sched.tasks, now) {
            let (Some(slot), Some(id)) = (self.sched.slot(task), self.sched.id(task)) else { return };
            if slot.state.wake(id.generation(), Cause::Timeout) == Outcome::Won {
                self.queue.strays.push(task, &slot.link);
            }
        }
    }

    fn is_balance_due(&mut self, now: Instant, interval: crate::time::Duration) -> bool {
        let due = now >= self.queue.balance_at;
        if due {
            self.queue.balance_at = now.checked_add_duration(interval).unwrap_or(now);
        }
        due
    }
}
