//! Sleeping, from the task's side. In order: [`prepare`](Scheduler::prepare), a look at the condition, then
//! [`block`](Scheduler::block) or [`cancel`](Scheduler::cancel), and, awake again, [`resume`](Scheduler::resume).
//!
//! A wake that comes at any time after `prepare` ends the sleep or prevents it; one that came before is remembered and makes
//! `prepare` refuse. So who checks his condition between the two, or registers before, misses nothing.

use super::scheduler::Scheduler;
use super::slot::TaskSlot;
use super::switch::{Switch, Want};
use super::system::System;
use crate::atomic::Ordering;
use crate::cpu::CpuId;
use crate::ports::{BlockReason, Platform, Resume};
use crate::task::TaskIndex;
use crate::task::state::Announced;
use crate::time::Instant;

impl<'s, S: System> Scheduler<'s, S> {
    /// The running task announces that it will sleep, and says why.
    ///
    /// # Errors
    /// A reason not to: it was woken early, or is to die.
    #[inline]
    pub fn prepare(&self, why: BlockReason) -> Result<(), Resume> {
        let Some((task, slot)) = self.running() else { return Err(Resume::Woken) };
        self.disarm(task, slot);
        set_reason(slot, why);
        match slot.state.announce() {
            Announced::Sleep => Ok(()),
            Announced::Stay(resume) => Err(resume),
        }
    }

    /// The running task will not sleep after all. A wake since `prepare` stays remembered.
    pub fn cancel(&self) {
        if let Some((_, slot)) = self.running() {
            slot.state.call_off();
        }
    }

    /// The running task sleeps as announced, until `until` at most, unless it was woken since.
    pub fn block(&self, until: Option<Instant>, now: Instant) -> Switch<'_, 's, S> {
        self.decide(Want::Sleep(until), now)
    }

    /// The running task, after [`block`](Self::block), asks why it runs again. All wakes up to here count as one.
    pub fn resume(&self) -> Resume {
        let Some((task, slot)) = self.running() else { return Resume::Woken };
        self.disarm(task, slot);
        slot.state.resume()
    }

    /// The running task has seen that it is to die, and may sleep again on its way out. Whether it was to.
    pub fn take_interrupt(&self) -> bool {
        self.running().is_some_and(|(_, slot)| slot.state.take_interrupt())
    }

    /// Ends the deadline of the running task's last sleep, if it has not passed.
    #[inline]
    pub(super) fn disarm(&self, task: TaskIndex, slot: &TaskSlot<S>) {
        if let Some(cpu) = slot.sleep.armed_on() {
            self.disarm_on(task, slot, CpuId::new(cpu));
        }
    }

    /// The deadline is on the CPU where the task fell asleep.
    #[cold]
    fn disarm_on(&self, task: TaskIndex, slot: &TaskSlot<S>, cpu: CpuId) {
        let _masked = self.platform.irq_save();
        let Some(mut held) = self.lock(cpu) else { return };
        if slot.sleep.armed_on().is_some() {
            held.queue.sleepers.disarm(self.tasks, task);
        }
        let now = held.queue.rq.clock();
        held.release(now);
    }

    /// The task that calls.
    #[inline]
    pub(super) fn running(&self) -> Option<(TaskIndex, &'s TaskSlot<S>)> {
        let task = {
            let _masked = self.platform.irq_save();
            self.here()?.1.running()?
        };
        Some((task, self.slot(task)?))
    }
}

fn set_reason<S: System>(slot: &TaskSlot<S>, why: BlockReason) {
    let number = match why {
        BlockReason::Park => 0,
        BlockReason::Sleep => 1,
        BlockReason::Lock => 2,
        BlockReason::Wait => 3,
        BlockReason::Io => 4,
        BlockReason::Child => 5,
        BlockReason::Stopped => 6,
    };
    slot.reason.store(number, Ordering::Relaxed);
}

/// Why the task sleeps, or slept last.
pub(super) fn reason<S: System>(slot: &TaskSlot<S>) -> BlockReason {
    match slot.reason.load(Ordering::Relaxed) {
        1 => BlockReason::Sleep,
        2 => BlockReason::Lock,
        3 => BlockReason::Wait,
        4 => BlockReason::Io,
        5 => BlockReason::Child,
        6 => BlockReason::Stopped,
        _ => BlockReason::Park,
    }
}
