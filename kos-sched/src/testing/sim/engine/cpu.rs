//! What a simulated CPU does: counting its time, carrying out decisions, telling of them.

use crate::cpu::CpuId;
use crate::task::TaskId;

use super::super::clockwork::{Event, NEVER};
use super::super::subject::Subject;
use super::super::watch::{Happening, Left, Observer};
use super::live::State;
use super::{Sim, SimError};

/// A CPU.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu {
    /// What it runs.
    pub(super) task: Option<u32>,
    /// Since when.
    since: u64,
    /// Up to when that is counted.
    counted: u64,
    /// When its alarm rang last, and how often then.
    rang: u64,
    rings: u32,
}

impl Cpu {
    pub(super) const fn new() -> Self {
        Self { task: None, since: 0, counted: 0, rang: 0, rings: 0 }
    }

    /// Its alarm rings at `now`: for the how many-th time?
    pub(super) fn rings_at(&mut self, now: u64) -> u32 {
        self.rings = if self.rang == now { self.rings + 1 } else { 1 };
        self.rang = now;
        self.rings
    }
}

impl<S: Subject> Sim<'_, S> {
    /// Counts the time that has passed on `cpu`, for its task or as idle.
    pub(super) fn count(&mut self, cpu: u32) {
        let cpu = &mut self.cpus[cpu as usize];
        let passed = self.now - cpu.counted;
        cpu.counted = self.now;
        let Some(task) = cpu.task else {
            self.totals.idle += passed;
            return;
        };
        let live = &mut self.tasks[task as usize];
        live.left -= passed;
        live.ran += passed;
        self.totals.busy += passed;
    }

    /// Asks the scheduler who runs on `cpu` now, and lets him; sends the interrupts that it wants; moves the alarm.
    pub(super) fn settle(&mut self, cpu: u32, watch: &mut [&mut dyn Observer]) -> Result<(), SimError> {
        self.count(cpu);
        let next = self.subject.settle(CpuId::new(cpu), self.instant());
        let next = next.map(|id| self.number(id).ok_or(SimError::NotReady { cpu, task: id })).transpose()?;
        if next != self.cpus[cpu as usize].task {
            self.switch(cpu, next, watch)?;
        } else if let Some(task) = next.map(|task| &self.tasks[task as usize])
            && task.state != State::Running
            && let Some(task) = task.id
        {
            return Err(SimError::NotReady { cpu, task });
        }
        self.send_kicks(cpu, watch);
        let timer = self.subject.alarm(CpuId::new(cpu)).map_or(NEVER, |at| self.time_of(at));
        let done = next.map_or(NEVER, |task| self.now.saturating_add(self.tasks[task as usize].left));
        self.clockwork.set_alarm(cpu, done, timer);
        Ok(())
    }

    /// `cpu` runs `next` from now on.
    fn switch(
        &mut self,
        cpu: u32,
        next: Option<u32>,
        watch: &mut [&mut dyn Observer],
    ) -> Result<(), SimError> {
        self.totals.switches += 1;
        self.tell_end(cpu, watch);
        if let Some(last) = self.cpus[cpu as usize].task {
            let live = &mut self.tasks[last as usize];
            if live.state == State::Running {
                live.state = State::Ready;
            }
        }
        self.cpus[cpu as usize].task = next;
        if let Some(task) = next {
            let live = &mut self.tasks[task as usize];
            if live.state != State::Ready {
                let task = live.id.unwrap_or(TaskId::new(crate::task::TaskIndex::new(task), 0));
                return Err(SimError::NotReady { cpu, task });
            }
            self.totals.migrations += u64::from(live.ran > live.ran_before && live.cpu != cpu);
            (live.state, live.cpu) = (State::Running, cpu);
        }
        self.tell_begin(cpu, watch);
        Ok(())
    }

    /// Sends the interrupts that the scheduler asked for.
    fn send_kicks(&mut self, from: u32, watch: &mut [&mut dyn Observer]) {
        while let Some(to) = self.subject.next_kick() {
            let delay = self.config.ipi.draw(&mut self.rng);
            self.totals.kicks += 1;
            self.clockwork.push(self.now.saturating_add(delay), Event::Kick(to.get()));
            self.tell(&Happening::Kick { from, to: to.get() }, watch);
        }
    }

    /// Tells that `cpu` begins what it does now.
    pub(super) fn tell_begin(&mut self, cpu: u32, watch: &mut [&mut dyn Observer]) {
        let now = self.now;
        let what = &mut self.cpus[cpu as usize];
        what.since = now;
        let begins = what.task.map_or(Happening::Idles { cpu }, |task| Happening::Runs { cpu, task });
        self.tell(&begins, watch);
    }

    /// Tells that `cpu` ends what it did until now.
    pub(super) fn tell_end(&mut self, cpu: u32, watch: &mut [&mut dyn Observer]) {
        let Cpu { task, since, .. } = self.cpus[cpu as usize];
        let ends = task.map_or(Happening::Idled { cpu, since }, |task| {
            let why = match self.tasks[task as usize].state {
                State::Running | State::Ready | State::New => Left::Preempted,
                State::Asleep | State::Parked => Left::Blocked,
                State::Gone => Left::Exited,
            };
            Happening::Leaves { cpu, task, since, why }
        });
        self.tell(&ends, watch);
    }
}
