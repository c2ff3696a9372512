//! Changing where and how a task runs: [`Scheduler::set_affinity`], [`set_attr`](Scheduler::set_attr).
//!
//! An affinity is stored first, and then the task looked for. Who takes a task in publishes its place first, and then looks at
//! its affinity. So one of the two sees the other.

use super::held::Held;
use super::scheduler::Scheduler;
use super::slot::TaskSlot;
use super::system::System;
use crate::atomic::{Ordering, fence};
use crate::class::Verdict;
use crate::cpu::CpuSet;
use crate::error::AttrError;
use crate::ports::Platform;
use crate::task::{Policy, TaskId, TaskIndex};
use crate::time::Instant;

use super::error::TaskError;

impl<S: System> Scheduler<'_, S> {
    /// Lets `task` run on `allowed` only. If it waits or sleeps, at once; if it runs elsewhere, after one interrupt at most; if it
    /// is the calling one, when it next [reschedules](Self::reschedule), which [`should_preempt`](Self::should_preempt) asks for.
    ///
    /// A deadline task that has to leave its CPU needs its bandwidth on another. What is given away there between the question
    /// and its coming does not keep it from coming: [`Stats::overcommitted`](crate::Stats) counts that.
    ///
    /// # Errors
    /// [`TaskError::Gone`]; [`AttrError::NoAllowedCpu`] if none of them is online; [`AttrError::Admission`] if none of them has
    /// the bandwidth. Nothing changed.
    pub fn set_affinity(&self, task: TaskId, allowed: &S::Mask, now: Instant) -> Result<(), TaskError> {
        let _masked = self.platform.irq_save();
        let control = self.control.lock();
        let slot = self.find(task).ok_or(TaskError::Gone)?;
        if allowed.and(&self.online.load()).is_empty() {
            return Err(AttrError::NoAllowedCpu.into());
        }
        self.ask_for_bandwidth(task.index(), slot, allowed)?;
        slot.allowed.store(allowed);
        fence(Ordering::SeqCst);
        self.resettle(task.index(), slot, now);
        drop(control);
        Ok(())
    }

    /// Whether a task that may run on `allowed` only can keep its bandwidth.
    fn ask_for_bandwidth(
        &self,
        task: TaskIndex,
        slot: &TaskSlot<S>,
        allowed: &S::Mask,
    ) -> Result<(), AttrError> {
        let (home, can) = (slot.home(), allowed.and(&self.online.load()));
        if can.contains(home) {
            return Ok(());
        }
        let reserved =
            self.lock(home).and_then(|held| held.queue.rq.reserved(task, slot.lent.kept().as_ref()));
        let Some(policy) = reserved else { return Ok(()) };
        let mut refusal = AttrError::NoAllowedCpu;
        for held in can.iter().filter_map(|cpu| self.lock(cpu)) {
            match held.queue.rq.admits(task, &policy) {
                Ok(()) => return Ok(()),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Where `task` may run.
    #[must_use]
    pub fn affinity(&self, task: TaskId) -> Option<S::Mask> {
        let slot = self.find(task)?;
        let _masked = self.platform.irq_save();
        let _control = self.control.lock();
        Some(slot.allowed.load())
    }

    /// Moves a task that is where it must not be.
    pub(super) fn resettle(&self, task: TaskIndex, slot: &TaskSlot<S>, now: Instant) {
        loop {
            let home = slot.home();
            // If it is on its way, who takes it in will look.
            if self.may_wait(slot, home) {
                return;
            }
            let Some(mut held) = self.lock(home) else { return };
            if slot.home() == home {
                return held.expel(task, slot, now);
            }
            held.queue.alert = false;
            held.release(now);
        }
    }

    /// Gives `task` another policy.
    ///
    /// # Errors
    /// [`TaskError::Gone`]; [`TaskError::Attr`] with what stands against it. Nothing changed.
    pub fn set_attr(&self, task: TaskId, policy: Policy, now: Instant) -> Result<(), TaskError> {
        self.reach(task, now, |held, slot| held.set_own(task.index(), slot, policy, now))
    }
}

impl<S: System> Held<'_, '_, S> {
    /// `task`, whose home this is, must leave. Frees the lock.
    fn expel(mut self, task: TaskIndex, slot: &TaskSlot<S>, now: Instant) {
        let sched = self.sched;
        if self.queue.rq.current() == Some(task) {
            // It goes when it reschedules.
            self.heed(Verdict::Resched);
            return self.release(now);
        }
        if !self.queue.rq.nodes().owns(task) {
            return self.release(now);
        }
        if !slot.state.hold() {
            // It waits; or it was woken and is in a wake list, whose owner will look.
            let token = self.queue.rq.remove_runnable(task, now);
            self.release(now);
            return token.into_iter().for_each(|token| sched.place(token, now));
        }
        let token = self.queue.rq.remove(task, now);
        self.release(now);
        if let Ok(token) = token {
            sched.place_asleep(token, now);
        }
        if !slot.state.let_go() {
            sched.enqueue_woken(task, now);
        }
    }
}
