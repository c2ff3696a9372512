//! The parts of the bare-metal kernel that need no bare metal, tested on the host.
//!
//! | module | what it knows |
//! |---|---|
//! | [`pvh`] | the boot loader's start information, parsed with every byte bounds-checked |
//! | [`acpi`] | the firmware's lists of CPUs, interrupt controllers and what is near what, likewise |
//! | [`trap`] | the saved registers, the names of the exceptions, their error codes |
//! | [`user`] | the registers of a program while the kernel runs |
//! | [`report`] | how a fatal exception is told |
//! | [`symbols`] | names of addresses, from the text blob that the demo command passes |
//! | [`pci`] | functions on the buses: base addresses, capabilities, every number bounded |
//! | [`roster`], [`cpu_set`] | which CPUs there are, and how far each came; sets of them |
//! | [`nodes`] | what is near what |
//! | [`shootdown`] | how CPUs make each other forget translations |
//! | [`keys`], [`screen`] | the second console: scan codes to bytes, bytes to cells, cells to pixels |
//! | [`dispi`] | a mode of pixels set on a display that may lie |
//! | [`clock`] | rates from a calibration, nanoseconds from cycles |
//! | [`rtc`] | registers of the clock that runs on a battery |
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

pub mod acpi;
pub mod clock;
pub mod cpu_set;
pub mod dispi;
pub mod gate;
pub mod keys;
pub mod layout;
pub mod nodes;
pub mod pci;
pub mod pvh;
pub mod report;
pub mod roster;
pub mod rtc;
pub mod screen;
pub mod shootdown;
pub mod symbols;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trap;
pub mod user;
