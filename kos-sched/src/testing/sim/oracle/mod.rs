//! Oracles: observers that know what ought to be true, and say so when it is not.
//!
//! | oracle | what ought to be true |
//! |---|---|
//! | [`Accounts`] | CPU time and idle time are the whole time of all CPUs, exactly |
//! | [`Affinity`] | no task runs on a CPU that is forbidden to it |
//! | [`Conservation`] | no CPU idles beside a task that could run on it |
//! | [`Waiting`] | no task waits longer than a bound |
//! | [`Deadlines`] | no job ends late |
//! | [`Shares`] | tasks get the part of the CPU that they were promised |
//! | [`Fluid`] | no task is further from the ideal fluid schedule than its bound |
//!
//! Each keeps the worst that it saw, and [`verdict`](Accounts::verdict)s judge that. None shares code with what it judges.

mod accounts;
mod affinity;
mod conservation;
mod deadlines;
mod fluid;
mod shares;
mod waiting;

use core::fmt;

pub use accounts::Accounts;
pub use affinity::Affinity;
pub use conservation::Conservation;
pub use deadlines::Deadlines;
pub use fluid::{Fluid, weight};
pub use shares::Shares;
pub use waiting::Waiting;

/// What ought not to have happened, with the evidence. Times are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Breach {
    /// Time of a CPU that is nobody's, or is counted twice.
    Account {
        /// The CPU.
        cpu: u32,
        /// What was counted.
        counted: u64,
        /// What had passed.
        passed: u64,
    },
    /// A task ran on a CPU that was forbidden to it.
    Forbidden {
        /// The task.
        task: u32,
        /// The CPU.
        cpu: u32,
        /// For how long.
        length: u64,
    },
    /// A CPU idled beside a task that could have run there.
    Idle {
        /// The CPU.
        cpu: u32,
        /// Up to when.
        until: u64,
        /// For how long.
        length: u64,
    },
    /// A task waited too long for a CPU.
    Starved {
        /// The task.
        task: u32,
        /// Up to when.
        until: u64,
        /// For how long.
        length: u64,
    },
    /// A job ended late.
    Late {
        /// The task.
        task: u32,
        /// When the job opened.
        release: u64,
        /// How late it ended.
        tardiness: u64,
    },
    /// A task got another share than promised.
    Share {
        /// The task.
        task: u32,
        /// Millionths of the time that it got.
        got: u64,
        /// Millionths that were promised.
        promised: u64,
    },
    /// A task was too far from the fluid schedule.
    Lag {
        /// The task.
        task: u32,
        /// Service that it was owed; below 0 had in advance.
        lag: i64,
        /// When.
        at: u64,
        /// How far it may be.
        bound: u64,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { cpu, counted, passed } => {
                write!(f, "CPU {cpu}: {counted} ns counted, {passed} ns passed")
            }
            Self::Forbidden { task, cpu, length } => {
                write!(f, "task {task} ran {length} ns on forbidden CPU {cpu}")
            }
            Self::Idle { cpu, until, length } => {
                write!(f, "CPU {cpu} idled {length} ns beside a task that could run there, until {until}")
            }
            Self::Starved { task, until, length } => {
                write!(f, "task {task} waited {length} ns, until {until}")
            }
            Self::Late { task, release, tardiness } => {
                write!(f, "task {task}: the job of {release} ended {tardiness} ns late")
            }
            Self::Share { task, got, promised } => {
                write!(f, "task {task} got {got} millionths of the time, {promised} were promised")
            }
            Self::Lag { task, lag, at, bound } => {
                write!(f, "task {task} was {lag} ns from the fluid schedule at {at}, {bound} are allowed")
            }
        }
    }
}

impl core::error::Error for Breach {}
