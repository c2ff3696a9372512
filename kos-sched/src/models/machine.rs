//! A machine whose CPUs are threads of a model, with the scheduler as it is shipped: [`Machine`].
//!
//! Interrupts arrive where a CPU says so. A CPU says when it comes to a task's stack and when it leaves: two on one stack are
//! found.
#![allow(dead_code, reason = "each checker uses what it needs")]

use alloc::boxed::Box;
use core::ops::Deref;
use core::ptr::NonNull;

use super::checker::thread;
use super::stack::Stack;
use super::tasks::{Lock, enter, number};
use crate::atomic::{AtomicU32, Ordering};
use crate::class::Rt;
use crate::core::{Config, CpuSlot, Scheduler, Setup, SpawnArgs, Switch, System, TaskSlot, TaskState};
use crate::cpu::{CpuId, CpuMask, CpuSet};
use crate::error::IpiError;
use crate::ports::{BlockReason, Platform};
use crate::task::{Arena, Policy, RtPriority, Slot, TaskId};
use crate::time::Instant;

pub(super) const NOW: Instant = Instant::from_ticks(0);

/// The length of a thread's stack, in words under loom, in bytes under shuttle: their own are too small for a scheduler under
/// construction.
const STACK: usize = if cfg!(loom) { 0x4000 } else { 0x4_0000 };

/// CPUs and tasks of a machine at most.
pub(super) const CPUS: usize = if cfg!(loom) { 3 } else { 4 };
pub(super) const TASKS: usize = if cfg!(loom) { 3 } else { 8 };

pub(super) type Mask = CpuMask<1>;

/// The types of the machine. A task carries the number of its stack.
pub(super) struct Model;

impl System for Model {
    type Classes = (Rt, ());
    type Mask = Mask;
    type Platform = Wires;
    type Lock = Lock;
    type Trace = ();
    type Payload = usize;
}

/// Interrupts that were sent and have not arrived.
pub(super) struct Wires([AtomicU32; CPUS]);

impl Platform for Wires {
    type Irq = ();

    fn irq_save(&self) {}

    fn cpu(&self) -> CpuId {
        CpuId::new(u32::try_from(number()).unwrap())
    }

    fn arm_timer(&self, _: Option<Instant>) {}

