//! Commands about programs: `run` starts one; the others are programs with what the kernel counted beside.

mod demo;
mod limit;
mod map;
mod run;
mod strace;

pub(crate) use demo::HOSTILE;
pub(super) use demo::{crashme, fork_demo, mmap_demo};
pub(super) use limit::limit;
pub(crate) use map::mappings;
pub(super) use map::{pagemap, vmmap};
pub(super) use run::run;
pub(super) use strace::strace;
