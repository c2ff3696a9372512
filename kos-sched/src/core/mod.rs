//! The SMP core: one [`Scheduler`] for all CPUs of a machine. It decides who runs where and never switches.
//!
//! | part | what it does |
//! |---|---|
//! | [`Scheduler::try_spawn`], `join`, `reap` | tasks come and go |
//! | [`Scheduler::prepare`], `block`, `resume` | a task sleeps; early wakes are remembered |
//! | [`Scheduler::wake`], `interrupt` | any context, no other CPU's lock |
//! | [`Scheduler::reschedule`], `yield_now`, `hand_off`, `exit_current` | a [`Switch`]: who runs next, with the queue's lock in it |
//! | [`Scheduler::on_timer`], `on_kick`, `should_preempt` | what interrupts bring |
//! | [`Scheduler::set_affinity`], `set_attr`, `online`, `offline` | changes from outside |
//! | [`Scheduler::inherit`], [`Urgency`] | what a task is worth to those who wait for it |
//!
//! # Rules
//! - Never two queue locks. A task that changes queues is a [`Detached`](crate::task::Detached) token in between; who takes it
//!   in looks again at affinity and whether he is online. Lock order: `control`, then one queue; `free` is a leaf.
//! - *Asleep, and still on its CPU* is seen by nobody: the queue's lock is held from the one until the other is over. Wakers
//!   take no lock; they leave such a task in that CPU's wake list.
//! - What the lock's holder has to do to other queues he notes, and does when the lock is free.
//! - A hint (idle, waiting, urgent, load) may be wrong; everything that is decided by it is checked under the lock.

mod account;
mod affinity;
mod balance;
mod block;
mod counter;
mod cpu_slot;
pub(crate) mod doorbell;
mod error;
mod held;
mod hotplug;
mod inherit;
mod inspect;
mod lent;
#[expect(unsafe_code, reason = "lends each payload to whoever runs its task; the rule is in the module")]
mod payload;
mod placement;
mod preempt;
mod scheduler;
mod sleepers;
mod slot;
mod spawn;
mod switch;
mod system;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod tick;
mod urgency;
mod wake;
pub(crate) mod wake_list;

pub use cpu_slot::CpuSlot;
pub use error::{Fault, SetupError, SpawnError, SpawnFailure, TaskError};
pub use scheduler::{Scheduler, Setup};
pub use slot::TaskSlot;
pub use switch::Switch;
pub use system::{Config, Decision, Offlined, SpawnArgs, System, TaskState, Woken};
pub use urgency::Urgency;
