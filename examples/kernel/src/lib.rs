//! The demo kernel: what the kos crates compose to, generic over one machine.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod platform;
pub mod record;
pub mod selftest;
pub mod time;

pub use platform::Platform;

/// The kernel on one machine.
#[derive(Debug)]
pub struct Kernel<P> {
    platform: P,
}

impl<P> Kernel<P> {
    /// The machine.
    #[must_use]
    pub fn platform(&self) -> &P {
        &self.platform
    }
}
