//! A socket for whole datagrams: [`Datagrams`], under UDP, ping and raw sockets.

use core::net::IpAddr;

use super::{Envelope, Queue};
use crate::error::NetworkError;
use crate::wire::IpProtocol;

/// What its datagrams are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Data of UDP; ports are ports.
    Udp,
    /// Data of ICMP echo; the port here is the identifier, that of the other side the sequence number.
    Ping,
    /// Payloads of IP; there are no ports.
    Raw(IpProtocol),
}

/// An address with a port.
pub(crate) type Place = (IpAddr, u16);

#[derive(Debug)]
pub(crate) struct Datagrams<B> {
    pub(crate) kind: Kind,
    /// Unspecified: any address, of both families if it is that of IPv6 and not `only_v6`.
    pub(crate) local: Place,
    /// Nobody else is heard, if there is one.
    pub(crate) remote: Option<Place>,
    pub(crate) only_v6: bool,
    pub(crate) incoming: Queue,
    pub(crate) outgoing: Queue,
    pub(crate) receive: B,
    pub(crate) send: B,
    pub(crate) error: Option<NetworkError>,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Datagrams<B> {
    pub(crate) const fn new(kind: Kind, local: Place, receive: B, send: B) -> Self {
        let (incoming, outgoing) = (Queue::EMPTY, Queue::EMPTY);
        Self { kind, local, remote: None, only_v6: false, incoming, outgoing, receive, send, error: None }
    }

    /// How exactly it asks for datagrams from `remote` to `local`; `None`: not at all.
    pub(crate) fn wants(&self, kind: Kind, remote: Place, local: Place) -> Option<u8> {
        let port_fits = matches!(kind, Kind::Raw(_)) || self.local.1 == local.1;
        if self.kind != kind || !port_fits {
            return None;
        }
        let here = covers(self.local.0, local.0, self.only_v6)?;
        let there = match self.remote {
            None => 0,
            // The other side of a ping has no port.
            Some((address, port)) if address == remote.0 && (kind != Kind::Udp || port == remote.1) => 2,
            Some(_) => return None,
        };
        Some(here + there)
    }

    /// Whether two sockets bound so would steal each other's datagrams.
    pub(crate) fn clashes(&self, kind: Kind, local: Place) -> bool {
        let overlap = covers(self.local.0, local.0, self.only_v6).is_some()
            || covers(local.0, self.local.0, false).is_some();
        self.kind == kind && self.local.1 == local.1 && overlap
    }

    pub(crate) fn push_incoming(&mut self, envelope: &Envelope, parts: &[&[u8]]) -> bool {
        self.incoming.push(self.receive.as_mut(), envelope, parts)
    }
}

/// Whether who listens at `bound` hears what comes to `address`: 1 if exactly.
fn covers(bound: IpAddr, address: IpAddr, only_v6: bool) -> Option<u8> {
    if bound == address {
        return Some(1);
    }
    let family = bound.is_ipv6() == address.is_ipv6() || (bound.is_ipv6() && !only_v6);
    (bound.is_unspecified() && family).then_some(0)
}
