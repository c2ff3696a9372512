//! Where one socket stands: [`Slot`]; what names it: [`SocketId`]; what it is ready for: [`Readiness`].

use core::fmt;
use core::task::Waker;

use super::connection::Connection;
use super::datagrams::Datagrams;
use super::demux::{ChainLink, NOBODY};
use super::list::{Links, NONE};
use super::listening::Listening;
use super::memory::Memory;
use crate::timer::TimerLink;

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

/// Storage of one socket, in use or not, and the links of all tables that it is in.
pub struct Slot<M: Memory> {
    pub(crate) generation: u32,
    /// The next free slot, if this one is free.
    pub(crate) next_free: u32,
    /// The head of one bucket of the table that finds sockets.
    pub(crate) bucket: u32,
    pub(crate) chain: ChainLink,
    pub(crate) timer: TimerLink,
    /// On the list of those that can send, of their interface.
    pub(crate) dirty: Links,
    /// The interface of that list.
    pub(crate) dirty_on: u8,
    /// On the list of those of which there is something to tell.
    pub(crate) ready: Links,
    /// What is to be told.
    pub(crate) news: Readiness,
    pub(crate) waker: Option<Waker>,
    /// On the list of those whose waker is to be woken, if that is put off.
    pub(crate) waking: Links,
    pub(crate) socket: Option<Socket<M>>,
}

impl<M: Memory> fmt::Debug for Slot<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("generation", &self.generation)
            .field("used", &self.socket.is_some())
            .finish()
    }
}

impl<M: Memory> Slot<M> {
    /// A free slot.
    #[must_use]
    pub fn new() -> Self {
        Self {
            generation: 0,
            next_free: NONE,
            bucket: NOBODY,
            chain: ChainLink::default(),
            timer: TimerLink::default(),
            dirty: Links::OUT,
            dirty_on: 0,
            ready: Links::OUT,
            news: Readiness::empty(),
            waker: None,
            waking: Links::OUT,
            socket: None,
        }
    }
}

impl<M: Memory> Default for Slot<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// A socket of any kind.
#[expect(
    clippy::large_enum_variant,
    reason = "connections are what slots are made for; there may be no heap for them"
)]
pub(crate) enum Socket<M: Memory> {
    /// UDP, ping, raw.
    Datagrams(Datagrams<M::Bytes>),
    /// A connection.
    Tcp(Connection<M>),
    /// Peers connect to it.
    Listening(Listening<M>),
}
