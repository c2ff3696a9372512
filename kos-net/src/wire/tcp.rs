//! TCP segments: [`TcpHeader`], [`TcpFlags`], [`TcpSegment`].
//!
//! Source: RFC 9293 section 3.1.

use core::net::IpAddr;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bytes::Reader;
use super::{Checksum, IpProtocol, ParseError, SeqNumber};

const HEADER: usize = size_of::<TcpHeader>();

bitflags::bitflags! {
    /// The flags of a segment.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TcpFlags: u16 {
        /// The sender sends no more.
        const FIN = 1 << 0;
        /// The sequence number is the first.
        const SYN = 1 << 1;
        /// There is no such connection any more.
        const RST = 1 << 2;
        /// What came is to be handed on at once.
        const PSH = 1 << 3;
        /// The acknowledgement counts.
        const ACK = 1 << 4;
        /// The urgent pointer counts.
        const URG = 1 << 5;
        /// Congestion was experienced (RFC 3168).
        const ECE = 1 << 6;
        /// The congestion window was reduced (RFC 3168).
        const CWR = 1 << 7;
        /// Accurate ECN (RFC 9768).
        const AE = 1 << 8;
    }
}

/// The first 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TcpHeader {
    /// The sender's port.
    pub source: U16,
    /// The receiver's port.
    pub destination: U16,
    sequence: U32,
    acknowledgement: U32,
    /// Bytes of header and options in words of four (4 bits), reserved (3), flags (9).
    offset_flags: U16,
    /// How many bytes the sender takes, before scaling.
    pub window: U16,
    checksum: U16,
    /// Where urgent data end, counted from the sequence number.
    pub urgent: U16,
}

/// What goes into a [`TcpHeader`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFields {
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// The place of the first byte, or of SYN.
    pub sequence: SeqNumber,
    /// The place of the next byte that is wanted, with [`TcpFlags::ACK`].
    pub acknowledgement: SeqNumber,
    /// The flags.
    pub flags: TcpFlags,
    /// How many bytes the sender takes, before scaling.
    pub window: u16,
}

impl TcpHeader {
    /// A header without its checksum, before `options` bytes of options, which are a multiple of 4 up to 40.
    #[must_use]
    pub fn new(fields: &TcpFields, options: usize) -> Self {
        let words = u16::try_from(HEADER.saturating_add(options) / 4).map_or(15, |words| words.min(15));
        Self {
            source: U16::new(fields.source),
            destination: U16::new(fields.destination),
            sequence: U32::new(fields.sequence.0),
            acknowledgement: U32::new(fields.acknowledgement.0),
            offset_flags: U16::new(words << 12 | fields.flags.bits()),
            window: U16::new(fields.window),
            checksum: U16::new(0),
            urgent: U16::new(0),
        }
    }

    /// The header with its checksum: `rest` is options and data.
    #[must_use]
    pub fn seal(mut self, from: IpAddr, to: IpAddr, rest: &[u8]) -> Self {
        self.checksum = U16::new(0);
        // A segment fits in a packet, or its packet does not fit: the length is checked where that is made.
        let length = u32::try_from(HEADER + rest.len()).unwrap_or(u32::MAX);
        let sum = Checksum::of_pseudo_header(from, to, IpProtocol::TCP, length);
        self.checksum = U16::new(sum.and(self.as_bytes()).and(rest).finish());
        self
    }

    /// Bytes of header and options, as the header says.
    #[must_use]
    pub const fn length(&self) -> usize {
        (self.offset_flags.get() >> 12) as usize * 4
    }

    /// The flags.
    #[must_use]
    pub const fn flags(&self) -> TcpFlags {
        TcpFlags::from_bits_truncate(self.offset_flags.get())
    }

    /// The place of the first byte, or of SYN.
    #[must_use]
    pub const fn sequence(&self) -> SeqNumber {
        SeqNumber(self.sequence.get())
    }

