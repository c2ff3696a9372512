//! A socket of TCP that is connected, or was: [`Connection`].

use core::net::SocketAddr;

use super::memory::{Memory, TcpMemory};
use crate::tcp::tcb::{Buffers, Tcb};

pub(crate) struct Connection<M: Memory> {
    pub(crate) tcb: Tcb<M::Congestion>,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) memory: TcpMemory<M>,
    /// The listener that it belongs to until it is accepted, by its slot and generation.
    pub(crate) listener: Option<(u32, u32)>,
    /// The next that waits to be accepted.
    pub(crate) next: u32,
    /// Nobody has a handle to it any more.
    pub(crate) orphan: bool,
    /// Whether packets find it.
    pub(crate) found: bool,
}

impl<M: Memory> Connection<M> {
    pub(crate) fn split(&mut self) -> (&mut Tcb<M::Congestion>, Buffers<'_>) {
        let TcpMemory { send, receive, sent, gaps } = &mut self.memory;
        let buffers = Buffers {
            send: send.as_mut(),
            receive: receive.as_mut(),
            sent: sent.as_mut(),
            gaps: gaps.as_mut(),
        };
        (&mut self.tcb, buffers)
    }
}
