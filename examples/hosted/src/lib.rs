//! The demo kernel as a Linux process: see [`Machine`].
#![deny(unsafe_code)]

extern crate alloc;

pub mod arena;
mod dice;
pub mod disk;
mod engine;
pub mod firmware;
pub mod fs;
mod guest;
mod heap;
mod machine;
pub mod mount;
pub mod net;
pub mod platform;
mod rough;
mod simulate;
mod terminal;

pub use engine::{Death, Engine, Masked};
pub use machine::{MAX_CPUS, Machine, MachineConfig, MachineError, Output, Spoken, interactive};
pub use platform::Broken;
pub use rough::{Befell, Roughness, Share};
pub use simulate::{Run, simulate, sweep};