    /// The place of the next byte that is wanted, if [`TcpFlags::ACK`] is there.
    #[must_use]
    pub const fn acknowledgement(&self) -> SeqNumber {
        SeqNumber(self.acknowledgement.get())
    }
}

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment<'a> {
    /// Its fixed part.
    pub header: &'a TcpHeader,
    /// Its options, for [`TcpOptions::parse`](super::TcpOptions::parse).
    pub options: &'a [u8],
    /// Its data.
    pub data: &'a [u8],
}

impl<'a> TcpSegment<'a> {
    /// Reads a segment, which is a whole payload of IP from `from` to `to`, with its checksum unless `checked` says that the
    /// device has looked.
    ///
    /// # Errors
    /// Too short, a length that cannot be, port 0, or a wrong checksum.
    pub fn parse(bytes: &'a [u8], from: IpAddr, to: IpAddr, checked: bool) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let header: &TcpHeader = reader.get()?;
        let length = header.length();
        let options =
            length.checked_sub(HEADER).ok_or(ParseError::BadLength { field: "header", said: length })?;
        let options = reader.take(options)?;
        for (field, port) in [("source port", header.source), ("destination port", header.destination)] {
            if port.get() == 0 {
                return Err(ParseError::BadValue { field, found: 0 });
            }
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let sum = || Checksum::of_pseudo_header(from, to, IpProtocol::TCP, length).and(bytes);
        if !checked && !sum().is_valid() {
            return Err(ParseError::BadChecksum);
        }
        Ok(Self { header, options, data: reader.rest() })
    }

    /// How much of the sequence it takes: its data, and one for each of SYN and FIN.
    #[must_use]
    pub fn sequence_length(&self) -> u32 {
        let flags = self.header.flags();
        let controls = u32::from(flags.contains(TcpFlags::SYN)) + u32::from(flags.contains(TcpFlags::FIN));
        u32::try_from(self.data.len()).unwrap_or(u32::MAX).saturating_add(controls)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::{IpAddr, Ipv4Addr};

    use zerocopy::IntoBytes as _;

    use super::{TcpFields, TcpFlags, TcpHeader, TcpSegment};
    use crate::wire::{ParseError, SeqNumber};

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const TO: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    const FIELDS: TcpFields = TcpFields {
        source: 40_000,
        destination: 80,
        sequence: SeqNumber(u32::MAX),
        acknowledgement: SeqNumber(7),
        flags: TcpFlags::ACK.union(TcpFlags::FIN),
        window: 512,
    };

    fn segment(options: &[u8], data: &[u8]) -> Vec<u8> {
        let rest = [options, data].concat();
        let header = TcpHeader::new(&FIELDS, options.len()).seal(FROM, TO, &rest);
        [header.as_bytes(), &rest].concat()
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = segment(&[1, 1, 1, 0], b"data");
        let read = TcpSegment::parse(&bytes, FROM, TO, false).unwrap();
        assert_eq!((read.options, read.data), (&[1, 1, 1, 0][..], &b"data"[..]));
        assert_eq!(
            (read.header.sequence(), read.header.acknowledgement()),
            (SeqNumber(u32::MAX), SeqNumber(7))
        );
        assert_eq!((read.header.flags(), read.header.window.get()), (FIELDS.flags, 512));
        assert_eq!(read.sequence_length(), 5, "the FIN counts");
        let mut bad = bytes;
        bad[20] ^= 1;
        assert_eq!(TcpSegment::parse(&bad, FROM, TO, false), Err(ParseError::BadChecksum));
        assert!(TcpSegment::parse(&bad, FROM, TO, true).is_ok(), "the device has looked");
    }

    #[test]
    fn headers_that_cannot_be_are_refused() {
        let good = segment(&[], b"");
        for (at, value, error) in [
            (12, 0x40, ParseError::BadLength { field: "header", said: 16 }),
            (12, 0x60, ParseError::Truncated { needed: 24, got: 20 }),
            (3, 0, ParseError::BadValue { field: "destination port", found: 0 }),
        ] {
            let mut bytes = good.clone();
            bytes[at] = value;
            assert_eq!(TcpSegment::parse(&bytes, FROM, TO, false), Err(error));
        }
        assert_eq!(
            TcpSegment::parse(&good[..19], FROM, TO, false),
            Err(ParseError::Truncated { needed: 20, got: 19 })
        );
    }
}
