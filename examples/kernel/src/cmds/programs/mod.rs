//! Commands about programs: `run` starts one; the others are programs with what the kernel counted beside.

mod demo;
mod limit;
mod map;
mod run;

pub(crate) use demo::HOSTILE;
pub(super) use demo::{crashme, fork_demo, mmap_demo};
pub(super) use limit::limit;
pub(super) use map::{pagemap, vmmap};
pub(super) use run::run;
