//! [`Sim`]: CPUs, a virtual clock and a [`Workload`] around a [`Subject`].
//!
//! There are no ticks: time jumps to the next thing that happens, and lengths are exact. Whatever is random (the delay of an
//! interrupt, where a task is started) comes from the seed. Nothing is rounded, nothing depends on addresses or hashes, so one
//! seed gives one sequence of happenings, in development and release builds alike.

mod config;
mod cpu;
mod live;
mod program;

use alloc::vec;
use alloc::vec::Vec;

use crate::cpu::{CpuId, CpuSet};
use crate::task::TaskId;
use crate::time::{Duration, Instant};

use super::clockwork::{Clockwork, Event, NEVER};
use super::rng::Rng;
use super::subject::Subject;
use super::watch::{Happening, Observer};
use super::workload::{Mask, Workload};

pub use config::{Config, SimError, Totals};
use cpu::Cpu;
use live::{Live, State, Waiters};

/// A simulated machine.
#[derive(Debug)]
pub struct Sim<'w, S> {
    config: Config,
    load: &'w Workload,
    subject: S,
    now: u64,
    rng: Rng,
    clockwork: Clockwork,
    cpus: Vec<Cpu>,
    tasks: Vec<Live>,
    /// The task in each slot of the scheduler.
    slots: Vec<u32>,
    events: Vec<Waiters>,
    totals: Totals,
}

impl<'w, S: Subject> Sim<'w, S> {
    /// A machine at the beginning of time, around `subject`.
    ///
    /// # Errors
    /// [`SimError::Cpus`].
    pub fn new(config: Config, load: &'w Workload, subject: S) -> Result<Self, SimError> {
        if config.cpus == 0 || config.cpus > Mask::CAPACITY {
            return Err(SimError::Cpus { asked: config.cpus });
        }
        let mut clockwork = Clockwork::new(config.cpus);
        for (spec, task) in load.tasks.iter().zip(0..) {
            clockwork.push(spec.start.unwrap_or(NEVER), Event::Start(task));
        }
        let streams = (0..load.tasks.len() as u64).map(|task| Rng::split(config.seed, task));
        Ok(Self {
            config,
            load,
            subject,
            now: 0,
            rng: Rng::new(config.seed),
            clockwork,
            cpus: vec![Cpu::new(); config.cpus as usize],
            tasks: streams.map(Live::new).collect(),
            slots: Vec::new(),
            events: vec![Waiters::default(); load.events as usize],
            totals: Totals::default(),
        })
    }

    /// The scheduler.
    pub fn subject(&self) -> &S {
        &self.subject
    }

    /// The time, in nanoseconds from the beginning.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// CPU time of each task up to the end of the last run, in nanoseconds, by number.
    pub fn cpu_times(&self) -> impl Iterator<Item = u64> {
        self.tasks.iter().map(|task| task.ran)
    }

    /// By how much the scheduler's own account of CPU time differs from the truth, over all tasks that live, in nanoseconds.
    pub fn account_error(&self) -> u64 {
        let now = self.instant();
        let errors = self.tasks.iter().filter_map(|task| {
            let account = self.subject.cpu_time(task.id?, now)?;
            Some((task.ran - task.ran_before).abs_diff(account.as_ticks()))
        });
        errors.sum()
    }

    /// Runs until `until`, in nanoseconds from the beginning. What happens at that very instant is left to the next run.
    ///
    /// # Errors
    /// [`SimError`], when the scheduler or a program makes it impossible to go on.
    pub fn run(&mut self, until: u64, watch: &mut [&mut dyn Observer]) -> Result<Totals, SimError> {
        for cpu in 0..self.config.cpus {
            self.tell_begin(cpu, watch);
        }
        while let Some((at, event)) = self.clockwork.pop(until) {
            self.now = at;
            self.totals.events += 1;
            let cpu = self.handle(event, watch)?;
            self.settle(cpu, watch)?;
        }
        self.now = self.now.max(until);
        for cpu in 0..self.config.cpus {
            self.count(cpu);
            self.tell_end(cpu, watch);
        }
        for observer in watch {
            observer.end(self.now);
        }
        Ok(self.totals)
    }

