//! ARP between Ethernet and IPv4: [`ArpPacket`].
//!
//! Source: RFC 826; RFC 5227 for probes and announcements.

use core::net::Ipv4Addr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::Reader;
use super::{EtherType, MacAddr, ParseError};

const ETHERNET: u16 = 1;

/// What it asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpOperation {
    /// Who has the target's address?
    Request,
    /// The sender has its address.
    Reply,
}

/// 28 bytes: the whole packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ArpPacket {
    hardware: U16,
    protocol: U16,
    hardware_length: u8,
    protocol_length: u8,
    operation: U16,
    /// The sender's link address.
    pub sender: MacAddr,
    sender_ip: [u8; 4],
    /// The target's link address; in a request it means nothing.
    pub target: MacAddr,
    target_ip: [u8; 4],
}

impl ArpPacket {
    /// A packet to send.
    #[must_use]
    pub const fn new(
        operation: ArpOperation,
        sender: (MacAddr, Ipv4Addr),
        target: (MacAddr, Ipv4Addr),
    ) -> Self {
        let operation = match operation {
            ArpOperation::Request => 1,
            ArpOperation::Reply => 2,
        };
        Self {
            hardware: U16::new(ETHERNET),
            protocol: U16::new(EtherType::IPV4.0),
            hardware_length: 6,
            protocol_length: 4,
            operation: U16::new(operation),
            sender: sender.0,
            sender_ip: sender.1.octets(),
            target: target.0,
            target_ip: target.1.octets(),
        }
    }

    /// Reads a packet; padding behind it is ignored.
    ///
    /// # Errors
    /// Too short, for other kinds of addresses, or another operation than those two.
    pub fn parse(bytes: &[u8]) -> Result<(&Self, ArpOperation), ParseError> {
        let packet: &Self = Reader::new(bytes).get()?;
        let fixed = [
            ("hardware type", packet.hardware.get(), ETHERNET),
            ("protocol type", packet.protocol.get(), EtherType::IPV4.0),
            ("hardware address length", packet.hardware_length.into(), 6),
            ("protocol address length", packet.protocol_length.into(), 4),
        ];
        for (field, found, wanted) in fixed {
            if found != wanted {
                return Err(ParseError::BadValue { field, found: found.into() });
            }
        }
        match packet.operation.get() {
            1 => Ok((packet, ArpOperation::Request)),
            2 => Ok((packet, ArpOperation::Reply)),
            found => Err(ParseError::BadValue { field: "operation", found: found.into() }),
        }
    }

    /// The sender's address; unspecified in a probe.
    #[must_use]
    pub const fn sender_ip(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.sender_ip;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The address that is asked for or answered to.
    #[must_use]
    pub const fn target_ip(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.target_ip;
        Ipv4Addr::new(a, b, c, d)
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use zerocopy::IntoBytes as _;

    use super::{ArpOperation, ArpPacket};
    use crate::wire::{MacAddr, ParseError};

    const SENDER: (MacAddr, Ipv4Addr) = (MacAddr([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(10, 0, 0, 1));
    const TARGET: (MacAddr, Ipv4Addr) = (MacAddr([0; 6]), Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn a_request_stands_as_rfc_826_draws_it() {
        let packet = ArpPacket::new(ArpOperation::Request, SENDER, TARGET);
        let drawn = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
        assert_eq!(packet.as_bytes(), drawn);
        let padded = [&drawn[..], &[0; 18]].concat();
        assert_eq!(ArpPacket::parse(&padded), Ok((&packet, ArpOperation::Request)));
        assert_eq!((packet.sender_ip(), packet.target_ip()), (SENDER.1, TARGET.1));
    }

    #[test]
    fn other_networks_and_operations_are_refused() {
        let mut bytes = [0; 28];
        bytes.copy_from_slice(ArpPacket::new(ArpOperation::Reply, SENDER, TARGET).as_bytes());
        assert_eq!(ArpPacket::parse(&bytes[..27]), Err(ParseError::Truncated { needed: 28, got: 27 }));
        for (at, field) in [
            (1, "hardware type"),
            (3, "protocol type"),
            (4, "hardware address length"),
            (5, "protocol address length"),
            (7, "operation"),
        ] {
            let mut bad = bytes;
            bad[at] = 9;
            let error = ArpPacket::parse(&bad).unwrap_err();
            assert!(matches!(error, ParseError::BadValue { field: named, .. } if named == field), "{error}");
        }
    }
}
