//! Neighbour discovery: [`NdpMessage`], [`NdpOption`].
//!
//! Source: RFC 4861; RFC 8106 for name servers. A message is read only if its options are whole and none has length 0, as
//! section 6.1 and 7.1 demand. That its hop limit is 255 and it came in one piece is for the stack to check: it sees the packet.

use core::net::Ipv6Addr;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::{Reader, Writer};
use super::icmp::IcmpHeader;
use super::{MacAddr, NoRoom, ParseError};

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

/// Options, whole each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NdpOptions<'a>(&'a [u8]);

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
        writer.bytes(options.0)
    }
}

/// A prefix on the link: an option's 30 bytes behind kind and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PrefixInformation {
    /// How many bits of the prefix count; more than 128 means nothing.
    pub length: u8,
    flags: u8,
    /// For how many seconds it is on the link; all ones is for ever.
    pub valid: U32,
    /// For how many seconds addresses of it are preferred; all ones is for ever.
    pub preferred: U32,
    reserved: U32,
    prefix: [u8; 16],
}

impl PrefixInformation {
    const ON_LINK: u8 = 1 << 7;
    const AUTONOMOUS: u8 = 1 << 6;

    /// A prefix of `length` bits, on the link, from which hosts may make addresses.
    #[must_use]
    pub const fn new(prefix: Ipv6Addr, length: u8, valid: u32, preferred: u32) -> Self {
        Self {
            length,
            flags: Self::ON_LINK | Self::AUTONOMOUS,
            valid: U32::new(valid),
            preferred: U32::new(preferred),
            reserved: U32::new(0),
            prefix: prefix.octets(),
        }
    }

    /// Whether its addresses are reached without a router.
    #[must_use]
    pub const fn on_link(&self) -> bool {
        self.flags & Self::ON_LINK != 0
    }

    /// Whether hosts make addresses of it (RFC 4862).
    #[must_use]
    pub const fn autonomous(&self) -> bool {
        self.flags & Self::AUTONOMOUS != 0
    }

    /// The prefix, with whatever stands behind its bits.
    #[must_use]
    pub const fn prefix(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.prefix)
    }
}

/// An option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NdpOption<'a> {
    /// The sender's link address.
    Source(MacAddr),
    /// The target's link address.
    Target(MacAddr),
    /// A prefix.
    Prefix(&'a PrefixInformation),
    /// The start of a redirected packet.
    Redirected(&'a [u8]),
    /// The most bytes of a packet on the link.
    Mtu(u32),
    /// Name servers (RFC 8106).
    NameServers {
        /// For how many seconds; 0 is no longer.
        lifetime: u32,
        /// Their addresses.
        servers: &'a [[u8; 16]],
    },
    /// Anything else, or one of those of the wrong length: to be skipped.
    Other(u8),
}

const SOURCE: u8 = 1;
const TARGET: u8 = 2;
const PREFIX: u8 = 3;
const REDIRECTED: u8 = 4;
const MTU: u8 = 5;
const NAME_SERVERS: u8 = 25;

impl<'a> NdpOption<'a> {
    /// `data` is what stands behind kind and length.
    fn read(kind: u8, data: &'a [u8]) -> Self {
        let mut reader = Reader::new(data);
        let known = match kind {
            SOURCE if data.len() == 6 => reader.get().map(|&mac| Self::Source(mac)),
            TARGET if data.len() == 6 => reader.get().map(|&mac| Self::Target(mac)),
            PREFIX => reader.get().map(Self::Prefix),
            REDIRECTED => reader.take(6).map(|_| Self::Redirected(reader.rest())),
            MTU => reader.get::<U16>().and_then(|_| reader.get()).map(|mtu: &U32| Self::Mtu(mtu.get())),
            NAME_SERVERS => reader.get::<U16>().and_then(|_| reader.get()).map(|lifetime: &U32| {
                Self::NameServers { lifetime: lifetime.get(), servers: reader.rest().as_chunks().0 }
            }),
            _ => Ok(Self::Other(kind)),
        };
        known.unwrap_or(Self::Other(kind))
    }

    /// Writes the option with its padding; returns how many bytes that is, a multiple of 8. [`Other`](Self::Other) is empty.
    ///
    /// # Errors
    /// `out` is too short, or what is in it is more than 2038 bytes.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        match *self {
            Self::Source(mac) => writer.bytes(&[SOURCE, 0]).and_then(|()| writer.put(&mac))?,
            Self::Target(mac) => writer.bytes(&[TARGET, 0]).and_then(|()| writer.put(&mac))?,
            Self::Prefix(prefix) => writer.bytes(&[PREFIX, 0]).and_then(|()| writer.put(prefix))?,
            Self::Redirected(packet) => {
                writer.bytes(&[REDIRECTED, 0, 0, 0, 0, 0, 0, 0])?;
                writer.bytes(packet)?;
            }
            Self::Mtu(mtu) => {
                writer.bytes(&[MTU, 0, 0, 0])?;
                writer.bytes(&mtu.to_be_bytes())?;
            }
            Self::NameServers { lifetime, servers } => {
                writer.bytes(&[NAME_SERVERS, 0, 0, 0])?;
                writer.bytes(&lifetime.to_be_bytes())?;
                writer.bytes(servers.as_flattened())?;
            }
            Self::Other(_) => return Ok(0),
        }
        writer.pad_to(8)?;
        let length = writer.position();
        let too_long = NoRoom { needed: length, got: usize::from(u8::MAX) * 8 };
        let words = u8::try_from(length / 8).map_err(|_| too_long)?;
        if let Some(field) = writer.written().get_mut(1) {
            *field = words;
        }
        Ok(length)
    }
}

