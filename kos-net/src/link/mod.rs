//! What lies between the adapter and IP: [`neighbour`], who has which address on the link.

pub mod neighbour;

/// One of a stack's interfaces, by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u8);
