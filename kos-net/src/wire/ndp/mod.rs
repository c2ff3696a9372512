//! Neighbour discovery: [`NdpMessage`], [`NdpOption`].
//!
//! Source: RFC 4861; RFC 8106 for name servers. A message is read only if its options are whole and none has length 0, as
//! section 6.1 and 7.1 demand. That its hop limit is 255 and it came in one piece is for the stack to check: it sees the packet.

mod option;

use core::net::Ipv6Addr;

pub use option::{NdpOption, NdpOptions, PrefixInformation};
use zerocopy::network_endian::U32;

use super::bytes::{Reader, Writer};
use super::icmp::IcmpHeader;
use super::{NoRoom, ParseError};

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

bitflags::bitflags! {
    /// What a neighbour says of itself.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct NeighborFlags: u8 {
        /// It forwards packets.
        const ROUTER = 1 << 7;
        /// It was asked.
        const SOLICITED = 1 << 6;
        /// What is known of it is to be replaced.
        const OVERRIDE = 1 << 5;
    }
}

bitflags::bitflags! {
    /// Where hosts find what a router does not advertise.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RouterFlags: u8 {
        /// Addresses come by DHCPv6.
        const MANAGED = 1 << 7;
        /// Other things come by DHCPv6.
        const OTHER = 1 << 6;
    }
}

/// What a router says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterAdvertisement<'a> {
    /// The hop limit that hosts shall use; 0 says nothing.
    pub hop_limit: u8,
    /// Where the rest is to be had.
    pub flags: RouterFlags,
    /// For how many seconds it is a default router; 0 is not at all.
    pub lifetime: u16,
    /// For how many ms a neighbour is reachable after it answered; 0 says nothing.
    pub reachable: u32,
    /// How many ms lie between solicitations; 0 says nothing.
    pub retransmit: u32,
    /// Prefixes, MTU, name servers.
    pub options: NdpOptions<'a>,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NdpMessage<'a> {
    /// Which routers are there?
    RouterSolicitation {
        /// The sender's link address.
        options: NdpOptions<'a>,
    },
    /// A router is.
    RouterAdvertisement(RouterAdvertisement<'a>),
    /// Who has this address?
    NeighborSolicitation {
        /// The address.
        target: Ipv6Addr,
        /// The sender's link address.
        options: NdpOptions<'a>,
    },
    /// Somebody has it.
    NeighborAdvertisement {
        /// What it says of itself.
        flags: NeighborFlags,
        /// The address.
        target: Ipv6Addr,
        /// Its link address.
        options: NdpOptions<'a>,
    },
    /// There is a better first hop.
    Redirect {
        /// The better hop.
        target: Ipv6Addr,
        /// To where.
        destination: Ipv6Addr,
        /// The better hop's link address, the start of the packet.
        options: NdpOptions<'a>,
    },
}

/// The 20 bytes behind the first 4 that solicitations and advertisements of neighbours have.
fn target(reader: &mut Reader<'_>) -> Result<Ipv6Addr, ParseError> {
    let address = Ipv6Addr::from_octets(*reader.get()?);
    if address.is_multicast() {
        return Err(ParseError::BadValue { field: "target", found: 0xff });
    }
    Ok(address)
}

impl<'a> NdpMessage<'a> {
    pub(super) fn read(header: &IcmpHeader, body: &'a [u8]) -> Result<Option<Self>, ParseError> {
        let mut reader = Reader::new(body);
        if !(ROUTER_SOLICITATION..=REDIRECT).contains(&header.kind) {
            return Ok(None);
        }
        if header.code != 0 {
            return Err(ParseError::BadValue { field: "code", found: header.code.into() });
        }
        let [first, second, high, low] = header.rest;
        Ok(Some(match header.kind {
            ROUTER_SOLICITATION => Self::RouterSolicitation { options: NdpOptions::read(reader)? },
            ROUTER_ADVERTISEMENT => {
                let (reachable, retransmit) = (reader.get::<U32>()?.get(), reader.get::<U32>()?.get());
                Self::RouterAdvertisement(RouterAdvertisement {
                    hop_limit: first,
                    flags: RouterFlags::from_bits_truncate(second),
                    lifetime: u16::from_be_bytes([high, low]),
                    reachable,
                    retransmit,
                    options: NdpOptions::read(reader)?,
                })
            }
            NEIGHBOR_SOLICITATION => {
                let target = target(&mut reader)?;
                Self::NeighborSolicitation { target, options: NdpOptions::read(reader)? }
            }
            NEIGHBOR_ADVERTISEMENT => {
                let (flags, target) = (NeighborFlags::from_bits_truncate(first), target(&mut reader)?);
                Self::NeighborAdvertisement { flags, target, options: NdpOptions::read(reader)? }
            }
            _ => {
                let (target, destination) = (target(&mut reader)?, Ipv6Addr::from_octets(*reader.get()?));
                Self::Redirect { target, destination, options: NdpOptions::read(reader)? }
            }
        }))
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        let start = |kind, rest| IcmpHeader::new(kind, 0, rest);
        let options = match *self {
            Self::RouterSolicitation { options } => {
                writer.put(&start(ROUTER_SOLICITATION, [0; 4]))?;
                options
            }
            Self::RouterAdvertisement(router) => {
                let [high, low] = router.lifetime.to_be_bytes();
                writer
                    .put(&start(ROUTER_ADVERTISEMENT, [router.hop_limit, router.flags.bits(), high, low]))?;
                writer.put(&[U32::new(router.reachable), U32::new(router.retransmit)])?;
                router.options
            }
            Self::NeighborSolicitation { target, options } => {
                writer.put(&start(NEIGHBOR_SOLICITATION, [0; 4]))?;
                writer.bytes(&target.octets())?;
                options
            }
            Self::NeighborAdvertisement { flags, target, options } => {
                writer.put(&start(NEIGHBOR_ADVERTISEMENT, [flags.bits(), 0, 0, 0]))?;
                writer.bytes(&target.octets())?;
                options
            }
            Self::Redirect { target, destination, options } => {
                writer.put(&start(REDIRECT, [0; 4]))?;
                writer.bytes(&target.octets())?;
                writer.bytes(&destination.octets())?;
                options
            }
        };
        writer.bytes(options.as_bytes())
    }
}

#[cfg(test)]
mod tests;
