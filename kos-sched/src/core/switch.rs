//! Deciding who runs, and handing the queue's lock through the switch: [`Scheduler::reschedule`], [`Switch`].
//!
//! The lock of the queue is taken by the task that leaves and freed by the one that comes, so that nobody else can run the first
//! before its registers are saved, nor free its stack. Between the two the lock belongs to nobody's code; a flag of the CPU
//! says so, and the one who takes the flag back has the lock.

use core::fmt;

use super::held::{Held, RAN};
use super::scheduler::Scheduler;
use super::slot::TaskSlot;
use super::system::{Decision, System};
use crate::ports::Platform;
use crate::seeded::{Bug, seeded};
use crate::task::state::{Cause, Outcome, Phase};
use crate::task::{TaskId, TaskIndex};
use crate::time::Instant;
use crate::trace::{TraceEvent, TraceSink};

/// What the running task wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// To run on.
    Run,
    /// To let its equals go first.
    Yield,
    /// To sleep, at most until then.
    Sleep(Option<Instant>),
    /// To leave for ever.
    Exit,
}

/// Who ran, who is to run, and whether they differ.
type Chosen = (Option<TaskIndex>, Option<TaskIndex>, bool);

/// A decision that waits to be carried out. It holds the queue's lock and masks interrupts: nothing else may happen on this CPU
/// until then. Dropping it means that the CPU has switched by other means, as a simulated one does.
#[must_use = "the queue stays locked until the switch is carried out or dropped"]
pub struct Switch<'a, 's, S: System> {
    sched: &'a Scheduler<'s, S>,
    prev: Option<TaskIndex>,
    next: Option<TaskIndex>,
    /// The lock goes through the switch, and nobody has taken it back.
    open: bool,
    _masked: <S::Platform as Platform>::Irq,
}

impl<'s, S: System> Switch<'_, 's, S> {
    /// Who ran and who is to.
    #[must_use]
    pub fn decision(&self) -> Decision {
        let id = |task: Option<TaskIndex>| task.and_then(|task| self.sched.id(task));
        Decision { prev: id(self.prev), next: id(self.next) }
    }

    /// Whether there is anything to switch.
    #[must_use]
    pub const fn is_switch(&self) -> bool {
        self.open
    }

    /// Carries it out, if there is anything to: calls `switch` with the payloads of who ran and who is to run; [`None`] is the
    /// CPU's idle context. It returns when the task that ran is run again, maybe on another CPU. Where a task begins it has
    /// no such call to return to: it calls [`Scheduler::finish_switch`] first of all.
    pub fn carry_out(mut self, switch: impl FnOnce(Option<&S::Payload>, Option<&S::Payload>)) {
        if core::mem::take(&mut self.open) {
            switch(self.payload(self.prev), self.payload(self.next));
            self.sched.finish_switch();
        }
    }

    #[expect(unsafe_code, reason = "lends what the two tasks keep")]
    fn payload(&self, task: Option<TaskIndex>) -> Option<&'s S::Payload> {
        let slot = self.sched.slot(task?)?;
        // SAFETY: `next` is about to run and cannot be reaped before. `prev` becomes a zombie, which alone is reaped, only in
        // `finish_switch`, that is after the CPU has left it; the closure that gets this reference has not returned then, and
        // never does for an ended task.
        unsafe { slot.payload.get() }
    }
}

impl<S: System> Drop for Switch<'_, '_, S> {
    fn drop(&mut self) {
        if self.open {
            self.sched.finish_switch();
        }
    }
}

impl<S: System> fmt::Debug for Switch<'_, '_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.decision(), f)
    }
}

impl<'s, S: System> Scheduler<'s, S> {
    /// Decides who runs on this CPU. To be called when [`should_preempt`](Self::should_preempt) says so, and by an idle CPU that
    /// has work. A task that is about to sleep is put back as one that wants to run.
    pub fn reschedule(&self, now: Instant) -> Switch<'_, 's, S> {
        self.decide(Want::Run, now)
    }

