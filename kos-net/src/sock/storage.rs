//! Where the memory of sockets comes from: [`Storage`].

use core::fmt;

use super::Slot;
use crate::link::neighbour;
use crate::room::Room;

/// Memory for sockets and tables. Slots never move and never vanish.
pub trait Storage<F> {
    /// The memory of one queue. The default has no bytes.
    type Bytes: AsRef<[u8]> + AsMut<[u8]> + Default;
    /// The memory of one interface's neighbours.
    type Neighbours: Room<neighbour::Slot<F>>;

    /// How many slots there are.
    fn slots(&self) -> u32;

    /// One of them.
    fn slot(&self, index: u32) -> Option<&Slot<Self::Bytes>>;

    /// One of them.
    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<Self::Bytes>>;

    /// Makes more slots.
    ///
    /// # Errors
    /// There is no memory for them; nothing changes.
    fn grow(&mut self) -> Result<(), NoSlots>;

    /// Memory of about `length` bytes for a queue; it says itself how much it is.
    ///
    /// # Errors
    /// There is none.
    fn bytes(&mut self, length: usize) -> Result<Self::Bytes, NoBuffers>;

    /// Takes the memory of a queue back.
    fn give_back(&mut self, bytes: Self::Bytes);

    /// Memory for the neighbours of one more interface; at least 4 slots.
    fn neighbours(&mut self) -> Option<Self::Neighbours>;
}

/// There is no room for one more socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSlots;

impl fmt::Display for NoSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room for one more socket")
    }
}

impl core::error::Error for NoSlots {}

/// There is no memory for a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoBuffers;

impl fmt::Display for NoBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no memory for a queue")
    }
}

impl core::error::Error for NoBuffers {}
