//! Where sockets stand: [`SocketId`], [`Readiness`], [`Storage`] with its kinds, and what sockets share: [`demux`] finds them. Who shares a stack
//! takes [`Shared`], whose handles own a socket.

mod check;
mod connection;
mod datagrams;
pub mod demux;
mod fixed;
#[cfg(feature = "alloc")]
mod heap;
mod io;
pub(crate) mod list;
mod listening;
mod memory;
mod ports;
mod queue;
mod rests;
mod shared;
mod slab;
mod slot;
mod storage;

pub(crate) use connection::Connection;
pub(crate) use datagrams::{Datagrams, Kind, Place};
pub use fixed::{FixedStorage, Lent, LentInterface};
#[cfg(feature = "alloc")]
pub use heap::{Heap, HeapBatch, HeapStorage};
pub(crate) use listening::Listening;
pub use memory::{Memory, TcpMemory};
pub(crate) use ports::choose as choose_port;
pub use queue::Envelope;
pub(crate) use queue::Queue;
pub use rests::RestSlot;
pub(crate) use rests::Rests;
pub use shared::{Blocking, Shared, TcpListener, TcpStream};
pub(crate) use slab::{INTERFACES, Sockets};
pub(crate) use slot::Socket;
pub use slot::{Readiness, Slot, SocketId};
pub use storage::{NoBuffers, NoSlots, Storage};
