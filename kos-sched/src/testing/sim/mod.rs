//! A simulator that drives the shipping scheduler: many CPUs, a virtual clock, workloads as data, oracles, plots.
//!
//! ```text
//! Workload ──▶ Sim ◀──▶ Subject (run queues, or the SMP scheduler)
//!               │
//!               └──▶ Observers: oracles, Trace ──▶ CSV, SVG, Chrome trace
//! ```
//!
//! [`Sim`] owns time. It tells the [`Subject`] what happens (a task sleeps, a timer fires, an interrupt arrives) and carries out
//! what that decides; it has no policy of its own. One seed gives one sequence of happenings, in every build.
#![expect(clippy::indexing_slicing, reason = "indices are numbers that the workload and the engine gave out")]

mod clockwork;
mod engine;
pub mod oracle;
pub mod plot;
mod queues;
mod radix;
mod record;
mod rng;
mod smp;
mod subject;
mod watch;
pub mod workload;

pub use engine::{Config, Sim, SimError, Totals};
pub use queues::Queues;
pub use record::{Digest, Latency, Mark, Slice, Trace};
pub use rng::Rng;
pub use smp::{Board, Smp};
pub use subject::Subject;
pub use watch::{Happening, Left, Observer};

#[cfg(test)]
mod tests;
