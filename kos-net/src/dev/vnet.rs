//! The header that virtio-net and TAP devices put before a frame: [`VnetHeader`].
//!
//! It says of the frame what [`Meta`] says. Source: VIRTIO 1.3 section 5.1.6; `IFF_VNET_HDR` of Linux, numbers in the order of the machine.

use zerocopy::native_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{FrameChecksum, Gso, GsoKind, Meta};

/// The sum is to be completed.
const NEEDS_SUM: u8 = 1;
/// The sum was looked at, and is right.
const SUM_VALID: u8 = 2;

const GSO_TCP_V4: u8 = 1;
const GSO_TCP_V6: u8 = 4;
/// A flag beside the kind: a segment has congestion marks.
const GSO_ECN: u8 = 0x80;

/// Ten bytes before a frame.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct VnetHeader {
    flags: u8,
    gso: u8,
    headers: U16,
    size: U16,
    start: U16,
    offset: U16,
}

impl VnetHeader {
    /// What is to be said of a frame to send.
    #[must_use]
    pub fn of(meta: &Meta) -> Self {
        let mut header = Self::default();
        if let FrameChecksum::Partial { start, offset } = meta.checksum {
            header.flags = NEEDS_SUM;
            (header.start, header.offset) = (U16::new(start), U16::new(offset));
        }
        if let Some(gso) = meta.gso {
            header.gso = match gso.kind {
                GsoKind::TcpV4 => GSO_TCP_V4,
                GsoKind::TcpV6 => GSO_TCP_V6,
            };
            (header.headers, header.size) = (U16::new(gso.headers), U16::new(gso.size));
        }
        header
    }

    /// What it says of a frame that came.
    #[must_use]
    pub fn meta(&self) -> Meta {
        let checksum = match self.flags {
            flags if flags & NEEDS_SUM != 0 => {
                FrameChecksum::Partial { start: self.start.get(), offset: self.offset.get() }
            }
            flags if flags & SUM_VALID != 0 => FrameChecksum::Verified,
            _ => FrameChecksum::Whole,
        };
        let kind = match self.gso & !GSO_ECN {
            GSO_TCP_V4 => Some(GsoKind::TcpV4),
            GSO_TCP_V6 => Some(GsoKind::TcpV6),
            // None; or a kind that was not asked for.
            _ => None,
        };
        let gso = kind.map(|kind| Gso { kind, size: self.size.get(), headers: self.headers.get() });
        Meta { checksum, gso, ..Meta::default() }
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes as _;

    use super::VnetHeader;
    use crate::dev::{FrameChecksum, Gso, GsoKind, Meta};

    #[test]
    fn what_is_said_of_a_frame_comes_back() {
        for kind in [GsoKind::TcpV4, GsoKind::TcpV6] {
            let checksum = FrameChecksum::Partial { start: 34, offset: 16 };
            let meta = Meta { checksum, gso: Some(Gso { kind, size: 1448, headers: 66 }), ..Meta::default() };
            assert_eq!(VnetHeader::of(&meta).meta(), meta);
        }
        let plain = VnetHeader::of(&Meta::default());
        assert_eq!(plain.as_bytes(), [0; 10]);
    }

    #[test]
    fn flags_and_kinds_of_linux_are_understood() {
        let valid = VnetHeader { flags: 2, gso: 0x80, ..VnetHeader::default() };
        assert_eq!(valid.meta().checksum, FrameChecksum::Verified);
        assert_eq!(valid.meta().gso, None);
        assert_eq!(VnetHeader { gso: 0x81, ..valid }.meta().gso.map(|gso| gso.kind), Some(GsoKind::TcpV4));
    }
}
