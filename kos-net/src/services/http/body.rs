//! How long a body is: [`Framing`]; and where it is in the bytes: [`Body`].

use super::response::Status;

/// Longest line of a chunk's size, extensions included.
const MAX_LINE: u16 = 256;
/// Most bytes of trailers, which are skipped.
const MAX_TRAILERS: u16 = 8192;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Pieces, each behind its length.
    Chunked,
    /// Only of responses: until the connection ends.
    UntilClose,
}

/// A number of bytes: digits and nothing else.
pub(super) fn length(value: &[u8]) -> Result<u64, Status> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Status::BAD_REQUEST);
    }
    value
        .iter()
        .try_fold(0_u64, |sum, &digit| sum.checked_mul(10)?.checked_add(u64::from(digit & 15)))
        .ok_or(Status::CONTENT_TOO_LARGE)
}

/// Where in a body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In so many bytes of data, behind which the body ends, or the chunk.
    Data(u64),
    /// In the line with the size of a chunk: what was read of it.
    Size {
        size: u64,
        digits: u8,
        length: u16,
        in_extension: bool,
        cr: bool,
    },
    /// Behind the data of a chunk.
    DataEnd {
        cr: bool,
    },
    /// In the trailers: how many bytes were read, of the line and of all; whether the last was CR.
    Trailers {
        line: u16,
        all: u16,
        cr: bool,
    },
    UntilClose,
    End,
}

const SIZE: At = At::Size { size: 0, digits: 0, length: 0, in_extension: false, cr: false };

/// What stands in the next bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// So many bytes of framing, to be skipped.
    Skip(usize),
    /// So many bytes of data.
    Data(usize),
    /// The body ended before these bytes.
    End,
}

/// A body that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    at: At,
    chunked: bool,
    /// How many more bytes of data are taken.
    left: u64,
}

impl Body {
    /// # Errors
    /// It is longer than `limit`.
    pub(super) const fn new(framing: Framing, limit: u64) -> Result<Self, Status> {
        let at = match framing {
            Framing::None => At::End,
            Framing::Length(length) if length > limit => return Err(Status::CONTENT_TOO_LARGE),
            Framing::Length(0) => At::End,
            Framing::Length(length) => At::Data(length),
            Framing::Chunked => SIZE,
            Framing::UntilClose => At::UntilClose,
        };
        Ok(Self { at, chunked: matches!(framing, Framing::Chunked), left: limit })
    }

    pub(super) fn is_over(&self) -> bool {
        self.at == At::End
    }

    /// Whether the end of the connection is the end of the body.
    pub(super) fn may_close(&self) -> bool {
        matches!(self.at, At::End | At::UntilClose)
    }

    /// What `input`, which is not empty, begins with.
    ///
    /// # Errors
    /// The framing is broken, or the body too long.
    pub(super) fn next(&mut self, input: &[u8]) -> Result<Piece, Status> {
        match self.at {
            At::End => Ok(Piece::End),
            At::UntilClose => Ok(Piece::Data(input.len())),
            At::Data(length) => {
                let count = input.len().min(usize::try_from(length).unwrap_or(usize::MAX));
                let rest = length.saturating_sub(count as u64);
                self.at = match rest {
                    0 if self.chunked => At::DataEnd { cr: false },
                    0 => At::End,
                    rest => At::Data(rest),
                };
                Ok(Piece::Data(count))
            }
            _ => {
                for (index, &byte) in input.iter().enumerate() {
                    self.at = self.after(byte)?;
                    if matches!(self.at, At::Data(_) | At::End) {
                        return Ok(Piece::Skip(index + 1));
                    }
                }
                Ok(Piece::Skip(input.len()))
            }
        }
    }

    /// Where the byte behind `byte` stands, which is one of framing.
    fn after(&mut self, byte: u8) -> Result<At, Status> {
        match (self.at, byte) {
            (At::Size { size, digits, length, in_extension, cr }, _) => {
                self.in_size((size, digits, length), in_extension, cr, byte)
            }
            (At::DataEnd { cr: false }, b'\r') => Ok(At::DataEnd { cr: true }),
            (At::DataEnd { cr: true }, b'\n') => Ok(SIZE),
            (At::Trailers { line: 0, cr: true, .. }, b'\n') => Ok(At::End),
            (At::Trailers { all, cr: true, .. }, b'\n') => Ok(At::Trailers { line: 0, all, cr: false }),
            (At::Trailers { line, all, cr: false }, b'\r') => Ok(At::Trailers { line, all, cr: true }),
            (At::Trailers { cr: false, all, .. }, byte) if byte != b'\n' && all < MAX_TRAILERS => {
                Ok(At::Trailers { line: 1, all: all + 1, cr: false })
            }
            _ => Err(Status::BAD_REQUEST),
        }
    }

    fn in_size(
        &mut self,
        so_far: (u64, u8, u16),
        in_extension: bool,
        cr: bool,
        byte: u8,
    ) -> Result<At, Status> {
        let (size, digits, length) = so_far;
        if cr {
            return if byte == b'\n' { self.chunk(size) } else { Err(Status::BAD_REQUEST) };
        }
        let (read, length) = (digits > 0, length + 1);
        if length > MAX_LINE {
            return Err(Status::BAD_REQUEST);
        }
        let digit = char::from(byte).to_digit(16).filter(|_| !in_extension && digits < 16);
        match (digit, byte) {
            (Some(digit), _) => Ok(At::Size {
                size: size << 4 | u64::from(digit),
                digits: digits + 1,
                length,
                in_extension,
                cr,
            }),
            (None, b'\r') if read => Ok(At::Size { size, digits, length, in_extension, cr: true }),
            (None, b';') if read => Ok(At::Size { size, digits, length, in_extension: true, cr }),
            (None, b' '..=b'~' | b'\t') if in_extension => {
                Ok(At::Size { size, digits, length, in_extension, cr })
            }
            _ => Err(Status::BAD_REQUEST),
        }
    }

    fn chunk(&mut self, size: u64) -> Result<At, Status> {
        self.left = self.left.checked_sub(size).ok_or(Status::CONTENT_TOO_LARGE)?;
        Ok(if size == 0 { At::Trailers { line: 0, all: 0, cr: false } } else { At::Data(size) })
    }
}
