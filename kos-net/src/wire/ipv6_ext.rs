//! The headers between that of IPv6 and the payload: [`Ipv6Chain`].
//!
//! Source: RFC 8200 section 4; RFC 5095 for routing headers of type 0, which are answered like unknown ones. What follows a
//! fragment that is not the first is payload, whatever it looks like.

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::Reader;
use super::{FragmentPlace, IpProtocol, Ipv6Packet, ParseError};

/// The most headers that are followed.
pub const MAX_HEADERS: usize = 8;
/// Bytes of the fixed header; what an ICMP error points to is counted from its start.
const FIXED: usize = 40;

/// The header of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FragmentHeader {
    next_header: u8,
    reserved: u8,
    offset_more: U16,
    /// Tells the fragments of one datagram from those of others.
    pub identification: U32,
}

impl FragmentHeader {
    /// A header; `place.offset` is a multiple of 8.
    #[must_use]
    pub const fn new(next_header: IpProtocol, identification: u32, place: FragmentPlace) -> Self {
        Self {
            next_header: next_header.0,
            reserved: 0,
            offset_more: U16::new(place.offset & !7 | place.more as u16),
            identification: U32::new(identification),
        }
    }

    /// What follows it, in the whole datagram.
    #[must_use]
    pub const fn next_header(&self) -> IpProtocol {
        IpProtocol(self.next_header)
    }

    /// Which part of its datagram it is.
    #[must_use]
    pub const fn place(&self) -> FragmentPlace {
        let bits = self.offset_more.get();
        FragmentPlace { offset: bits & !7, more: bits & 1 != 0 }
    }
}

/// What the headers of a packet lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Chain<'a> {
    /// What the payload is.
    pub protocol: IpProtocol,
    /// The payload: of a fragment, its part.
    pub payload: &'a [u8],
    /// Where it starts, from the start of the packet.
    pub offset: usize,
    /// Which fragment it is. One that is whole (RFC 6946) counts as one, too.
    pub fragment: Option<&'a FragmentHeader>,
    /// Where the header stands that says what the payload is: the byte, from the start of the packet.
    pub next_header_at: usize,
    /// Whether a hop-by-hop option asks routers to look (RFC 2711).
    pub router_alert: bool,
}

/// Why the headers lead nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainError {
    /// A header is no header.
    Parse(ParseError),
    /// More than [`MAX_HEADERS`].
    TooLong,
    /// An option that must be known; to be dropped without a word.
    Drop,
    /// To be dropped, and answered with an ICMPv6 parameter problem.
    Problem {
        /// What is wrong.
        kind: Problem,
        /// At which byte, from the start of the packet.
        pointer: u32,
        /// Whether a packet to several is answered, too.
        even_multicast: bool,
    },
}

/// What a parameter problem of ICMPv6 tells (RFC 4443, section 3.4): its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Problem {
    /// A field that cannot be.
    Field = 0,
    /// A header that is not known.
    Header = 1,
    /// An option that is not known.
    Option = 2,
}

impl From<ParseError> for ChainError {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

impl core::fmt::Display for ChainError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Parse(error) => error.fmt(f),
            Self::TooLong => write!(f, "more than {MAX_HEADERS} extension headers"),
            Self::Drop => f.write_str("an option that must be known"),
            Self::Problem { kind, pointer, .. } => write!(f, "{kind:?} at byte {pointer} cannot be"),
        }
    }
}

impl core::error::Error for ChainError {}

impl<'a> Ipv6Chain<'a> {
    /// Follows the headers of a packet.
    ///
    /// # Errors
    /// Why they lead nowhere.
    pub fn follow(packet: &Ipv6Packet<'a>) -> Result<Self, ChainError> {
        let mut walk = Walk {
            reader: Reader::new(packet.payload),
            protocol: packet.header.next_header(),
            next_header_at: 6,
            router_alert: false,
        };
        for index in 0..=MAX_HEADERS {
            let start = walk.reader.position();
            match walk.protocol {
                IpProtocol::HOP_BY_HOP if index > 0 => return Err(walk.problem_here(Problem::Header)),
                IpProtocol::HOP_BY_HOP | IpProtocol::DESTINATION => walk.options(start)?,
                IpProtocol::ROUTING => walk.routing(start)?,
                IpProtocol::FRAGMENT => {
                    let fragment: &FragmentHeader = walk.reader.get()?;
                    walk.goes_on(fragment.next_header, start);
                    if !fragment.place().is_whole() {
                        return Ok(walk.end(Some(fragment)));
                    }
                }
                _ => return Ok(walk.end(None)),
            }
        }
        Err(ChainError::TooLong)
    }
}

