//! Messages that go out: [`DhcpWriter`].

use super::{DhcpCode, DhcpHeader, DhcpKind};
use crate::wire::NoRoom;
use crate::wire::bytes::Writer;

/// Bytes of a message without options.
pub(super) const FIXED: usize = size_of::<DhcpHeader>();
/// The least that a relay must carry (RFC 1542, section 2.1).
pub(super) const SHORTEST: usize = 300;

/// Writes a message, option by option.
#[derive(Debug)]
pub struct DhcpWriter<'a> {
    writer: Writer<'a>,
}

impl<'a> DhcpWriter<'a> {
    /// Begins a message.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn new(out: &'a mut [u8], header: &DhcpHeader, kind: DhcpKind) -> Result<Self, NoRoom> {
        let mut message = Self { writer: Writer::new(out) };
        message.writer.put(header)?;
        message.option(DhcpCode::MESSAGE, &[kind as u8])?;
        Ok(message)
    }

    /// Adds an option; one of more than 255 bytes goes in pieces (RFC 3396).
    ///
    /// # Errors
    /// There is no room.
    pub fn option(&mut self, code: DhcpCode, data: &[u8]) -> Result<(), NoRoom> {
        let mut rest = data;
        loop {
            let (piece, later) = rest.split_at(rest.len().min(255));
            let length = u8::try_from(piece.len()).unwrap_or(u8::MAX);
            self.writer.bytes(&[code.0, length])?;
            self.writer.bytes(piece)?;
            rest = later;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ends the message and fills it up to what relays carry; returns how many bytes it has.
    ///
    /// # Errors
    /// There is no room.
    pub fn finish(mut self) -> Result<usize, NoRoom> {
        self.writer.bytes(&[DhcpCode::END.0])?;
        let missing = SHORTEST.saturating_sub(self.writer.position());
        const ZEROES: [u8; SHORTEST - FIXED] = [0; SHORTEST - FIXED];
        self.writer.bytes(ZEROES.get(..missing).unwrap_or(&ZEROES))?;
        Ok(self.writer.position())
    }
}
