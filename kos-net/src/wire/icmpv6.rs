//! ICMP for IPv6: [`Icmpv6Message`]. Neighbour discovery is in [`ndp`](super::ndp), group membership in [`mld`](super::mld).
//!
//! Source: RFC 4443.

use core::net::Ipv6Addr;

use super::bytes::{Reader, Writer};
use super::icmp::IcmpHeader;
use super::mld::MldMessage;
use super::ndp::NdpMessage;
use super::{Checksum, Echo, IpProtocol, NoRoom, ParseError, Problem};

/// A message. `quoted` is as much of the packet that it tells about as fits in 1280 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Icmpv6Message<'a> {
    /// A packet cannot be delivered.
    Unreachable {
        /// Why: 0 no route, 1 forbidden, 3 address, 4 port, and so on.
        code: u8,
        /// Of which packet.
        quoted: &'a [u8],
    },
    /// A packet is too large for a link.
    TooBig {
        /// The most bytes that pass.
        mtu: u32,
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
        /// What is wrong, as [`Problem`] numbers it.
        code: u8,
        /// At which byte.
        pointer: u32,
        /// Of which packet.
        quoted: &'a [u8],
    },
    /// Wants its data back.
    EchoRequest(Echo<'a>),
    /// Gives the data back.
    EchoReply(Echo<'a>),
    /// Neighbour discovery.
    Ndp(NdpMessage<'a>),
    /// Group membership.
    Mld(MldMessage<'a>),
    /// Anything else: an error if `kind` is below 128.
    Other {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
        /// What it says.
        body: &'a [u8],
    },
}

const UNREACHABLE: u8 = 1;
const TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
const PARAMETER_PROBLEM: u8 = 4;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

impl<'a> Icmpv6Message<'a> {
    /// Reads a message that came from `from` to `to`, with its checksum unless `checked` says that the device has looked.
    ///
    /// # Errors
    /// Too short, a wrong checksum, or what cannot be in a message of neighbour discovery or group membership.
    pub fn parse(bytes: &'a [u8], from: Ipv6Addr, to: Ipv6Addr, checked: bool) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let header: &IcmpHeader = reader.get()?;
        if !checked && !sum(from, to, bytes.len()).and(bytes).is_valid() {
            return Err(ParseError::BadChecksum);
        }
        let (code, rest) = (header.code, reader.rest());
        Ok(match header.kind {
            UNREACHABLE => Self::Unreachable { code, quoted: rest },
            TOO_BIG => Self::TooBig { mtu: header.number(), quoted: rest },
            TIME_EXCEEDED => Self::TimeExceeded { code, quoted: rest },
            PARAMETER_PROBLEM => Self::ParameterProblem { code, pointer: header.number(), quoted: rest },
            ECHO_REQUEST => Self::EchoRequest(Echo::read(header, rest)),
            ECHO_REPLY => Self::EchoReply(Echo::read(header, rest)),
            kind => match (NdpMessage::read(header, rest)?, MldMessage::read(header, rest)?) {
                (Some(message), _) => Self::Ndp(message),
                (None, Some(message)) => Self::Mld(message),
                (None, None) => Self::Other { kind, code, body: rest },
            },
        })
    }

    /// Writes a message with its checksum for a packet from `from` to `to`; returns how many bytes that is.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn emit(&self, from: Ipv6Addr, to: Ipv6Addr, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        match *self {
            Self::Ndp(message) => message.write(&mut writer)?,
            Self::Mld(message) => message.write(&mut writer)?,
            _ => self.write(&mut writer)?,
        }
        let length = writer.position();
        let sum = sum(from, to, length).and(writer.written()).finish();
        if let Some(field) = writer.written().get_mut(2..4) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        Ok(length)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        let (header, data) = match *self {
            Self::Unreachable { code, quoted } => (IcmpHeader::new(UNREACHABLE, code, [0; 4]), quoted),
            Self::TooBig { mtu, quoted } => (IcmpHeader::new(TOO_BIG, 0, mtu.to_be_bytes()), quoted),
            Self::TimeExceeded { code, quoted } => (IcmpHeader::new(TIME_EXCEEDED, code, [0; 4]), quoted),
            Self::ParameterProblem { code, pointer, quoted } => {
                (IcmpHeader::new(PARAMETER_PROBLEM, code, pointer.to_be_bytes()), quoted)
            }
            Self::EchoRequest(echo) => (IcmpHeader::new(ECHO_REQUEST, 0, echo.rest()), echo.data),
            Self::EchoReply(echo) => (IcmpHeader::new(ECHO_REPLY, 0, echo.rest()), echo.data),
            Self::Other { kind, code, body } => (IcmpHeader::new(kind, code, [0; 4]), body),
            Self::Ndp(_) | Self::Mld(_) => return Ok(()),
        };
        writer.put(&header)?;
        writer.bytes(data)
    }

    /// Whether it tells of a fault: such a message is never answered with another (RFC 4443, section 2.4).
    #[must_use]
    pub const fn is_error(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TooBig { .. }
            | Self::TimeExceeded { .. }
            | Self::ParameterProblem { .. } => true,
            Self::Other { kind, .. } => *kind < 128,
            _ => false,
        }
    }

    /// The answer to a packet that starts with `quoted`, of which a header is wrong.
    #[must_use]
    pub const fn problem(kind: Problem, pointer: u32, quoted: &'a [u8]) -> Self {
        Self::ParameterProblem { code: kind as u8, pointer, quoted }
    }
}

fn sum(from: Ipv6Addr, to: Ipv6Addr, length: usize) -> Checksum {
    // What is longer than a packet does not come in one.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    Checksum::of_pseudo_header(from.into(), to.into(), IpProtocol::ICMPV6, length)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::Icmpv6Message;
    use crate::wire::{Echo, ParseError, Problem};

    #[test]
    fn what_was_written_is_read() {
        let (from, to) = (Ipv6Addr::LOCALHOST, "ff02::1".parse().unwrap());
        let echo = Echo { identifier: 0x1234, sequence: 5, data: b"ping" };
        let quoted = &[0x60; 48];
        for message in [
            Icmpv6Message::Unreachable { code: 4, quoted },
            Icmpv6Message::TooBig { mtu: 1400, quoted },
            Icmpv6Message::TimeExceeded { code: 0, quoted },
            Icmpv6Message::problem(Problem::Option, 42, quoted),
            Icmpv6Message::EchoRequest(echo),
            Icmpv6Message::EchoReply(echo),
            Icmpv6Message::Other { kind: 200, code: 1, body: b"body" },
        ] {
            let mut out = [0; 64];
            let length = message.emit(from, to, &mut out).unwrap();
            assert_eq!(Icmpv6Message::parse(&out[..length], from, to, false), Ok(message));
            assert_eq!(
                Icmpv6Message::parse(&out[..length], from, from, false),
                Err(ParseError::BadChecksum),
                "the addresses are in the sum"
            );
            assert!(message.emit(from, to, &mut out[..length - 1]).is_err());
        }
        assert!(Icmpv6Message::Other { kind: 127, code: 0, body: &[] }.is_error());
        assert!(!Icmpv6Message::EchoRequest(echo).is_error());
    }
}
