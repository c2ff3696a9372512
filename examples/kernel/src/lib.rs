#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accounts;
pub mod audit;
pub mod backtrace;
mod boot;
mod cmds;
pub mod command_line;
mod crew;
mod drill;
mod error;
mod files;
pub mod firmware;
pub mod glue;
mod ipc;
mod kernel;
pub mod log;
pub mod metrics;
pub mod net;
pub mod owned;
mod owners;
mod paths;
pub mod platform;
pub mod pressure;
mod process;
#[cfg(feature = "python")]
mod python;
pub mod record;
mod run;
pub mod selftest;
pub mod shell;
mod srv;
mod stage;
mod storm;
pub mod svc;
pub mod text;
mod threads;
pub mod time;
pub mod time_of_day;
pub mod user;
mod view;
// Who reads packages: Python's commands, or what tests and fuzz targets compare.
#[cfg(all(feature = "wheel", any(test, feature = "python", feature = "testing")))]
pub mod wheel;

pub use boot::Config;
pub use error::{BootError, Cause};
pub use files::FilesError;
pub use kernel::{Corruption, Heap, Kernel, KernelFrames, KernelTable};
pub use platform::Platform;
pub use run::End;
pub use stage::Stage;
pub use threads::ThreadError;

/// The function by which zeroed memory is allocated. For binaries with a global allocator of their own: the optimiser makes calls of
/// it where an allocation is filled with zeros, when link-time optimisation has already dropped what nobody called before. A
/// binary that keeps this keeps that.
#[must_use]
#[inline(never)]
pub fn zeroing_allocation() -> unsafe fn(core::alloc::Layout) -> *mut u8 {
    alloc::alloc::alloc_zeroed
}
