//! The record channel (COM2): what a run says to the program that started it, byte for byte, apart from the log.
//!
//! One record is `kind: u8`, `length: u32` little-endian, then so many bytes. A stream without an [`Kind::End`] was cut off.

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
