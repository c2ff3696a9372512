//! UDP: the calls of its sockets, and its datagrams between socket and packet.
//!
//! Source: RFC 768, RFC 1122 section 4.1.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zerocopy::IntoBytes;

use crate::dev::Meta;
use crate::drop_reason::DropReason;
use crate::error::{BindError, ReceiveError, SendError};
use crate::ports::{Entropy, Frame, NetDevice};
use crate::sock::{
    Datagrams, Envelope, Kind, Memory, Place, Readiness, Socket, SocketId, Storage, choose_port,
};
use crate::stack::{
    Arrival, Cast, Complaint, Core, Pass, Refusal, Sent, Stack, Taken, echo_header, waiting, why,
};
use crate::wire::{Echo, IpProtocol, UdpDatagram, UdpHeader};

/// The most bytes of data of a datagram.
const MOST: usize = u16::MAX as usize - 8;

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// Opens a socket that receives what comes to `local`: at any of our addresses if that is unspecified, of both families if it
    /// is that of IPv6. Port 0 chooses one that nobody foresees.
    ///
    /// # Errors
    /// The place is taken or not ours, or there is no room.
    pub fn udp_bind(&mut self, local: SocketAddr, entropy: &mut dyn Entropy) -> Result<SocketId, BindError> {
        self.core().open_datagrams(Kind::Udp, (local.ip(), local.port()), entropy)
    }

    /// From now on hears `remote` only, and sends there by default.
    ///
    /// # Errors
    /// No such socket, or it cannot be sent there.
    pub fn udp_connect(&mut self, id: SocketId, remote: SocketAddr) -> Result<(), BindError> {
        self.core().connect_datagrams(id, Kind::Udp, (remote.ip(), remote.port()))
    }

    /// Puts a datagram of `data` in the queue, for `to`, or for who it is connected to.
    ///
    /// # Errors
    /// Why not; nothing was sent.
    pub fn udp_send(&mut self, id: SocketId, to: Option<SocketAddr>, data: &[u8]) -> Result<(), SendError> {
        let to = to.map(|to| Envelope::to(to.ip().to_canonical(), to.port()));
        self.core().send_datagram(id, Kind::Udp, to, data)
    }

    /// Hands the first datagram that came to `read`, and takes it off the queue.
    ///
    /// # Errors
    /// There is none, or there is an error to be told first.
    pub fn udp_receive<R>(
        &mut self,
        id: SocketId,
        read: impl FnOnce(&Envelope, &[u8]) -> R,
    ) -> Result<R, ReceiveError> {
        self.core().receive_datagram(id, Kind::Udp, read)
    }

    /// Where a socket is bound.
    #[must_use]
    pub fn local_place(&self, id: SocketId) -> Option<SocketAddr> {
        let slot = self.core_ref().sockets.get(id)?;
        match slot.socket.as_ref()? {
            Socket::Datagrams(socket) => Some(socket.local.into()),
            Socket::Tcp(connection) => Some(connection.local),
            Socket::Listening(listening) => Some(listening.local),
        }
    }

    /// Closes a socket of any kind, whether there was one. What a connection was given to send is sent, and the peer told that
    /// no more comes; it is reset if there is something left to read. Datagrams not yet sent are dropped. Who waits to be accepted
    /// is reset.
    pub fn close(&mut self, id: SocketId) -> bool {
        self.core().close(id)
    }
}

/// The calls of all sockets for datagrams.
impl<F, S: Storage<F>> Core<F, S> {
    pub(crate) fn open_datagrams(
        &mut self,
        kind: Kind,
        (address, port): Place,
        entropy: &mut dyn Entropy,
    ) -> Result<SocketId, BindError> {
        let bound_to_all =
            address.is_unspecified() || address.is_multicast() || self.is_broadcast_anywhere(address);
        if !bound_to_all && !self.is_ours(None, address) {
            return Err(BindError::NotOurs);
        }
        let is_free = |port| !self.is_taken(kind, (address, port));
        let port = match port {
            0 if matches!(kind, Kind::Raw(_)) => is_free(0).then_some(0).ok_or(BindError::InUse)?,
            0 => choose_port(entropy, is_free)?.ok_or(BindError::NoPorts)?,
            port => is_free(port).then_some(port).ok_or(BindError::InUse)?,
        };
        let bytes = self.config.limits.datagram_bytes;
        let receive = self.sockets.storage.bytes(bytes)?;
        let send = match self.sockets.storage.bytes(bytes) {
            Ok(send) => send,
            Err(error) => {
                self.sockets.storage.give_back(receive);
                return Err(error.into());
            }
        };
        if let Kind::Raw(_) = kind {
            self.raw_sockets += 1;
        }
        let socket = Socket::Datagrams(Datagrams::new(kind, (address, port), receive, send));
        match self.sockets.insert(socket) {
            Ok(id) => {
                self.sockets.enter(id.index, &waiting(kind, (address, port)));
                Ok(id)
            }
            Err((error, socket)) => {
                self.give_back(socket);
                Err(error.into())
            }
        }
    }

