//! Questions to name servers and their answers: [`DnsMessage`], [`DnsName`], [`DnsRecord`], [`emit_query`].
//!
//! Source: RFC 1035; RFC 2782 (SRV), RFC 3596 (AAAA), RFC 6891 (EDNS). A pointer in a name leads only backward, before the
//! place where the name began or was last continued, so that reading ends; a name is at most 255 bytes, however it is put
//! together. Who asks checks the identifier, the question and who answered.

mod name;
mod query;

use core::net::{Ipv4Addr, Ipv6Addr};

pub use name::{DnsName, MAX_NAME};
pub use query::{QueryError, emit_query};
use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ParseError;
use super::bytes::Reader;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DnsType(pub u16);

impl DnsType {
    /// An IPv4 address.
    pub const A: Self = Self(1);
    /// The name that a name stands for.
    pub const CNAME: Self = Self(5);
    /// Where a zone begins; in a negative answer, how long it holds.
    pub const SOA: Self = Self(6);
    /// The name of an address.
    pub const PTR: Self = Self(12);
    /// Text.
    pub const TXT: Self = Self(16);
    /// An IPv6 address.
    pub const AAAA: Self = Self(28);
    /// Where a service is.
    pub const SRV: Self = Self(33);
    /// EDNS.
    pub const OPT: Self = Self(41);
}

/// How a server answered (RFC 1035, section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DnsCode(pub u8);

impl DnsCode {
    /// Nothing is wrong, though there may be no record.
    pub const NO_ERROR: Self = Self(0);
    /// It could not.
    pub const SERVER_FAILURE: Self = Self(2);
    /// There is no such name.
    pub const NO_SUCH_NAME: Self = Self(3);
}

bitflags::bitflags! {
    /// The flags of a message.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct DnsFlags: u16 {
        /// It is an answer.
        const RESPONSE = 1 << 15;
        /// Who answers is responsible for the name.
        const AUTHORITATIVE = 1 << 10;
        /// It was cut: ask over TCP.
        const TRUNCATED = 1 << 9;
        /// The server shall ask others.
        const RECURSION_DESIRED = 1 << 8;
        /// It would.
        const RECURSION_AVAILABLE = 1 << 7;
    }
}

/// The first 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DnsHeader {
    /// Tells the questions of one sender apart.
    pub identifier: U16,
    flags: U16,
    /// How many questions.
    pub questions: U16,
    /// How many records answer.
    pub answers: U16,
    /// How many records tell who is responsible.
    pub authorities: U16,
    /// How many records are given beside.
    pub additionals: U16,
}

impl DnsHeader {
    /// The flags.
    #[must_use]
    pub const fn flags(&self) -> DnsFlags {
        DnsFlags::from_bits_truncate(self.flags.get())
    }

    /// What kind of message it is; 0 is a question, or its answer.
    #[must_use]
    pub const fn operation(&self) -> u8 {
        (self.flags.get() >> 11 & 15) as u8
    }

