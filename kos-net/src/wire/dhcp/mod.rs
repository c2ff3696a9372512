//! DHCP for IPv4: [`DhcpMessage`], [`DhcpOption`], [`DhcpWriter`].
//!
//! Source: RFC 2131 section 2; RFC 2132; RFC 3396 for options that come in pieces; RFC 3442 for routes. Options may go on in
//! the fields for file and server name (option 52); they are read from there, too.

mod route;
mod writer;

use core::net::Ipv4Addr;

pub use route::{DhcpRoute, routes};
pub use writer::DhcpWriter;
use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, FromZeros as _, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::{Reader, Writer};
use super::{MacAddr, ParseError};

const MAGIC: u32 = 0x6382_5363;
const ETHERNET: u8 = 1;

/// Which option: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DhcpCode(pub u8);

impl DhcpCode {
    const PAD: Self = Self(0);
    const OVERLOAD: Self = Self(52);
    const END: Self = Self(255);
    /// The network's mask.
    pub const SUBNET_MASK: Self = Self(1);
    /// Routers, the best first.
    pub const ROUTERS: Self = Self(3);
    /// Name servers, the best first.
    pub const NAME_SERVERS: Self = Self(6);
    /// The client's name.
    pub const HOST_NAME: Self = Self(12);
    /// The most bytes of a packet.
    pub const MTU: Self = Self(26);
    /// Time servers.
    pub const TIME_SERVERS: Self = Self(42);
    /// The address that the client would like.
    pub const REQUESTED_ADDRESS: Self = Self(50);
    /// For how many seconds the address is lent.
    pub const LEASE_TIME: Self = Self(51);
    /// What kind of message it is.
    pub const MESSAGE: Self = Self(53);
    /// Which server is meant, or answers.
    pub const SERVER: Self = Self(54);
    /// Which options the client would like.
    pub const PARAMETERS: Self = Self(55);
    /// The most bytes of a message that the client takes.
    pub const MAX_MESSAGE: Self = Self(57);
    /// After how many seconds to ask the server for more time.
    pub const RENEWAL_TIME: Self = Self(58);
    /// After how many seconds to ask any server.
    pub const REBINDING_TIME: Self = Self(59);
    /// Who the client is.
    pub const CLIENT: Self = Self(61);
    /// Routes (RFC 3442), in place of [`ROUTERS`](Self::ROUTERS).
    pub const ROUTES: Self = Self(121);
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DhcpKind {
    /// Which servers are there?
    Discover = 1,
    /// A server offers an address.
    Offer = 2,
    /// The client wants it, or wants more time.
    Request = 3,
    /// Somebody else has the address.
    Decline = 4,
    /// The address is lent.
    Ack = 5,
    /// It is not.
    Nak = 6,
    /// The client gives it back.
    Release = 7,
    /// The client has an address and wants the rest.
    Inform = 8,
}

impl DhcpKind {
    const ALL: [Self; 8] = [
        Self::Discover,
        Self::Offer,
        Self::Request,
        Self::Decline,
        Self::Ack,
        Self::Nak,
        Self::Release,
        Self::Inform,
    ];
}

/// The first 240 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DhcpHeader {
    operation: u8,
    hardware: u8,
    hardware_length: u8,
    hops: u8,
    /// Tells one exchange from others.
    pub transaction: U32,
    /// For how many seconds the client has tried.
    pub seconds: U16,
    flags: U16,
    client: [u8; 4],
    yours: [u8; 4],
    next_server: [u8; 4],
    relay: [u8; 4],
    hardware_address: MacAddr,
    hardware_rest: [u8; 10],
    server_name: [u8; 64],
    file: [u8; 128],
    magic: U32,
}

impl DhcpHeader {
    const REQUEST: u8 = 1;
    const REPLY: u8 = 2;
    const BROADCAST: u16 = 1 << 15;

    /// A client's message. `address` is the one that it has and answers on, else unspecified; then with `broadcast` it cannot
    /// take an answer to the address that it does not have yet.
    #[must_use]
    pub fn of_client(
        transaction: u32,
        seconds: u16,
        mac: MacAddr,
        address: Ipv4Addr,
        broadcast: bool,
    ) -> Self {
        let mut header = Self::new_zeroed();
        (header.operation, header.hardware, header.hardware_length) = (Self::REQUEST, ETHERNET, 6);
        header.transaction = U32::new(transaction);
        header.seconds = U16::new(seconds);
        header.flags = U16::new(if broadcast { Self::BROADCAST } else { 0 });
        header.client = address.octets();
        header.hardware_address = mac;
        header.magic = U32::new(MAGIC);
        header
    }

    /// A server's answer to the client of `request`, which shall have `address`.
    #[must_use]
    pub fn of_server(request: &Self, address: Ipv4Addr) -> Self {
        let mut header = *request;
        header.operation = Self::REPLY;
        header.yours = address.octets();
        header
    }

