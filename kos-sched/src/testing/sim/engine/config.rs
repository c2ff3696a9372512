//! What a simulation is given and what it gives back: [`Config`], [`Totals`], [`SimError`].

use core::fmt;

use crate::task::TaskId;
use crate::time::Instant;

use super::super::workload::Span;

/// The machine.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How many CPUs, 1 to 1024.
    pub cpus: u32,
    /// Decides whatever is random.
    pub seed: u64,
    /// How long an interrupt takes from one CPU to another.
    pub ipi: Span,
    /// What the scheduler's clock shows at the beginning.
    pub clock: Instant,
}

impl Config {
    /// `cpus` CPUs, interrupts of 0.5 to 2 us, a clock that starts at 0.
    #[must_use]
    pub const fn new(cpus: u32, seed: u64) -> Self {
        Self { cpus, seed, ipi: Span::between(500, 2_000), clock: Instant::from_ticks(0) }
    }
}

/// Counters of one simulation. Times are nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Things that happened to a CPU: alarms, kicks, starts, ends of sleep.
    pub events: u64,
    /// Changes of what a CPU runs.
    pub switches: u64,
    /// Sleeping tasks made ready.
    pub wakes: u64,
    /// Interrupts between CPUs.
    pub kicks: u64,
    /// Tasks that ran on another CPU than the last time.
    pub migrations: u64,
    /// Jobs ended.
    pub jobs: u64,
    /// Jobs that ended after their deadline.
    pub misses: u64,
    /// Starts and changes that the scheduler refused.
    pub refused: u64,
    /// CPU time of all tasks.
    pub busy: u64,
    /// Time without a task, of all CPUs.
    pub idle: u64,
}

/// Why a simulation cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SimError {
    /// Not 1 to 1024 CPUs.
    Cpus {
        /// How many were asked for.
        asked: u32,
    },
    /// A program went through 10 000 steps without taking time.
    Spins {
        /// Whose.
        task: u32,
    },
    /// An alarm rang 10 000 times at one instant: the scheduler's timer does not settle, or a program runs for no time.
    TimerStorm {
        /// On which CPU.
        cpu: u32,
    },
    /// The scheduler runs a task that sleeps, has ended, or runs on another CPU.
    NotReady {
        /// Where.
        cpu: u32,
        /// Which.
        task: TaskId,
    },
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpus { asked } => write!(f, "{asked} CPUs are not 1 to 1024"),
            Self::Spins { task } => write!(f, "task {task} takes no time for 10000 steps"),
            Self::TimerStorm { cpu } => write!(f, "the alarm of CPU {cpu} rang 10000 times at one instant"),
            Self::NotReady { cpu, task } => {
                write!(f, "CPU {cpu} was given {task}, which cannot run there now")
            }
        }
    }
}

impl core::error::Error for SimError {}
