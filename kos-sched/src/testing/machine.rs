//! [`Machine`]: a scheduler of simulated CPUs that one thread plays, step by step.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use super::{FakePlatform, HostLock};
use crate::class::ClassSet;
use crate::core::{Config, CpuSlot, Scheduler, Setup, SpawnArgs, System, TaskSlot};
use crate::cpu::{CpuId, CpuMask};
use crate::ports::BlockReason;
use crate::task::{Arena, Policy, Slot, TaskId};
use crate::time::{Duration, Instant};

/// Timers that follow each other as closely as this leave a real CPU no time for its tasks.
const STORM: Duration = Duration::from_ticks(1_000);

/// The types of the machine: any classes, up to 64 × `WORDS` CPUs, no trace; a task carries a number.
pub struct FakeSystem<C, const WORDS: usize = 4>(PhantomData<C>);

impl<C, const WORDS: usize> fmt::Debug for FakeSystem<C, WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeSystem")
    }
}

impl<C: ClassSet + Send + 'static, const WORDS: usize> System for FakeSystem<C, WORDS> {
    type Classes = C;
    type Mask = CpuMask<WORDS>;
    type Platform = FakePlatform;
    type Lock = HostLock;
    type Trace = ();
    type Payload = u64;
}

/// The machine. All CPUs are online and idle at first.
pub struct Machine<'s, C: ClassSet + Send + 'static> {
    /// The scheduler, to call as the CPU that was [entered](Self::on).
    pub sched: Scheduler<'s, FakeSystem<C>>,
    /// Its hardware.
    pub platform: FakePlatform,
    now: Instant,
}

impl<C: ClassSet + Send + 'static> fmt::Debug for Machine<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Runs `work` on a machine of `cpus` CPUs and up to `tasks` tasks.
///
/// # Panics
/// If such a machine cannot be.
#[expect(clippy::expect_used, reason = "a test helper")]
pub fn with_machine<C: ClassSet + Send + 'static, R>(
    cpus: u32,
    tasks: usize,
    config: Config,
    mut classes: impl FnMut() -> C,
    work: impl FnOnce(&mut Machine<'_, C>) -> R,
) -> R {
    let mut nodes: Vec<Slot> = (0..tasks).map(|_| Slot::new()).collect();
    let mut slots: Vec<TaskSlot<FakeSystem<C>>> = (0..tasks).map(|_| TaskSlot::new()).collect();
    let (arena, free) = Arena::new(&mut nodes);
    let mut cpu_slots: Vec<CpuSlot<'_, FakeSystem<C>>> =
        (0..cpus).map(|_| CpuSlot::new(arena.queue().expect("few queues"), classes())).collect();
    let platform = FakePlatform::new(cpus);
    let setup = Setup {
        arena,
        free,
        tasks: &mut slots,
        cpus: &mut cpu_slots,
        platform: platform.clone(),
        trace: (),
        config,
    };
    let sched = Scheduler::new(setup).expect("parts that fit");
    let mut machine = Machine { sched, platform, now: Instant::from_ticks(0) };
    for cpu in (0..cpus).map(CpuId::new) {
        machine.sched.online(cpu, machine.now).expect("a CPU");
    }
    machine.quiesce();
    work(&mut machine)
}

impl<C: ClassSet + Send + 'static> Machine<'_, C> {
    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The CPUs.
    pub fn cpus(&self) -> impl Iterator<Item = CpuId> + use<C> {
        (0..).map(CpuId::new).take(self.sched.cpus())
    }

    /// Makes `cpu` the one that acts, and gives the scheduler to call.
    pub fn on(&self, cpu: u32) -> &Self {
        self.platform.enter(CpuId::new(cpu));
        self
    }

    /// A new task, made by the CPU that acts.
    ///
    /// # Panics
    /// If it is refused.
    #[expect(clippy::expect_used, reason = "a test helper")]
    pub fn spawn(&self, policy: Policy, allowed: CpuMask<4>) -> TaskId {
        let args = SpawnArgs { allowed, ..SpawnArgs::new(policy, 0) };
        self.sched.try_spawn(args, self.now).expect("a task")
    }

    /// The CPU that acts takes every decision that is due; who runs there then.
    pub fn settle(&self) -> Option<TaskId> {
        while self.sched.should_preempt() {
            drop(self.sched.reschedule(self.now));
        }
        self.sched.current()
    }

    /// The task of the CPU that acts sleeps, if nothing speaks against it; whether it did.
    pub fn block(&self, until: Option<Instant>) -> bool {
        if self.sched.prepare(BlockReason::Park).is_err() {
            return false;
        }
        let switch = self.sched.block(until, self.now);
        let slept = switch.is_switch();
        drop(switch);
        self.settle();
        slept
    }

    /// The task of the CPU that acts ends.
    pub fn exit(&self) {
        drop(self.sched.exit_current(self.now));
        self.settle();
    }

    /// The oldest interrupt arrives; false if there is none.
    pub fn deliver(&self) -> bool {
        let Some(cpu) = self.platform.take_kick() else { return false };
        self.on(cpu.get()).sched.on_kick(self.now);
        self.settle();
        true
    }

    /// Every CPU takes every decision, every interrupt arrives, until nothing more happens. The CPU that acted acts again.
    ///
    /// # Panics
    /// If that never ends.
    pub fn quiesce(&self) {
        let acting = crate::ports::Platform::cpu(&self.platform);
        for _ in 0..10_000 {
            for cpu in self.cpus() {
                self.on(cpu.get()).settle();
            }
            if !self.deliver() {
                self.platform.enter(acting);
                return;
            }
        }
        #[expect(clippy::panic, reason = "a test helper")]
        {
            panic!("interrupts without end");
        }
    }

    /// Lets time pass: every timer up to then fires in its turn.
    ///
    /// # Panics
    /// If timers fire without end and time hardly moves on.
    pub fn pass(&mut self, length: Duration) {
        let end = self.now.checked_add_duration(length).unwrap_or(self.now);
        let mut still = 0;
        loop {
            let due = self.cpus().filter_map(|cpu| Some((self.platform.timer(cpu)?, cpu))).min();
            let Some((at, cpu)) = due.filter(|&(at, _)| at <= end) else { break };
            let soon = self.now.checked_add_duration(STORM);
            still = if soon.is_none_or(|soon| at <= soon) { still + 1 } else { 0 };
            assert!(still < 1_000, "the timer of CPU {cpu} fires at {at} without end");
            self.now = self.now.max(at);
            self.platform.set_now(self.now);
            self.on(cpu.get()).sched.on_timer(self.now);
            self.settle();
            self.quiesce();
        }
        self.now = end;
        self.platform.set_now(end);
    }
}
