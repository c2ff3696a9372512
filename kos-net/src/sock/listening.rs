//! A socket of TCP that peers connect to: [`Listening`].

use core::net::SocketAddr;

use super::list::NONE;
use super::memory::Memory;
use crate::tcp::listener::Listener;

pub(crate) struct Listening<M: Memory> {
    pub(crate) listener: Listener,
    pub(crate) local: SocketAddr,
    pub(crate) records: M::Records,
    /// The connections that wait to be accepted, by their slots.
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl<M: Memory> Listening<M> {
    pub(crate) const fn new(listener: Listener, local: SocketAddr, records: M::Records) -> Self {
        Self { listener, local, records, first: NONE, last: NONE }
    }
}
