//! The record channel (COM2): what commands print and how they end, apart from the log.
//!
//! One record is `kind: u8`, `length: u32` little-endian, then so many bytes. [`Decoder`] takes the stream in pieces of any
//! size and trusts nothing: the guest may be broken or hostile, so each departure from the format is a [`RecordError`] with
//! the offset at which it stands, and no length is believed before it is checked.

use core::error::Error;
use core::fmt;

/// Longest payload that is accepted, in bytes.
pub const MAX_PAYLOAD: u32 = 1 << 20;

/// Bytes of a record before its payload.
pub const HEADER: usize = 5;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// `O`: bytes that commands printed.
    Output(Vec<u8>),
    /// `S`: one command ended.
    Status {
        /// Its exit status.
        code: u32,
        /// The command as it was typed.
        command: String,
    },
    /// `E`: the run ended.
    End {
        /// Commands executed.
        executed: u32,
    },
}

/// What is wrong with a stream of records. `at` is the offset of the record in the stream, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// A kind that means nothing.
    UnknownKind {
        /// The byte found.
        kind: u8,
        /// Where.
        at: u64,
    },
    /// A payload longer than [`MAX_PAYLOAD`].
    TooLong {
        /// Kind of the record.
        kind: u8,
        /// Length that it claims.
        length: u32,
        /// Where.
        at: u64,
    },
    /// A payload whose length does not fit its kind.
    BadLength {
        /// Kind of the record.
        kind: u8,
        /// Its length.
        length: usize,
        /// Where.
        at: u64,
    },
    /// A command that is not UTF-8.
    NotText {
        /// Where.
        at: u64,
    },
    /// Bytes after the end record.
    AfterEnd {
        /// Where.
        at: u64,
    },
    /// The end record counts other commands than there were statuses.
    WrongCount {
        /// Commands that it claims.
        claimed: u32,
        /// Statuses received.
        received: u32,
    },
    /// The stream ended without an end record.
    CutOff {
        /// Bytes received of the record that was cut; 0 if the cut is between records.
        partial: usize,
        /// Where.
        at: u64,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnknownKind { kind, at } => write!(f, "unknown record kind {kind:#04x} at byte {at}"),
            Self::TooLong { kind, length, at } => {
                write!(
                    f,
                    "record '{}' at byte {at} claims {length} bytes, more than {MAX_PAYLOAD}",
                    char::from(kind)
                )
            }
            Self::BadLength { kind, length, at } => {
                write!(f, "record '{}' at byte {at} has a wrong length of {length} bytes", char::from(kind))
            }
            Self::NotText { at } => write!(f, "the command in the record at byte {at} is not UTF-8"),
            Self::AfterEnd { at } => write!(f, "bytes after the end record, at byte {at}"),
            Self::WrongCount { claimed, received } => {
                write!(f, "the end record counts {claimed} commands, but {received} statuses came")
            }
            Self::CutOff { partial: 0, at } => write!(f, "output cut off after {at} bytes: no end record"),
            Self::CutOff { partial, at } => {
                write!(f, "output cut off in the record at byte {at}, of which {partial} bytes came")
            }
        }
    }
}

impl Error for RecordError {}

/// Turns bytes into records. After an error it is of no further use.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The record under way.
    pending: Vec<u8>,
    /// Offset in the stream at which `pending` begins.
    at: u64,
    statuses: u32,
    ended: bool,
}

