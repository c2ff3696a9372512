//! Which CPUs may hold translations of a space, and which walk its tables now.
//!
//! | item | what it is |
//! |---|---|
//! | [`CpuSet`] | CPUs, by number, in constant space |
//! | [`TlbContext`] | what one address space knows of the TLBs: who has it loaded, how far each CPU has flushed |
//! | [`Shootdown`] | a flush of all who have a space loaded, by tickets of a [`TlbControl`](crate::TlbControl) |
//! | [`Walkers`] | who reads tables without a lock, for the shootdown to wait for |
//!
//! All but the first need a target with 64-bit atomics.

mod set;

pub use set::CpuSet;

#[cfg(target_has_atomic = "64")]
mod context;
#[cfg(target_has_atomic = "64")]
mod shootdown;
#[cfg(target_has_atomic = "64")]
mod walkers;

#[cfg(target_has_atomic = "64")]
pub use context::{Answer, TlbContext};
#[cfg(target_has_atomic = "64")]
use set::AtomicCpuSet;
#[cfg(target_has_atomic = "64")]
pub use shootdown::Shootdown;
#[cfg(target_has_atomic = "64")]
pub use walkers::{WalkGuard, WalkMark, Walkers};
