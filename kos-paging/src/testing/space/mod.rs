//! Fakes for address spaces, and the machine that drives four of them beside deep copies (feature `vma`).
//!
//! | what | for |
//! |---|---|
//! | [`SimMachine`], [`SimEnv`] | frames with counts, a frame of zeros, failures at the k-th allocation, a CPU that does not answer |
//! | [`SimObject`], [`SimStore`], [`SimPager`] | objects: in frames over a store, or filled, late and failing |
//! | [`machine`] | operations on four spaces and their model |
//! | [`recount()`] | references against entries, pins and holds |

mod env;
pub mod machine;
pub mod model;
mod objects;
mod recount;
mod step;
mod verify;

pub use env::{SimEnv, SimMachine, SimTlb, TestLock};
pub use objects::{Meanwhile, Memory, SimObject, SimPager, SimStore, StoreFailed};
pub use recount::recount;
