//! What an ICMP error quotes: [`Quote`], and that it was looked at: [`Believed`].
//!
//! Anybody can send an error. It counts only if what it quotes is under way: ports of a socket, a sequence number in flight
//! (RFC 5927, RFC 8201 section 4). Whoever owns the socket compares; only [`Quote::believe`] makes a [`Believed`], and the path MTU
//! takes nothing else.

use core::net::IpAddr;

use zerocopy::FromBytes as _;

use crate::wire::{IpProtocol, Ipv4Header, Ipv6Chain, Ipv6Header, Ipv6Packet};

/// The start of a packet that came back in an ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    /// Who sent it: us, if it is no lie.
    pub source: IpAddr,
    /// For whom it was.
    pub destination: IpAddr,
    /// What it carried.
    pub protocol: IpProtocol,
    /// Bytes of the whole packet, as its header says.
    pub length: u32,
    /// The start of what it carried. Empty in a fragment that is not the first.
    pub transport: &'a [u8],
}

impl<'a> Quote<'a> {
    /// Reads what an error of ICMP for IPv4 quotes. Its checksum is not looked at: routers quote headers that they changed.
    #[must_use]
    pub fn parse_v4(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = Ipv4Header::ref_from_prefix(bytes).ok()?;
        let start = header.length();
        if start < size_of::<Ipv4Header>() {
            return None;
        }
        let transport = if header.place().offset == 0 { bytes.get(start..)? } else { &[] };
        Some(Self {
            source: header.source().into(),
            destination: header.destination().into(),
            protocol: header.protocol(),
            length: header.total_length.get().into(),
            transport,
        })
    }

    /// Reads what an error of ICMPv6 quotes.
    #[must_use]
    pub fn parse_v6(bytes: &'a [u8]) -> Option<Self> {
        let (header, payload) = Ipv6Header::ref_from_prefix(bytes).ok()?;
        let chain = Ipv6Chain::follow(&Ipv6Packet { header, payload }).ok()?;
        let first = chain.fragment.is_none_or(|fragment| fragment.place().offset == 0);
        Some(Self {
            source: header.source().into(),
            destination: header.destination().into(),
            protocol: chain.protocol,
            length: u32::from(header.payload_length.get()) + 40,
            transport: if first { chain.payload } else { &[] },
        })
    }

    /// Ports of the source and of the destination, of TCP and UDP.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        let &[a, b, c, d] = self.transport.first_chunk()?;
        let has_ports = matches!(self.protocol, IpProtocol::TCP | IpProtocol::UDP);
        has_ports.then_some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// The sequence number of a segment of TCP.
    #[must_use]
    pub fn sequence(&self) -> Option<u32> {
        let &[_, _, _, _, a, b, c, d] = self.transport.first_chunk()?;
        (self.protocol == IpProtocol::TCP).then_some(u32::from_be_bytes([a, b, c, d]))
    }

    /// Identifier and sequence number of an echo request.
    #[must_use]
    pub fn echo(&self) -> Option<(u16, u16)> {
        let &[kind, _, _, _, a, b, c, d] = self.transport.first_chunk()?;
        let request = matches!((self.protocol, kind), (IpProtocol::ICMP, 8) | (IpProtocol::ICMPV6, 128));
        request.then_some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// The packet is ours if `under_way` says so: a socket has these ports, and, with TCP, this sequence number is in flight.
    pub fn believe(&self, under_way: impl FnOnce(&Self) -> bool) -> Option<Believed> {
        under_way(self).then_some(Believed { destination: self.destination, length: self.length })
    }
}

/// A packet of ours that came back, as its socket confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Believed {
    pub(super) destination: IpAddr,
    pub(super) length: u32,
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use zerocopy::IntoBytes as _;

    use super::Quote;
    use crate::wire::{FragmentHeader, FragmentPlace, IpProtocol, Ipv4Header, Ipv6Header};

    const TCP: [u8; 8] = [0x1f, 0x90, 0, 80, 1, 2, 3, 4];

    #[test]
    fn eight_bytes_behind_the_header_tell_the_flow() {
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let header = Ipv4Header::new(a, b, IpProtocol::TCP, 64, 1480).unwrap();
        let bytes = [header.as_bytes(), &TCP].concat();
        let quote = Quote::parse_v4(&bytes).unwrap();
        assert_eq!((quote.ports(), quote.sequence()), (Some((8080, 80)), Some(0x0102_0304)));
        assert_eq!((quote.length, quote.echo()), (1500, None));
        assert_eq!(quote.believe(|quote| quote.source == b), None);
        assert!(quote.believe(|quote| quote.source == a).is_some());
        assert!((0..20).all(|length| Quote::parse_v4(&bytes[..length]).is_none()));
        assert_eq!(Quote::parse_v4(&bytes[..23]).unwrap().ports(), None);
        let later = header.fragment(7, FragmentPlace { offset: 8, more: true });
        assert_eq!(Quote::parse_v4(&[later.as_bytes(), &TCP].concat()).unwrap().ports(), None);
    }

    #[test]
    fn headers_of_ipv6_are_stepped_over() {
        let (a, b) = (Ipv6Addr::LOCALHOST, "2001:db8::1".parse().unwrap());
        let header = Ipv6Header::new(a, b, IpProtocol::FRAGMENT, 64, 1000).unwrap();
        let fragment =
            |offset| FragmentHeader::new(IpProtocol::ICMPV6, 1, FragmentPlace { offset, more: true });
        let echo = [128, 0, 0, 0, 0, 5, 0, 9];
        let bytes = [header.as_bytes(), fragment(0).as_bytes(), &echo].concat();
        let quote = Quote::parse_v6(&bytes).unwrap();
        assert_eq!((quote.echo(), quote.ports(), quote.length), (Some((5, 9)), None, 1040));
        let bytes = [header.as_bytes(), fragment(8).as_bytes(), &echo].concat();
        assert_eq!(Quote::parse_v6(&bytes).unwrap().echo(), None);
        assert_eq!(Quote::parse_v6(&bytes[..44]), None);
    }
}
