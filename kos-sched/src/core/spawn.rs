//! How a task comes and goes: [`Scheduler::try_spawn`], [`join`](Scheduler::join), [`reap`](Scheduler::reap).

use super::error::{SpawnError, SpawnFailure, TaskError};
use super::held::Held;
use super::scheduler::Scheduler;
use super::system::{SpawnArgs, System};
use super::urgency::Urgency;
use crate::atomic::{Ordering, fence};
use crate::cpu::{CpuId, CpuSet};
use crate::error::AttrError;
use crate::ports::Platform;
use crate::rq::{AttachError, QueueError};
use crate::seeded::{Bug, seeded};
use crate::task::state::{Cause, Phase};
use crate::task::{Detached, Policy, TaskId, TaskIndex};
use crate::time::Instant;
use crate::trace::{TraceEvent, TraceSink};

impl<'s, S: System> Scheduler<'s, S> {
    /// Makes a task that wants to run, and puts it into a queue.
    ///
    /// # Errors
    /// [`SpawnError`] gives everything back.
    pub fn try_spawn(&self, args: SpawnArgs<S>, now: Instant) -> Result<TaskId, SpawnError<SpawnArgs<S>>> {
        let _masked = self.platform.irq_save();
        let refused = |args, why| Err(SpawnError { args, why });
        if args.allowed.and(&self.online.load()).is_empty() {
            return refused(args, SpawnFailure::Attr(AttrError::NoAllowedCpu));
        }
        let Some(token) = self.free.lock().take() else { return refused(args, SpawnFailure::NoSlot) };
        let (task, id) = (token.index(), token.id());
        let Some(slot) = self.slot(task) else { return refused(args, SpawnFailure::NoSlot) };
        let SpawnArgs { policy, allowed, detached, payload } = args;
        slot.begin(id.generation(), Urgency::of(&policy), detached);
        slot.allowed.store(&allowed);
        #[expect(unsafe_code, reason = "keeps what the integrator gives")]
        // SAFETY: the token names the slot and is ours alone; nobody runs or reaps the task before it is in a queue.
        unsafe {
            slot.payload.put(payload);
        }
        let Err((token, why)) = self.admit(token, policy, now) else { return Ok(id) };
        #[expect(unsafe_code, reason = "gives it back")]
        // SAFETY: as above: the task was in no queue.
        let payload = unsafe { slot.payload.take() };
        slot.state.abandon();
        let _ = self.free.lock().give(token);
        match payload {
            Some(payload) => refused(SpawnArgs { policy, allowed, detached, payload }, why),
            None => Ok(id),
        }
    }

    /// Puts a new task into the queue that suits it best, or into any that admits it.
    fn admit(
        &self,
        mut token: Detached<'s>,
        policy: Policy,
        now: Instant,
    ) -> Result<(), (Detached<'s>, SpawnFailure)> {
        let failed = |token, error| Err((token, SpawnFailure::Attr(error)));
        let (Some(slot), Some((here, _))) = (self.slot(token.index()), self.here()) else {
            return failed(token, AttrError::NoAllowedCpu);
        };
        let first = self.choose(slot, here, here);
        let mut why = AttrError::NoAllowedCpu;
        for cpu in first.into_iter().chain(self.possible(slot).iter()) {
            let Some(held) = self.lock(cpu) else { continue };
            match held.admit(token, policy, now) {
                Ok(()) => return Ok(()),
                Err(AttachError { task, why: error }) => {
                    token = task;
                    if let QueueError::Attr(error) = error {
                        why = error;
                    }
                }
            }
            if Some(cpu) == first {
                self.unclaim(cpu);
            }
            if !matches!(why, AttrError::Admission { .. } | AttrError::NoAllowedCpu) {
                break;
            }
        }
        failed(token, why)
    }

