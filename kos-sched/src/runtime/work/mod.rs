//! Named work: functions registered by name, executed by workers that the integrator spawned.
//!
//! [`WorkPool`] keeps the names and the queues, in lent memory; a worker is any task that calls [`WorkPool::run`]. Each worker
//! has a queue for each [`WorkClass`]; one that finds its own empty takes from the others, oldest first. A range is one item,
//! from which workers cut pieces of `grain`. Who executes gets a [`Join`], to wait for in a task or as a future.
//!
//! Invariants: an item is in one queue as long as there is something of it to start, and in none after; it ends once, and its
//! slot is free when it has ended and its [`Join`] is gone. [`WorkPool::check`] walks them. One lock; work, wake-ups and drops
//! happen without it. Where unwinding is possible: a piece of work that panics ends its worker and never ends.

mod error;
mod join;
mod pool;
mod queue;
mod slots;
#[cfg(test)]
mod tests;
mod worker;

pub use error::{ExecuteError, ExecuteReason, JoinError, WorkError};
pub use join::Join;
pub use pool::{WorkHost, WorkPool, WorkStats, WorkStorage};
pub use slots::{Item, Registration, WorkClass, WorkFlag, WorkId, WorkOptions, WorkerSlot};
pub use worker::{Work, WorkContext};
