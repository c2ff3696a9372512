//! Where the memory of sockets comes from: [`Storage`].

use core::borrow::BorrowMut;
use core::fmt;

use super::memory::{Memory, TcpMemory};
use super::{RestSlot, Slot};
use crate::dev::Batch;
use crate::ip::RouteSlot;
use crate::ip::reassembly::ReassemblySlot;
use crate::link::neighbour;
use crate::room::Room;
use crate::stack::InterfaceSlot;

/// Memory for sockets and tables. Slots never move and never vanish.
pub trait Storage<F> {
    /// The memory of what is left of connections.
    type Rests: Room<RestSlot> + fmt::Debug;
    /// The memory of routes.
    type Routes: Room<RouteSlot> + fmt::Debug;
    /// What its memory is made of.
    type Memory: Memory;
    /// The memory of one interface's neighbours.
    type Neighbours: Room<neighbour::Slot<F>>;
    /// The memory of datagrams that come in pieces, beside their bytes.
    type Pieces: Room<ReassemblySlot> + fmt::Debug;
    /// Frames between the stack and a device.
    type Batch: BorrowMut<Batch<F>>;
    /// The memory of all interfaces.
    type Interfaces: Room<InterfaceSlot<F, Self::Neighbours, Self::Batch>>;

    /// How many slots there are.
    fn slots(&self) -> u32;

    /// One of them.
    fn slot(&self, index: u32) -> Option<&Slot<Self::Memory>>;

    /// One of them.
    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<Self::Memory>>;

    /// Makes more slots.
    ///
    /// # Errors
    /// There is no memory for them; nothing changes.
    fn grow(&mut self) -> Result<(), NoSlots>;

    /// Memory of about `length` bytes for a queue of datagrams; it says itself how much it is.
    ///
    /// # Errors
    /// There is none.
    fn bytes(&mut self, length: usize) -> Result<<Self::Memory as Memory>::Bytes, NoBuffers>;

    /// Memory for a connection with rings of about `send` and `receive` bytes.
    ///
    /// # Errors
    /// There is none; nothing is taken.
    fn connection(&mut self, send: usize, receive: usize) -> Result<TcpMemory<Self::Memory>, NoBuffers>;

    /// Memory for a listener that could use `count` records; none is fewer, but not wrong.
    fn records(&mut self, count: usize) -> <Self::Memory as Memory>::Records;

    /// Takes the memory of a listener back.
    fn give_back_records(&mut self, records: <Self::Memory as Memory>::Records);

    /// Takes the memory of a queue back.
    fn give_back(&mut self, bytes: <Self::Memory as Memory>::Bytes);

    /// Takes the memory of a connection back.
    fn give_back_connection(&mut self, memory: TcpMemory<Self::Memory>);

    /// Lets go of memory that is kept for later only.
    fn trim(&mut self) {}

    /// Memory for datagrams that come in pieces, each with an equal part of the bytes. `None`: they are dropped.
    fn reassembly(&mut self) -> Option<(Self::Pieces, <Self::Memory as Memory>::Bytes)>;

    /// Memory for the neighbours of one more interface; at least 4 slots.
    fn neighbours(&mut self) -> Option<Self::Neighbours>;

    /// Memory for all interfaces; asked for once. 16 at most are used.
    fn interfaces(&mut self) -> Self::Interfaces;

    /// Memory for what is left of connections; asked for once. None is not wrong: then nothing keeps old segments from new
    /// connections.
    fn rests(&mut self) -> Self::Rests;

    /// Memory for routes; asked for once. Each network of ours takes one, and each gateway.
    fn routes(&mut self) -> Self::Routes;

    /// A batch: for frames that come, asked for once, and for those that go out by one more interface. It has to have room for
    /// a frame at least; a datagram in more pieces goes out whole only if the device takes them at once.
    fn batch(&mut self) -> Option<Self::Batch>;
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