    /// Lets `event` happen, and tells on which CPU it did.
    fn handle(&mut self, event: Event, watch: &mut [&mut dyn Observer]) -> Result<u32, SimError> {
        match event {
            Event::Alarm(cpu) => self.alarm(cpu, watch)?,
            Event::Kick(cpu) => self.subject.kicked(CpuId::new(cpu), self.instant()),
            Event::Start(task) => {
                let cpu = self.any_cpu();
                self.start(cpu, task, watch);
                return Ok(cpu);
            }
            Event::Awake(task) => {
                // The timer that ends a sleep is the one of the CPU on which it began.
                let cpu = self.tasks[task as usize].cpu;
                self.wake(cpu, task, S::sleep_ends, watch);
                return Ok(cpu);
            }
        }
        let (Event::Alarm(cpu) | Event::Kick(cpu) | Event::Start(cpu) | Event::Awake(cpu)) = event;
        Ok(cpu)
    }

    /// The alarm of `cpu` rings: its task has run what it wanted, else the scheduler's timer fires.
    fn alarm(&mut self, cpu: u32, watch: &mut [&mut dyn Observer]) -> Result<(), SimError> {
        let now = self.now;
        if self.cpus[cpu as usize].rings_at(now) > 10_000 {
            return Err(SimError::TimerStorm { cpu });
        }
        self.count(cpu);
        match self.cpus[cpu as usize].task {
            Some(task) if self.tasks[task as usize].left == 0 => self.advance(cpu, task, watch),
            _ => {
                self.subject.timer(CpuId::new(cpu), self.instant());
                Ok(())
            }
        }
    }

    /// Starts a task that has not run yet or has ended, from `cpu`.
    fn start(&mut self, cpu: u32, task: u32, watch: &mut [&mut dyn Observer]) {
        let (spec, live) = (&self.load.tasks[task as usize], &self.tasks[task as usize]);
        if !matches!(live.state, State::New | State::Gone) {
            return;
        }
        let allowed = &self.load.masks[spec.mask as usize];
        let now = self.instant();
        let Ok(id) = self.subject.spawn(CpuId::new(cpu), spec.policy, allowed, now) else {
            self.totals.refused += 1;
            return;
        };
        let slot = id.index().as_usize();
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, u32::MAX);
        }
        self.slots[slot] = task;
        self.tasks[task as usize].begin(id, cpu);
        self.prefetch(task);
        self.tell(&Happening::Started { task, policy: spec.policy, mask: spec.mask }, watch);
    }

    /// Wakes a task that sleeps for whatever reason; by `how`.
    fn wake(
        &mut self,
        cpu: u32,
        task: u32,
        how: impl FnOnce(&mut S, CpuId, TaskId, Instant),
        watch: &mut [&mut dyn Observer],
    ) {
        let now = self.instant();
        let live = &mut self.tasks[task as usize];
        live.state = State::Ready;
        self.totals.wakes += 1;
        if let Some(id) = live.id {
            how(&mut self.subject, CpuId::new(cpu), id, now);
        }
        self.tell(&Happening::Woken { task }, watch);
    }

    /// Some CPU, evenly.
    fn any_cpu(&mut self) -> u32 {
        super::workload::number(self.rng.index(self.cpus.len()))
    }

    /// The time on the scheduler's clock.
    fn instant(&self) -> Instant {
        self.instant_of(self.now)
    }

    /// What the scheduler's clock shows at `at`, in nanoseconds from the beginning.
    fn instant_of(&self, at: u64) -> Instant {
        let shown = self.config.clock.checked_add_duration(Duration::from_ticks(at));
        shown.unwrap_or(Instant::from_ticks(u64::MAX))
    }

    /// What `at` on the scheduler's clock is from the beginning; a time in the past is now.
    fn time_of(&self, at: Instant) -> u64 {
        at.as_ticks().saturating_sub(self.config.clock.as_ticks()).max(self.now)
    }

    /// The number of a task in the workload.
    fn number(&self, id: TaskId) -> Option<u32> {
        let task = *self.slots.get(id.index().as_usize())?;
        (self.tasks.get(task as usize)?.id == Some(id)).then_some(task)
    }

    fn tell(&self, what: &Happening, watch: &mut [&mut dyn Observer]) {
        for observer in watch {
            observer.see(self.now, what);
        }
    }
}