impl Decoder {
    /// Takes the next bytes and hands each finished record to `sink`.
    ///
    /// # Errors
    /// The first departure from the format; records before it were handed over.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Record)) -> Result<(), RecordError> {
        while !bytes.is_empty() {
            if self.ended {
                return Err(RecordError::AfterEnd { at: self.at });
            }
            let missing = self.missing()?;
            let (head, tail) = bytes.split_at(missing.min(bytes.len()));
            self.pending.extend_from_slice(head);
            bytes = tail;
            if self.missing()? == 0 {
                sink(self.finish_record()?);
            }
        }
        Ok(())
    }

    /// Closes the stream.
    ///
    /// # Errors
    /// [`RecordError::CutOff`] unless an end record was the last.
    pub fn finish(&self) -> Result<(), RecordError> {
        match self.ended {
            true => Ok(()),
            false => Err(RecordError::CutOff { partial: self.pending.len(), at: self.at }),
        }
    }

    /// Bytes up to the end of the header, or, once that is there, of the record.
    fn missing(&self) -> Result<usize, RecordError> {
        let Some((&[kind, ref length @ ..], payload)) = self.pending.split_first_chunk::<HEADER>() else {
            return Ok(HEADER - self.pending.len());
        };
        let (length, at) = (u32::from_le_bytes(*length), self.at);
        if !matches!(kind, b'O' | b'S' | b'E') {
            return Err(RecordError::UnknownKind { kind, at });
        }
        if length > MAX_PAYLOAD {
            return Err(RecordError::TooLong { kind, length, at });
        }
        Ok((length as usize).saturating_sub(payload.len()))
    }

    fn finish_record(&mut self) -> Result<Record, RecordError> {
        let mut pending = core::mem::take(&mut self.pending);
        let at = self.at;
        self.at += pending.len() as u64;
        let payload = pending.split_off(HEADER);
        match pending.first() {
            Some(b'O') => Ok(Record::Output(payload)),
            Some(b'S') => self.status(payload, at),
            _ => self.end(&payload, at),
        }
    }

    fn status(&mut self, mut payload: Vec<u8>, at: u64) -> Result<Record, RecordError> {
        let Some(&code) = payload.first_chunk() else {
            return Err(RecordError::BadLength { kind: b'S', length: payload.len(), at });
        };
        let command = String::from_utf8(payload.split_off(4)).map_err(|_| RecordError::NotText { at })?;
        self.statuses = self.statuses.saturating_add(1);
        Ok(Record::Status { code: u32::from_le_bytes(code), command })
    }

    fn end(&mut self, payload: &[u8], at: u64) -> Result<Record, RecordError> {
        let claimed = payload.try_into().map_err(|_| RecordError::BadLength {
            kind: b'E',
            length: payload.len(),
            at,
        })?;
        let (claimed, received) = (u32::from_le_bytes(claimed), self.statuses);
        if claimed != received {
            return Err(RecordError::WrongCount { claimed, received });
        }
        self.ended = true;
        Ok(Record::End { executed: claimed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        [&[kind], &length[..], payload].concat()
    }

    fn run() -> Vec<u8> {
        [
            record(b'O', b"total 1\n"),
            record(b'S', b"\0\0\0\0free"),
            record(b'O', b""),
            record(b'S', b"\x07\0\0\0alloc 9"),
            record(b'E', &2u32.to_le_bytes()),
        ]
        .concat()
    }

    fn decode(pieces: &[&[u8]]) -> (Vec<Record>, Result<(), RecordError>) {
        let (mut decoder, mut records) = (Decoder::default(), Vec::new());
        for piece in pieces {
            if let Err(error) = decoder.feed(piece, &mut |record| records.push(record)) {
                return (records, Err(error));
            }
        }
        (records, decoder.finish())
    }

    #[test]
    fn records_come_out_however_the_stream_is_split() {
        let stream = run();
        let (whole, end) = decode(&[&stream]);
        assert_eq!(end, Ok(()));
        assert_eq!(
            whole,
            [
                Record::Output(b"total 1\n".to_vec()),
                Record::Status { code: 0, command: "free".into() },
                Record::Output(Vec::new()),
                Record::Status { code: 7, command: "alloc 9".into() },
                Record::End { executed: 2 },
            ]
        );
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(decode(&[head, tail]), (whole.clone(), Ok(())), "split at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(decode(&bytes), (whole, Ok(())));
    }

    #[test]
    fn cut_anywhere_is_named() {
        let stream = run();
        for at in 0..stream.len() {
            let (_, end) = decode(&[&stream[..at]]);
            let Err(RecordError::CutOff { partial, at: record }) = end else {
                panic!("cut at {at}: {end:?}")
            };
            assert_eq!(record + partial as u64, at as u64);
        }
    }

    #[test]
    fn hostile_records_are_typed_errors() {
        let at = 13;
        let cases = [
            (record(b'X', b""), RecordError::UnknownKind { kind: b'X', at }),
            (b"O\xff\xff\xff\xff".to_vec(), RecordError::TooLong { kind: b'O', length: u32::MAX, at }),
            (record(b'S', b"\0\0\0"), RecordError::BadLength { kind: b'S', length: 3, at }),
            (record(b'S', b"\0\0\0\0\xff"), RecordError::NotText { at }),
            (record(b'E', b"\0\0\0\0\0"), RecordError::BadLength { kind: b'E', length: 5, at }),
            (record(b'E', &1u32.to_le_bytes()), RecordError::WrongCount { claimed: 1, received: 0 }),
        ];
        for (bytes, error) in cases {
            let stream = [record(b'O', b"total 1\n"), bytes].concat();
            assert_eq!(decode(&[&stream]), (vec![Record::Output(b"total 1\n".to_vec())], Err(error)));
        }
    }

    #[test]
    fn nothing_may_follow_the_end() {
        let stream = [run(), vec![b'O']].concat();
        assert_eq!(decode(&[&stream]).1, Err(RecordError::AfterEnd { at: run().len() as u64 }));
    }

    #[test]
    fn bad_kind_is_refused_before_its_payload_comes() {
        assert_eq!(decode(&[b"\0\0\0\0\0"]).1, Err(RecordError::UnknownKind { kind: 0, at: 0 }));
    }
}
