//! What a server lends: [`Lease`].

use core::net::Ipv4Addr;

use heapless::Vec;

use crate::time::Instant;
use crate::wire::ParseError;
use crate::wire::dhcp::{DhcpCode, DhcpMessage, DhcpRoute, routes};

/// The most name servers, time servers or routers that are kept.
pub const MAX_SERVERS: usize = 3;
/// The most routes that are kept.
pub const MAX_ROUTES: usize = 8;
/// The most bytes of the option with routes that are looked at.
const ROUTE_BYTES: usize = 255;
/// Lent for ever.
const INFINITE: u32 = u32::MAX;
const SECOND_NS: u64 = 1_000_000_000;

/// What a server lends, and what it tells of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Ours, until it ends.
    pub address: Ipv4Addr,
    /// How many bits of it name the network.
    pub prefix: u8,
    /// Who lent it.
    pub server: Ipv4Addr,
    /// Where to; a default route is among them if there is a router. They stand in for the routers (RFC 3442).
    pub routes: Vec<DhcpRoute, MAX_ROUTES>,
    /// Name servers, the best first.
    pub name_servers: Vec<Ipv4Addr, MAX_SERVERS>,
    /// Time servers, the best first.
    pub time_servers: Vec<Ipv4Addr, MAX_SERVERS>,
    /// The most bytes of a packet, if the server says: 68 at least.
    pub mtu: Option<u16>,
    /// Our name, as the server would have it.
    pub host_name: Vec<u8, 63>,
    /// When what is due.
    pub times: LeaseTimes,
}

/// When what is due: T1 <= T2 <= end. `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// T1: when to ask the server for more time.
    pub renew: Option<Instant>,
    /// T2: when to ask any server.
    pub rebind: Option<Instant>,
    /// When the address is no longer ours.
    pub end: Option<Instant>,
}

/// `ns` nanoseconds after `now`; `None` if that is beyond the end of time.
pub(super) fn after(now: Instant, ns: u64) -> Option<Instant> {
    now.as_ticks().checked_add(ns).map(Instant::from_ticks)
}

impl LeaseTimes {
    /// Of a lease asked for at `asked`. A lease of no time at all is one of a second; T1 and T2 that are out of order are
    /// set to where RFC 2131 has them, a half and seven eighths.
    fn of(message: &DhcpMessage<'_>, lease: u32, asked: Instant) -> Self {
        if lease == INFINITE {
            return Self { renew: None, rebind: None, end: None };
        }
        let end = u64::from(lease.max(1)) * SECOND_NS;
        let told = |code| message.number(code).map(|seconds| u64::from(seconds) * SECOND_NS);
        let rebind = told(DhcpCode::REBINDING_TIME).filter(|&t2| t2 > 0 && t2 < end).unwrap_or(end / 8 * 7);
        let renew =
            told(DhcpCode::RENEWAL_TIME).filter(|&t1| t1 > 0 && t1 < rebind).unwrap_or(rebind.min(end / 2));
        Self { renew: after(asked, renew), rebind: after(asked, rebind), end: after(asked, end) }
    }
}

/// Whether a host can have `address`.
fn is_assignable(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first != 127 && first < 224
}

/// The length of the prefix, from the mask or, where there is none, the class of old. `None` if the mask has holes.
fn prefix(message: &DhcpMessage<'_>, address: Ipv4Addr) -> Option<u8> {
    let Some(mask) = message.address(DhcpCode::SUBNET_MASK).map(Ipv4Addr::to_bits) else {
        return Some(match address.octets() {
            [0..128, ..] => 8,
            [128..192, ..] => 16,
            _ => 24,
        });
    };
    let bits = mask.leading_ones();
    (bits > 0 && bits + mask.trailing_zeros() >= 32).then_some(u8::try_from(bits).ok()?)
}

fn routes_of(message: &DhcpMessage<'_>) -> Vec<DhcpRoute, MAX_ROUTES> {
    let mut bytes = [0; ROUTE_BYTES];
    if let Some(data) = message.gather(DhcpCode::ROUTES, &mut bytes) {
        return routes(data).filter_map(Result::ok).take(MAX_ROUTES).collect();
    }
    let routers = message.addresses(DhcpCode::ROUTERS).filter(|&router| is_assignable(router));
    routers.take(1).map(|router| DhcpRoute { network: Ipv4Addr::UNSPECIFIED, bits: 0, router }).collect()
}

fn servers(message: &DhcpMessage<'_>, code: DhcpCode) -> Vec<Ipv4Addr, MAX_SERVERS> {
    message.addresses(code).filter(|&server| is_assignable(server)).take(MAX_SERVERS).collect()
}

fn bad(field: &'static str, found: u32) -> ParseError {
    ParseError::BadValue { field, found }
}

impl Lease {
    /// What an OFFER or an ACK lends, asked for at `asked`.
    pub(super) fn of(message: &DhcpMessage<'_>, asked: Instant) -> Result<Self, ParseError> {
        let address = message.header.yours();
        if !is_assignable(address) {
            return Err(bad("address", address.to_bits()));
        }
        let server = message.address(DhcpCode::SERVER).ok_or_else(|| bad("server", 0))?;
        let lease = message.number(DhcpCode::LEASE_TIME).ok_or_else(|| bad("lease time", 0))?;
        let mtu = message.option(DhcpCode::MTU).and_then(|data| data.try_into().ok());
        let name = message.option(DhcpCode::HOST_NAME).unwrap_or_default();
        Ok(Self {
            address,
            prefix: prefix(message, address).ok_or_else(|| bad("mask", 0))?,
            server,
            routes: routes_of(message),
            name_servers: servers(message, DhcpCode::NAME_SERVERS),
            time_servers: servers(message, DhcpCode::TIME_SERVERS),
            mtu: mtu.map(u16::from_be_bytes).filter(|&mtu| mtu >= 68),
            host_name: Vec::from_slice(name).unwrap_or_default(),
            times: LeaseTimes::of(message, lease, asked),
        })
    }
}
