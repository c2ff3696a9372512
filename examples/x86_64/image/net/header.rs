//! What stands before each frame on the queues: [`Header`].
//!
//! Source: virtio 1.2, 5.1.6 (struct virtio_net_hdr), 5.1.6.2 (sending), 5.1.6.4 (receiving).

use kos_net::dev::{FrameChecksum, GsoKind, Meta};
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_TCP_V4: u8 = 1;
const GSO_TCP_V6: u8 = 4;

/// Work for the device, or what it did.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Header {
    flags: u8,
    gso_kind: u8,
    headers: U16,
    gso_size: U16,
    checksum_start: U16,
    checksum_offset: U16,
    buffers: U16,
}

impl Header {
    /// What the device has to do to a frame before it leaves.
    pub(super) fn to_send(meta: &Meta) -> Self {
        let mut header = Self::default();
        if let FrameChecksum::Partial { start, offset } = meta.checksum {
            header.flags = NEEDS_CHECKSUM;
            header.checksum_start = start.into();
            header.checksum_offset = offset.into();
        }
        if let Some(gso) = meta.gso {
            header.gso_kind = match gso.kind {
                GsoKind::TcpV4 => GSO_TCP_V4,
                GsoKind::TcpV6 => GSO_TCP_V6,
            };
            header.headers = gso.headers.into();
            header.gso_size = gso.size.into();
        }
        header
    }

    /// What the device says of the sum of a frame that came.
    pub(super) fn received(&self) -> FrameChecksum {
        if self.flags & NEEDS_CHECKSUM != 0 {
            let (start, offset) = (self.checksum_start.get(), self.checksum_offset.get());
            FrameChecksum::Partial { start, offset }
        } else if self.flags & DATA_VALID != 0 {
            FrameChecksum::Verified
        } else {
            FrameChecksum::Whole
        }
    }
}