struct Walk<'a> {
    reader: Reader<'a>,
    protocol: IpProtocol,
    next_header_at: usize,
    router_alert: bool,
}

impl<'a> Walk<'a> {
    fn end(&self, fragment: Option<&'a FragmentHeader>) -> Ipv6Chain<'a> {
        let payload = self.reader.rest();
        Ipv6Chain {
            protocol: self.protocol,
            payload,
            offset: FIXED + self.reader.position(),
            fragment,
            next_header_at: self.next_header_at,
            router_alert: self.router_alert,
        }
    }

    /// The header that starts at `start` says what follows it in its first byte.
    fn goes_on(&mut self, next: u8, start: usize) {
        self.protocol = IpProtocol(next);
        self.next_header_at = FIXED + start;
    }

    fn problem_here(&self, kind: Problem) -> ChainError {
        Self::problem(kind, self.next_header_at)
    }

    fn problem(kind: Problem, at: usize) -> ChainError {
        // A packet has at most 40 + 65535 bytes.
        let pointer = u32::try_from(at).unwrap_or(u32::MAX);
        ChainError::Problem { kind, pointer, even_multicast: false }
    }

    /// A header that says its length in words of 8 bytes, the first not counted: what is behind its first two bytes.
    fn sized(&mut self, start: usize) -> Result<&'a [u8], ParseError> {
        let (next, words) = (self.reader.byte()?, self.reader.byte()?);
        self.goes_on(next, start);
        self.reader.take(usize::from(words) * 8 + 6)
    }

    fn options(&mut self, start: usize) -> Result<(), ChainError> {
        const PAD_ONE: u8 = 0;
        const PAD: u8 = 1;
        const ROUTER_ALERT: u8 = 5;
        let mut options = Reader::new(self.sized(start)?);
        while !options.is_empty() {
            let at = FIXED + start + 2 + options.position();
            let kind = options.byte()?;
            if kind == PAD_ONE {
                continue;
            }
            let length = options.byte()?;
            options.take(length.into())?;
            match kind {
                PAD => {}
                ROUTER_ALERT => self.router_alert = true,
                _ => unknown_option(kind, at)?,
            }
        }
        Ok(())
    }

    /// No route is followed: one that is at its end is skipped, any other is a problem (RFC 8200, section 4.4).
    fn routing(&mut self, start: usize) -> Result<(), ChainError> {
        let data = self.sized(start)?;
        match data.get(1) {
            Some(0) => Ok(()),
            _ => Err(Self::problem(Problem::Field, FIXED + start + 2)),
        }
    }
}

