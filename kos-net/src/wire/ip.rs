//! What IPv4 and IPv6 share: [`IpProtocol`], and where a fragment lies.

/// What an IP packet carries; in IPv6, what follows a header (IANA "protocol numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpProtocol(pub u8);

impl IpProtocol {
    /// IPv6: options that every router reads.
    pub const HOP_BY_HOP: Self = Self(0);
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// IGMP.
    pub const IGMP: Self = Self(2);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// IPv6: a route.
    pub const ROUTING: Self = Self(43);
    /// IPv6: a fragment.
    pub const FRAGMENT: Self = Self(44);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// IPv6: nothing follows.
    pub const NO_NEXT: Self = Self(59);
    /// IPv6: options for who gets the packet.
    pub const DESTINATION: Self = Self(60);
}

/// The place of a fragment in its datagram. [`WHOLE`](Self::WHOLE) is one that is not in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentPlace {
    /// Bytes before it; a multiple of 8.
    pub offset: u16,
    /// Whether more follow.
    pub more: bool,
}

impl FragmentPlace {
    /// The whole datagram.
    pub const WHOLE: Self = Self { offset: 0, more: false };

    /// Whether it is all there is.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.offset == 0 && !self.more
    }
}
