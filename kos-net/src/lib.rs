#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod wire;
