//! Why bytes are not what they should be: [`ParseError`]; and why they do not fit: [`NoRoom`].

use core::fmt;

/// Bytes that are not the format that was asked for. They came from outside: the packet is dropped, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// They end too early.
    Truncated {
        /// How many bytes there must be at least.
        needed: usize,
        /// How many there are.
        got: usize,
    },
    /// A length field that contradicts its neighbours or the bytes that are there.
    BadLength {
        /// Which.
        field: &'static str,
        /// What it says.
        said: usize,
    },
    /// A field that has another value than the format fixes, or one that means nothing.
    BadValue {
        /// Which.
        field: &'static str,
        /// What it holds.
        found: u32,
    },
    /// The sum over the bytes is wrong.
    BadChecksum,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, got } => write!(f, "{got} bytes where {needed} are needed"),
            Self::BadLength { field, said } => write!(f, "length {said} of {field} cannot be"),
            Self::BadValue { field, found } => write!(f, "{found:#x} as {field} cannot be"),
            Self::BadChecksum => f.write_str("wrong checksum"),
        }
    }
}

impl core::error::Error for ParseError {}

/// What is to be written is longer than the room for it. Part of it may have been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// How many bytes there must be at least.
    pub needed: usize,
    /// How many there are.
    pub got: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room for {} bytes where {} are needed", self.got, self.needed)
    }
}

impl core::error::Error for NoRoom {}
