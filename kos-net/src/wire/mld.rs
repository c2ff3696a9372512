//! Who listens to which group, over IPv6: [`MldMessage`].
//!
//! Source: RFC 3810; RFC 2710 for version 1.

use core::net::Ipv6Addr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::{Reader, Writer};
use super::groups::{GroupChange, scaled};
use super::icmp::IcmpHeader;
use super::{NoRoom, ParseError};

const QUERY: u8 = 130;
const REPORT: u8 = 143;
/// Of version 1.
const OLD_REPORT: u8 = 131;
const DONE: u8 = 132;

/// One record of a report, without sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MldRecord {
    kind: u8,
    extra_words: u8,
    sources: U16,
    group: [u8; 16],
}

impl MldRecord {
    /// A record.
    #[must_use]
    pub const fn new(change: GroupChange, group: Ipv6Addr) -> Self {
        Self { kind: change as u8, extra_words: 0, sources: U16::new(0), group: group.octets() }
    }

    /// What it says; `None` for what this crate does not write.
    #[must_use]
    pub const fn change(&self) -> Option<GroupChange> {
        GroupChange::of(self.kind)
    }

    /// Of which group.
    #[must_use]
    pub const fn group(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.group)
    }
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MldMessage<'a> {
    /// A router asks who listens.
    Query {
        /// Within how many ms to answer; 0 is at once.
        max_response: u32,
        /// To which group; unspecified is to any.
        group: Ipv6Addr,
        /// Whether it is of version 2.
        version_2: bool,
    },
    /// A host tells. A report with sources is an [`Other`](super::Icmpv6Message::Other).
    Report(&'a [MldRecord]),
    /// A host tells in version 1 that it listens.
    OldReport(Ipv6Addr),
    /// A host tells in version 1 that it left.
    Done(Ipv6Addr),
}

impl<'a> MldMessage<'a> {
    pub(super) fn read(header: &IcmpHeader, body: &'a [u8]) -> Result<Option<Self>, ParseError> {
        let [first, second, high, low] = header.rest;
        match header.kind {
            QUERY => {
                let group = Ipv6Addr::from_octets(*Reader::new(body).get()?);
                let code = u32::from(u16::from_be_bytes([first, second]));
                // Version 1 has no code: its 16 bits are the time.
                let (version_2, bits) = match body.len() {
                    16 => (false, 32),
                    20.. => (true, 16),
                    said => return Err(ParseError::BadLength { field: "query", said }),
                };
                Ok(Some(Self::Query { max_response: scaled(code, bits), group, version_2 }))
            }
            REPORT => {
                let count = usize::from(u16::from_be_bytes([high, low]));
                let records = <[MldRecord]>::ref_from_prefix_with_elems(body, count);
                let plain = |record: &MldRecord| record.sources.get() == 0 && record.extra_words == 0;
                let records = records.ok().map(|(records, _)| records);
                Ok(records.filter(|records| records.iter().all(plain)).map(Self::Report))
            }
            OLD_REPORT => Ok(Some(Self::OldReport(Ipv6Addr::from_octets(*Reader::new(body).get()?)))),
            DONE => Ok(Some(Self::Done(Ipv6Addr::from_octets(*Reader::new(body).get()?)))),
            _ => Ok(None),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        match *self {
            Self::Query { max_response, group, version_2 } => {
                let [high, low] = u16::try_from(max_response.min(32_767)).unwrap_or(32_767).to_be_bytes();
                writer.put(&IcmpHeader::new(QUERY, 0, [high, low, 0, 0]))?;
                writer.bytes(&group.octets())?;
                writer.bytes(if version_2 { &[0; 4] } else { &[] })
            }
            Self::Report(records) => {
                let too_many = NoRoom { needed: records.len(), got: u16::MAX.into() };
                let [high, low] = u16::try_from(records.len()).map_err(|_| too_many)?.to_be_bytes();
                writer.put(&IcmpHeader::new(REPORT, 0, [0, 0, high, low]))?;
                writer.put(records)
            }
            Self::OldReport(group) => {
                writer.put(&IcmpHeader::new(OLD_REPORT, 0, [0; 4]))?;
                writer.bytes(&group.octets())
            }
            Self::Done(group) => {
                writer.put(&IcmpHeader::new(DONE, 0, [0; 4]))?;
                writer.bytes(&group.octets())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::net::Ipv6Addr;

    use super::{GroupChange, MldMessage, MldRecord};
    use crate::wire::{Icmpv6Message, ParseError};

    const HERE: Ipv6Addr = Ipv6Addr::LOCALHOST;

    #[test]
    fn what_was_written_is_read() {
        let group = "ff02::fb".parse().unwrap();
        let records =
            [MldRecord::new(GroupChange::Joined, group), MldRecord::new(GroupChange::Listens, group)];
        for message in [
            MldMessage::Query { max_response: 0, group: Ipv6Addr::UNSPECIFIED, version_2: false },
            MldMessage::Query { max_response: 10_000, group, version_2: true },
            MldMessage::Report(&records),
            MldMessage::OldReport(group),
            MldMessage::Done(group),
        ] {
            let message = Icmpv6Message::Mld(message);
            let mut out = [0; 128];
            let length = message.emit(HERE, HERE, &mut out).unwrap();
            assert_eq!(Icmpv6Message::parse(&out[..length], HERE, HERE, false), Ok(message));
        }
    }

    #[test]
    fn a_query_is_of_a_version_by_its_length() {
        let query = |length: usize| {
            let bytes = [&[130, 0, 0, 0, 0xff, 0xff, 0, 0][..], &vec![0; length]].concat();
            Icmpv6Message::parse(&bytes, HERE, HERE, true).map(|message| match message {
                Icmpv6Message::Mld(MldMessage::Query { max_response, .. }) => max_response,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(query(16), Ok(65_535));
        assert_eq!(query(20), Ok(0x1fff << 10));
        assert_eq!(query(19), Err(ParseError::BadLength { field: "query", said: 19 }));
    }
}
