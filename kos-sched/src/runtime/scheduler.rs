//! [`Runtime`]: the scheduler of a machine together with what carries its decisions out.
//!
//! Every way to another task is one function, `carry_out`: it looks after the stack that is left, then switches contexts under
//! the queue's lock. A task never frees what it runs on: it ends, and who [joins](Runtime::join) it gets its [`Thread`] back.
#![expect(unsafe_code, reason = "calls the switch; the proof is beside it")]

use core::error::Error;
use core::fmt;

use super::stack::StackOverflow;
use super::system::{IdleContext, RuntimeSystem};
use super::thread::Thread;
use crate::core::{Scheduler, Setup, SetupError, SpawnArgs, SpawnError, Switch, TaskError};
use crate::ports::{BlockReason, Clock, ContextSwitch, KernelStack, Park, Platform, Resume};
use crate::task::TaskId;
use crate::time::Instant;

/// Parts from which no runtime can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The core refuses them.
    Setup(SetupError),
    /// Each CPU needs an idle context.
    Idle {
        /// How many CPUs there are.
        cpus: usize,
        /// How many contexts.
        contexts: usize,
    },
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => error.fmt(f),
            Self::Idle { cpus, contexts } => write!(f, "{contexts} idle contexts for {cpus} CPUs"),
        }
    }
}

impl Error for RuntimeError {}

/// A scheduler that switches. It lives for ever, as its tasks refer to it.
pub struct Runtime<R: RuntimeSystem> {
    sched: Scheduler<'static, R>,
    clock: R::Clock,
    idle: &'static [IdleContext<R>],
}

impl<R: RuntimeSystem> Runtime<R> {
    /// A runtime without tasks, all CPUs offline.
    ///
    /// # Errors
    /// [`RuntimeError`] if the parts do not fit together.
    pub fn new(
        setup: Setup<'static, R>,
        clock: R::Clock,
        idle: &'static mut [IdleContext<R>],
    ) -> Result<Self, RuntimeError> {
        let (cpus, contexts) = (setup.cpus.len(), idle.len());
        if contexts < cpus {
            return Err(RuntimeError::Idle { cpus, contexts });
        }
        let sched = Scheduler::new(setup).map_err(RuntimeError::Setup)?;
        Ok(Self { sched, clock, idle })
    }

    /// The core, for everything that does not switch: wakes, affinity, attributes, hot plug, interrupts, inspection. Its
    /// operations that return a [`Switch`] have their counterparts here.
    pub const fn scheduler(&self) -> &Scheduler<'static, R> {
        &self.sched
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Makes a task. Task or interrupt context; the new task may run at once.
    ///
    /// # Errors
    /// [`SpawnError`] gives everything back.
    pub fn spawn(&'static self, mut args: SpawnArgs<R>) -> Result<TaskId, SpawnError<SpawnArgs<R>>> {
        args.payload.prepare(self);
        let task = self.sched.try_spawn(args, self.now())?;
        self.preempt_if_enabled();
        Ok(task)
    }

    /// Ends the running task. Its thread waits for [`join`](Self::join), or for
    /// [`reap_any`](Scheduler::reap_any) if it is detached. In an idle loop it never returns.
    pub fn exit(&self) -> ! {
        loop {
            // Nobody runs an ended task again, so this returns only to a CPU that idles.
            self.carry_out(self.sched.exit_current(self.now()));
        }
    }

    /// Sleeps until `task` has ended, and takes what it has left. Task context.
    ///
    /// # Errors
    /// [`TaskError::Gone`]; [`TaskError::Joined`] if another task waits for it, or it is detached; [`TaskError::Alive`] if the
    /// running task is to die first, or there is none.
    pub fn join(&self, task: TaskId) -> Result<Thread<R>, TaskError> {
        let mut ended = self.sched.join(task)?;
        while !ended {
            if self.sched.current().is_none() || self.park(None, BlockReason::Child) == Resume::Interrupted {
                return Err(TaskError::Alive);
            }
            ended = self.sched.join(task)?;
        }
        self.sched.reap(task)
    }

