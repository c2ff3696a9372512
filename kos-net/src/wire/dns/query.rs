//! Questions: [`emit_query`].

use core::fmt;

use zerocopy::network_endian::U16;

use super::{DnsFlags, DnsHeader, DnsType, MAX_NAME};
use crate::wire::NoRoom;
use crate::wire::bytes::Writer;

const MAX_LABEL: usize = 63;
const INTERNET: u16 = 1;

/// Writes a question for `name`, labels with dots between them and perhaps one behind them; returns how many bytes that is.
/// With `payload` it tells, by EDNS, how large an answer over UDP may be. The case of letters goes out as it is: who answers
/// repeats it, so random case is a secret of its own.
///
/// # Errors
/// No such name, or `out` is too short.
pub fn emit_query(
    identifier: u16,
    name: &[u8],
    kind: DnsType,
    payload: Option<u16>,
    out: &mut [u8],
) -> Result<usize, QueryError> {
    let mut writer = Writer::new(out);
    writer.put(&DnsHeader {
        identifier: U16::new(identifier),
        flags: U16::new(DnsFlags::RECURSION_DESIRED.bits()),
        questions: U16::new(1),
        answers: U16::new(0),
        authorities: U16::new(0),
        additionals: U16::new(payload.is_some().into()),
    })?;
    write_name(name, &mut writer)?;
    writer.put(&[U16::new(kind.0), U16::new(INTERNET)])?;
    if let Some(payload) = payload {
        writer.bytes(&[0])?;
        writer.put(&[U16::new(DnsType::OPT.0), U16::new(payload), U16::new(0), U16::new(0), U16::new(0)])?;
    }
    Ok(writer.position())
}

fn write_name(name: &[u8], writer: &mut Writer<'_>) -> Result<(), QueryError> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.len() > MAX_NAME - 2 {
        return Err(QueryError::NameTooLong { length: name.len() });
    }
    for label in name.split(|&byte| byte == b'.') {
        let length =
            u8::try_from(label.len()).ok().filter(|&length| (1..=MAX_LABEL).contains(&length.into()));
        writer.bytes(&[length.ok_or(QueryError::BadLabel { length: label.len() })?])?;
        writer.bytes(label)?;
    }
    Ok(writer.bytes(&[0])?)
}

/// Why there is no such question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// A name has at most 253 bytes, dots between labels included.
    NameTooLong {
        /// How many it has.
        length: usize,
    },
    /// A label has 1 to 63 bytes.
    BadLabel {
        /// How many it has.
        length: usize,
    },
    /// It does not fit.
    NoRoom(NoRoom),
}

impl From<NoRoom> for QueryError {
    fn from(error: NoRoom) -> Self {
        Self::NoRoom(error)
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTooLong { length } => write!(f, "a name of {length} bytes"),
            Self::BadLabel { length } => write!(f, "a label of {length} bytes"),
            Self::NoRoom(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for QueryError {}
