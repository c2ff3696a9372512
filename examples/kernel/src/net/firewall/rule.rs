//! One rule: [`Rule`], what it asks of a packet and what becomes of one that fits.
//!
//! A rule that is printed is the words from which it is [read](super::rule()).

use core::fmt;
use core::net::IpAddr;

use kos_net::wire::{IpProtocol, TcpFlags};

use super::Packet;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It passes.
    Accept,
    /// It is gone, without a word to who sent it.
    Drop,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a device.
    In,
    /// To a device.
    Out,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::In, Self::Out];
}

/// By which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// From this host to itself.
    Own,
    /// The network card.
    Card,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whatever.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP of the packet's family: of IPv6 that is how neighbours are found, too.
    Icmp,
}

/// Which segment of a connection, as far as its flags tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flags {
    /// The first: SYN without ACK.
    Syn,
    /// Any other: ACK or RST.
    Established,
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Those that have the first `prefix` bits of `address`, of which the others do not count; [`None`] if it has not so many.
    #[must_use]
    pub const fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let first = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                IpAddr::V4(core::net::Ipv4Addr::from_bits(v4.to_bits() & v4_mask(prefix)))
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                IpAddr::V6(core::net::Ipv6Addr::from_bits(v6.to_bits() & v6_mask(prefix)))
            }
            _ => return None,
        };
        Some(Self { first, prefix })
    }

    /// Whether an address is one of them.
    #[must_use]
    pub const fn holds(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(v4)) => first.to_bits() == v4.to_bits() & v4_mask(self.prefix),
            (IpAddr::V6(first), IpAddr::V6(v6)) => first.to_bits() == v6.to_bits() & v6_mask(self.prefix),
            _ => false,
        }
    }

    /// Whether they are of IPv4.
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }
}

const fn v4_mask(prefix: u8) -> u32 {
    match u32::MAX.checked_shl(32 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

const fn v6_mask(prefix: u8) -> u128 {
    match u128::MAX.checked_shl(128 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

/// Ports from the first to the last, which is not below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// What fits, and what then. What it does not ask for may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which way.
    pub direction: Option<Direction>,
    /// What becomes of it.
    pub action: Action,
    /// What it carries.
    pub kind: Kind,
    /// Who sent it.
    pub from: Option<Network>,
    /// The port of the sender; of TCP and UDP only.
    pub from_port: Option<Ports>,
    /// For whom it is.
    pub to: Option<Network>,
    /// The port of the receiver; of TCP and UDP only.
    pub to_port: Option<Ports>,
    /// By which device.
    pub link: Option<Link>,
    /// Which segment; of TCP only.
    pub flags: Option<Flags>,
}

impl Rule {
    /// Does that with everything.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        let (direction, link, flags) = (None, None, None);
        let (from, from_port, to, to_port) = (None, None, None, None);
        Self { direction, action, kind: Kind::Any, from, from_port, to, to_port, link, flags }
    }

    /// Whether it decides about a packet. What cannot be seen fits if the rule drops, and does not if it accepts.
    #[must_use]
    pub fn fits(&self, direction: Direction, link: Link, packet: &Packet) -> bool {
        let within = |network: Option<Network>, address| network.is_none_or(|network| network.holds(address));
        let certain = self.direction.is_none_or(|only| only == direction)
            && self.link.is_none_or(|only| only == link)
            && within(self.from, packet.from)
            && within(self.to, packet.to);
        let seen = [self.has_kind(packet), self.has_ports(packet), self.has_flags(packet)];
        certain && seen.into_iter().all(|seen| seen.unwrap_or(self.action == Action::Drop))
    }

    fn has_kind(&self, packet: &Packet) -> Option<bool> {
        let icmp = if packet.to.is_ipv4() { IpProtocol::ICMP } else { IpProtocol::ICMPV6 };
        let wanted = match self.kind {
            Kind::Any => return Some(true),
            Kind::Tcp => IpProtocol::TCP,
            Kind::Udp => IpProtocol::UDP,
            Kind::Icmp => icmp,
        };
        packet.protocol.map(|protocol| protocol == wanted)
    }

    fn has_ports(&self, packet: &Packet) -> Option<bool> {
        if self.from_port.is_none() && self.to_port.is_none() {
            return Some(true);
        }
        if !matches!(packet.protocol?, IpProtocol::TCP | IpProtocol::UDP) {
            return Some(false);
        }
        let [from, to] = packet.ports?;
        let among = |ports: Option<Ports>, port| {
            ports.is_none_or(|Ports { first, last }| (first..=last).contains(&port))
        };
        Some(among(self.from_port, from) && among(self.to_port, to))
    }

    fn has_flags(&self, packet: &Packet) -> Option<bool> {
        let Some(wanted) = self.flags else { return Some(true) };
        if packet.protocol? != IpProtocol::TCP {
            return Some(false);
        }
        let flags = packet.flags?;
        Some(match wanted {
            Flags::Syn => flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN,
            Flags::Established => flags.intersects(TcpFlags::ACK | TcpFlags::RST),
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(direction) = self.direction {
            write!(f, "{direction} ")?;
        }
        write!(f, "{} {}", self.action, self.kind)?;
        let places = [("from", self.from, "sport", self.from_port), ("to", self.to, "port", self.to_port)];
        for (whose, network, which, ports) in places {
            network.map_or(Ok(()), |network| write!(f, " {whose} {network}"))?;
            ports.map_or(Ok(()), |ports| write!(f, " {which} {ports}"))?;
        }
        self.link.map_or(Ok(()), |link| write!(f, " on {link}"))?;
        self.flags.map_or(Ok(()), |flags| write!(f, " {flags}"))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if *self == Self::Accept { "accept" } else { "drop" })
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if *self == Self::In { "in" } else { "out" })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Own { "lo" } else { "eth0" })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        })
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Syn { "syn" } else { "established" })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, last } if first == last => first.fmt(f),
            Self { first, last } => write!(f, "{first}-{last}"),
        }
    }
}