    /// The running task lets its equals go first.
    pub fn yield_now(&self, now: Instant) -> Switch<'_, 's, S> {
        self.decide(Want::Yield, now)
    }

    /// The running task leaves for ever. Nobody switches to it again; when the CPU has left it, it is a zombie.
    pub fn exit_current(&self, now: Instant) -> Switch<'_, 's, S> {
        if let Some((task, slot)) = self.running() {
            self.disarm(task, slot);
        }
        self.decide(Want::Exit, now)
    }

    /// As [`block`](Self::block), and wakes `to`, which if it may runs here next, before others of its class; if it has had
    /// more than its share already, when its turn comes. Who is more urgent goes before it.
    pub fn hand_off(&self, to: TaskId, until: Option<Instant>, now: Instant) -> Switch<'_, 's, S> {
        let masked = self.platform.irq_save();
        let first = self.wake_here(to, now);
        let (prev, next, open) = self.choose_next(Want::Sleep(until), first, now).unwrap_or_default();
        Switch { sched: self, prev, next, open, _masked: masked }
    }

    /// Wakes `task`; returns it if this CPU is to enqueue it and can run it. Interrupts are masked.
    fn wake_here(&self, task: TaskId, now: Instant) -> Option<TaskIndex> {
        let (slot, (here, _), index) = (self.find(task)?, self.here()?, task.index());
        if slot.state.wake(task.generation(), Cause::Wake) != Outcome::Won {
            return None;
        }
        let elsewhere = slot.home() != here && self.arena.owner(index).is_some();
        if slot.is_on_cpu() || elsewhere || !self.fits(slot, here) {
            self.enqueue_woken(index, now);
            return None;
        }
        Some(index)
    }

    pub(super) fn decide(&self, want: Want, now: Instant) -> Switch<'_, 's, S> {
        let masked = self.platform.irq_save();
        let (prev, next, open) = self.choose_next(want, None, now).unwrap_or_default();
        Switch { sched: self, prev, next, open, _masked: masked }
    }

    fn choose_next(&self, want: Want, first: Option<TaskIndex>, now: Instant) -> Option<Chosen> {
        let (cpu, slot) = self.here()?;
        self.retry_unsent(slot);
        let mut held = self.lock(cpu)?;
        held.drain(now);
        held.account(now);
        if let Some(first) = first {
            held.take_woken_here(first, now);
        }
        if held.runs_dry(want) {
            held = self.steal_for(held, now)?;
        }
        let prev = held.queue.rq.current();
        held.settle_previous(prev, want, now);
        let next = held.pick(first, now);
        if prev == next {
            held.release(now);
            return Some((prev, next, false));
        }
        held.begin_switch(prev, next, now);
        Some((prev, next, true))
    }

    /// Ends a switch on the CPU that has come to another task: from here on others may run, move or reap the one that it left.
    /// [`Switch::carry_out`] calls it; a task that begins calls it first of all. Does nothing if no switch is under way.
    #[expect(unsafe_code, reason = "takes up the lock that came through the switch")]
    pub fn finish_switch(&self) {
        let masked = self.platform.irq_save();
        let Some((cpu, slot)) = self.here() else { return };
        if !slot.end_handover() {
            return;
        }
        // SAFETY: the lock was held when the flag was set and its guard given up; who takes the flag back, which one does, has
        // the lock.
        let queue = unsafe { slot.queue.make_guard_unchecked() };
        let mut held = Held { sched: self, cpu, slot, queue };
        let now = held.queue.rq.clock();
        let ended = held.leave();
        held.drain(now);
        held.release(now);
        if let Some(task) = ended {
            self.bury(task, now);
        }
        drop(masked);
    }
}

