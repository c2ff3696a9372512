//! The calls of sockets of TCP.

use core::net::SocketAddr;

use super::listening_flow;
use crate::error::{AcceptError, BindError, StreamError};
use crate::ports::{Entropy, Frame};
use crate::sock::demux::Flow;
use crate::sock::list::NONE;
use crate::sock::{Connection, Listening, Socket, SocketId, Storage, choose_port};
use crate::stack::{Core, Stack};
use crate::tcp::listener::Listener;
use crate::tcp::tcb::{End, Opening, Tcb};
use crate::tcp::{TcpInfo, TcpSettings, TcpState};

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// Opens a connection to `remote`, from `local` if that is given; its port 0 chooses one. What is written before the peer
    /// answers is sent then. The socket becomes writable when it is connected, or closed when it failed.
    ///
    /// # Errors
    /// There is no way there, the place is taken, or there is no room.
    pub fn tcp_connect(
        &mut self,
        remote: SocketAddr,
        local: Option<SocketAddr>,
        entropy: &mut dyn Entropy,
    ) -> Result<SocketId, BindError> {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        self.core().connect(remote, local, entropy)
    }

    /// Lets peers connect to `local`: at any of our addresses if that is unspecified, of both families if it is that of IPv6.
    /// Up to `backlog` of them wait to be accepted; further ones get no answer until there is room.
    ///
    /// # Errors
    /// The place is taken or not ours, or there is no room.
    pub fn tcp_listen(
        &mut self,
        local: SocketAddr,
        backlog: u16,
        entropy: &mut dyn Entropy,
    ) -> Result<SocketId, BindError> {
        self.core().listen(local, backlog, entropy)
    }

    /// Takes the connection that waits for longest.
    ///
    /// # Errors
    /// Nobody waits.
    pub fn tcp_accept(&mut self, id: SocketId) -> Result<(SocketId, SocketAddr), AcceptError> {
        self.core().accept(id)
    }

    /// Has `write` fill room for what is to be sent; it returns how many bytes it wrote. The room is in one piece, which may be
    /// less than all there is.
    ///
    /// # Errors
    /// There is no room at the moment, or none ever again.
    pub fn tcp_send<R>(
        &mut self,
        id: SocketId,
        write: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> Result<R, StreamError> {
        let core = self.core();
        let connection = core.of(id)?;
        let capacity = connection.memory.send.as_ref().len();
        if let Some(End::Failed(failure)) = connection.tcb.ending() {
            return Err(StreamError::Failed(failure));
        }
        if !connection.tcb.may_write() {
            return Err(StreamError::Finished);
        }
        if connection.tcb.writable(capacity) == 0 {
            return Err(StreamError::NotNow);
        }
        let sent =
            connection.tcb.send(connection.memory.send.as_mut(), write).ok_or(StreamError::Finished)?;
        core.settle(id.index);
        Ok(sent)
    }

    /// Has `read` look at what came, and returns how many bytes of it are done with. They are in one piece, which may be less than
    /// all there are.
    ///
    /// # Errors
    /// Nothing is there at the moment, or nothing will come any more: [`StreamError::Finished`] if the peer said so.
    pub fn tcp_receive<R>(
        &mut self,
        id: SocketId,
        read: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> Result<R, StreamError> {
        let core = self.core();
        let now = core.now;
        let connection = core.of(id)?;
        if connection.tcb.readable() == 0 {
            return Err(match connection.tcb.ending() {
                Some(End::Failed(failure)) => StreamError::Failed(failure),
                Some(_) => StreamError::Finished,
                None if connection.tcb.is_drained() => StreamError::Finished,
                None => StreamError::NotNow,
            });
        }
        let result = connection.tcb.receive(now, connection.memory.receive.as_mut(), read);
        core.settle(id.index);
        Ok(result)
    }

    /// Sends no more than what was written already, and tells the peer. Receiving goes on.
    ///
    /// # Errors
    /// No such connection.
    pub fn tcp_shutdown(&mut self, id: SocketId) -> Result<(), StreamError> {
        let core = self.core();
        let now = core.now;
        core.of(id)?.tcb.shutdown_write(now);
        core.settle(id.index);
        Ok(())
    }

    /// Throws the connection away and resets the peer; the socket is closed.
    ///
    /// # Errors
    /// No such connection.
    pub fn tcp_abort(&mut self, id: SocketId) -> Result<(), StreamError> {
        let core = self.core();
        let now = core.now;
        let connection = core.of(id)?;
        connection.tcb.abort(now);
        connection.orphan = true;
        core.settle(id.index);
        Ok(())
    }

    /// Where a connection stands.
    ///
    /// # Errors
    /// No such connection.
    pub fn tcp_state(&mut self, id: SocketId) -> Result<TcpState, StreamError> {
        Ok(self.core().of(id)?.tcb.state())
    }

    /// The other side of a connection.
    ///
    /// # Errors
    /// No such connection.
    pub fn tcp_peer(&mut self, id: SocketId) -> Result<SocketAddr, StreamError> {
        Ok(self.core().of(id)?.remote)
    }

    /// Bytes that were written and not acknowledged.
    ///
    /// # Errors
    /// No such connection.
    pub fn tcp_unacknowledged(&mut self, id: SocketId) -> Result<u64, StreamError> {
        Ok(self.core().of(id)?.tcb.unacknowledged())
    }

    /// What a connection knows of itself.
    ///
    /// # Errors
    /// No such connection.
    pub fn tcp_info(&mut self, id: SocketId) -> Result<TcpInfo, StreamError> {
        Ok(self.core().of(id)?.tcb.info())
    }

    /// What a connection may choose, as it stands.
    ///
    /// # Errors
    /// No such connection.
    pub fn tcp_settings(&mut self, id: SocketId) -> Result<TcpSettings, StreamError> {
        Ok(self.core().of(id)?.tcb.settings())
    }

    /// Chooses.
    ///
    /// # Errors
    /// No such connection.
    pub fn tcp_set(&mut self, id: SocketId, settings: TcpSettings) -> Result<(), StreamError> {
        let core = self.core();
        core.of(id)?.tcb.set(settings);
        core.settle(id.index);
        Ok(())
    }
}

impl<F, S: Storage<F>> Core<F, S> {
    /// The connection of a handle.
    fn of(&mut self, id: SocketId) -> Result<&mut Connection<S::Memory>, StreamError> {
        match self.sockets.get_mut(id).and_then(|slot| slot.socket.as_mut()) {
            Some(Socket::Tcp(connection)) if !connection.orphan => Ok(connection),
            _ => Err(StreamError::BadSocket),
        }
    }

    fn connect(
        &mut self,
        remote: SocketAddr,
        local: Option<SocketAddr>,
        entropy: &mut dyn Entropy,
    ) -> Result<SocketId, BindError> {
        if remote.port() == 0 || remote.ip().is_unspecified() || remote.ip().is_multicast() {
            return Err(BindError::BadRemote);
        }
        let from = local.map_or(crate::udp::unspecified_like(remote.ip()), |local| local.ip());
        if !from.is_unspecified() && !self.is_ours(None, from) {
            return Err(BindError::NotOurs);
        }
        let way = self.way(from, remote.ip()).ok_or(BindError::NoRoute)?;
        let there = (remote.ip(), remote.port());
        let is_free = |port| {
            self.find_connection((way.source, port), there).is_none()
                && self.sockets.find_rest((way.source, port), there).is_none()
                && self.find_listener((way.source, port)).is_none()
        };
        let port = match local.map_or(0, |local| local.port()) {
            0 => choose_port(entropy, is_free)?.ok_or(BindError::NoPorts)?,
            port => is_free(port).then_some(port).ok_or(BindError::InUse)?,
        };
        let local = SocketAddr::new(way.source, port);
        let memory = self
            .sockets
            .storage
            .connection(self.config.limits.send_bytes, self.config.limits.receive_bytes)?;
        let opening = Opening {
            initial: self.secret.initial(self.now, local, remote),
            clock_offset: self.secret.clock_offset(local.ip(), remote.ip()),
            mss: self.segment_on(way.interface, local.is_ipv4()),
            capacity: memory.receive.as_ref().len(),
        };
        let tcb = Tcb::connect(self.now, &self.config.tcp, &opening);
        let connection =
            Connection { tcb, local, remote, memory, listener: None, next: NONE, orphan: false, found: true };
        self.add(Socket::Tcp(connection), &Flow::new(local, remote))
    }

    /// Opens a socket that is found by `flow`.
    pub(super) fn add(&mut self, socket: Socket<S::Memory>, flow: &Flow) -> Result<SocketId, BindError> {
        match self.sockets.insert(socket) {
            Ok(id) => {
                self.sockets.enter(id.index, flow);
                self.settle(id.index);
                Ok(id)
            }
            Err((error, socket)) => {
                self.give_back(socket);
                Err(error.into())
            }
        }
    }

    fn listen(
        &mut self,
        local: SocketAddr,
        backlog: u16,
        entropy: &mut dyn Entropy,
    ) -> Result<SocketId, BindError> {
        let address = local.ip();
        if !address.is_unspecified() && !self.is_ours(None, address) {
            return Err(BindError::NotOurs);
        }
        let is_free = |port| self.find_listener((address, port)).is_none();
        let port = match local.port() {
            0 => choose_port(entropy, is_free)?.ok_or(BindError::NoPorts)?,
            port => is_free(port).then_some(port).ok_or(BindError::InUse)?,
        };
        let listener = Listener::new(backlog);
        let records = self.sockets.storage.records(listener.records());
        let listening = Listening::new(listener, SocketAddr::new(address, port), records);
        self.add(Socket::Listening(listening), &listening_flow((address, port)))
    }

    fn listening(&mut self, id: SocketId) -> Option<&mut Listening<S::Memory>> {
        match self.sockets.get_mut(id)?.socket.as_mut()? {
            Socket::Listening(listening) => Some(listening),
            _ => None,
        }
    }

    fn accept(&mut self, id: SocketId) -> Result<(SocketId, SocketAddr), AcceptError> {
        let first = self.listening(id).ok_or(AcceptError::BadSocket)?.first;
        let connection = self.connection(first).ok_or(AcceptError::Empty)?;
        connection.listener = None;
        let (next, remote) = (core::mem::replace(&mut connection.next, NONE), connection.remote);
        if let Some(listening) = self.listening(id) {
            listening.first = next;
            listening.last = if next == NONE { NONE } else { listening.last };
            listening.listener.left();
        }
        self.sockets.id_of(first).map(|id| (id, remote)).ok_or(AcceptError::Empty)
    }

    pub(crate) fn close(&mut self, id: SocketId) -> bool {
        let now = self.now;
        match self.sockets.get_mut(id).and_then(|slot| slot.socket.as_mut()) {
            Some(Socket::Datagrams(_)) => self.close_datagrams(id),
            Some(Socket::Tcp(connection)) if !connection.orphan => {
                connection.orphan = true;
                connection.tcb.close(now);
                self.settle(id.index);
                true
            }
            Some(Socket::Listening(_)) => {
                self.close_listening(id);
                true
            }
            _ => false,
        }
    }

    /// Resets all that wait, and closes.
    fn close_listening(&mut self, id: SocketId) {
        let mut next = self.listening(id).map_or(NONE, |listening| listening.first);
        let now = self.now;
        while let Some(connection) = self.connection(next) {
            let index = core::mem::replace(&mut next, connection.next);
            (connection.listener, connection.orphan) = (None, true);
            connection.tcb.abort(now);
            self.settle(index);
        }
        if let Some(socket) = self.sockets.remove(id.index) {
            self.give_back(socket);
        }
    }
}