    /// The running task will be woken when `task` has ended; whether it has already, and can be reaped.
    ///
    /// # Errors
    /// [`TaskError::Gone`]; [`TaskError::Joined`] if another task waits for it, or it is detached.
    pub fn join(&self, task: TaskId) -> Result<bool, TaskError> {
        let slot = self.find(task).ok_or(TaskError::Gone)?;
        if slot.is_detached() {
            return Err(TaskError::Joined);
        }
        let late = seeded(Bug::JoinUnregistered) && slot.state.phase() != Phase::Zombie;
        if let Some((own, _)) = self.running()
            && !slot.join(own)
        {
            return Err(TaskError::Joined);
        }
        // The end is published before this look for it, or the joiner before the look for him.
        fence(Ordering::SeqCst);
        let ended = slot.state.phase() == Phase::Zombie && !late;
        self.find(task).map(|_| ended).ok_or(TaskError::Gone)
    }

    /// The CPU has left a task that has ended: makes it a zombie, which wakes its joiner.
    pub(super) fn bury(&self, task: TaskIndex, now: Instant) {
        let (Some(slot), Some(id)) = (self.slot(task), self.id(task)) else { return };
        self.trace.record(now, TraceEvent::Exited { task: id });
        let detached = slot.is_detached();
        slot.state.die();
        if detached {
            // Only who takes it from the list reaps it.
            self.dead.push(task, &slot.link);
            return;
        }
        // From here on the slot may be another task's: then somebody is woken without cause.
        fence(Ordering::SeqCst);
        if let Some(joiner) = slot.joiner().and_then(|joiner| self.id(joiner)) {
            self.wake_for(joiner, Cause::Wake, now);
        }
    }

    /// Takes what a task has left, and its slot; the id is stale from here on.
    ///
    /// # Errors
    /// [`TaskError::Gone`], [`TaskError::Alive`]; [`TaskError::Joined`] if it is detached.
    pub fn reap(&self, task: TaskId) -> Result<S::Payload, TaskError> {
        let slot = self.find(task).ok_or(TaskError::Gone)?;
        if slot.is_detached() {
            return Err(TaskError::Joined);
        }
        self.clear(task)
    }

    /// Takes what some detached task has left, if one has ended.
    pub fn reap_any(&self) -> Option<(TaskId, S::Payload)> {
        let _masked = self.platform.irq_save();
        let mut found = None;
        let link = |task| Some(&self.slot(task)?.link);
        self.dead.take(link, |task| {
            if found.is_none() {
                found = Some(task);
            } else if let Some(slot) = self.slot(task) {
                self.dead.push(task, &slot.link);
            }
        });
        let id = self.id(found?)?;
        Some((id, self.clear(id).ok()?))
    }

    fn clear(&self, task: TaskId) -> Result<S::Payload, TaskError> {
        let _masked = self.platform.irq_save();
        let slot = self.find(task).ok_or(TaskError::Gone)?;
        if !slot.state.reap(task.generation()) {
            return Err(if self.find(task).is_some() { TaskError::Alive } else { TaskError::Gone });
        }
        #[expect(unsafe_code, reason = "gives back what the integrator gave")]
        // SAFETY: `reap` says so to one caller, after the CPU has left the task: nobody else uses the cell.
        let payload = unsafe { slot.payload.take() };
        self.free.lock().reclaim(task.index());
        payload.ok_or(TaskError::Gone)
    }
}

impl<'s, S: System> Held<'_, 's, S> {
    /// Takes in a new task. Frees the lock.
    fn admit(mut self, token: Detached<'s>, policy: Policy, now: Instant) -> Result<(), AttachError<'s>> {
        let task = token.index();
        let Some(slot) = self.sched.slot(task) else {
            return Err(AttachError { task: token, why: QueueError::Foreign });
        };
        slot.set_home(self.cpu);
        fence(Ordering::SeqCst);
        if !self.sched.fits(slot, self.cpu) {
            return Err(AttachError { task: token, why: AttrError::NoAllowedCpu.into() });
        }
        let verdict = self.queue.rq.admit(token, policy, now)?;
        slot.state.start();
        self.heed(verdict);
        if let Some(id) = self.sched.id(task) {
            let event = TraceEvent::Spawned { task: id, cpu: CpuId::new(self.cpu.get()) };
            self.sched.trace.record(now, event);
        }
        self.release(now);
        Ok(())
    }
}
