//! Where one socket stands: [`Slot`]; what names it: [`SocketId`]; what it is ready for: [`Readiness`].

use core::fmt;
use core::task::Waker;

use super::datagrams::Datagrams;
use super::list::{Links, NONE};

/// Names a socket as long as it is open; a later one in the same slot has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

bitflags::bitflags! {
    /// What can be done with a socket without waiting.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Readiness: u8 {
        /// There is something to receive or accept, or the peer sends no more.
        const READABLE = 1 << 0;
        /// There is room for something to send.
        const WRITABLE = 1 << 1;
        /// There is an error to fetch.
        const ERROR = 1 << 2;
        /// Neither side sends any more.
        const CLOSED = 1 << 3;
    }
}

/// Storage of one socket, in use or not. `B` is the memory of its queues.
#[derive(Debug)]
pub struct Slot<B> {
    pub(crate) generation: u32,
    /// The next free slot, if this one is free.
    pub(crate) next_free: u32,
    /// On the list of those that can send, of their interface.
    pub(crate) dirty: Links,
    /// The interface of that list.
    pub(crate) dirty_on: u8,
    /// On the list of those of which there is something to tell.
    pub(crate) ready: Links,
    /// What is to be told.
    pub(crate) news: Readiness,
    pub(crate) waker: Option<Waker>,
    pub(crate) socket: Option<Socket<B>>,
}

impl<B> Slot<B> {
    /// A free slot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            generation: 0,
            next_free: NONE,
            dirty: Links::OUT,
            dirty_on: 0,
            ready: Links::OUT,
            news: Readiness::empty(),
            waker: None,
            socket: None,
        }
    }
}

impl<B> Default for Slot<B> {
    fn default() -> Self {
        Self::new()
    }
}

/// A socket of any kind.
#[derive(Debug)]
pub(crate) enum Socket<B> {
    /// UDP, ping, raw.
    Datagrams(Datagrams<B>),
}
