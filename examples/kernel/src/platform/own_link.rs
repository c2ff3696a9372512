//! The way of packets from this host to itself: [`SmoothLink`], and [`RoughLink`] where they do not come as they were sent.

use alloc::vec::Vec;
use core::convert::Infallible;

use kos_net::NetDevice;
use kos_net::dev::{HeapFrame, Loopback};

use crate::time::Instant;

/// Packets that this host has on their way to itself, at most.
const FRAMES: usize = 64;

/// All come, once, in their order.
pub type SmoothLink = Loopback<Vec<u8>, FRAMES>;

/// What befalls packets is the machine's choice, in a simulation.
pub trait RoughLink: NetDevice<Frame = HeapFrame, Error = Infallible> + Send {
    /// When a packet that is late is to be received.
    fn due(&self) -> Option<Instant>;
    /// Lets go of memory that is kept for later only.
    fn trim(&mut self);
}