    fn kick(&self, cpu: CpuId) -> Result<(), IpiError> {
        self.0[cpu.as_usize()].fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn idle(&self, (): ()) {}
}

/// The parts that outlive the scheduler.
type Storage = ([Slot; TASKS], [TaskSlot<Model>; TASKS], Option<[CpuSlot<'static, Model>; CPUS]>);

/// The machine. Its threads are joined before it ends.
pub(super) struct Machine {
    pub(super) sched: Scheduler<'static, Model>,
    stacks: [Stack; TASKS],
}

/// Lends a machine to the threads of one schedule.
#[derive(Clone, Copy)]
pub(super) struct Lent(&'static Machine);

impl Deref for Lent {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.0
    }
}

/// Runs `work`, as CPU 0, on a machine of which the first `online` CPUs are online.
pub(super) fn machine(online: u32, work: impl FnOnce(Lent) + Send + 'static) {
    spawn(0, move || with_machine(online, work)).join().unwrap();
}

/// Runs `work` as CPU `cpu`.
fn spawn(cpu: usize, work: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    let builder = thread::Builder::new().stack_size(STACK);
    let work = move || {
        enter(cpu);
        work();
    };
    builder.spawn(work).unwrap()
}

#[expect(unsafe_code, reason = "memory that lives as long as a schedule")]
fn with_machine(online: u32, work: impl FnOnce(Lent)) {
    let storage = NonNull::from(Box::leak(Box::new(Storage::default())));
    // SAFETY: just made, and used by this reference alone until it is freed below.
    let (slots, tasks, cpus) = unsafe { &mut *storage.as_ptr() };
    let (arena, free) = Arena::new(slots);
    let cpus = cpus.insert([(); CPUS].map(|()| CpuSlot::new(arena.queue().unwrap(), (Rt::new(), ()))));
    let wires = Wires(core::array::from_fn(|_| AtomicU32::new(0)));
    let setup = Setup { arena, free, tasks, cpus, platform: wires, trace: (), config: Config::default() };
    let sched = Scheduler::new(setup).unwrap();
    let stacks = [(); TASKS].map(|()| Stack::new());
    let machine: NonNull<Machine> = Box::leak(Box::new(Machine { sched, stacks })).into();
    // SAFETY: just made; freed below, after the last use.
    let lent = Lent(unsafe { &*machine.as_ptr() });
    (0..online).for_each(|cpu| lent.sched.online(CpuId::new(cpu), NOW).unwrap());
    work(lent);
    // A schedule that fails does not come here, and its memory stays.
    // SAFETY: made by a box; `work` has joined its threads.
    drop(unsafe { Box::from_raw(machine.as_ptr()) });
    // SAFETY: as above; the scheduler that had borrowed it is gone.
    drop(unsafe { Box::from_raw(storage.as_ptr()) });
}

pub(super) fn all() -> Mask {
    Mask::first_cpus(64)
}

pub(super) fn only(cpu: u32) -> Mask {
    Mask::only(CpuId::new(cpu))
}

impl Lent {
    /// Lets a thread be CPU `cpu` and do `work`.
    pub(super) fn cpu(self, cpu: usize, work: impl FnOnce(Self) + Send + 'static) -> thread::JoinHandle<()> {
        spawn(cpu, move || work(self))
    }
}

impl Machine {
    /// A new task, with a stack of that number.
    pub(super) fn spawn(&self, stack: usize, priority: u8, allowed: Mask) -> TaskId {
        let policy = Policy::Fifo(RtPriority::new(priority).unwrap());
        self.sched.try_spawn(SpawnArgs { allowed, ..SpawnArgs::new(policy, stack) }, NOW).unwrap()
    }

    /// The CPU does what was decided.
    pub(super) fn carry_out(&self, switch: Switch<'_, 'static, Model>) {
        switch.carry_out(|prev, next| {
            prev.into_iter().for_each(|&stack| self.stacks[stack].leave());
            next.into_iter().for_each(|&stack| self.stacks[stack].come());
        });
    }

    /// Uses the stack of a task that has ended.
    pub(super) fn reuse(&self, stack: usize) {
        self.stacks[stack].come();
        self.stacks[stack].leave();
    }

    /// The CPU takes every decision that is due.
    pub(super) fn settle(&self) {
        while self.sched.should_preempt() {
            self.carry_out(self.sched.reschedule(NOW));
        }
    }

    /// The CPU's interrupt arrives, if one was sent; whether there was one.
    pub(super) fn deliver(&self) -> bool {
        let line = &self.sched.platform().0[number()];
        let sent = line.load(Ordering::Relaxed) > 0 && line.swap(0, Ordering::AcqRel) > 0;
        if sent {
            self.sched.on_kick(NOW);
        }
        self.settle();
        sent
    }

    /// The running task sleeps, unless it was woken before.
    pub(super) fn block(&self) {
        if self.sched.prepare(BlockReason::Park).is_ok() {
            self.carry_out(self.sched.block(None, NOW));
        }
        self.settle();
    }

    /// When no other thread runs: every CPU that is online takes all interrupts and decisions.
    pub(super) fn quiesce(&self) {
        let before = number();
        let mut again = true;
        while again {
            again = false;
            for cpu in self.sched.online_cpus().iter() {
                enter(cpu.as_usize());
                again |= self.deliver();
            }
        }
        enter(before);
    }

    /// When no other thread runs: every task that wants to run ends.
    pub(super) fn end_all(&self) {
        let before = number();
        let mut again = true;
        while again {
            self.quiesce();
            again = false;
            for cpu in self.sched.online_cpus().iter() {
                enter(cpu.as_usize());
                let runs = self.sched.current().is_some();
                if runs {
                    self.carry_out(self.sched.exit_current(NOW));
                }
                again |= runs;
            }
        }
        enter(before);
    }

    /// When all is quiet: nothing is wrong, and `task` runs on `cpu`, or on any.
    pub(super) fn assert_runs(&self, task: TaskId, cpu: Option<u32>) {
        assert_eq!(self.sched.check(), Ok(()));
        assert_eq!(self.sched.state(task), Some(TaskState::Running));
        let on = self.sched.cpu_of(task).unwrap();
        assert!(cpu.is_none_or(|cpu| on.get() == cpu), "it runs on CPU {on}");
    }
}
