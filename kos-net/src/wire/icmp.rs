//! What ICMPv4 and ICMPv6 share: the first 8 bytes, [`IcmpHeader`], and [`Echo`].

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The first 8 bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct IcmpHeader {
    pub(super) kind: u8,
    pub(super) code: u8,
    pub(super) checksum: U16,
    /// What it means depends on the kind.
    pub(super) rest: [u8; 4],
}

impl IcmpHeader {
    pub(super) const fn new(kind: u8, code: u8, rest: [u8; 4]) -> Self {
        Self { kind, code, checksum: U16::new(0), rest }
    }

    pub(super) const fn number(&self) -> u32 {
        u32::from_be_bytes(self.rest)
    }
}

/// A request that wants its data back, or the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Tells the requests of one sender from those of others.
    pub identifier: u16,
    /// Tells the requests of one sender apart.
    pub sequence: u16,
    /// What comes back.
    pub data: &'a [u8],
}

impl<'a> Echo<'a> {
    pub(super) const fn read(header: &IcmpHeader, data: &'a [u8]) -> Self {
        let [a, b, c, d] = header.rest;
        Self { identifier: u16::from_be_bytes([a, b]), sequence: u16::from_be_bytes([c, d]), data }
    }

    pub(super) const fn rest(&self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.identifier.to_be_bytes(), self.sequence.to_be_bytes());
        [a, b, c, d]
    }
}
