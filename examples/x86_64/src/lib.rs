//! The parts of the bare-metal kernel that need no bare metal, tested on the host.
//!
//! | module | what it knows |
//! |---|---|
//! | [`pvh`] | the boot loader's start information, parsed with every byte bounds-checked |
//! | [`trap`] | the saved registers, the names of the exceptions, their error codes |
//! | [`report`] | how a fatal exception is told |
//! | [`symbols`] | names of addresses, from the text blob that the demo command passes |
//! | [`backtrace`] | the chain of frame pointers, bounded and checked |
//! | [`clock`] | rates from a calibration, nanoseconds from cycles |
//! | [`gate`] | entries of the interrupt descriptor table |
//! | [`layout`] | where the image and physical memory stand in the address space |
//!
//! The machine itself is the binary `kos` in `image/` (feature `image`).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

pub mod backtrace;
pub mod clock;
pub mod gate;
pub mod layout;
pub mod pvh;
pub mod report;
pub mod symbols;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trap;
