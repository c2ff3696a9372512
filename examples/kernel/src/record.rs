//! The record channel (COM2): what a run says to the program that started it, byte for byte, apart from the log.
//!
//! One record is `kind: u8`, `length: u32` little-endian, then so many bytes. A stream without an [`Kind::End`] was cut off.

use crate::platform::Platform;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Output bytes of commands.
    Output = b'O',
    /// One command ended: its status as `u32` little-endian, then the text of the command.
    Status = b'S',
    /// The run ended: the number of commands executed as `u32` little-endian.
    End = b'E',
}

/// Bytes of a record before its payload.
pub const HEADER_BYTES: usize = 5;

/// The header of a record with `length` bytes of payload.
#[must_use]
pub const fn header(kind: Kind, length: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = length.to_le_bytes();
    [kind as u8, a, b, c, d]
}

/// Writes one record whose payload is `parts` in a row.
pub(crate) fn write<P: Platform>(platform: &P, kind: Kind, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // The payloads are commands and buffers of this kernel: far below 4 GiB.
    let Ok(length) = u32::try_from(length) else { return };
    platform.write_record(&header(kind, length));
    for part in parts {
        platform.write_record(part);
    }
}
