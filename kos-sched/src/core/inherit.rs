//! What a task inherits from those who wait for it: [`Scheduler::inherit`].
//!
//! A task is scheduled by the greater of its own urgency and what it inherits. The change happens in one step under the lock
//! of the queue that has the task, whether it runs, waits or sleeps; on its way between two queues, as soon as one has it.

use super::error::TaskError;
use super::held::Held;
use super::scheduler::Scheduler;
use super::slot::TaskSlot;
use super::system::System;
use super::urgency::Urgency;
use crate::class::Verdict;
use crate::ports::Platform;
use crate::rq::QueueError;
use crate::task::state::Phase;
use crate::task::{Policy, TaskId, TaskIndex};
use crate::time::Instant;

impl<S: System> Scheduler<'_, S> {
    /// How urgent `task` is: the greater of its own urgency and what it inherits.
    #[must_use]
    pub fn urgency(&self, task: TaskId) -> Option<Urgency> {
        Some(self.find(task)?.lent.effective())
    }

    /// How urgent `task` is of its own. Takes no lock.
    #[must_use]
    pub fn own_urgency(&self, task: TaskId) -> Option<Urgency> {
        Some(self.find(task)?.lent.own())
    }

    /// Lets `task` be at least as urgent as `urgency` says, and no longer as what it inherited before. Any context.
    ///
    /// It has one lender: all locks and donations of a scheduler that lend belong to one
    /// [`PiDomain`](crate::sync::PiDomain). A task in the integrator's own class inherits nothing. A task that runs under a
    /// lent deadline is not asked for admission.
    ///
    /// # Errors
    /// [`TaskError::Gone`].
    pub fn inherit(&self, task: TaskId, urgency: Option<Urgency>, now: Instant) -> Result<(), TaskError> {
        let inherited = urgency.unwrap_or(Urgency::NONE);
        self.reach(task, now, |held, slot| held.inherit(task.index(), slot, inherited, now))
    }

    /// Lets `change` change `task` on the queue that has it, or that would wake it. Waits for a task that is on its way.
    pub(super) fn reach(
        &self,
        task: TaskId,
        now: Instant,
        mut change: impl FnMut(&mut Held<'_, '_, S>, &TaskSlot<S>) -> Result<Verdict, QueueError>,
    ) -> Result<(), TaskError> {
        let _masked = self.platform.irq_save();
        let slot = self.find(task).ok_or(TaskError::Gone)?;
        loop {
            let home = slot.home();
            let Some(mut held) = self.lock(home) else { return Err(TaskError::NoCpu) };
            held.drain(now);
            held.account(now);
            let done = held.reach(task.index(), slot, &mut change);
            held.release(now);
            match done {
                Some(done) => return done,
                None if self.find(task).is_some() && slot.state.is_alive() => crate::atomic::spin(),
                None => return Err(TaskError::Gone),
            }
        }
    }
}

impl<S: System> Held<'_, '_, S> {
    /// Does `change` if the task can be got at from here; [`None`] if it is on its way.
    fn reach(
        &mut self,
        task: TaskIndex,
        slot: &TaskSlot<S>,
        change: impl FnOnce(&mut Self, &TaskSlot<S>) -> Result<Verdict, QueueError>,
    ) -> Option<Result<(), TaskError>> {
        let owned = self.queue.rq.nodes().owns(task);
        let held = !owned && slot.home() == self.cpu && slot.state.hold();
        if !owned && !held {
            return None;
        }
        let done = change(self, slot);
        if held && !slot.state.let_go() {
            self.queue.strays.push(task, &slot.link);
        }
        Some(match done {
            Ok(verdict) => {
                // A CPU that idles has nobody to interrupt, unless the task was throttled and no longer is.
                if self.queue.rq.current().is_some() || self.queue.rq.load().ready() > 0 {
                    self.heed(verdict);
                }
                Ok(())
            }
            Err(QueueError::Attr(error)) => Err(error.into()),
            Err(_) if held || slot.state.phase() == Phase::Exiting => Err(TaskError::Gone),
            Err(_) => return None,
        })
    }

    /// Changes the task's own policy, whatever it inherits meanwhile.
    pub(super) fn set_own(
        &mut self,
        task: TaskIndex,
        slot: &TaskSlot<S>,
        policy: Policy,
        now: Instant,
    ) -> Result<Verdict, QueueError> {
        let restored = self.restore(task, slot, now)?;
        let changed = self.queue.rq.set_attr(task, policy, now);
        if changed.is_ok() {
            slot.lent.set_own(Urgency::of(&policy));
        }
        let lent = self.lend(task, slot, now)?;
        Ok(strongest([restored, changed?, lent]))
    }

    fn inherit(
        &mut self,
        task: TaskIndex,
        slot: &TaskSlot<S>,
        inherited: Urgency,
        now: Instant,
    ) -> Result<Verdict, QueueError> {
        let before = slot.lent.effective();
        slot.lent.set_inherited(inherited);
        let lent = slot.lent.is_lent();
        if before == inherited || !lent && inherited <= slot.lent.own() {
            return Ok(Verdict::Keep);
        }
        if inherited <= slot.lent.own() {
            return self.restore(task, slot, now);
        }
        self.lend(task, slot, now)
    }

    /// Lets the task be scheduled by what it inherits, if that is more than its own.
    fn lend(&mut self, task: TaskIndex, slot: &TaskSlot<S>, now: Instant) -> Result<Verdict, QueueError> {
        let (own, inherited) = (slot.lent.own(), slot.lent.inherited());
        let Some(policy) = inherited.policy().filter(|_| own < inherited && own > Urgency::NONE) else {
            return Ok(Verdict::Keep);
        };
        let (node, verdict) = self.queue.rq.lend(task, policy, now)?;
        if slot.lent.is_lent() {
            // It may be less than before: others may go first.
            return Ok(Verdict::Resched);
        }
        slot.lent.keep(&node);
        Ok(verdict)
    }

    /// Lets the task be what it is of its own, if it is not.
    fn restore(&mut self, task: TaskIndex, slot: &TaskSlot<S>, now: Instant) -> Result<Verdict, QueueError> {
        let Some(own) = slot.lent.kept() else { return Ok(Verdict::Keep) };
        let verdict = self.queue.rq.restore(task, &own, now)?;
        slot.lent.forget();
        Ok(verdict)
    }
}

/// Whether one of them asks for a pick.
fn strongest(verdicts: [Verdict; 3]) -> Verdict {
    verdicts.into_iter().find(|&verdict| verdict != Verdict::Keep).unwrap_or(Verdict::Keep)
}
