//! This host, as it hears itself: [`Own`].

use alloc::boxed::Box;
use core::convert::Infallible;

use kos_net::NetDevice;
use kos_net::dev::{Batch, Capabilities, HeapFrame};

use crate::platform::{Platform, RoughLink, SmoothLink};
use crate::time::Instant;

/// Bytes of the longest packet.
const MTU: u16 = 16 << 10;

/// The link from this host to itself.
#[expect(clippy::large_enum_variant, reason = "there is one of it, in memory of its own")]
pub(super) enum Own {
    Smooth(SmoothLink),
    Rough(Box<dyn RoughLink>),
}

impl Own {
    /// As the machine has it.
    pub(super) fn new<P: Platform>(platform: &P) -> Self {
        let smooth = || SmoothLink::new(MTU);
        platform.rough_link(smooth).map_or_else(|| Self::Smooth(smooth()), Self::Rough)
    }

    /// When a packet that is late is to be received.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Smooth(_) => None,
            Self::Rough(link) => link.due(),
        }
    }

    /// Lets go of memory that is kept for later only.
    pub(super) fn trim(&mut self) {
        match self {
            Self::Smooth(link) => link.trim(),
            Self::Rough(link) => link.trim(),
        }
    }
}

impl NetDevice for Own {
    type Frame = HeapFrame;
    type Error = Infallible;

    fn capabilities(&self) -> &Capabilities {
        match self {
            Self::Smooth(link) => link.capabilities(),
            Self::Rough(link) => link.capabilities(),
        }
    }

    fn receive(&mut self, into: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        match self {
            Self::Smooth(link) => link.receive(into),
            Self::Rough(link) => link.receive(into),
        }
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        match self {
            Self::Smooth(link) => link.lease(bytes),
            Self::Rough(link) => link.lease(bytes),
        }
    }

    fn recycle(&mut self, frame: HeapFrame) {
        match self {
            Self::Smooth(link) => link.recycle(frame),
            Self::Rough(link) => link.recycle(frame),
        }
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        match self {
            Self::Smooth(link) => link.transmit(from),
            Self::Rough(link) => link.transmit(from),
        }
    }
}
