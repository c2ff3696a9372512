//! Names in messages: [`DnsName`].

use core::fmt;

use crate::wire::ParseError;
use crate::wire::bytes::Reader;

/// The most bytes of a name, with the lengths of its labels and the empty one at its end.
pub const MAX_NAME: usize = 255;

/// A name in a message. It was read once, to its end.
#[derive(Clone, Copy)]
pub struct DnsName<'a> {
    message: &'a [u8],
    at: usize,
}

/// What stands where a label may begin.
enum Step<'a> {
    End,
    Label(&'a [u8]),
    Pointer(usize),
}

/// Reads what stands at `at`; returns it with the place behind it.
fn step(message: &[u8], at: usize) -> Result<(Step<'_>, usize), ParseError> {
    let mut reader = Reader::new(message.get(at..).unwrap_or_default());
    let first = reader.byte()?;
    let found = match first >> 6 {
        0 if first == 0 => Step::End,
        0 => Step::Label(reader.take(first.into())?),
        3 => Step::Pointer(usize::from(u16::from_be_bytes([first & 0x3f, reader.byte()?]))),
        _ => return Err(ParseError::BadValue { field: "label", found: first.into() }),
    };
    Ok((found, at + reader.position()))
}

impl<'a> DnsName<'a> {
    /// Reads the name that begins at `at`; returns it with the place behind it.
    pub(super) fn read(message: &'a [u8], at: usize) -> Result<(Self, usize), ParseError> {
        let (mut next, mut began, mut behind, mut length) = (at, at, None, 1);
        loop {
            let (found, after) = step(message, next)?;
            match found {
                Step::End => return Ok((Self { message, at }, behind.unwrap_or(after))),
                Step::Label(label) => {
                    length += label.len() + 1;
                    if length > MAX_NAME {
                        return Err(ParseError::BadLength { field: "name", said: length });
                    }
                    next = after;
                }
                Step::Pointer(to) if to < began => {
                    behind = behind.or(Some(after));
                    (next, began) = (to, to);
                }
                Step::Pointer(to) => {
                    let found = u32::try_from(to).unwrap_or(u32::MAX);
                    return Err(ParseError::BadValue { field: "pointer", found });
                }
            }
        }
    }

    /// Its labels, without the empty one at the end.
    pub fn labels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (message, mut at) = (self.message, self.at);
        core::iter::from_fn(move || {
            loop {
                let (found, after) = step(message, at).ok()?;
                match found {
                    Step::End => return None,
                    Step::Label(label) => {
                        at = after;
                        return Some(label);
                    }
                    Step::Pointer(to) => at = to,
                }
            }
        })
    }

    /// Whether it is `text`, labels with dots between them and perhaps one behind them, in whatever case.
    #[must_use]
    pub fn is(&self, text: &[u8]) -> bool {
        let text = text.strip_suffix(b".").unwrap_or(text);
        let mut wanted = text.split(|&byte| byte == b'.').filter(|_| !text.is_empty());
        let mut labels = self.labels();
        loop {
            match (labels.next(), wanted.next()) {
                (None, None) => return true,
                (Some(label), Some(wanted)) if label.eq_ignore_ascii_case(wanted) => {}
                _ => return false,
            }
        }
    }
}

impl PartialEq for DnsName<'_> {
    /// In whatever case.
    fn eq(&self, other: &Self) -> bool {
        let mut others = other.labels();
        self.labels().all(|label| others.next().is_some_and(|other| other.eq_ignore_ascii_case(label)))
            && others.next().is_none()
    }
}

impl Eq for DnsName<'_> {}

impl fmt::Display for DnsName<'_> {
    /// As in a zone file: what is no letter, digit, `-` or `_` is written as `\DDD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.labels().enumerate() {
            f.write_str(if index > 0 { "." } else { "" })?;
            for &byte in label {
                match byte {
                    b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                        write!(f, "{}", char::from(byte))?;
                    }
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DnsName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