/// The two highest bits of an option say what to do with a packet if it is not known (RFC 8200, section 4.2).
fn unknown_option(kind: u8, at: usize) -> Result<(), ChainError> {
    let pointer = u32::try_from(at).unwrap_or(u32::MAX);
    match kind >> 6 {
        0 => Ok(()),
        1 => Err(ChainError::Drop),
        action => Err(ChainError::Problem { kind: Problem::Option, pointer, even_multicast: action == 2 }),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::Ipv6Addr;

    use zerocopy::IntoBytes as _;

    use super::{ChainError, FragmentHeader, Ipv6Chain, MAX_HEADERS, Problem};
    use crate::wire::{FragmentPlace, IpProtocol, Ipv6Header, Ipv6Packet, ParseError};

    fn packet(next: IpProtocol, payload: &[&[u8]]) -> Vec<u8> {
        let payload = payload.concat();
        let address = Ipv6Addr::LOCALHOST;
        let header = Ipv6Header::new(address, address, next, 64, payload.len()).unwrap();
        [header.as_bytes(), &payload].concat()
    }

    fn follow(bytes: &[u8]) -> Result<Ipv6Chain<'_>, ChainError> {
        Ipv6Chain::follow(&Ipv6Packet::parse(bytes).unwrap())
    }

    const TCP: u8 = IpProtocol::TCP.0;
    const DESTINATION: u8 = IpProtocol::DESTINATION.0;

    #[test]
    fn a_packet_without_headers_is_its_own_end() {
        let bytes = packet(IpProtocol::TCP, &[b"segment"]);
        let chain = follow(&bytes).unwrap();
        assert_eq!((chain.protocol, chain.payload, chain.offset), (IpProtocol::TCP, &b"segment"[..], 40));
        assert_eq!(chain.next_header_at, 6);
    }

    #[test]
    fn known_headers_are_passed() {
        let hop_by_hop = [DESTINATION, 0, 5, 2, 0, 0, 1, 0]; // router alert, padding
        let destination = [43, 1, 0x3e, 3, 1, 2, 3, 1, 5, 0, 0, 0, 0, 0, 0, 0]; // an option that may be skipped
        let route = [TCP, 0, 0, 0, 0, 0, 0, 0]; // at its end
        let bytes = packet(IpProtocol::HOP_BY_HOP, &[&hop_by_hop, &destination, &route, b"segment"]);
        let chain = follow(&bytes).unwrap();
        assert_eq!((chain.protocol, chain.payload, chain.offset), (IpProtocol::TCP, &b"segment"[..], 72));
        assert_eq!((chain.router_alert, chain.next_header_at, chain.fragment), (true, 64, None));
    }

    #[test]
    fn unknown_options_are_treated_as_their_bits_say() {
        let with = |kind: u8| packet(IpProtocol::DESTINATION, &[&[TCP, 0, 0, kind, 1, 0, 0, 0], b"segment"]);
        assert!(follow(&with(0x3f)).is_ok());
        assert_eq!(follow(&with(0x7f)), Err(ChainError::Drop));
        for (kind, even_multicast) in [(0x80, true), (0xc0, false)] {
            let problem = ChainError::Problem { kind: Problem::Option, pointer: 43, even_multicast };
            assert_eq!(follow(&with(kind)), Err(problem));
        }
    }

    #[test]
    fn hop_by_hop_options_come_first_or_not_at_all() {
        let bytes =
            packet(IpProtocol::DESTINATION, &[&[0, 0, 1, 4, 0, 0, 0, 0], &[TCP, 0, 1, 4, 0, 0, 0, 0]]);
        let problem = ChainError::Problem { kind: Problem::Header, pointer: 40, even_multicast: false };
        assert_eq!(follow(&bytes), Err(problem));
    }

    #[test]
    fn no_route_is_followed() {
        let bytes = packet(IpProtocol::ROUTING, &[&[TCP, 0, 0, 1, 0, 0, 0, 0], b"segment"]);
        let problem = ChainError::Problem { kind: Problem::Field, pointer: 42, even_multicast: false };
        assert_eq!(follow(&bytes), Err(problem));
    }

    #[test]
    fn behind_a_fragment_nothing_is_followed() {
        let place = FragmentPlace { offset: 1448, more: true };
        let header = FragmentHeader::new(IpProtocol::DESTINATION, 7, place);
        let bytes = packet(IpProtocol::FRAGMENT, &[header.as_bytes(), &[TCP, 200]]);
        let chain = follow(&bytes).unwrap();
        assert_eq!((chain.protocol, chain.payload), (IpProtocol::DESTINATION, &[TCP, 200][..]));
        assert_eq!(
            chain.fragment.map(|header| (header.place(), header.identification.get())),
            Some((place, 7))
        );
        let whole = FragmentHeader::new(IpProtocol::TCP, 7, FragmentPlace::WHOLE);
        let bytes = packet(IpProtocol::FRAGMENT, &[whole.as_bytes(), b"segment"]);
        assert_eq!(follow(&bytes).unwrap().fragment, None, "an atomic fragment is a packet (RFC 6946)");
    }

    #[test]
    fn long_and_cut_chains_are_refused() {
        let header = [DESTINATION, 0, 1, 4, 0, 0, 0, 0];
        let last = [TCP, 0, 1, 4, 0, 0, 0, 0];
        let chain = |count: usize| packet(IpProtocol::DESTINATION, &[&header.repeat(count - 1), &last]);
        assert!(follow(&chain(MAX_HEADERS)).is_ok());
        assert_eq!(follow(&chain(MAX_HEADERS + 1)), Err(ChainError::TooLong));
        let cut = packet(IpProtocol::DESTINATION, &[&[TCP, 1, 1, 4, 0, 0, 0, 0]]);
        assert!(matches!(follow(&cut), Err(ChainError::Parse(ParseError::Truncated { .. }))));
        let option = packet(IpProtocol::DESTINATION, &[&[TCP, 0, 1, 5, 0, 0, 0, 0]]);
        assert!(matches!(follow(&option), Err(ChainError::Parse(ParseError::Truncated { .. }))));
    }
}
