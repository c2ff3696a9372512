//! Words of a line.

use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

/// Why a line is no call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// A quote without its other one.
    Unclosed,
    /// `\x` without two hexadecimal digits, or a `\` at the end.
    Escape,
    /// No such call.
    Unknown(String),
    /// A call with too few or too many arguments, or one that means nothing.
    Argument {
        /// Which call.
        call: String,
        /// Which argument, from 1.
        index: usize,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => f.write_str("a quote is not closed"),
            Self::Escape => f.write_str("a backslash needs a character, or x and two hexadecimal digits"),
            Self::Unknown(call) => write!(f, "no call {call}"),
            Self::Argument { call, index } => write!(f, "{call}: argument {index}"),
        }
    }
}

impl Error for ParseError {}

/// Splits a line: blanks separate, `'…'` is literal, `"…"` and `\` as in a shell, `\xNN` is a byte, `#` begins a comment.
pub(super) fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut rest = line.iter().copied();
    while let Some(byte) = rest.next() {
        match (byte, quote) {
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (_, Some(open)) if byte == open => quote = None,
            (b'\\', None | Some(b'"')) => {
                let byte = escaped(&mut rest).ok_or(ParseError::Escape)?;
                word.get_or_insert_default().push(byte);
            }
            (b' ' | b'\t' | b'\r', None) => words.extend(word.take()),
            (b'#', None) if word.is_none() => break,
            _ => word.get_or_insert_default().push(byte),
        }
    }
    if quote.is_some() {
        return Err(ParseError::Unclosed);
    }
    words.extend(word);
    Ok(words)
}

fn escaped(rest: &mut impl Iterator<Item = u8>) -> Option<u8> {
    match rest.next()? {
        b'x' => {
            let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
            u8::try_from(digit()? * 16 + digit()?).ok()
        }
        b'n' => Some(b'\n'),
        byte => Some(byte),
    }
}
