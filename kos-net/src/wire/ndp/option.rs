//! Options of neighbour discovery: [`NdpOption`], [`NdpOptions`].

use core::net::Ipv6Addr;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::wire::bytes::{Reader, Writer};
use crate::wire::{MacAddr, NoRoom, ParseError};

/// Options, whole each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NdpOptions<'a>(&'a [u8]);

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

    pub(super) fn read(reader: Reader<'a>) -> Result<Self, ParseError> {
        let options = Self(reader.rest());
        let mut reader = reader;
        while !reader.is_empty() {
            next(&mut reader)?;
        }
        Ok(options)
    }

    pub(super) const fn as_bytes(&self) -> &'a [u8] {
        self.0
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
