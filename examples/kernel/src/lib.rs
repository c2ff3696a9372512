#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accounts;
mod boot;
mod cmds;
pub mod command_line;
mod crew;
mod drill;
mod error;
pub mod firmware;
pub mod glue;
mod kernel;
pub mod log;
pub mod owned;
mod paths;
pub mod platform;
pub mod record;
mod run;
pub mod selftest;
pub mod shell;
mod stage;
mod storm;
pub mod text;
mod threads;
pub mod time;

pub use boot::Config;
pub use error::{BootError, Cause};
pub use kernel::{Corruption, Heap, Kernel, KernelFrames, KernelTable};
pub use platform::Platform;
pub use run::End;
pub use stage::Stage;
pub use threads::ThreadError;
