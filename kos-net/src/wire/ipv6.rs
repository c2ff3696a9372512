//! IPv6 packets: [`Ipv6Header`], [`Ipv6Packet`]. What stands between header and payload is [`Ipv6Chain`](super::Ipv6Chain).
//!
//! Source: RFC 8200. Jumbograms (RFC 2675) are not known: a length of 0 is an empty packet.

use core::net::Ipv6Addr;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::Reader;
use super::{IpProtocol, ParseError};

/// The 40 bytes that every packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ipv6Header {
    /// Version 6 (4 bits), traffic class (8), flow label (20).
    version_flow: U32,
    /// Bytes behind this header.
    pub payload_length: U16,
    next_header: u8,
    /// How many more routers it may pass.
    pub hop_limit: u8,
    source: [u8; 16],
    destination: [u8; 16],
}

impl Ipv6Header {
    /// A header before `payload` bytes; `None` if those are more than 65535.
    #[must_use]
    pub fn new(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        next_header: IpProtocol,
        hop_limit: u8,
        payload: usize,
    ) -> Option<Self> {
        Some(Self {
            version_flow: U32::new(6 << 28),
            payload_length: U16::new(u16::try_from(payload).ok()?),
            next_header: next_header.0,
            hop_limit,
            source: source.octets(),
            destination: destination.octets(),
        })
    }

    /// Who sent it.
    #[must_use]
    pub const fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.source)
    }

    /// For whom it is.
    #[must_use]
    pub const fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.destination)
    }

    /// What follows this header.
    #[must_use]
    pub const fn next_header(&self) -> IpProtocol {
        IpProtocol(self.next_header)
    }

    /// Differentiated services (6 bits), congestion (2).
    #[must_use]
    pub const fn traffic_class(&self) -> u8 {
        let [a, b, ..] = self.version_flow.get().to_be_bytes();
        a << 4 | b >> 4
    }

    /// Packets of one flow have one label, of 20 bits; 0 is none.
    #[must_use]
    pub const fn flow_label(&self) -> u32 {
        self.version_flow.get() & 0xf_ffff
    }

    /// The header with that label, of which 20 bits count (RFC 6437).
    #[must_use]
    pub const fn with_flow_label(mut self, label: u32) -> Self {
        let others = self.version_flow.get() & !0xf_ffff;
        self.version_flow = U32::new(others | label & 0xf_ffff);
        self
    }
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Packet<'a> {
    /// Its fixed part.
    pub header: &'a Ipv6Header,
    /// The rest, extension headers included, without what the link put behind it.
    pub payload: &'a [u8],
}

impl<'a> Ipv6Packet<'a> {
    /// Reads a packet; bytes behind its length are left out.
    ///
    /// # Errors
    /// Too short, or another version.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let header: &Ipv6Header = reader.get()?;
        let version = header.version_flow.get() >> 28;
        if version != 6 {
            return Err(ParseError::BadValue { field: "version", found: version });
        }
        Ok(Self { header, payload: reader.take(header.payload_length.get().into())? })
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use zerocopy::IntoBytes as _;

    use super::{Ipv6Header, Ipv6Packet};
    use crate::wire::{IpProtocol, ParseError};

    #[test]
    fn what_was_written_is_read() {
        let (a, b): (Ipv6Addr, Ipv6Addr) = ("fe80::1".parse().unwrap(), "ff02::1".parse().unwrap());
        let header = Ipv6Header::new(a, b, IpProtocol::ICMPV6, 255, 5).unwrap().with_flow_label(0xfab_cdef);
        let bytes = [header.as_bytes(), b"hello", b"padding"].concat();
        let read = Ipv6Packet::parse(&bytes).unwrap();
        assert_eq!((read.header.source(), read.header.destination()), (a, b));
        assert_eq!((read.header.next_header(), read.payload), (IpProtocol::ICMPV6, &b"hello"[..]));
        assert_eq!((read.header.flow_label(), read.header.traffic_class()), (0xb_cdef, 0));
        assert_eq!(Ipv6Packet::parse(&bytes[..44]), Err(ParseError::Truncated { needed: 45, got: 44 }));
        let mut bad = bytes;
        bad[0] = 0x45;
        assert_eq!(Ipv6Packet::parse(&bad), Err(ParseError::BadValue { field: "version", found: 4 }));
        assert!(Ipv6Header::new(a, b, IpProtocol::UDP, 1, 65_536).is_none());
    }
}
