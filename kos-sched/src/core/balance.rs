//! Moving tasks that wait to CPUs that have less to do. A CPU that is about to idle takes one from another; one whose tasks wait
//! gives some away, at intervals; one that put an urgent task back looks for another CPU at once.
//!
//! The giver's lock is free before the taker's is taken: in between a token holds the task, and the taker looks again whether it
//! may have it.

use super::cpu_slot::CpuSlot;
use super::held::Held;
use super::scheduler::Scheduler;
use super::system::{System, round};
use crate::cpu::{CpuId, CpuSet};
use crate::task::{Detached, TaskIndex};
use crate::time::Instant;

/// CPUs from which an idle one tries to take.
const VICTIMS: usize = 8;
/// Tasks that are given away at once.
const GIFTS: usize = 32;

impl<'s, S: System> Scheduler<'s, S> {
    /// Takes a task for a CPU that is about to idle. The lock is free meanwhile; the task that runs here has not fallen asleep
    /// yet, so nobody can come between it and its CPU.
    pub(super) fn steal_for<'a>(&'a self, held: Held<'a, 's, S>, now: Instant) -> Option<Held<'a, 's, S>> {
        let (cpu, slot) = (held.cpu, held.slot);
        let victims = self.waiting.load().without(&S::Mask::only(cpu));
        if victims.is_empty() {
            return Some(held);
        }
        held.release(now);
        let from = slot.turn(self.cpus.len());
        let token = round(victims, from).take(VICTIMS).find_map(|victim| {
            self.take_from(victim, now, |sched, task| {
                sched.slot(task).is_some_and(|slot| slot.allowed.contains(cpu))
            })
        });
        let mut held = self.lock(cpu)?;
        if let Some(token) = token {
            match held.take_in(token, now) {
                Ok(()) => held.queue.counts.steals = held.queue.counts.steals.wrapping_add(1),
                Err(token) => {
                    drop(held);
                    self.place(token, now);
                    held = self.lock(cpu)?;
                }
            }
        }
        held.drain(now);
        Some(held)
    }

    /// Takes a task that waits on `victim`.
    fn take_from(
        &self,
        victim: CpuId,
        now: Instant,
        mut suits: impl FnMut(&Self, TaskIndex) -> bool,
    ) -> Option<Detached<'s>> {
        let mut held = self.lock(victim)?;
        let token = held.queue.rq.detach(&mut |task| suits(self, task), now);
        held.release(now);
        token
    }

    /// Gives away tasks that wait on `cpu`: to idle CPUs, then to one that has clearly less to do.
    pub(super) fn balance(&self, cpu: CpuId, now: Instant) {
        self.give_to_idle(cpu, now);
        if self.waiting.contains(cpu) {
            self.level(cpu, now);
        }
    }

    /// Gives tasks that wait on `cpu` to idle CPUs.
    pub(super) fn give_to_idle(&self, cpu: CpuId, now: Instant) {
        for _ in 0..GIFTS {
            let idle = self.idle.load();
            if idle.is_empty() || !self.waiting.contains(cpu) {
                return;
            }
            let token = self.take_from(cpu, now, |sched, task| {
                sched.slot(task).is_some_and(|slot| !sched.possible(slot).and(&idle).is_empty())
            });
            let Some(token) = token else { return };
            self.place(token, now);
        }
    }

    /// Gives one task to a CPU, of a few, that has at least two less.
    fn level(&self, cpu: CpuId, now: Instant) {
        let load = |cpu: CpuId| self.cpus.get(cpu.as_usize()).map_or(u32::MAX, CpuSlot::load);
        let Some(slot) = self.cpus.get(cpu.as_usize()) else { return };
        let others = self.online.load().without(&S::Mask::only(cpu));
        let least = round(others, slot.turn(self.cpus.len())).take(VICTIMS).min_by_key(|&other| load(other));
        let Some(target) = least.filter(|&other| load(other).saturating_add(2) <= load(cpu)) else { return };
        let token = self.take_from(cpu, now, |sched, task| {
            sched.slot(task).is_some_and(|slot| slot.allowed.contains(target))
        });
        if let Some(token) = token
            && let Err(token) = self.hand_to(target, token, now)
        {
            self.place(token, now);
        }
    }

    /// An urgent task waits on `cpu`: it goes to a CPU whose task is not urgent.
    pub(super) fn push_urgent(&self, cpu: CpuId, now: Instant) {
        let calm = self.online.load().without(&self.urgent.load());
        if calm.is_empty() {
            return;
        }
        let token = self.take_from(cpu, now, |sched, task| {
            sched
                .slot(task)
                .is_some_and(|slot| slot.is_urgent() && !slot.allowed.load().and(&calm).is_empty())
        });
        if let Some(token) = token {
            self.place(token, now);
        }
    }
}
