//! What was answered: [`Answer`], read out of a message by [`read`].

use core::net::IpAddr;

use heapless::Vec;
use zerocopy::IntoBytes as _;
use zerocopy::network_endian::{U16, U32};

use crate::wire::dns::{DnsCode, DnsData, DnsMessage, DnsName, DnsRecord, DnsType};

/// The most bytes of the records of an answer; those that do not fit are left out.
pub const MAX_ANSWER: usize = 512;
/// How many names may stand for each other.
const MAX_ALIASES: usize = 8;
const INTERNET: u16 = 1;
/// A header, and a question for the root.
const HEAD: [u8; 17] = [0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const DAY: u32 = 86_400;

/// The records that answer, kept as a message in which no name points to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    bytes: Vec<u8, MAX_ANSWER>,
    /// For how many seconds it holds, 1 to a day.
    pub ttl: u32,
}

impl Answer {
    /// The records of the kind that was asked for; each is owned by the root, for the name is known.
    pub fn records(&self) -> impl Iterator<Item = DnsRecord<'_>> {
        DnsMessage::parse(&self.bytes)
            .into_iter()
            .flat_map(|message| message.records().filter_map(Result::ok))
    }

    /// The addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.records().filter_map(|record| match record.data {
            DnsData::A(address) => Some(address.into()),
            DnsData::Aaaa(address) => Some(address.into()),
            _ => None,
        })
    }

    fn new() -> Self {
        Self { bytes: Vec::from_slice(&HEAD).unwrap_or_default(), ttl: DAY }
    }

    /// Appends a record, if it fits.
    fn push(&mut self, record: &DnsRecord<'_>) {
        let before = self.bytes.len();
        if self.write(record).is_none() {
            self.bytes.truncate(before);
            return;
        }
        self.ttl = self.ttl.min(record.ttl.max(1));
        if let Some(count) = self.bytes.get_mut(7) {
            *count = count.saturating_add(1);
        }
    }

    fn write(&mut self, record: &DnsRecord<'_>) -> Option<()> {
        self.put(&[0])?;
        self.put([U16::new(record.kind.0), U16::new(INTERNET)].as_bytes())?;
        self.put(U32::new(record.ttl).as_bytes())?;
        let length = self.bytes.len();
        self.put(&[0, 0])?;
        match record.data {
            DnsData::A(address) => self.put(&address.octets())?,
            DnsData::Aaaa(address) => self.put(&address.octets())?,
            DnsData::Cname(name) | DnsData::Ptr(name) => self.put_name(name)?,
            DnsData::Srv { priority, weight, port, target } => {
                self.put([priority, weight, port].map(U16::new).as_bytes())?;
                self.put_name(target)?;
            }
            DnsData::Txt(data) | DnsData::Other(data) => self.put(data)?,
            _ => return None,
        }
        let written = u16::try_from(self.bytes.len() - length - 2).ok()?;
        self.bytes.get_mut(length..length + 2)?.copy_from_slice(&written.to_be_bytes());
        Some(())
    }

    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.extend_from_slice(bytes).ok()
    }

    fn put_name(&mut self, name: DnsName<'_>) -> Option<()> {
        for label in name.labels() {
            self.put(&[u8::try_from(label.len()).ok()?])?;
            self.put(label)?;
        }
        self.put(&[0])
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put it on")]
pub(super) enum Said {
    /// There are such records.
    Found(Answer),
    /// There are none, and for so many seconds there will be none; `None` if the zone does not say.
    Nothing { no_such_name: bool, ttl: Option<u32> },
    /// Another server may know more.
    Failed(DnsCode),
}

/// Whether records of `zone` may be about `name`: it ends in it.
fn is_below(name: DnsName<'_>, zone: DnsName<'_>) -> bool {
    let (labels, of_zone) = (name.labels().count(), zone.labels().count());
    let Some(skipped) = labels.checked_sub(of_zone) else { return false };
    name.labels().skip(skipped).zip(zone.labels()).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// What `message` says about its question. Malformed records end the reading.
pub(super) fn read(message: &DnsMessage<'_>) -> Said {
    let code = message.header.code();
    let Ok((asked, kind, _)) = message.question() else { return Said::Failed(code) };
    if code != DnsCode::NO_ERROR && code != DnsCode::NO_SUCH_NAME {
        return Said::Failed(code);
    }
    let records = || message.answers().map_while(Result::ok).filter(|record| record.class == INTERNET);
    let (mut name, mut answer) = (asked, Answer::new());
    for _ in 0..MAX_ALIASES {
        for record in records().filter(|record| record.kind == kind && record.name == name) {
            answer.push(&record);
        }
        if answer.records().next().is_some() {
            answer.ttl = answer.ttl.clamp(1, DAY);
            return Said::Found(answer);
        }
        let alias = records().filter(|record| record.name == name).find_map(|record| match record.data {
            DnsData::Cname(to) => Some((to, record.ttl)),
            _ => None,
        });
        let Some((to, ttl)) = alias else { break };
        answer.ttl = answer.ttl.min(ttl.max(1));
        name = to;
    }
    let soa = message.records().map_while(Result::ok).find_map(|record| match record.data {
        DnsData::Soa { minimum } if is_below(name, record.name) => {
            Some(minimum.min(record.ttl).clamp(1, DAY))
        }
        _ => None,
    });
    Said::Nothing { no_such_name: code == DnsCode::NO_SUCH_NAME, ttl: soa }
}

/// Whether `kind` is one that can be asked for.
pub(super) const fn is_known(kind: DnsType) -> bool {
    matches!(kind, DnsType::A | DnsType::AAAA | DnsType::CNAME | DnsType::PTR | DnsType::SRV | DnsType::TXT)
}
