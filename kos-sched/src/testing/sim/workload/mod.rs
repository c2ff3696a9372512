//! What simulated tasks do, as data: a [`Workload`] is a list of tasks, each with a [`Program`], a policy and a set of CPUs.
//!
//! What a task draws at random comes from its own stream, so two schedulers are given the same work by the same seed.
//! [`generate`] makes the usual shapes.

pub mod generate;
mod scenario;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::cpu::{CpuMask, CpuSet};
use crate::task::Policy;

use super::rng::Rng;
pub use scenario::{SCENARIOS, Scenario};

/// A set of simulated CPUs.
pub type Mask = CpuMask<16>;

/// A length of time in nanoseconds, drawn evenly from `low` to `high` each time it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub low: u64,
    /// The longest.
    pub high: u64,
}

impl Span {
    /// Always `ns`.
    #[must_use]
    pub const fn exactly(ns: u64) -> Self {
        Self { low: ns, high: ns }
    }

    /// From `low` to `high`.
    #[must_use]
    pub const fn between(low: u64, high: u64) -> Self {
        Self { low, high }
    }

    /// One of them.
    #[must_use]
    pub fn draw(self, rng: &mut Rng) -> u64 {
        if self.low == self.high { self.low } else { rng.range(self.low, self.high) }
    }
}

/// Whom an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The task itself.
    Me,
    /// The task with this number in the workload.
    Task(u32),
    /// One from the first to the second number, both included, drawn each time.
    Any(u32, u32),
}

/// One step of a program. Only `Run` takes CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Uses the CPU for so long.
    Run(Span),
    /// Sleeps for so long.
    Sleep(Span),
    /// Takes one from an event, and sleeps until there is one to take.
    Wait(u32),
    /// Adds one to an event: the task that waited longest takes it.
    Signal(u32),
    /// Sleeps until somebody wakes it; a wake that came early is remembered, once.
    Park,
    /// Wakes a task that parks.
    Wake(Who),
    /// Ends a job, if one is open, and opens the next when its time has come: each `period` after the last. The job is to end
    /// within `deadline` of its opening.
    Job {
        /// From one opening to the next, in nanoseconds.
        period: u64,
        /// From the opening to the deadline, in nanoseconds.
        deadline: u64,
    },
    /// Lets the others of its class go first.
    Yield,
    /// Gives a task another policy. Refused changes are counted.
    Policy(Who, Policy),
    /// Gives a task another set of CPUs, by its number in [`Workload::masks`].
    Affinity(Who, u32),
    /// Starts a task that has not run yet or has ended; else nothing.
    Fork(Who),
    /// Goes back to step `from`, `times` times, then on. Such loops do not nest.
    Repeat {
        /// Where to go.
        from: u32,
        /// How often.
        times: u32,
    },
    /// Goes back to the first step.
    Restart,
    /// Ends the task, as the end of the program does.
    Exit,
}

/// What one or many tasks do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What its tasks are called; each has its number after it.
    pub name: String,
    /// Its steps.
    pub ops: Vec<Op>,
}

/// One task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// Its program, by number.
    pub program: u32,
    /// Its policy at first.
    pub policy: Policy,
    /// Its CPUs at first, by their number in [`Workload::masks`].
    pub mask: u32,
    /// When it starts, in nanoseconds from the beginning; `None` when it is forked.
    pub start: Option<u64>,
}

/// Tasks and what they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The programs.
    pub programs: Vec<Program>,
    /// The tasks.
    pub tasks: Vec<TaskSpec>,
    /// The sets of CPUs; the first is all of them.
    pub masks: Vec<Mask>,
    /// How many events there are.
    pub events: u32,
}

impl Workload {
    /// No task, on `cpus` CPUs.
    #[must_use]
    pub fn new(cpus: u32) -> Self {
        let masks = [Mask::first_cpus(cpus)].into();
        Self { programs: Vec::new(), tasks: Vec::new(), masks, events: 0 }
    }

    /// Adds a program and tells its number.
    pub fn program(&mut self, name: &str, ops: &[Op]) -> u32 {
        self.programs.push(Program { name: name.into(), ops: ops.into() });
        number(self.programs.len() - 1)
    }

    /// Adds a task that starts at once on any CPU, and tells its number.
    pub fn task(&mut self, program: u32, policy: Policy) -> u32 {
        self.add(TaskSpec { program, policy, mask: 0, start: Some(0) })
    }

    /// Adds a task and tells its number.
    pub fn add(&mut self, task: TaskSpec) -> u32 {
        self.tasks.push(task);
        number(self.tasks.len() - 1)
    }

    /// Adds a set of CPUs, unless it is there, and tells its number.
    pub fn mask(&mut self, mask: Mask) -> u32 {
        let place = self.masks.iter().position(|known| *known == mask).unwrap_or_else(|| {
            self.masks.push(mask);
            self.masks.len() - 1
        });
        number(place)
    }

    /// Adds an event and tells its number.
    pub fn event(&mut self) -> u32 {
        self.events += 1;
        self.events - 1
    }

    /// What task number `task` is called.
    #[must_use]
    pub fn name(&self, task: u32) -> String {
        let program = self.tasks.get(task as usize).and_then(|spec| self.programs.get(spec.program as usize));
        format!("{}.{task}", program.map_or("?", |program| &program.name))
    }
}

/// A place in a list as the number that workloads name things by.
#[expect(clippy::cast_possible_truncation, reason = "a list of 2^32 tasks does not fit in memory")]
pub(super) const fn number(place: usize) -> u32 {
    place as u32
}
