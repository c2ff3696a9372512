//! IPv4 packets: [`Ipv4Header`], [`Ipv4Packet`], [`Ipv4Option`].
//!
//! Source: RFC 791; RFC 1122 section 3.2; RFC 7126 for options. Only the form is looked at here: which sources are martians,
//! which options are refused, is the stack's to say.

use core::net::Ipv4Addr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::Reader;
use super::{Checksum, FragmentPlace, IpProtocol, ParseError};

const HEADER: usize = size_of::<Ipv4Header>();
const DONT_FRAGMENT: u16 = 1 << 14;
const MORE_FRAGMENTS: u16 = 1 << 13;
const OFFSET: u16 = (1 << 13) - 1;

/// The 20 bytes that every packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ipv4Header {
    /// Version 4, and the header's length in words of four bytes.
    version_length: u8,
    /// Differentiated services (6 bits), congestion (2).
    pub traffic_class: u8,
    /// Bytes of header and payload.
    pub total_length: U16,
    /// Tells the fragments of one datagram from those of others.
    pub identification: U16,
    flags_offset: U16,
    /// How many more routers it may pass.
    pub time_to_live: u8,
    protocol: u8,
    checksum: U16,
    source: [u8; 4],
    destination: [u8; 4],
}

impl Ipv4Header {
    /// A header without options, and its checksum, of a whole datagram that routers do not cut.
    ///
    /// `payload` bytes follow it; the packet with them has at most 65535 bytes, or `None`.
    #[must_use]
    pub fn new(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: IpProtocol,
        time_to_live: u8,
        payload: usize,
    ) -> Option<Self> {
        let total_length = u16::try_from(payload.checked_add(HEADER)?).ok()?;
        let header = Self {
            version_length: 0x45,
            traffic_class: 0,
            total_length: U16::new(total_length),
            identification: U16::new(0),
            flags_offset: U16::new(DONT_FRAGMENT),
            time_to_live,
            protocol: protocol.0,
            checksum: U16::new(0),
            source: source.octets(),
            destination: destination.octets(),
        };
        Some(header.sealed())
    }

    /// The header as that of a fragment of datagram `identification`; `place.offset` is a multiple of 8.
    #[must_use]
    pub fn fragment(mut self, identification: u16, place: FragmentPlace) -> Self {
        let more = if place.more { MORE_FRAGMENTS } else { 0 };
        self.identification = U16::new(identification);
        self.flags_offset = U16::new(more | place.offset >> 3);
        self.sealed()
    }

    /// The header with the checksum of what is in it.
    fn sealed(mut self) -> Self {
        self.checksum = U16::new(0);
        self.checksum = U16::new(Checksum::new().and(self.as_bytes()).finish());
        self
    }

    /// Bytes of header and options, as the header says; 20 to 60 in a packet that was read.
    #[must_use]
    pub const fn length(&self) -> usize {
        (self.version_length & 15) as usize * 4
    }

    /// Who sent it.
    #[must_use]
    pub const fn source(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.source;
        Ipv4Addr::new(a, b, c, d)
    }

    /// For whom it is.
    #[must_use]
    pub const fn destination(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.destination;
        Ipv4Addr::new(a, b, c, d)
    }

    /// What it carries.
    #[must_use]
    pub const fn protocol(&self) -> IpProtocol {
        IpProtocol(self.protocol)
    }

    /// Whether routers must not cut it.
    #[must_use]
    pub const fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & DONT_FRAGMENT != 0
    }

    /// Which part of its datagram it is.
    #[must_use]
    pub const fn place(&self) -> FragmentPlace {
        let bits = self.flags_offset.get();
        FragmentPlace { offset: (bits & OFFSET) << 3, more: bits & MORE_FRAGMENTS != 0 }
    }
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Packet<'a> {
    /// Its fixed part.
    pub header: &'a Ipv4Header,
    /// Its options, as they stand.
    pub options: &'a [u8],
    /// The rest, without what the link put behind it.
    pub payload: &'a [u8],
}

impl<'a> Ipv4Packet<'a> {
    /// Reads a packet; bytes behind its length are left out.
    ///
    /// # Errors
    /// Too short, lengths that contradict each other, another version, a wrong checksum, or a fragment that ends beyond the
    /// largest datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header: &Ipv4Header = Reader::new(bytes).get()?;
        let version = header.version_length >> 4;
        if version != 4 {
            return Err(ParseError::BadValue { field: "version", found: version.into() });
        }
        let (length, total) = (header.length(), usize::from(header.total_length.get()));
        if length < HEADER {
            return Err(ParseError::BadLength { field: "header", said: length });
        }
        if total < length {
            return Err(ParseError::BadLength { field: "packet", said: total });
        }
        let mut reader = Reader::new(bytes);
        let mut packet = Reader::new(reader.take(total)?);
        let whole = packet.take(length)?;
        if !Checksum::new().and(whole).is_valid() {
            return Err(ParseError::BadChecksum);
        }
        let (options, payload) = (whole.get(HEADER..).unwrap_or_default(), packet.rest());
        if usize::from(header.place().offset) + payload.len() > usize::from(u16::MAX) {
            return Err(ParseError::BadLength { field: "fragment", said: payload.len() });
        }
        Ok(Self { header, options, payload })
    }

    /// Its options, one by one; after the first that is malformed there are no more.
    pub fn options(&self) -> impl Iterator<Item = Result<Ipv4Option<'a>, ParseError>> + use<'a> {
        Options(Reader::new(self.options))
    }
}

/// An option of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Option<'a> {
    /// Copied (1 bit), class (2), number (5).
    pub kind: u8,
    /// What belongs to it.
    pub data: &'a [u8],
}

