//! [`Held`]: a queue whose lock the caller holds, and everything that is done with it. What has to happen on other queues is
//! noted in the queue and done when the lock is free, so that two are never held.

use super::cpu_slot::{CpuSlot, Queue};
use super::scheduler::Scheduler;
use super::slot::TaskSlot;
use super::system::System;
use super::wake_list::WakeList;
use crate::atomic::{Ordering, fence};
use crate::class::{Verdict, earlier};
use crate::cpu::CpuId;
use crate::ports::Platform;
use crate::seeded::{Bug, seeded};
use crate::task::{Detached, TaskIndex};
use crate::time::Instant;
use crate::trace::{TraceEvent, TraceSink};

/// The place in [`Queue::moving`] of the task that ran here, and of one that was woken.
pub(super) const RAN: usize = 0;
const WOKEN: usize = 1;

/// A queue with its lock.
pub(super) struct Held<'a, 's, S: System> {
    pub(super) sched: &'a Scheduler<'s, S>,
    pub(super) cpu: CpuId,
    pub(super) slot: &'a CpuSlot<'s, S>,
    pub(super) queue: lock_api::MutexGuard<'a, S::Lock, Queue<'s, S>>,
}

impl<'a, 's, S: System> Held<'a, 's, S> {
    /// The task that the CPU runs.
    #[inline]
    pub(super) fn current(&self) -> Option<&'s TaskSlot<S>> {
        self.sched.slot(self.queue.rq.current()?)
    }

    /// Counts the time up to `now`, or up to the newest that the queue was told.
    #[inline]
    pub(super) fn account(&mut self, now: Instant) {
        let current = self.current();
        self.queue.account.count(current, now);
    }

    /// Notes what the queue asks for.
    #[inline]
    pub(super) fn heed(&mut self, verdict: Verdict) {
        if verdict != Verdict::Keep {
            self.queue.alert = true;
            self.slot.set_resched(true);
        }
    }

    /// Takes in all tasks of the CPU's wake list.
    #[inline]
    pub(super) fn drain(&mut self, now: Instant) {
        let sched = self.sched;
        let slot = self.slot;
        slot.woken.take(
            |task| Some(&sched.slot(task)?.link),
            |task| {
                if !self.take_woken(task, now) {
                    self.turn_away(task, now);
                }
            },
        );
    }

    /// Takes in a task whose wake the caller owns; false if it must not run here and can run elsewhere.
    #[inline]
    pub(super) fn take_woken(&mut self, task: TaskIndex, now: Instant) -> bool {
        let Some(slot) = self.sched.slot(task) else { return true };
        slot.set_home(self.cpu);
        // Its place was published before this look at its affinity, as a change is before the look for its place.
        fence(Ordering::SeqCst);
        if !self.sched.may_wait(slot, self.cpu) && !seeded(Bug::AffinityUnchecked) {
            return false;
        }
        let Ok(verdict) = self.queue.rq.enqueue(task, now) else { return true };
        slot.state.arrive();
        self.note_strand(task, slot);
        self.trace_woken(task, now);
        self.heed(verdict);
        true
    }

    /// A woken task cannot stay: it is sent away when the lock is free.
    #[cold]
    fn turn_away(&mut self, task: TaskIndex, now: Instant) {
        let Some(slot) = self.sched.slot(task) else { return };
        // It may have been taken out of the idle map for this task: it decides anew.
        self.heed(Verdict::Resched);
        if !self.queue.rq.nodes().owns(task) {
            self.queue.strays.push(task, &slot.link);
        } else if self.queue.moving[WOKEN].is_some() {
            // One at a time; the CPU looks again soon.
            self.slot.woken.push(task, &slot.link);
        } else if let Ok(token) = self.queue.rq.remove(task, now) {
            slot.state.arrive();
            self.queue.moving[WOKEN] = Some(token);
        }
    }

    /// Takes in a task whose wake the caller owns and that could run here a moment ago.
    pub(super) fn take_woken_here(&mut self, task: TaskIndex, now: Instant) {
        let taken = self.take_woken(task, now);
        self.queue.counts.local = self.queue.counts.local.wrapping_add(u64::from(taken));
        if !taken {
            self.turn_away(task, now);
        }
    }

    /// Takes in a task that comes from elsewhere; it comes back if it must not run here, or the queue refuses it.
    pub(super) fn take_in(&mut self, token: Detached<'s>, now: Instant) -> Result<(), Detached<'s>> {
        let task = token.index();
        let Some(slot) = self.sched.slot(task) else { return Err(token) };
        slot.set_home(self.cpu);
        fence(Ordering::SeqCst);
        if !self.sched.may_wait(slot, self.cpu) && !seeded(Bug::AffinityUnchecked) {
            return Err(token);
        }
        let verdict = if slot.lent.is_lent() {
            self.queue.rq.attach_anyway(token, now)
        } else {
            self.queue.rq.attach(token, now).map_err(|refused| refused.task)?
        };
        self.note_strand(task, slot);
        self.note_migration(task, now);
        self.heed(verdict);
        Ok(())
    }

    /// Takes in a task that nobody else can take, whatever speaks against it.
    #[cold]
    pub(super) fn take_in_anyway(&mut self, token: Detached<'s>, now: Instant) {
        let task = token.index();
        let Some(slot) = self.sched.slot(task) else { return };
        slot.set_home(self.cpu);
        fence(Ordering::SeqCst);
        let online = self.sched.online.contains(self.cpu);
        self.queue.counts.overcommitted += u64::from(online);
        let verdict = self.queue.rq.attach_anyway(token, now);
        self.note_strand(task, slot);
        self.note_migration(task, now);
        self.heed(verdict);
    }

    pub(super) fn note_migration(&mut self, task: TaskIndex, now: Instant) {
        self.queue.counts.migrations = self.queue.counts.migrations.wrapping_add(1);
        if let Some(task) = self.sched.id(task) {
            self.sched.trace.record(now, TraceEvent::Migrated { task, to: self.cpu });
        }
    }

    #[inline]
    fn note_strand(&mut self, task: TaskIndex, slot: &TaskSlot<S>) {
        let stranded = !self.sched.online.contains(self.cpu);
        let before = slot.state.strand(stranded);
        if stranded && !before {
            self.queue.counts.stranded = self.queue.counts.stranded.wrapping_add(1);
            if let Some(task) = self.sched.id(task) {
                self.sched.trace.record(self.queue.rq.clock(), TraceEvent::Stranded { task });
            }
        }
    }

    #[inline]
    fn trace_woken(&self, task: TaskIndex, now: Instant) {
        if let Some(task) = self.sched.id(task) {
            self.sched.trace.record(now, TraceEvent::Woken { task, cpu: self.cpu });
        }
    }

    /// Tells the other CPUs how busy this one is.
    #[inline]
    pub(super) fn publish(&mut self) {
        let load = self.queue.rq.load();
        self.slot.set_load(load.runnable);
        if load.ready() > u32::from(self.queue.rq.current().is_some()) {
            self.sched.waiting.insert(self.cpu);
        } else {
            self.sched.waiting.remove(self.cpu);
        }
        if self.current().is_some_and(TaskSlot::is_urgent) {
            self.sched.urgent.insert(self.cpu);
        } else {
            self.sched.urgent.remove(self.cpu);
        }
    }

    /// When the CPU needs its timer next.
    #[inline]
    pub(super) fn next_event(&self) -> Option<Instant> {
        let queue = &*self.queue;
        let clock = queue.rq.clock();
        let waits = queue.rq.load().ready() > u32::from(queue.rq.current().is_some());
        let balance = (waits && self.sched.cpus.len() > 1).then_some(queue.balance_at);
        let retry = (!self.slot.unsent.is_empty())
            .then(|| clock.checked_add_duration(self.sched.config.retry))
            .flatten();
        let queued = earlier(queue.rq.next_event(), queue.sleepers.next_event());
        earlier(queued, earlier(balance, retry))
    }

    /// Arms the timer of the CPU if it needs another time; another CPU is told to do so itself if it needs it sooner.
    #[inline]
    pub(super) fn arm(&mut self) {
        let next = self.next_event();
        let armed = self.queue.armed;
        if next == armed && !self.queue.rearm {
            return;
        }
        if self.sched.platform.cpu() == self.cpu {
            self.queue.armed = next;
            self.queue.rearm = false;
            self.sched.platform.arm_timer(next);
        } else if next.is_some_and(|next| armed.is_none_or(|armed| next < armed)) {
            self.queue.alert = true;
        }
    }

    /// Frees the lock, then does what has to be done on other queues.
    #[inline]
    pub(super) fn release(mut self, now: Instant) {
        self.publish();
        self.arm();
        let Self { sched, cpu, slot, mut queue } = self;
        let alert = core::mem::take(&mut queue.alert);
        let push = core::mem::take(&mut queue.push);
        let moving = core::mem::take(&mut queue.moving);
        let strays = core::mem::replace(&mut queue.strays, WakeList::new());
        drop(queue);
        if alert {
            sched.tell(cpu, slot);
        }
        for token in moving.into_iter().flatten() {
            sched.place(token, now);
        }
        strays.take(|task| Some(&sched.slot(task)?.link), |task| sched.enqueue_woken(task, now));
        if push {
            sched.give_to_idle(cpu, now);
            sched.push_urgent(cpu, now);
        }
    }
}
