//! Caches of free blocks, one for each CPU: most calls take no lock and do no atomic read-modify-write.
//!
//! ```text
//! CPU 0            CPU 1                  each class: two magazines a CPU
//! loaded previous  loaded previous
//!     └──────┬─────────┘
//!          depot                          whole magazines, full and empty, behind a lock of the class
//!            │
//!           bin                           blocks by the magazine, behind another
//! ```
//!
//! After J. Bonwick and J. Adams, Magazines and Vmem (2001). A block that another CPU allocated rests where it is freed; whole
//! magazines move through the depot. All memory is carved once, so nothing here can fail.
//!
//! | file | what |
//! |---|---|
//! | `plan` | how large the magazines are, so that all of them stay within the terms |
//! | `setup` | frames for the caches, when they are first used |
//! | `magazine`, `cpu`, `depot` | the structure above |
//! | `caches` | where the caches of the CPUs lie, and whether they are used |
//! | `fast` | the way of most calls |
//! | `exchange` | what happens when a magazine runs empty or full |
//! | `drain` | everything home: under pressure, on request, for a CPU that stopped |
//! | `check` | the invariants below |
//! | `deferred` | frees of NMIs that found the lock taken |
//!
//! Invariants: only the owner touches a magazine: the CPU in whose cache it is, between setting and clearing its busy byte
//! with interrupts masked; the depot's lock; or who took it out of either. Every block in a magazine bears its seal and
//! counts as live in its slab. Lock order: busy byte, depot, bin.

#[expect(unsafe_code, reason = "carves the caches out of frames, and hands out references to them")]
mod caches;
#[expect(unsafe_code, reason = "looks at the seals of blocks")]
mod check;
#[expect(unsafe_code, reason = "seals the blocks of magazines")]
mod cpu;
mod deferred;
mod depot;
#[expect(unsafe_code, reason = "a method whose caller promises that a CPU has stopped")]
mod drain;
#[expect(unsafe_code, reason = "looks at the seals of blocks")]
mod exchange;
#[expect(unsafe_code, reason = "gives blocks whose owners gave them up to the cache")]
mod fast;
#[expect(unsafe_code, reason = "the only code that touches the memory of magazines")]
mod magazine;
mod plan;
#[expect(unsafe_code, reason = "gives the caches their frames")]
mod setup;

pub(super) use caches::Caches;
pub(super) use cpu::CpuCache;
pub(crate) use deferred::Deferred;
pub(super) use depot::Depot;
pub(crate) use plan::Plan;
