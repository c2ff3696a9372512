//! Processes: [`ProcessTable`], from spawn to wait.
//!
//! A process is threads, a part of the integrator's (memory map, files, credentials: [`ProcessExt`]), limits, and a place
//! among parents, groups and sessions. Its death needs nobody's help: a killed process's threads are woken, find
//! [`Fate::Leave`] or [`Resume::Interrupted`](crate::Resume::Interrupted), and leave; with the last one it becomes a zombie of
//! 64 bytes, until its parent has waited for it.
//!
//! Invariants: children form a forest; a zombie is visible exactly as long as it can be waited for; a number is free when no
//! process, group or session bears it, and is used again as late as possible; what a limit refused has left no trace.
//! [`ProcessTable::check`] walks them.
//!
//! One lock, taken with interrupts masked; nobody sleeps, is woken or dropped under it. CPU time is charged under a lock of
//! each thread's own. Lock order: table, then account.
//!
//! | module | what it is |
//! |---|---|
//! | `table` | storage, questions |
//! | `lifecycle`, `exec` | spawn, fork, threads, exit; a new image |
//! | `family`, `group` | parents, orphans, numbers; groups and sessions |
//! | `wait`, `signal`, `wakes` | waiting, signals, and who is woken |
//! | `limits`, `domain`, `charge` | what a process may use, and many together |
//! | `clock`, `load` | CPU time; load averages |
//! | `env` | the environment block |
//! | `check` | every invariant, walked |
//!
//! Source: POSIX.1-2017; Linux where POSIX leaves it open (a test asks Linux itself).
//!
//! [`ProcessExt`]: crate::ProcessExt

mod charge;
mod check;
mod clock;
mod domain;
mod env;
mod error;
mod exec;
mod family;
mod group;
mod id;
mod lifecycle;
mod limits;
mod load;
mod record;
mod signal;
mod slots;
mod state;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod wait;
mod wakes;

pub use clock::{Account, Mode, Usage};
pub use domain::Domain;
pub use env::{EnvError, Environment};
pub use error::{
    AdmitError, DomainError, ExecError, GroupError, ProcessCorruption, ProcessError, SignalError, SpawnError,
    SpawnReason, WaitError,
};
pub use id::{DomainId, Pid, ThreadId};
pub use lifecycle::{Ending, SpawnArgs};
pub use limits::{Limit, LimitError, LimitExceeded, Limits, Resource};
pub use load::LoadAverage;
pub use record::{ExitStatus, Record};
pub use signal::{Signal, SignalTarget};
pub use slots::{Process, Thread};
pub use stats::ProcessStats;
pub use table::{Fate, ProcessHost, ProcessInfo, ProcessStorage, ProcessTable, ProcessUsage, Status};
pub use wait::{Event, WaitFor, WaitOptions, Waited};