impl Ipv4Option<'_> {
    /// Loose source and record route.
    pub const LOOSE_ROUTE: u8 = 131;
    /// Strict source and record route.
    pub const STRICT_ROUTE: u8 = 137;
    /// Router alert (RFC 2113).
    pub const ROUTER_ALERT: u8 = 148;

    /// Whether it tells routers where to send the packet: to be refused (RFC 7126, sections 4.3 and 4.4).
    #[must_use]
    pub const fn is_source_route(&self) -> bool {
        matches!(self.kind, Self::LOOSE_ROUTE | Self::STRICT_ROUTE)
    }
}

struct Options<'a>(Reader<'a>);

impl<'a> Options<'a> {
    fn read(&mut self, kind: u8) -> Result<Ipv4Option<'a>, ParseError> {
        let said = self.0.byte()?;
        let length = usize::from(said).checked_sub(2);
        let data = length.ok_or(ParseError::BadLength { field: "option", said: said.into() })?;
        Ok(Ipv4Option { kind, data: self.0.take(data)? })
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<Ipv4Option<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        const END: u8 = 0;
        const NOTHING: u8 = 1;
        loop {
            match self.0.byte() {
                Err(_) | Ok(END) => return None,
                Ok(NOTHING) => {}
                Ok(kind) => {
                    let option = self.read(kind);
                    if option.is_err() {
                        self.0 = Reader::new(&[]);
                    }
                    return Some(option);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::Ipv4Addr;

    use zerocopy::IntoBytes as _;

    use super::{Ipv4Header, Ipv4Option, Ipv4Packet};
    use crate::wire::{Checksum, FragmentPlace, IpProtocol, ParseError};

    const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    fn packet(options: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut header = Ipv4Header::new(A, B, IpProtocol::UDP, 64, options.len() + payload.len()).unwrap();
        header.version_length += u8::try_from(options.len() / 4).unwrap();
        let mut bytes = [header.as_bytes(), options].concat();
        reseal(&mut bytes);
        bytes.extend(payload);
        bytes
    }

    fn reseal(header: &mut [u8]) {
        header[10..12].fill(0);
        let sum = Checksum::new().and(header).finish();
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }

    #[test]
    fn what_was_written_is_read() {
        let mut bytes = packet(&[], b"hello");
        bytes.extend([0; 21]); // a frame has at least 46 bytes
        let read = Ipv4Packet::parse(&bytes).unwrap();
        assert_eq!((read.header.source(), read.header.destination()), (A, B));
        assert_eq!((read.header.protocol(), read.payload), (IpProtocol::UDP, &b"hello"[..]));
        assert!(read.header.dont_fragment() && read.header.place().is_whole());
    }

    #[test]
    fn lengths_that_contradict_each_other_are_refused() {
        let good = packet(&[], b"hello");
        for (at, value, error) in [
            (0, 0x65, ParseError::BadValue { field: "version", found: 6 }),
            (0, 0x44, ParseError::BadLength { field: "header", said: 16 }),
            (3, 19, ParseError::BadLength { field: "packet", said: 19 }),
            (3, 26, ParseError::Truncated { needed: 26, got: 25 }),
            (12, 0, ParseError::BadChecksum),
        ] {
            let mut bytes = good.clone();
            bytes[at] = value;
            assert_eq!(Ipv4Packet::parse(&bytes), Err(error));
        }
    }

    /// CVE-1999-0128, the ping of death.
    #[test]
    fn no_fragment_ends_beyond_the_largest_datagram() {
        let header = Ipv4Header::new(A, B, IpProtocol::ICMP, 64, 16).unwrap();
        let last = FragmentPlace { offset: 65_528, more: false };
        let bytes = [header.fragment(7, last).as_bytes(), &[0; 16]].concat();
        assert_eq!(Ipv4Packet::parse(&bytes), Err(ParseError::BadLength { field: "fragment", said: 16 }));
        let place = FragmentPlace { offset: 65_512, more: true };
        let bytes = [header.fragment(7, place).as_bytes(), &[0; 16]].concat();
        assert_eq!(Ipv4Packet::parse(&bytes).unwrap().header.place(), place);
    }

    #[test]
    fn options_are_read_up_to_the_first_bad_one() {
        let bytes = packet(&[1, 131, 7, 4, 192, 0, 2, 9, 148, 4, 0, 0], b"");
        let read = Ipv4Packet::parse(&bytes).unwrap();
        let options: Vec<Ipv4Option<'_>> = read.options().map(Result::unwrap).collect();
        assert!(options[0].is_source_route() && options[0].data.len() == 5);
        assert_eq!(options[1], Ipv4Option { kind: Ipv4Option::ROUTER_ALERT, data: &[0, 0] });
        for bad in [[148, 1, 0, 0], [148, 5, 0, 0], [1, 1, 1, 148]] {
            let bytes = packet(&bad, b"");
            let found: Vec<_> = Ipv4Packet::parse(&bytes).unwrap().options().collect();
            assert!(matches!(found[..], [Err(_)]), "{bad:?}");
        }
        let bytes = packet(&[0, 131, 7, 4], b"");
        assert_eq!(Ipv4Packet::parse(&bytes).unwrap().options().count(), 0, "the end of options");
    }

    #[test]
    fn a_packet_has_at_most_65535_bytes() {
        assert!(Ipv4Header::new(A, B, IpProtocol::UDP, 64, 65_515).is_some());
        assert!(Ipv4Header::new(A, B, IpProtocol::UDP, 64, 65_516).is_none());
    }
}
