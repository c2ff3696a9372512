//! What a stack tells of itself, for who lists it.

use core::net::{IpAddr, SocketAddr};

use super::Stack;
use crate::ip::Route;
use crate::link::InterfaceId;
use crate::link::neighbour::Entry;
use crate::ports::Frame;
use crate::sock::list::NONE;
use crate::sock::{Kind, Memory, Socket, SocketId, Storage};
use crate::tcp::TcpState as State;
use crate::wire::IpProtocol;

/// What a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// Datagrams of UDP.
    Udp,
    /// Echoes.
    Ping,
    /// Packets of a protocol.
    Raw(IpProtocol),
    /// Peers connect to it.
    Listener,
    /// A connection, or what is left of one.
    Tcp(State),
}

/// A socket, as a list of them shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketView {
    /// Names it. Of what is left of a connection nobody has the name any more.
    pub id: SocketId,
    /// What it is.
    pub kind: SocketKind,
    /// Our address and port. A ping's port is its identifier; raw packets have none.
    pub local: SocketAddr,
    /// The peer's, if there is one.
    pub remote: Option<SocketAddr>,
    /// What came and was not read: bytes of a stream, else datagrams.
    pub unread: u64,
    /// What is to be sent or not acknowledged, likewise.
    pub unsent: u64,
}

impl SocketView {
    fn of<M: Memory>(id: SocketId, socket: &Socket<M>) -> Self {
        match socket {
            Socket::Datagrams(one) => {
                let kind = match one.kind {
                    Kind::Udp => SocketKind::Udp,
                    Kind::Ping => SocketKind::Ping,
                    Kind::Raw(protocol) => SocketKind::Raw(protocol),
                };
                let (unread, unsent) = (one.incoming.len().into(), one.outgoing.len().into());
                let remote = one.remote.map(SocketAddr::from);
                Self { id, kind, local: one.local.into(), remote, unread, unsent }
            }
            Socket::Tcp(one) => {
                let info = one.tcb.info();
                let (kind, remote) = (SocketKind::Tcp(info.state), Some(one.remote));
                let (unread, unsent) = (info.unread, one.tcb.unacknowledged());
                Self { id, kind, local: one.local, remote, unread, unsent }
            }
            Socket::Listening(one) => {
                Self { id, kind: SocketKind::Listener, local: one.local, remote: None, unread: 0, unsent: 0 }
            }
        }
    }

    /// What is left of a connection.
    const fn resting((local, remote): (SocketAddr, SocketAddr)) -> Self {
        let (id, kind) = (SocketId { index: NONE, generation: 0 }, SocketKind::Tcp(State::TimeWait));
        Self { id, kind, local, remote: Some(remote), unread: 0, unsent: 0 }
    }
}

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// The sockets, and what is left of connections; looks at every slot there is.
    pub fn list(&self) -> impl Iterator<Item = SocketView> {
        let sockets = &self.core.sockets;
        (0..sockets.storage.slots())
            .filter_map(|index| Some(SocketView::of(sockets.id_of(index)?, sockets.at(index)?)))
            .chain(sockets.rests().map(SocketView::resting))
    }

    /// Our addresses: of which interface, and how many of their bits are those of its link.
    pub fn addresses(&self) -> impl Iterator<Item = (InterfaceId, IpAddr, u8)> {
        self.core.addresses.iter().map(|own| (InterfaceId(own.interface), own.address, own.prefix))
    }

    /// Where packets go that leave the links: over which interface, to which router.
    pub fn gateways(&self) -> impl Iterator<Item = (InterfaceId, IpAddr)> {
        self.core.gateways().map(|(interface, gateway)| (InterfaceId(interface), gateway))
    }

    /// All routes, sorted by destination; of one destination the best last.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.core.routes.iter()
    }

    /// The hosts of the links that are known or looked for.
    pub fn neighbours(&self) -> impl Iterator<Item = &Entry> {
        self.each().filter_map(|interface| interface.neighbours.as_ref()).flat_map(|all| all.iter())
    }
}