    pub(crate) fn datagrams(
        &mut self,
        id: SocketId,
        kind: Kind,
    ) -> Option<&mut Datagrams<<S::Memory as Memory>::Bytes>> {
        match self.sockets.get_mut(id)?.socket.as_mut()? {
            Socket::Datagrams(socket) => Some(socket).filter(|socket| socket.kind == kind),
            _ => None,
        }
    }

    pub(crate) fn connect_datagrams(
        &mut self,
        id: SocketId,
        kind: Kind,
        remote: Place,
    ) -> Result<(), BindError> {
        let remote = (remote.0.to_canonical(), remote.1);
        let bound = self.datagrams(id, kind).ok_or(BindError::BadSocket)?.local.0;
        if remote.0.is_unspecified() || (kind == Kind::Udp && remote.1 == 0) {
            return Err(BindError::BadRemote);
        }
        let from = if bound.is_unspecified() { self.unspecified_like(remote.0) } else { bound };
        self.way(from, remote.0).ok_or(BindError::NoRoute)?;
        if let Some(socket) = self.datagrams(id, kind) {
            let before = socket.remote.replace(remote);
            self.connected_datagrams += u32::from(before.is_none());
        }
        Ok(())
    }

    pub(crate) fn send_datagram(
        &mut self,
        id: SocketId,
        kind: Kind,
        to: Option<Envelope>,
        data: &[u8],
    ) -> Result<(), SendError> {
        let socket = self.datagrams(id, kind).ok_or(SendError::BadSocket)?;
        if let Some(error) = socket.error.take() {
            return Err(SendError::Network(error));
        }
        let connected = || socket.remote.map(|(remote, port)| Envelope::to(remote, port));
        let mut envelope = to.or_else(connected).ok_or(SendError::NoRemote)?;
        if data.len() > MOST {
            return Err(SendError::TooLong { most: MOST });
        }
        if socket.local.0.is_ipv4() != envelope.remote.is_ipv4()
            && (socket.local.0.is_ipv4() || socket.only_v6)
        {
            return Err(SendError::NoRoute);
        }
        if !socket.local.0.is_unspecified() && !socket.local.0.is_multicast() {
            envelope.local = socket.local.0;
        }
        self.way(envelope.local, envelope.remote).ok_or(SendError::NoRoute)?;
        let socket = self.datagrams(id, kind).ok_or(SendError::BadSocket)?;
        if !socket.outgoing.push(socket.send.as_mut(), &envelope, &[data]) {
            return Err(if socket.outgoing.is_empty() {
                SendError::TooLong { most: socket.send.as_ref().len().saturating_sub(40) }
            } else {
                SendError::Full
            });
        }
        self.schedule(id.index);
        Ok(())
    }

    pub(crate) fn receive_datagram<R>(
        &mut self,
        id: SocketId,
        kind: Kind,
        read: impl FnOnce(&Envelope, &[u8]) -> R,
    ) -> Result<R, ReceiveError> {
        let socket = self.datagrams(id, kind).ok_or(ReceiveError::BadSocket)?;
        if let Some(error) = socket.error.take() {
            return Err(ReceiveError::Network(error));
        }
        let ring = socket.receive.as_ref();
        let (envelope, data) = socket.incoming.peek(ring).ok_or(ReceiveError::Empty)?;
        let result = read(&envelope, data);
        socket.incoming.pop(ring);
        Ok(result)
    }
}

