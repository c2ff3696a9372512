//! Who listens to which group, over IPv4: [`IgmpMessage`].
//!
//! Source: RFC 3376; RFC 2236 for version 2.

use core::net::Ipv4Addr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::{Reader, Writer};
use super::groups::{GroupChange, scaled};
use super::icmp::IcmpHeader;
use super::{Checksum, NoRoom, ParseError};

const QUERY: u8 = 0x11;
const REPORT: u8 = 0x22;
/// Of version 2.
const OLD_REPORT: u8 = 0x16;
const LEAVE: u8 = 0x17;

/// One record of a report, without sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct IgmpRecord {
    kind: u8,
    extra_words: u8,
    sources: U16,
    group: [u8; 4],
}

impl IgmpRecord {
    /// A record.
    #[must_use]
    pub const fn new(change: GroupChange, group: Ipv4Addr) -> Self {
        Self { kind: change as u8, extra_words: 0, sources: U16::new(0), group: group.octets() }
    }

    /// What it says; `None` for what this crate does not write.
    #[must_use]
    pub const fn change(&self) -> Option<GroupChange> {
        GroupChange::of(self.kind)
    }

    /// Of which group.
    #[must_use]
    pub const fn group(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.group;
        Ipv4Addr::new(a, b, c, d)
    }
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IgmpMessage<'a> {
    /// A router asks who listens.
    Query {
        /// Within how many tenths of a second to answer; 0 is version 1, which means 100.
        max_response: u32,
        /// To which group; unspecified is to any.
        group: Ipv4Addr,
        /// Whether it is of version 3.
        version_3: bool,
    },
    /// A host tells. Reports with sources are [`Other`](Self::Other).
    Report(&'a [IgmpRecord]),
    /// A host tells in version 2 that it listens.
    OldReport(Ipv4Addr),
    /// A host tells in version 2 that it left.
    Leave(Ipv4Addr),
    /// Anything else.
    Other(u8),
}

impl<'a> IgmpMessage<'a> {
    /// Reads a message with its checksum.
    ///
    /// # Errors
    /// Too short, a wrong checksum, or a query of no version.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let header: &IcmpHeader = reader.get()?;
        if !Checksum::new().and(bytes).is_valid() {
            return Err(ParseError::BadChecksum);
        }
        match header.kind {
            QUERY => {
                let max_response = scaled(header.code.into(), if bytes.len() == 8 { 32 } else { 8 });
                let group = Ipv4Addr::from_octets(header.rest);
                match bytes.len() {
                    8 => Ok(Self::Query { max_response, group, version_3: false }),
                    12.. => Ok(Self::Query { max_response, group, version_3: true }),
                    said => Err(ParseError::BadLength { field: "query", said }),
                }
            }
            REPORT => Ok(records(header, reader.rest()).map_or(Self::Other(REPORT), Self::Report)),
            OLD_REPORT => Ok(Self::OldReport(Ipv4Addr::from_octets(header.rest))),
            LEAVE => Ok(Self::Leave(Ipv4Addr::from_octets(header.rest))),
            kind => Ok(Self::Other(kind)),
        }
    }

    /// Writes a message with its checksum; returns how many bytes that is.
    ///
    /// # Errors
    /// `out` is too short, or there are more records than can be counted.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        match *self {
            Self::Query { max_response, group, version_3 } => {
                let code = u8::try_from(max_response.min(127)).unwrap_or(127);
                writer.put(&IcmpHeader::new(QUERY, code, group.octets()))?;
                writer.bytes(if version_3 { &[0; 4] } else { &[] })?;
            }
            Self::Report(records) => {
                let too_many = NoRoom { needed: records.len(), got: u16::MAX.into() };
                let [high, low] = u16::try_from(records.len()).map_err(|_| too_many)?.to_be_bytes();
                writer.put(&IcmpHeader::new(REPORT, 0, [0, 0, high, low]))?;
                writer.put(records)?;
            }
            Self::OldReport(group) => writer.put(&IcmpHeader::new(OLD_REPORT, 0, group.octets()))?,
            Self::Leave(group) => writer.put(&IcmpHeader::new(LEAVE, 0, group.octets()))?,
            Self::Other(kind) => writer.put(&IcmpHeader::new(kind, 0, [0; 4]))?,
        }
        let length = writer.position();
        let sum = Checksum::new().and(writer.written()).finish();
        if let Some(field) = writer.written().get_mut(2..4) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        Ok(length)
    }
}

/// The records of a report, if none has more than its first 8 bytes.
fn records<'a>(header: &IcmpHeader, body: &'a [u8]) -> Option<&'a [IgmpRecord]> {
    let [_, _, high, low] = header.rest;
    let count = usize::from(u16::from_be_bytes([high, low]));
    let (records, _) = <[IgmpRecord]>::ref_from_prefix_with_elems(body, count).ok()?;
    records.iter().all(|record| record.sources.get() == 0 && record.extra_words == 0).then_some(records)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::{GroupChange, IgmpMessage, IgmpRecord};
    use crate::wire::ParseError;

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

    #[test]
    fn what_was_written_is_read() {
        let records =
            [IgmpRecord::new(GroupChange::Joined, GROUP), IgmpRecord::new(GroupChange::Left, GROUP)];
        for message in [
            IgmpMessage::Query { max_response: 100, group: Ipv4Addr::UNSPECIFIED, version_3: false },
            IgmpMessage::Query { max_response: 10, group: GROUP, version_3: true },
            IgmpMessage::Report(&records),
            IgmpMessage::OldReport(GROUP),
            IgmpMessage::Leave(GROUP),
            IgmpMessage::Other(0x12),
        ] {
            let mut out = [0; 64];
            let length = message.emit(&mut out).unwrap();
            assert_eq!(IgmpMessage::parse(&out[..length]), Ok(message));
            out[4] ^= 1;
            assert_eq!(IgmpMessage::parse(&out[..length]), Err(ParseError::BadChecksum));
        }
        assert_eq!((records[0].change(), records[1].group()), (Some(GroupChange::Joined), GROUP));
    }

    #[test]
    fn a_query_is_of_a_version_by_its_length() {
        let mut out = [0; 12];
        IgmpMessage::Query { max_response: 10, group: GROUP, version_3: true }.emit(&mut out).unwrap();
        assert_eq!(
            IgmpMessage::parse(&out[..10]),
            Err(ParseError::BadLength { field: "query", said: 10 }),
            "RFC 3376, section 7.1"
        );
    }

    #[test]
    fn a_report_that_counts_more_than_it_has_is_other() {
        let mut out = [0; 16];
        IgmpMessage::Report(&[IgmpRecord::new(GroupChange::Listens, GROUP)]).emit(&mut out).unwrap();
        out[7] = 2;
        out[3] -= 1;
        assert_eq!(IgmpMessage::parse(&out), Ok(IgmpMessage::Other(0x22)));
    }
}