impl<'a> NdpOptions<'a> {
    /// No options.
    pub const NONE: NdpOptions<'static> = NdpOptions(&[]);

    /// Options as [`NdpOption::emit`] wrote them, one behind the other.
    ///
    /// # Errors
    /// One is cut, or has length 0.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::read(Reader::new(bytes))
    }

    fn read(reader: Reader<'a>) -> Result<Self, ParseError> {
        let options = Self(reader.rest());
        let mut reader = reader;
        while !reader.is_empty() {
            next(&mut reader)?;
        }
        Ok(options)
    }

    /// The options, one by one.
    pub fn iter(&self) -> impl Iterator<Item = NdpOption<'a>> + use<'a> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || {
            let (kind, data) = next(&mut reader).ok()?;
            Some(NdpOption::read(kind, data))
        })
    }
}

/// The next option: kind, and what stands behind its length.
fn next<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), ParseError> {
    let (kind, words) = (reader.byte()?, reader.byte()?);
    let length = usize::from(words) * 8;
    let length = length.checked_sub(2).ok_or(ParseError::BadLength { field: "option", said: 0 })?;
    Ok((kind, reader.take(length)?))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::Ipv6Addr;

    use super::{
        NdpMessage, NdpOption, NdpOptions, NeighborFlags, PrefixInformation, RouterAdvertisement, RouterFlags,
    };
    use crate::wire::{Icmpv6Message, MacAddr, ParseError};

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const HERE: Ipv6Addr = Ipv6Addr::LOCALHOST;

    fn options(list: &[NdpOption<'_>]) -> Vec<u8> {
        let mut all = Vec::new();
        for option in list {
            let mut out = [0; 128];
            let length = option.emit(&mut out).unwrap();
            all.extend(&out[..length]);
        }
        all
    }

    #[test]
    fn what_was_written_is_read() {
        let prefix = PrefixInformation::new("2001:db8::".parse().unwrap(), 64, 3600, 1800);
        let servers = [HERE.octets(); 2];
        let list = [
            NdpOption::Source(MAC),
            NdpOption::Target(MAC),
            NdpOption::Prefix(&prefix),
            NdpOption::Mtu(1400),
            NdpOption::NameServers { lifetime: 60, servers: &servers },
            NdpOption::Redirected(&[0x60; 40]),
        ];
        let bytes = options(&list);
        let options = NdpOptions::new(&bytes).unwrap();
        assert_eq!(options.iter().collect::<Vec<_>>(), list);
        assert!(prefix.on_link() && prefix.autonomous());
        let router = RouterAdvertisement {
            hop_limit: 64,
            flags: RouterFlags::OTHER,
            lifetime: 1800,
            reachable: 1,
            retransmit: 2,
            options,
        };
        for message in [
            NdpMessage::RouterSolicitation { options },
            NdpMessage::RouterAdvertisement(router),
            NdpMessage::NeighborSolicitation { target: HERE, options: NdpOptions::NONE },
            NdpMessage::NeighborAdvertisement { flags: NeighborFlags::all(), target: HERE, options },
            NdpMessage::Redirect { target: HERE, destination: HERE, options },
        ] {
            let message = Icmpv6Message::Ndp(message);
            let mut out = [0; 512];
            let length = message.emit(HERE, HERE, &mut out).unwrap();
            assert_eq!(Icmpv6Message::parse(&out[..length], HERE, HERE, false), Ok(message));
        }
    }

    fn parse(kind: u8, code: u8, body: &[u8]) -> Result<(), ParseError> {
        let bytes = [&[kind, code, 0, 0, 0, 0, 0, 0], body].concat();
        Icmpv6Message::parse(&bytes, HERE, HERE, true).map(drop)
    }

    #[test]
    fn messages_with_bad_options_are_refused_whole() {
        let target = HERE.octets();
        assert_eq!(parse(135, 0, &target), Ok(()));
        let empty = ParseError::BadLength { field: "option", said: 0 };
        assert_eq!(parse(135, 0, &[&target[..], &[1, 0, 0, 0, 0, 0, 0, 0]].concat()), Err(empty));
        let cut = parse(135, 0, &[&target[..], &[1, 1, 0, 0, 0, 0, 0]].concat());
        assert!(matches!(cut, Err(ParseError::Truncated { .. })), "{cut:?}");
        assert_eq!(parse(136, 1, &target), Err(ParseError::BadValue { field: "code", found: 1 }));
        assert!(parse(135, 0, &[0xff; 16]).is_err(), "a group has no neighbour");
        assert!(parse(135, 0, &target[..15]).is_err());
    }

    #[test]
    fn options_of_the_wrong_length_are_skipped() {
        let bytes = [[1, 2, 0, 0, 0, 0, 0, 0], [0; 8], [3, 1, 64, 0, 0, 0, 0, 0], [5, 1, 0, 0, 0, 0, 5, 220]]
            .concat();
        let options = NdpOptions::new(&bytes).unwrap();
        assert_eq!(
            options.iter().collect::<Vec<_>>(),
            [NdpOption::Other(1), NdpOption::Other(3), NdpOption::Mtu(1500)]
        );
    }
}
