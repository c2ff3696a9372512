//! What is known of a frame beside its bytes: [`Meta`].

/// What a device or the stack knows of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// How its checksum of TCP, UDP or ICMP stands.
    pub checksum: FrameChecksum,
    /// Set if it stands for several segments of one flow.
    pub gso: Option<Gso>,
    /// The hash that the adapter chose the queue by.
    pub hash: Option<u32>,
    /// When it came or left, in ns of the adapter's own clock.
    pub stamp_ns: Option<u64>,
}

/// How the checksum of the upper layer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameChecksum {
    /// Received: nobody looked. To send: it is complete.
    #[default]
    Whole,
    /// Received: the device looked, and it was right.
    Verified,
    /// Only the pseudo header is summed, into the field itself. To send: the device adds the bytes from `start` to the end and
    /// writes the result at `start + offset`. Received: it came over no wire, so there was nothing to damage it.
    Partial {
        /// The first byte that is summed, counted from the start of the frame.
        start: u16,
        /// Where the field is, counted from `start`.
        offset: u16,
    },
}

/// A frame that stands for several segments: the device cuts it, or put it together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    /// Of which protocol.
    pub kind: GsoKind,
    /// Bytes of data in each segment but the last, which may have fewer.
    pub size: u16,
    /// Bytes before the data: all headers.
    pub headers: u16,
}

/// Which headers precede the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoKind {
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
}
