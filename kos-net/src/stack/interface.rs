//! What belongs to one device: [`Interface`].

use crate::dev::{Batch, Capabilities};
use crate::link::InterfaceId;
use crate::link::neighbour::{Neighbours, Slot};
use crate::room::Room;
use crate::time::Instant;
use crate::wire::MacAddr;

#[derive(Debug)]
pub(super) struct Interface<F, N> {
    pub(super) id: InterfaceId,
    pub(super) capabilities: Capabilities,
    pub(super) mac: MacAddr,
    /// Whether what is sent comes back.
    pub(super) loopback: bool,
    /// Those on its link, if it has a link with stations.
    pub(super) neighbours: Option<Neighbours<F, N>>,
    /// Frames that the device has not taken yet.
    pub(super) out: Batch<F>,
}

impl<F, N: Room<Slot<F>>> Interface<F, N> {
    pub(super) const fn new(
        id: InterfaceId,
        capabilities: Capabilities,
        mac: MacAddr,
        neighbours: Option<Neighbours<F, N>>,
    ) -> Self {
        let loopback = capabilities.loopback;
        Self { id, capabilities, mac, loopback, neighbours, out: Batch::new() }
    }

    /// Whether what it sends comes back: it has no stations, and nothing to lose.
    pub(super) const fn is_loopback(&self) -> bool {
        self.loopback
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.neighbours.as_ref().and_then(Neighbours::poll_at)
    }
}
