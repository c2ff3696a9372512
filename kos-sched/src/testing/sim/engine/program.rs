//! How a simulated task goes through its program.

use crate::cpu::CpuId;
use crate::task::Policy;

use super::super::clockwork::{Event, NEVER};
use super::super::subject::Subject;
use super::super::watch::{Happening, Observer};
use super::super::workload::{Op, Who, number};
use super::live::State;
use super::{Sim, SimError};

/// Whether a task goes on with its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Next,
    /// It runs, sleeps, ended, or the scheduler is to decide first.
    Stop,
}

impl<S: Subject> Sim<'_, S> {
    /// `task`, which runs on `cpu`, takes its next steps, up to one that takes time.
    pub(super) fn advance(
        &mut self,
        cpu: u32,
        task: u32,
        watch: &mut [&mut dyn Observer],
    ) -> Result<(), SimError> {
        for _ in 0..10_000 {
            let op = self.next_op(task).unwrap_or(Op::Exit);
            self.tasks[task as usize].pc += 1;
            if self.step(cpu, task, op, watch) == Step::Stop {
                return Ok(());
            }
        }
        Err(SimError::Spins { task })
    }

    /// Lets `task`, which does not run now, want its next run at once: that saves it an alarm when it comes to run.
    pub(super) fn prefetch(&mut self, task: u32) {
        if let Some(Op::Run(span)) = self.next_op(task) {
            let live = &mut self.tasks[task as usize];
            live.left = span.draw(&mut live.rng);
            live.pc += 1;
        }
    }

    fn next_op(&self, task: u32) -> Option<Op> {
        let program = &self.load.programs[self.load.tasks[task as usize].program as usize];
        program.ops.get(self.tasks[task as usize].pc as usize).copied()
    }

    fn step(&mut self, cpu: u32, task: u32, op: Op, watch: &mut [&mut dyn Observer]) -> Step {
        let now = self.now;
        let live = &mut self.tasks[task as usize];
        match op {
            Op::Run(span) => {
                live.left = span.draw(&mut live.rng);
                if live.left == 0 { Step::Next } else { Step::Stop }
            }
            Op::Sleep(span) => {
                let until = now.saturating_add(span.draw(&mut live.rng));
                self.sleep(cpu, task, until)
            }
            Op::Wait(event) => self.wait(cpu, task, event),
            Op::Signal(event) => self.signal(cpu, event, watch),
            Op::Park if live.permit => {
                live.permit = false;
                Step::Next
            }
            Op::Park => self.block(cpu, task, State::Parked),
            Op::Wake(who) => self.unpark(cpu, task, who, watch),
            Op::Job { period, deadline } => self.job(cpu, task, period, deadline, watch),
            Op::Yield => {
                self.subject.yield_now(CpuId::new(cpu), self.instant());
                self.pause(task)
            }
            Op::Policy(who, policy) => self.set_policy(cpu, task, who, policy, watch),
            Op::Affinity(who, mask) => self.set_affinity(cpu, task, who, mask, watch),
            Op::Fork(who) => {
                let child = self.find(task, who);
                self.start(cpu, child, watch);
                Step::Next
            }
            Op::Repeat { from, times } => {
                let again = live.turns < times;
                live.turns = if again { live.turns + 1 } else { 0 };
                live.pc = if again { from } else { live.pc };
                Step::Next
            }
            Op::Restart => {
                live.pc = 0;
                Step::Next
            }
            Op::Exit => {
                (live.state, live.id, live.release) = (State::Gone, None, NEVER);
                self.subject.exit(CpuId::new(cpu), self.instant());
                Step::Stop
            }
        }
    }

    /// `task` sleeps until `until`.
    fn sleep(&mut self, cpu: u32, task: u32, until: u64) -> Step {
        self.clockwork.push(until, Event::Awake(task));
        self.tasks[task as usize].state = State::Asleep;
        self.subject.block(CpuId::new(cpu), Some(self.instant_of(until)), self.instant());
        self.pause(task)
    }

    /// `task` sleeps until it is woken.
    fn block(&mut self, cpu: u32, task: u32, state: State) -> Step {
        self.tasks[task as usize].state = state;
        self.subject.block(CpuId::new(cpu), None, self.instant());
        self.pause(task)
    }

    /// The scheduler is to decide before `task` goes on.
    fn pause(&mut self, task: u32) -> Step {
        self.prefetch(task);
        Step::Stop
    }

    fn wait(&mut self, cpu: u32, task: u32, event: u32) -> Step {
        let waiters = &mut self.events[event as usize];
        if waiters.count > 0 {
            waiters.count -= 1;
            return Step::Next;
        }
        waiters.queue.push_back(task);
        self.block(cpu, task, State::Asleep)
    }

    fn signal(&mut self, cpu: u32, event: u32, watch: &mut [&mut dyn Observer]) -> Step {
        let waiters = &mut self.events[event as usize];
        match waiters.queue.pop_front() {
            Some(task) => self.wake(cpu, task, S::wake, watch),
            None => waiters.count += 1,
        }
        Step::Next
    }

    fn unpark(&mut self, cpu: u32, task: u32, who: Who, watch: &mut [&mut dyn Observer]) -> Step {
        let sleeper = self.find(task, who);
        let live = &mut self.tasks[sleeper as usize];
        match live.state {
            State::Parked => self.wake(cpu, sleeper, S::wake, watch),
            _ => live.permit = live.id.is_some(),
        }
        Step::Next
    }

    fn job(
        &mut self,
        cpu: u32,
        task: u32,
        period: u64,
        deadline: u64,
        watch: &mut [&mut dyn Observer],
    ) -> Step {
        let (now, live) = (self.now, &mut self.tasks[task as usize]);
        let release = live.release;
        if release == NEVER {
            live.release = now;
            return Step::Next;
        }
        live.release = release.saturating_add(period);
        let next = live.release;
        let deadline = release.saturating_add(deadline);
        self.totals.jobs += 1;
        self.totals.misses += u64::from(now > deadline);
        self.tell(&Happening::Job { task, release, deadline }, watch);
        if next <= now {
            return Step::Next;
        }
        self.sleep(cpu, task, next)
    }

    fn set_policy(
        &mut self,
        cpu: u32,
        task: u32,
        who: Who,
        policy: Policy,
        watch: &mut [&mut dyn Observer],
    ) -> Step {
        let target = self.find(task, who);
        let now = self.instant();
        let Some(id) = self.tasks[target as usize].id else { return Step::Next };
        match self.subject.set_policy(CpuId::new(cpu), id, policy, now) {
            Ok(()) => self.tell(&Happening::Policy { task: target, policy }, watch),
            Err(_) => self.totals.refused += 1,
        }
        if target == task { self.pause(task) } else { Step::Next }
    }

    fn set_affinity(
        &mut self,
        cpu: u32,
        task: u32,
        who: Who,
        mask: u32,
        watch: &mut [&mut dyn Observer],
    ) -> Step {
        let target = self.find(task, who);
        let now = self.instant();
        let Some(id) = self.tasks[target as usize].id else { return Step::Next };
        match self.subject.set_affinity(CpuId::new(cpu), id, &self.load.masks[mask as usize], now) {
            Ok(()) => self.tell(&Happening::Affinity { task: target, mask }, watch),
            Err(_) => self.totals.refused += 1,
        }
        if target == task { self.pause(task) } else { Step::Next }
    }

    /// The task that `who` means to `task`; one that does not exist is the task itself.
    fn find(&mut self, task: u32, who: Who) -> u32 {
        let found = match who {
            Who::Me => task,
            Who::Task(other) => other,
            Who::Any(first, last) => {
                let rng = &mut self.tasks[task as usize].rng;
                first + number(rng.index((last.saturating_sub(first) as usize) + 1))
            }
        };
        if (found as usize) < self.tasks.len() { found } else { task }
    }
}
