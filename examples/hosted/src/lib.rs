//! The demo kernel as a Linux process: see [`Machine`].
#![deny(unsafe_code)]

extern crate alloc;

pub mod arena;
pub mod firmware;
mod machine;
pub mod platform;
mod scheduler;
mod terminal;

pub use machine::{Machine, MachineConfig, MachineError, Output, interactive};
pub use platform::Broken;
