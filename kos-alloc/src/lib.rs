#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

mod error;
#[expect(unsafe_code, reason = "the ports carry the promises on which memory safety rests")]
mod ports;
mod sync;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod types;

pub use error::{AllocError, Corruption, FrameError, FreeError, Violation};
pub use ports::{Env, FrameAlloc};
pub use sync::Locked;
pub use types::{CpuIndex, DirectMap, FrameRange, FrameRequest, Pfn};