/// Datagrams of all kinds on their way out; those of UDP on their way in.
impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    pub(crate) fn udp_in(&mut self, arrival: &Arrival<'_>) -> Result<Taken, DropReason> {
        let datagram = UdpDatagram::parse(arrival.payload, arrival.from, arrival.to, arrival.checked);
        let datagram = datagram.map_err(|error| why(&error))?;
        let (source, destination) = (datagram.header.source.get(), datagram.header.destination.get());
        let (remote, local) = ((arrival.from, source), (arrival.to, destination));
        let Some(index) = self.core.find_datagrams(Kind::Udp, remote, local) else {
            if arrival.cast == Cast::One {
                self.refuse(arrival, Refusal::Port);
            }
            return Err(DropReason::NoSocket);
        };
        self.deliver(index, arrival, source, datagram.data)
    }

    /// An error about a datagram reaches its socket only if that is connected (RFC 1122, section 4.1.3.3).
    pub(crate) fn udp_complaint(&mut self, complaint: &Complaint<'_>) -> Result<Taken, DropReason> {
        let Some(&[a, b, c, d]) = complaint.payload.first_chunk::<4>() else {
            return Err(DropReason::BadTransport);
        };
        let local = (complaint.from, u16::from_be_bytes([a, b]));
        let remote = (complaint.to, u16::from_be_bytes([c, d]));
        let index = self.core.find_datagrams(Kind::Udp, remote, local).ok_or(DropReason::Unsolicited)?;
        let connected =
            matches!(self.core.sockets.at(index), Some(Socket::Datagrams(socket)) if socket.remote.is_some());
        if !connected {
            return Err(DropReason::Unsolicited);
        }
        self.core.fail_datagrams(index, complaint.error);
        Ok(Taken::Consumed)
    }

    /// Sends the first datagram of a socket's queue.
    pub(crate) fn send_datagram(&mut self, index: u32) -> Sent {
        let Some(Socket::Datagrams(socket)) = self.core.sockets.at_mut(index) else { return Sent::Nothing };
        if socket.outgoing.is_empty() {
            return Sent::Nothing;
        }
        // The queue is lent to the packet, and comes back below.
        let (kind, port, queue) = (socket.kind, socket.local.1, socket.outgoing);
        let ring = core::mem::take(&mut socket.send);
        let outcome = match queue.peek(ring.as_ref()) {
            Some((envelope, data)) => self.emit_datagram(kind, port, &envelope, data),
            None => Ok(()),
        };
        let Some(Socket::Datagrams(socket)) = self.core.sockets.at_mut(index) else { return Sent::Nothing };
        socket.send = ring;
        match outcome {
            Err(DropReason::DeviceFull) => return Sent::Stuck,
            Err(reason) => self.core.stats.unsent.count(reason),
            Ok(()) => {}
        }
        if let Some(Socket::Datagrams(socket)) = self.core.sockets.at_mut(index) {
            socket.outgoing.pop(socket.send.as_ref());
        }
        self.core.sockets.tell(index, Readiness::WRITABLE);
        Sent::Packets(1)
    }

    fn emit_datagram(
        &mut self,
        kind: Kind,
        port: u16,
        envelope: &Envelope,
        data: &[u8],
    ) -> Result<(), DropReason> {
        let to = envelope.remote;
        let way = self.core.way(envelope.local, to).ok_or(DropReason::NoRoute)?;
        let mut packet = self.packet(way.source, to, way.next, IpProtocol::UDP);
        packet.meta = Meta::default();
        if envelope.hop_limit > 0 {
            packet.hop_limit = envelope.hop_limit;
        } else if to.is_multicast() {
            packet.hop_limit = 1;
        }
        match kind {
            Kind::Udp => {
                let header = UdpHeader::new((way.source, port), (to, envelope.port), data)
                    .ok_or(DropReason::TooBig)?;
                self.emit(&packet, &[header.as_bytes(), data])
            }
            Kind::Ping => {
                packet.protocol = if to.is_ipv4() { IpProtocol::ICMP } else { IpProtocol::ICMPV6 };
                let echo = Echo { identifier: port, sequence: envelope.port, data };
                self.emit(&packet, &[&echo_header(way.source, to, &echo, true), data])
            }
            Kind::Raw(protocol) => {
                packet.protocol = protocol;
                self.emit(&packet, &[data])
            }
        }
    }
}

/// Which address is none, in the family of another.
pub(crate) const fn unspecified_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}