    /// Whether a server sent it.
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        self.operation == Self::REPLY
    }

    /// The address that the client has.
    #[must_use]
    pub const fn client(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.client)
    }

    /// The address that the client shall have.
    #[must_use]
    pub const fn yours(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.yours)
    }

    /// The client's link address.
    #[must_use]
    pub const fn mac(&self) -> MacAddr {
        self.hardware_address
    }

    /// Whether the answer is to go to all.
    #[must_use]
    pub const fn wants_broadcast(&self) -> bool {
        self.flags.get() & Self::BROADCAST != 0
    }
}

/// An option, or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpOption<'a> {
    /// Which.
    pub code: DhcpCode,
    /// What it holds.
    pub data: &'a [u8],
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpMessage<'a> {
    /// Its fixed part.
    pub header: &'a DhcpHeader,
    /// What kind it is.
    pub kind: DhcpKind,
    options: &'a [u8],
}

impl<'a> DhcpMessage<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// Too short, without the number that tells DHCP from BOOTP, for another kind of link, with an option that is cut, or
    /// without a kind that is known.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let header: &DhcpHeader = reader.get()?;
        if header.magic.get() != MAGIC {
            return Err(ParseError::BadValue { field: "magic", found: header.magic.get() });
        }
        if (header.hardware, header.hardware_length) != (ETHERNET, 6) {
            return Err(ParseError::BadValue { field: "hardware type", found: header.hardware.into() });
        }
        let mut message = Self { header, kind: DhcpKind::Inform, options: reader.rest() };
        for piece in message.pieces() {
            piece?;
        }
        let kind = message.option(DhcpCode::MESSAGE).and_then(|data| data.first().copied()).unwrap_or(0);
        let known = DhcpKind::ALL.into_iter().find(|known| *known as u8 == kind);
        message.kind = known.ok_or(ParseError::BadValue { field: "message", found: kind.into() })?;
        Ok(message)
    }

    /// Where options stand: behind the fixed part, and in the fields that option 52 names.
    fn places(&self) -> [&'a [u8]; 3] {
        let own = |place: &'a [u8]| Pieces(Reader::new(place)).filter_map(Result::ok);
        let overload = own(self.options).find(|piece| piece.code == DhcpCode::OVERLOAD);
        let bits = overload.and_then(|piece| piece.data.first()).copied().unwrap_or(0);
        let file: &[u8] = if bits & 1 != 0 { &self.header.file } else { &[] };
        let name: &[u8] = if bits & 2 != 0 { &self.header.server_name } else { &[] };
        [self.options, file, name]
    }

    fn pieces(&self) -> impl Iterator<Item = Result<DhcpOption<'a>, ParseError>> + use<'a> {
        self.places().into_iter().flat_map(|place| Pieces(Reader::new(place)))
    }

    /// Its options, in order; long ones come in pieces.
    pub fn options(&self) -> impl Iterator<Item = DhcpOption<'a>> + use<'a> {
        self.pieces().filter_map(Result::ok)
    }

    /// The first piece of an option: all of it, if it is one of at most 255 bytes that a server did not cut.
    #[must_use]
    pub fn option(&self, code: DhcpCode) -> Option<&'a [u8]> {
        self.options().find(|option| option.code == code).map(|option| option.data)
    }

    /// An option put together from its pieces in `out` (RFC 3396). `None` if it is not there or does not fit.
    pub fn gather<'o>(&self, code: DhcpCode, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let mut writer = Writer::new(out);
        let mut there = false;
        for piece in self.options().filter(|option| option.code == code) {
            writer.bytes(piece.data).ok()?;
            there = true;
        }
        let length = writer.position();
        out.get(..length).filter(|_| there)
    }

    /// An option that is an address.
    #[must_use]
    pub fn address(&self, code: DhcpCode) -> Option<Ipv4Addr> {
        let octets: &[u8; 4] = self.option(code)?.try_into().ok()?;
        Some(Ipv4Addr::from_octets(*octets))
    }

    /// An option that is a number of 32 bits.
    #[must_use]
    pub fn number(&self, code: DhcpCode) -> Option<u32> {
        let bytes: &[u8; 4] = self.option(code)?.try_into().ok()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// An option that is a list of addresses; what is no whole address is left out.
    pub fn addresses(&self, code: DhcpCode) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        let (all, _) = self.option(code).unwrap_or_default().as_chunks::<4>();
        all.iter().map(|&octets| Ipv4Addr::from_octets(octets))
    }
}

/// The options of one place.
struct Pieces<'a>(Reader<'a>);

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<DhcpOption<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.byte().map(DhcpCode) {
                Err(_) | Ok(DhcpCode::END) => return None,
                Ok(DhcpCode::PAD) => {}
                Ok(code) => {
                    let data = self.0.byte().and_then(|length| self.0.take(length.into()));
                    if data.is_err() {
                        self.0 = Reader::new(&[]);
                    }
                    return Some(data.map(|data| DhcpOption { code, data }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
