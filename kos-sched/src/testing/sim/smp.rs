//! [`Smp`]: the core as a [`Subject`]: the shipping [`Scheduler`] on a fake machine. Sleeps are its own timers' affair; whoever it
//! runs, the engine has switched to when the decision is dropped.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::class::ClassSet;
use crate::core::{
    Config, CpuSlot, Fault, Scheduler, Setup, SetupError, SpawnArgs, SpawnFailure, TaskError, TaskSlot,
};
use crate::cpu::{CpuId, CpuMask, CpuSet};
use crate::error::AttrError;
use crate::ports::{BlockReason, Platform};
use crate::stats::{Stats, Times};
use crate::task::{Arena, Policy, Slot, TaskId};
use crate::testing::{FakePlatform, FakeSystem};
use crate::time::{Duration, Instant};

use super::subject::Subject;
use super::workload::Mask;

/// A scheduler of up to 256 CPUs.
pub struct Smp<'s, C: ClassSet + Send + 'static> {
    sched: Scheduler<'s, FakeSystem<C>>,
    platform: FakePlatform,
    /// Whether the task in each slot has slept and has not run since.
    slept: Vec<bool>,
}

impl<C: ClassSet + Send + 'static> fmt::Debug for Smp<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.sched, f)
    }
}

/// What a simulated scheduler is made for.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// How many CPUs, 1 to 256. All are online.
    pub cpus: u32,
    /// How many tasks there can be at once.
    pub tasks: usize,
    /// How many CPUs in a row share a cache.
    pub near: u32,
    /// What the clock shows at the beginning.
    pub clock: Instant,
    /// The scheduler's own numbers.
    pub config: Config,
}

impl Board {
    /// `cpus` CPUs that share a cache by fours, the usual numbers, a clock that starts at 0.
    #[must_use]
    pub fn new(cpus: u32, tasks: usize) -> Self {
        Self { cpus, tasks, near: 4, clock: Instant::from_ticks(0), config: Config::default() }
    }

    /// Lends a scheduler with the classes that `classes` makes for each CPU.
    ///
    /// # Errors
    /// Such a machine cannot be.
    pub fn with<C: ClassSet + Send + 'static, R>(
        self,
        classes: impl Fn() -> C,
        work: impl FnOnce(Smp<'_, C>) -> R,
    ) -> Result<R, SetupError> {
        let mut nodes: Vec<Slot> = (0..self.tasks).map(|_| Slot::new()).collect();
        let mut tasks: Vec<TaskSlot<FakeSystem<C>>> = (0..self.tasks).map(|_| TaskSlot::new()).collect();
        let (arena, free) = Arena::new(&mut nodes);
        let cpus = (0..self.cpus)
            .filter_map(|cpu| Some(CpuSlot::new(arena.queue()?, classes()).near(self.cache_of(cpu))));
        let mut cpus: Vec<CpuSlot<'_, FakeSystem<C>>> = cpus.collect();
        let platform = FakePlatform::new(self.cpus);
        let setup = Setup {
            arena,
            free,
            tasks: &mut tasks,
            cpus: &mut cpus,
            platform: platform.clone(),
            trace: (),
            config: self.config,
        };
        let sched = Scheduler::new(setup)?;
        for cpu in (0..self.cpus).map(CpuId::new) {
            platform.enter(cpu);
            let _ = sched.online(cpu, self.clock);
        }
        Ok(work(Smp { sched, platform, slept: vec![false; self.tasks] }))
    }

    /// The CPUs that share a cache with `cpu`.
    fn cache_of(&self, cpu: u32) -> CpuMask<4> {
        let group = cpu.checked_div(self.near).unwrap_or(cpu);
        let (first, end) = match self.near {
            0 => (cpu, cpu + 1),
            near => (group * near, (group + 1) * near),
        };
        CpuMask::first_cpus(end.min(self.cpus)).without(&CpuMask::first_cpus(first))
    }
}