    /// How it was answered.
    #[must_use]
    pub const fn code(&self) -> DnsCode {
        DnsCode((self.flags.get() & 15) as u8)
    }
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsData<'a> {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name that a name stands for.
    Cname(DnsName<'a>),
    /// The name of an address.
    Ptr(DnsName<'a>),
    /// Where a service is.
    Srv {
        /// The least is tried first.
        priority: u16,
        /// How often, of those of one priority.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: DnsName<'a>,
    },
    /// Strings, each behind its length.
    Txt(&'a [u8]),
    /// Of the start of authority: for how many seconds a negative answer holds.
    Soa {
        /// The least time to live.
        minimum: u32,
    },
    /// Anything else.
    Other(&'a [u8]),
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsRecord<'a> {
    /// Of what.
    pub name: DnsName<'a>,
    /// Which kind.
    pub kind: DnsType,
    /// Of which network; 1 is the Internet.
    pub class: u16,
    /// For how many seconds it holds; more than 2^31 - 1 means 0 (RFC 2181, section 8).
    pub ttl: u32,
    /// What it holds.
    pub data: DnsData<'a>,
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct DnsMessage<'a> {
    /// Its fixed part.
    pub header: &'a DnsHeader,
    bytes: &'a [u8],
}

impl<'a> DnsMessage<'a> {
    /// Reads the fixed part; the rest is read as it is asked for.
    ///
    /// # Errors
    /// Too short.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Ok(Self { header: Reader::new(bytes).get()?, bytes })
    }

    /// The only question: name, type, class; with the place behind it.
    fn asked(&self) -> Result<((DnsName<'a>, DnsType, u16), usize), ParseError> {
        let count = self.header.questions.get();
        if count != 1 {
            return Err(ParseError::BadValue { field: "number of questions", found: count.into() });
        }
        let (name, at) = DnsName::read(self.bytes, size_of::<DnsHeader>())?;
        let mut reader = Reader::new(self.bytes.get(at..).unwrap_or_default());
        let (kind, class): (&U16, &U16) = (reader.get()?, reader.get()?);
        Ok(((name, DnsType(kind.get()), class.get()), at + reader.position()))
    }

    /// The only question: name, type, class.
    ///
    /// # Errors
    /// There is none or more than one, or it is cut or malformed.
    pub fn question(&self) -> Result<(DnsName<'a>, DnsType, u16), ParseError> {
        self.asked().map(|(question, _)| question)
    }

    /// The records that answer; after the first that is malformed there are no more.
    pub fn answers(&self) -> impl Iterator<Item = Result<DnsRecord<'a>, ParseError>> + use<'a> {
        self.records().take(self.header.answers.get().into())
    }

    /// All records, those that answer first; after the first that is malformed there are no more.
    pub fn records(&self) -> impl Iterator<Item = Result<DnsRecord<'a>, ParseError>> + use<'a> {
        let header = self.header;
        let counts = [header.answers, header.authorities, header.additionals];
        let mut left: u32 = counts.iter().map(|count| u32::from(count.get())).sum();
        let (bytes, mut at) = (self.bytes, self.asked().map(|(_, at)| at));
        core::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let read = at.and_then(|at| record(bytes, at));
            match read {
                Ok((record, next)) => {
                    at = Ok(next);
                    Some(Ok(record))
                }
                Err(error) => {
                    left = 0;
                    Some(Err(error))
                }
            }
        })
    }
}

/// Reads the record at `at`; returns it with the place behind it.
fn record(message: &[u8], at: usize) -> Result<(DnsRecord<'_>, usize), ParseError> {
    let (name, at) = DnsName::read(message, at)?;
    let mut reader = Reader::new(message.get(at..).unwrap_or_default());
    let (kind, class): (&U16, &U16) = (reader.get()?, reader.get()?);
    let (ttl, length): (&U32, &U16) = (reader.get()?, reader.get()?);
    let start = at + reader.position();
    let data = reader.take(length.get().into())?;
    let kind = DnsType(kind.get());
    let ttl = if ttl.get() > i32::MAX.cast_unsigned() { 0 } else { ttl.get() };
    let data = payload(message, kind, start, data)?;
    Ok((DnsRecord { name, kind, class: class.get(), ttl, data }, at + reader.position()))
}

/// What the `data` at `start` are. Names in them may point to what is before them, so the whole message is needed.
fn payload<'a>(
    message: &'a [u8],
    kind: DnsType,
    start: usize,
    data: &'a [u8],
) -> Result<DnsData<'a>, ParseError> {
    let end = start + data.len();
    let name = |at: usize| {
        let (name, behind) = DnsName::read(message.get(..end).unwrap_or_default(), at)?;
        if behind == end {
            Ok(name)
        } else {
            Err(ParseError::BadLength { field: "record", said: data.len() })
        }
    };
    let mut reader = Reader::new(data);
    let exact = |length| match data.len() {
        found if found == length => Ok(()),
        said => Err(ParseError::BadLength { field: "record", said }),
    };
    Ok(match kind {
        DnsType::A => exact(4).and_then(|()| reader.get()).map(|&a| DnsData::A(Ipv4Addr::from_octets(a)))?,
        DnsType::AAAA => {
            exact(16).and_then(|()| reader.get()).map(|&a| DnsData::Aaaa(Ipv6Addr::from_octets(a)))?
        }
        DnsType::CNAME => DnsData::Cname(name(start)?),
        DnsType::PTR => DnsData::Ptr(name(start)?),
        DnsType::SRV => {
            let [priority, weight, port] = *reader.get::<[U16; 3]>()?;
            let (priority, weight, port) = (priority.get(), weight.get(), port.get());
            DnsData::Srv { priority, weight, port, target: name(start + 6)? }
        }
        DnsType::TXT => DnsData::Txt(data),
        DnsType::SOA => {
            let (_, at) = DnsName::read(message.get(..end).unwrap_or_default(), start)?;
            let (_, at) = DnsName::read(message.get(..end).unwrap_or_default(), at)?;
            let numbers: &[U32; 5] = Reader::new(message.get(at..end).unwrap_or_default()).get()?;
            let [.., minimum] = *numbers;
            DnsData::Soa { minimum: minimum.get() }
        }
        _ => DnsData::Other(data),
    })
}

#[cfg(test)]
mod tests;
