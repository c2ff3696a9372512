//! What belongs to one device: [`Interface`], in an [`InterfaceSlot`].

use core::borrow::BorrowMut;
use core::fmt;
use core::marker::PhantomData;

use super::groups::Groups;
use crate::dev::{Batch, Capabilities};
use crate::ip::Slaac;
use crate::link::InterfaceId;
use crate::link::neighbour::{Neighbours, Slot};
use crate::room::Room;
use crate::time::Instant;
use crate::wire::MacAddr;

/// Room for one interface of a stack. `N`: the memory of its neighbours, `B`: its batch.
pub struct InterfaceSlot<F, N, B>(pub(crate) Option<Interface<F, N, B>>);

impl<F, N, B> InterfaceSlot<F, N, B> {
    /// No interface.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }
}

impl<F, N, B> Default for InterfaceSlot<F, N, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F, N, B> fmt::Debug for InterfaceSlot<F, N, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InterfaceSlot").field(&self.0.as_ref().map(|interface| interface.id)).finish()
    }
}

pub(crate) struct Interface<F, N, B> {
    pub(super) id: InterfaceId,
    pub(super) capabilities: Capabilities,
    pub(super) mac: MacAddr,
    /// Whether what is sent comes back.
    pub(super) loopback: bool,
    /// Those on its link, if it has a link with stations.
    pub(super) neighbours: Option<Neighbours<F, N>>,
    /// What routers advertise, if it is listened to.
    pub(super) slaac: Option<Slaac>,
    /// What it listens to beside its own addresses.
    pub(super) groups: Groups,
    /// Frames that the device has not taken yet.
    out: B,
    _frames: PhantomData<F>,
}

impl<F, N: Room<Slot<F>>, B: BorrowMut<Batch<F>>> Interface<F, N, B> {
    pub(super) const fn new(
        id: InterfaceId,
        capabilities: Capabilities,
        mac: MacAddr,
        neighbours: Option<Neighbours<F, N>>,
        groups: Groups,
        out: B,
    ) -> Self {
        let loopback = capabilities.loopback;
        Self { id, capabilities, mac, loopback, neighbours, slaac: None, groups, out, _frames: PhantomData }
    }

    /// Frames that the device has not taken yet.
    pub(super) fn out(&mut self) -> &mut Batch<F> {
        self.out.borrow_mut()
    }

    /// Whether what it sends comes back: it has no stations, and nothing to lose.
    pub(super) const fn is_loopback(&self) -> bool {
        self.loopback
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        let neighbours = self.neighbours.as_ref().and_then(Neighbours::poll_at);
        let slaac = self.slaac.as_ref().and_then(Slaac::poll_at);
        neighbours.into_iter().chain(slaac).chain(self.groups.poll_at()).min()
    }
}