impl<'s, C: ClassSet + Send + 'static> Smp<'s, C> {
    /// The scheduler.
    #[must_use]
    pub fn scheduler(&self) -> &Scheduler<'s, FakeSystem<C>> {
        &self.sched
    }

    /// The machine under it.
    #[must_use]
    pub fn platform(&self) -> &FakePlatform {
        &self.platform
    }

    /// Walks every invariant.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Fault> {
        self.sched.check()
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.sched.stats()
    }

    /// Where the time of a CPU went up to `now`, by the scheduler's account.
    #[must_use]
    pub fn cpu_times(&self, cpu: CpuId, now: Instant) -> Times {
        self.platform.enter(cpu);
        self.sched.cpu_times(cpu, now)
    }

    /// The scheduler, to call from `cpu`.
    fn on(&self, cpu: CpuId) -> &Scheduler<'s, FakeSystem<C>> {
        self.platform.enter(cpu);
        &self.sched
    }
}

impl<C: ClassSet + Send + 'static> Subject for Smp<'_, C> {
    fn spawn(
        &mut self,
        cpu: CpuId,
        policy: Policy,
        allowed: &Mask,
        now: Instant,
    ) -> Result<TaskId, AttrError> {
        let args = SpawnArgs { allowed: narrow(allowed), detached: true, ..SpawnArgs::new(policy, 0) };
        self.on(cpu).try_spawn(args, now).map_err(|refused| match refused.why {
            SpawnFailure::Attr(error) => error,
            _ => AttrError::NoClass,
        })
    }

    fn block(&mut self, cpu: CpuId, until: Option<Instant>, now: Instant) {
        let sched = self.on(cpu);
        let Some(task) = sched.current() else { return };
        if sched.prepare(BlockReason::Park).is_ok() {
            drop(sched.block(until, now));
            self.slept[task.index().as_usize()] = true;
        }
    }

    fn exit(&mut self, cpu: CpuId, now: Instant) {
        drop(self.on(cpu).exit_current(now));
        while self.sched.reap_any().is_some() {}
    }

    fn yield_now(&mut self, cpu: CpuId, now: Instant) {
        drop(self.on(cpu).yield_now(now));
    }

    fn wake(&mut self, cpu: CpuId, task: TaskId, now: Instant) {
        self.on(cpu).wake(task, now);
    }

    fn sleep_ends(&mut self, _: CpuId, _: TaskId, _: Instant) {}

    fn set_policy(
        &mut self,
        cpu: CpuId,
        task: TaskId,
        policy: Policy,
        now: Instant,
    ) -> Result<(), AttrError> {
        self.on(cpu).set_attr(task, policy, now).map_err(attr)
    }

    fn set_affinity(
        &mut self,
        cpu: CpuId,
        task: TaskId,
        allowed: &Mask,
        now: Instant,
    ) -> Result<(), AttrError> {
        self.on(cpu).set_affinity(task, &narrow(allowed), now).map_err(attr)
    }

    fn timer(&mut self, cpu: CpuId, now: Instant) {
        let sched = self.on(cpu);
        // It fires once.
        self.platform.arm_timer(None);
        sched.on_timer(now);
    }

    fn kicked(&mut self, cpu: CpuId, now: Instant) {
        self.on(cpu).on_kick(now);
    }

    fn settle(&mut self, cpu: CpuId, now: Instant) -> Option<TaskId> {
        let sched = self.on(cpu);
        while sched.should_preempt() || (sched.current().is_none() && !sched.idle_may_halt()) {
            drop(sched.reschedule(now));
        }
        let task = sched.current()?;
        if core::mem::take(&mut self.slept[task.index().as_usize()]) {
            let _ = self.sched.resume();
        }
        Some(task)
    }

    fn alarm(&self, cpu: CpuId) -> Option<Instant> {
        self.platform.timer(cpu)
    }

    fn next_kick(&mut self) -> Option<CpuId> {
        self.platform.take_kick()
    }

    fn cpu_time(&self, task: TaskId, now: Instant) -> Option<Duration> {
        Some(self.sched.usage(task, now)?.total())
    }
}

/// The CPUs of `mask` that the core can name.
fn narrow(mask: &Mask) -> CpuMask<4> {
    let mut narrow = CpuMask::EMPTY;
    for (to, from) in narrow.words_mut().iter_mut().zip(mask.words()) {
        *to = *from;
    }
    narrow
}

/// The core refuses attributes only: the engine names no task that is gone.
fn attr(error: TaskError) -> AttrError {
    match error {
        TaskError::Attr(error) => error,
        _ => AttrError::NoClass,
    }
}
