//! ICMP for IPv4: [`Icmpv4Message`].
//!
//! Source: RFC 792; RFC 1191 for the MTU in "fragmentation needed". Source quench (RFC 6633) and the other obsolete kinds are
//! [`Other`](Icmpv4Message::Other).

use zerocopy::network_endian::U16;

use super::bytes::{Reader, Writer};
use super::icmp::IcmpHeader;
use super::{Checksum, Echo, NoRoom, ParseError};

/// A message. `quoted` is the start of the packet that it tells about: header and at least 8 bytes, if the sender kept the
/// rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Icmpv4Message<'a> {
    /// Wants its data back.
    EchoRequest(Echo<'a>),
    /// Gives the data back.
    EchoReply(Echo<'a>),
    /// A packet cannot be delivered.
    Unreachable {
        /// Why: 0 network, 1 host, 2 protocol, 3 port, 4 too large and not to be cut, and so on.
        code: u8,
        /// With code 4: the most bytes that pass. 0 from a router that does not say.
        mtu: u16,
        /// Of which packet.
        quoted: &'a [u8],
    },
    /// A packet was under way too long (code 0), or parts of it did not come (1).
    TimeExceeded {
        /// Which.
        code: u8,
        /// Of which packet.
        quoted: &'a [u8],
    },
    /// A header cannot be.
    ParameterProblem {
        /// 0: the pointer tells where.
        code: u8,
        /// At which byte.
        pointer: u8,
        /// Of which packet.
        quoted: &'a [u8],
    },
    /// Anything else.
    Other {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
    },
}

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

/// The code of [`Icmpv4Message::Unreachable`] for a packet that is too large and must not be cut.
pub const FRAGMENTATION_NEEDED: u8 = 4;

impl<'a> Icmpv4Message<'a> {
    /// Reads a message, with its checksum unless `checked` says that the device has looked.
    ///
    /// # Errors
    /// Too short, or a wrong checksum.
    pub fn parse(bytes: &'a [u8], checked: bool) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let header: &IcmpHeader = reader.get()?;
        if !checked && !Checksum::new().and(bytes).is_valid() {
            return Err(ParseError::BadChecksum);
        }
        let (code, rest) = (header.code, reader.rest());
        let [pointer, _, high, low] = header.rest;
        Ok(match header.kind {
            ECHO_REQUEST => Self::EchoRequest(Echo::read(header, rest)),
            ECHO_REPLY => Self::EchoReply(Echo::read(header, rest)),
            UNREACHABLE => Self::Unreachable { code, mtu: u16::from_be_bytes([high, low]), quoted: rest },
            TIME_EXCEEDED => Self::TimeExceeded { code, quoted: rest },
            PARAMETER_PROBLEM => Self::ParameterProblem { code, pointer, quoted: rest },
            kind => Self::Other { kind, code },
        })
    }

    /// Writes a message with its checksum; returns how many bytes that is.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let (mut header, data) = match *self {
            Self::EchoRequest(echo) => (IcmpHeader::new(ECHO_REQUEST, 0, echo.rest()), echo.data),
            Self::EchoReply(echo) => (IcmpHeader::new(ECHO_REPLY, 0, echo.rest()), echo.data),
            Self::Unreachable { code, mtu, quoted } => {
                let [high, low] = mtu.to_be_bytes();
                (IcmpHeader::new(UNREACHABLE, code, [0, 0, high, low]), quoted)
            }
            Self::TimeExceeded { code, quoted } => (IcmpHeader::new(TIME_EXCEEDED, code, [0; 4]), quoted),
            Self::ParameterProblem { code, pointer, quoted } => {
                (IcmpHeader::new(PARAMETER_PROBLEM, code, [pointer, 0, 0, 0]), quoted)
            }
            Self::Other { kind, code } => (IcmpHeader::new(kind, code, [0; 4]), &[][..]),
        };
        let sum = Checksum::new().and(zerocopy::IntoBytes::as_bytes(&header)).and(data);
        header.checksum = U16::new(sum.finish());
        let mut writer = Writer::new(out);
        writer.put(&header)?;
        writer.bytes(data)?;
        Ok(writer.position())
    }

    /// Whether it tells of a fault: such a message is never answered with another (RFC 1122, section 3.2.2).
    #[must_use]
    pub const fn is_error(&self) -> bool {
        const QUENCH: u8 = 4;
        const REDIRECT: u8 = 5;
        match self {
            Self::Unreachable { .. } | Self::TimeExceeded { .. } | Self::ParameterProblem { .. } => true,
            Self::Other { kind, .. } => matches!(*kind, QUENCH | REDIRECT),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FRAGMENTATION_NEEDED, Icmpv4Message};
    use crate::wire::{Echo, NoRoom, ParseError};

    #[test]
    fn what_was_written_is_read() {
        let echo = Echo { identifier: 0x1234, sequence: 5, data: b"ping" };
        let quoted = &[0x45; 28];
        for message in [
            Icmpv4Message::EchoRequest(echo),
            Icmpv4Message::EchoReply(echo),
            Icmpv4Message::Unreachable { code: FRAGMENTATION_NEEDED, mtu: 1400, quoted },
            Icmpv4Message::TimeExceeded { code: 1, quoted },
            Icmpv4Message::ParameterProblem { code: 0, pointer: 20, quoted },
            Icmpv4Message::Other { kind: 13, code: 0 },
        ] {
            let mut out = [0; 64];
            let length = message.emit(&mut out).unwrap();
            assert_eq!(Icmpv4Message::parse(&out[..length], false), Ok(message));
            assert!(message.emit(&mut out[..length - 1]).is_err());
            out[length - 1] ^= 1;
            assert_eq!(Icmpv4Message::parse(&out[..length], false), Err(ParseError::BadChecksum));
            assert!(Icmpv4Message::parse(&out[..length], true).is_ok());
        }
    }

    #[test]
    fn errors_are_not_answered() {
        assert!(Icmpv4Message::Other { kind: 5, code: 0 }.is_error());
        assert!(!Icmpv4Message::Other { kind: 13, code: 0 }.is_error());
        assert!(Icmpv4Message::TimeExceeded { code: 0, quoted: &[] }.is_error());
    }

    #[test]
    fn short_ones_are_refused() {
        assert_eq!(Icmpv4Message::parse(&[8; 7], true), Err(ParseError::Truncated { needed: 8, got: 7 }));
        let message = Icmpv4Message::Other { kind: 13, code: 0 };
        assert_eq!(message.emit(&mut [0; 4]), Err(NoRoom { needed: 8, got: 4 }));
    }
}
