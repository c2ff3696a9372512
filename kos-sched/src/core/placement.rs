//! Which CPU a task goes to. Looks at a few words, takes no lock, and asks the chosen CPU again under its lock.
//!
//! An idle CPU that is chosen leaves the map of idle CPUs at once, so that the next wake chooses another; searches begin one
//! further each time, so that equals are equal.

use super::cpu_slot::CpuSlot;
use super::scheduler::Scheduler;
use super::slot::TaskSlot;
use super::system::{System, round};
use crate::cpu::{CpuId, CpuSet};
use crate::task::Detached;
use crate::time::Instant;

/// CPUs that are compared by load.
const SAMPLES: usize = 2;
/// Idle CPUs that are tried, if others are faster.
const CLAIMS: usize = 4;

impl<'s, S: System> Scheduler<'s, S> {
    /// The CPU for a task that ran on `last`; none if no CPU can run it.
    #[inline]
    pub(super) fn choose(&self, slot: &TaskSlot<S>, last: CpuId, here: CpuId) -> Option<CpuId> {
        let can = self.possible(slot);
        if can.is_empty() {
            return None;
        }
        if can.contains(last) && self.idle.remove(last) {
            return Some(last);
        }
        let from = self.cpus.get(here.as_usize()).map_or(0, |cpu| cpu.turn(self.cpus.len()));
        let near = self.cpus.get(last.as_usize()).map_or(S::Mask::EMPTY, |cpu| cpu.near);
        let idle = self.idle.load().and(&can);
        self.claim(idle.and(&near), from)
            .or_else(|| self.claim(idle, from))
            .or_else(|| self.calm(slot, &can, last, from))
            .or_else(|| self.least_loaded(&can, last, here, from))
    }

    /// An idle CPU of `idle`, which is then nobody else's.
    fn claim(&self, idle: S::Mask, from: u32) -> Option<CpuId> {
        round(idle, from).take(CLAIMS).find(|&cpu| self.idle.remove(cpu))
    }

    /// For an urgent task, a CPU whose task is not.
    fn calm(&self, slot: &TaskSlot<S>, can: &S::Mask, last: CpuId, from: u32) -> Option<CpuId> {
        if !slot.is_urgent() {
            return None;
        }
        let calm = can.without(&self.urgent.load());
        if calm.contains(last) { Some(last) } else { round(calm, from).next() }
    }

    fn least_loaded(&self, can: &S::Mask, last: CpuId, here: CpuId, from: u32) -> Option<CpuId> {
        let known = [last, here].into_iter().filter(|&cpu| can.contains(cpu));
        let load = |cpu: &CpuId| self.cpus.get(cpu.as_usize()).map_or(u32::MAX, CpuSlot::load);
        known.chain(round(*can, from).take(SAMPLES)).min_by_key(load)
    }

    /// Gives a task that no queue has to a CPU that can run it. Interrupts are masked, no queue's lock is held.
    pub(super) fn place(&self, mut token: Detached<'s>, now: Instant) {
        let Some(slot) = self.slot(token.index()) else { return };
        let here = self.here().map_or(slot.home(), |(cpu, _)| cpu);
        let home = slot.home();
        // A refusal is a change of affinity that came between, or bandwidth.
        for _ in 0..=self.cpus.len() {
            let Some(cpu) = self.choose(slot, home, here) else { break };
            match self.hand_to(cpu, token, now) {
                Ok(()) => return,
                Err(refused) => token = refused,
            }
        }
        self.place_anyhow(token, now);
    }

    pub(super) fn hand_to(&self, cpu: CpuId, token: Detached<'s>, now: Instant) -> Result<(), Detached<'s>> {
        let Some(mut held) = self.lock(cpu) else { return Err(token) };
        let taken = held.take_in(token, now);
        held.release(now);
        if taken.is_err() {
            self.unclaim(cpu);
        }
        taken
    }

    /// Gives a task that sleeps, and that no queue has, to a CPU that can run it.
    pub(super) fn place_asleep(&self, mut token: Detached<'s>, now: Instant) {
        let Some(slot) = self.slot(token.index()) else { return };
        let lent = slot.lent.is_lent();
        for cpu in self.possible(slot).iter().filter(|_| !lent) {
            let Some(mut held) = self.lock(cpu) else { return };
            slot.set_home(cpu);
            let attached = held.queue.rq.attach_asleep(token, now);
            held.release(now);
            match attached {
                Ok(_) => return,
                Err(refused) => token = refused.task,
            }
        }
        // No other has the bandwidth, or none is asked for.
        let cpu = self.possible(slot).first().or_else(|| self.refuge(slot)).unwrap_or_default();
        if let Some(mut held) = self.lock(cpu) {
            slot.set_home(cpu);
            held.queue.counts.overcommitted += u64::from(!lent);
            held.queue.rq.attach_asleep_anyway(token, now);
            held.release(now);
        }
    }

    /// No CPU wanted the task: each in turn, then whatever speaks against it.
    #[cold]
    fn place_anyhow(&self, mut token: Detached<'s>, now: Instant) {
        let Some(slot) = self.slot(token.index()) else { return };
        for cpu in self.possible(slot).iter() {
            match self.hand_to(cpu, token, now) {
                Ok(()) => return,
                Err(refused) => token = refused,
            }
        }
        let cpu = self.possible(slot).first().or_else(|| self.refuge(slot)).unwrap_or_default();
        if let Some(mut held) = self.lock(cpu) {
            held.take_in_anyway(token, now);
            held.release(now);
        }
    }

    /// A CPU that may have been taken out of the idle map got nothing: it decides anew, and enters itself again.
    pub(super) fn unclaim(&self, cpu: CpuId) {
        if let Some(slot) = self.cpus.get(cpu.as_usize())
            && slot.running().is_none()
        {
            slot.set_resched(true);
            self.tell(cpu, slot);
        }
    }
}
