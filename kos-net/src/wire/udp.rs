//! UDP datagrams: [`UdpHeader`], [`UdpDatagram`].
//!
//! Source: RFC 768; RFC 8200 section 8.1 (over IPv6 there must be a checksum).

use core::net::IpAddr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::Reader;
use super::{Checksum, IpProtocol, ParseError};

const HEADER: usize = size_of::<UdpHeader>();

/// The first 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct UdpHeader {
    /// The sender's port; 0 is none.
    pub source: U16,
    /// The receiver's port.
    pub destination: U16,
    /// Bytes of header and data.
    pub length: U16,
    /// 0 is none.
    pub checksum: U16,
}

impl UdpHeader {
    /// A header before `data`; `None` if that is more than 65527 bytes.
    #[must_use]
    pub fn new(from: (IpAddr, u16), to: (IpAddr, u16), data: &[u8]) -> Option<Self> {
        let length = u16::try_from(data.len().checked_add(HEADER)?).ok()?;
        let mut header = Self {
            source: U16::new(from.1),
            destination: U16::new(to.1),
            length: U16::new(length),
            checksum: U16::new(0),
        };
        let sum = Checksum::of_pseudo_header(from.0, to.0, IpProtocol::UDP, length.into());
        let sum = sum.and(header.as_bytes()).and(data).finish();
        // 0 would say that there is none; both are zero to the sum.
        header.checksum = U16::new(if sum == 0 { u16::MAX } else { sum });
        Some(header)
    }
}

/// A datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpDatagram<'a> {
    /// Ports.
    pub header: &'a UdpHeader,
    /// What it carries.
    pub data: &'a [u8],
}

impl<'a> UdpDatagram<'a> {
    /// Reads a datagram that came in a packet from `from` to `to`, with its checksum unless `checked` says that the device
    /// has looked. Bytes behind its length are left out.
    ///
    /// # Errors
    /// Too short, a length that cannot be, port 0, a wrong checksum, or none over IPv6.
    pub fn parse(bytes: &'a [u8], from: IpAddr, to: IpAddr, checked: bool) -> Result<Self, ParseError> {
        let header: &UdpHeader = Reader::new(bytes).get()?;
        let length = usize::from(header.length.get());
        if length < HEADER {
            return Err(ParseError::BadLength { field: "datagram", said: length });
        }
        let whole = Reader::new(bytes).take(length)?;
        if header.destination.get() == 0 {
            return Err(ParseError::BadValue { field: "destination port", found: 0 });
        }
        match header.checksum.get() {
            0 if from.is_ipv4() => {}
            0 => return Err(ParseError::BadChecksum),
            _ if checked => {}
            _ => {
                let length = header.length.get().into();
                let sum = Checksum::of_pseudo_header(from, to, IpProtocol::UDP, length).and(whole);
                sum.is_valid().then_some(()).ok_or(ParseError::BadChecksum)?;
            }
        }
        Ok(Self { header, data: whole.get(HEADER..).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::IpAddr;

    use zerocopy::IntoBytes as _;

    use super::{UdpDatagram, UdpHeader};
    use crate::wire::ParseError;

    const V4: [IpAddr; 2] =
        [IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), IpAddr::V4(core::net::Ipv4Addr::BROADCAST)];
    const V6: [IpAddr; 2] =
        [IpAddr::V6(core::net::Ipv6Addr::LOCALHOST), IpAddr::V6(core::net::Ipv6Addr::LOCALHOST)];

    fn datagram([from, to]: [IpAddr; 2], data: &[u8]) -> Vec<u8> {
        let header = UdpHeader::new((from, 1000), (to, 53), data).unwrap();
        [header.as_bytes(), data].concat()
    }

    #[test]
    fn what_was_written_is_read() {
        for [from, to] in [V4, V6] {
            let bytes = [&datagram([from, to], b"hello")[..], b"padding"].concat();
            let read = UdpDatagram::parse(&bytes, from, to, false).unwrap();
            assert_eq!(
                (read.header.source.get(), read.header.destination.get(), read.data),
                (1000, 53, &b"hello"[..])
            );
            let mut bad = bytes;
            bad[9] ^= 1;
            assert_eq!(UdpDatagram::parse(&bad, from, to, false), Err(ParseError::BadChecksum));
            assert!(UdpDatagram::parse(&bad, from, to, true).is_ok(), "the device has looked");
        }
    }

    #[test]
    fn a_missing_checksum_is_for_ipv4_alone() {
        for ([from, to], fine) in [(V4, true), (V6, false)] {
            let mut bytes = datagram([from, to], b"hello");
            bytes[6..8].fill(0);
            assert_eq!(UdpDatagram::parse(&bytes, from, to, true).is_ok(), fine);
        }
    }

    #[test]
    fn no_sum_is_written_as_none() {
        let [from, to] = V4;
        // Two bytes of data take every value: one of them makes the sum zero.
        for word in 0..=u16::MAX {
            let header = UdpHeader::new((from, 1000), (to, 53), &word.to_be_bytes()).unwrap();
            assert_ne!(header.checksum.get(), 0, "{word}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let [from, to] = V4;
        let mut bytes = datagram(V4, b"hello");
        bytes[5] = 7;
        assert_eq!(
            UdpDatagram::parse(&bytes, from, to, false),
            Err(ParseError::BadLength { field: "datagram", said: 7 })
        );
        bytes[5] = 14;
        assert_eq!(
            UdpDatagram::parse(&bytes, from, to, false),
            Err(ParseError::Truncated { needed: 14, got: 13 })
        );
        assert!(UdpHeader::new((from, 1), (to, 2), &[0; 65_528]).is_none());
    }
}