impl<'s, S: System> Held<'_, 's, S> {
    /// Does with the task that ran what it wants.
    #[inline]
    fn settle_previous(&mut self, prev: Option<TaskIndex>, want: Want, now: Instant) {
        let (Some(task), Some(slot)) = (prev, self.current()) else { return };
        match want {
            Want::Sleep(until) => self.put_to_sleep(task, slot, until, now),
            Want::Exit => {
                slot.state.exit();
                if let Ok(token) = self.queue.rq.remove(task, now) {
                    token.loosen();
                }
            }
            Want::Yield => _ = self.queue.rq.yield_current(now),
            Want::Run => {}
        }
        if self.queue.rq.current().is_none() {
            return;
        }
        if !self.sched.may_wait(slot, self.cpu) {
            self.queue.moving[RAN] = self.queue.rq.remove(task, now).ok();
        } else if self.sched.cpus.len() > 1 {
            self.queue.push = slot.is_urgent() || !self.sched.idle.is_empty();
        }
    }

    fn put_to_sleep(&mut self, task: TaskIndex, slot: &TaskSlot<S>, until: Option<Instant>, now: Instant) {
        let id = self.sched.id(task);
        if let (Some(id), Some(until)) = (id, until)
            && until <= now
        {
            slot.state.wake(id.generation(), Cause::Timeout);
        }
        if !slot.state.sleep() {
            return;
        }
        let _ = self.queue.rq.dequeue(task, now);
        if let Some(until) = until {
            self.queue.sleepers.arm(self.sched.tasks, task, until, self.cpu.get());
        }
        if let Some(task) = id {
            let why = super::block::reason(slot);
            self.sched.trace.record(now, TraceEvent::Blocked { task, why });
        }
    }

    /// Who runs from now on. A CPU that is offline runs nobody.
    #[inline]
    fn pick(&mut self, first: Option<TaskIndex>, now: Instant) -> Option<TaskIndex> {
        let online = self.sched.online.contains(self.cpu);
        let next = match first {
            _ if !online => {
                self.queue.rq.put_previous(now);
                None
            }
            Some(first) => self.queue.rq.pick_first(first, now),
            None => self.queue.rq.pick(now),
        };
        self.queue.alert = false;
        self.slot.set_resched(false);
        if next.is_none() && online {
            self.sched.idle.insert(self.cpu);
        } else {
            self.sched.idle.remove(self.cpu);
        }
        next
    }

    /// Gives up the lock for the way through the switch.
    fn begin_switch(mut self, prev: Option<TaskIndex>, next: Option<TaskIndex>, now: Instant) {
        let (sched, cpu, slot) = (self.sched, self.cpu, self.slot);
        if seeded(Bug::ZombieEarly)
            && let Some(prev) = prev.and_then(|prev| sched.slot(prev))
        {
            prev.state.die();
        }
        let runs = next.and_then(|next| sched.slot(next));
        if let Some(runs) = runs {
            runs.set_on_cpu(true);
        }
        slot.set_running(next);
        self.queue.left = prev;
        self.queue.counts.switches = self.queue.counts.switches.wrapping_add(1);
        self.publish();
        self.arm();
        let id = |task: Option<TaskIndex>| task.and_then(|task| sched.id(task));
        sched.trace.record(now, TraceEvent::Switch { cpu, prev: id(prev), next: id(next) });
        slot.begin_handover();
        lock_api::MutexGuard::leak(self.queue);
    }

    /// The CPU has left its last task; which, if that has ended.
    fn leave(&mut self) -> Option<TaskIndex> {
        let task = self.queue.left.take()?;
        let slot = self.sched.slot(task)?;
        slot.set_on_cpu(false);
        let phase = slot.state.phase();
        (phase == Phase::Exiting || seeded(Bug::ZombieEarly) && phase == Phase::Zombie).then_some(task)
    }

    /// Whether nobody will want to run here when the current task has what it wants.
    #[inline]
    fn runs_dry(&self, want: Want) -> bool {
        let leaves = matches!(want, Want::Sleep(_) | Want::Exit);
        let left = self.queue.rq.load().ready().saturating_sub(u32::from(leaves));
        left == 0 && self.sched.online.contains(self.cpu)
    }
}