    /// Lets the running task's equals go first. Task context.
    pub fn yield_now(&self) {
        self.carry_out(self.sched.yield_now(self.now()));
    }

    /// Switches if a pick is due. On the way out of an interrupt handler, interrupts masked; the handler has told the core
    /// before what happened ([`on_timer`](Scheduler::on_timer), [`on_kick`](Scheduler::on_kick)) and the interrupt controller
    /// that it is done. The task that was interrupted goes on from here when it is run again. A CPU that idles looks by itself:
    /// as long as others count on that they do not interrupt it, so it must not run a task from here.
    #[inline]
    pub fn preempt(&self) {
        if self.sched.should_preempt() && self.sched.current().is_some() {
            self.carry_out(self.sched.reschedule(self.now()));
        }
    }

    /// The running task keeps its CPU as long as the guard lives. Nests.
    pub fn no_preempt(&self) -> NoPreempt<'_, R> {
        self.sched.preempt_disable();
        NoPreempt { runtime: self }
    }

    /// Whose stack a fault at `address` on this CPU overran: that of the running task, if the address is in its guard.
    pub fn overflow_at(&self, address: usize) -> Option<TaskId> {
        let task = self.sched.current()?;
        self.sched.with_current(|thread| thread.stack().overflows_at(address))?.then_some(task)
    }

    /// Switches, if there is anything to switch. Returns when the task is run again.
    pub(super) fn carry_out(&self, switch: Switch<'_, 'static, R>) {
        let prev_id = switch.decision().prev;
        switch.carry_out(|prev, next| {
            if let (Some(thread), Some(task)) = (prev, prev_id)
                && let Err(overflow) = Self::look_at_stack(thread, task)
            {
                R::stack_overflow(overflow);
            }
            let (Some(from), Some(to)) = (self.context(prev), self.context(next)) else { return };
            // SAFETY: the two differ, or the core would not switch. The queue's lock is held from the decision until
            // `finish_switch` in `next`, so nobody else uses either; that also keeps the stack of `prev`. `next` was prepared,
            // or left here. Interrupts are masked.
            unsafe { R::Switch::switch(from, to) };
        });
    }

    fn look_at_stack(thread: &Thread<R>, task: TaskId) -> Result<(), StackOverflow> {
        if R::Stack::GUARD == 0 { thread.stack().check(task) } else { Ok(()) }
    }

    /// The context of a task, or that of this CPU's idle loop. Interrupts are masked. There is one for each CPU.
    fn context(&self, thread: Option<&Thread<R>>) -> Option<*mut <R::Switch as ContextSwitch>::Context> {
        match thread {
            Some(thread) => Some(thread.context()),
            None => Some(self.idle.get(self.sched.platform().cpu().as_usize())?.get()),
        }
    }

    /// Switches if a pick is due and the caller may be interrupted anyway.
    pub(super) fn preempt_if_enabled(&self) {
        if R::irq_enabled(self.sched.platform()) && self.sched.current().is_some() {
            self.preempt();
        }
    }
}

impl<R: RuntimeSystem> fmt::Debug for Runtime<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("sched", &self.sched).finish_non_exhaustive()
    }
}

/// As long as it lives the task that made it keeps its CPU.
#[must_use = "dropped at once it prevents nothing"]
pub struct NoPreempt<'a, R: RuntimeSystem> {
    runtime: &'a Runtime<R>,
}

impl<R: RuntimeSystem> Drop for NoPreempt<'_, R> {
    fn drop(&mut self) {
        if self.runtime.sched.preempt_enable() {
            self.runtime.preempt_if_enabled();
        }
    }
}

impl<R: RuntimeSystem> fmt::Debug for NoPreempt<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoPreempt")
    }
}
