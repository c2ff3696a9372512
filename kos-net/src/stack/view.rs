//! What a stack tells of itself, for who lists it.

use core::net::IpAddr;

use super::Stack;
use crate::link::InterfaceId;
use crate::link::neighbour::Entry;
use crate::ports::Frame;
use crate::sock::Storage;

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// Our addresses: of which interface, and how many of their bits are those of its link.
    pub fn addresses(&self) -> impl Iterator<Item = (InterfaceId, IpAddr, u8)> {
        self.core.addresses.iter().map(|own| (InterfaceId(own.interface), own.address, own.prefix))
    }

    /// Where packets go that leave the links: over which interface, to which router.
    pub fn gateways(&self) -> impl Iterator<Item = (InterfaceId, IpAddr)> {
        self.core.gateways().map(|(interface, gateway)| (InterfaceId(interface), gateway))
    }

    /// The hosts of the links that are known or looked for.
    pub fn neighbours(&self) -> impl Iterator<Item = &Entry> {
        self.interfaces
            .iter()
            .filter_map(|interface| interface.neighbours.as_ref())
            .flat_map(|all| all.iter())
    }
}
