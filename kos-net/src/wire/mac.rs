//! Addresses of the link: [`MacAddr`].

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The address of a network adapter (IEEE 802).
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// All adapters.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it means several adapters, all of them included.
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether it can belong to one adapter.
    #[must_use]
    pub const fn is_unicast(self) -> bool {
        !self.is_multicast() && !matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// Where a group's packets go (RFC 1112, section 6.4).
    #[must_use]
    pub const fn of_group_v4(group: Ipv4Addr) -> Self {
        let [_, a, b, c] = group.octets();
        Self([0x01, 0x00, 0x5e, a & 0x7f, b, c])
    }

    /// Where a group's packets go (RFC 2464, section 7).
    #[must_use]
    pub const fn of_group_v6(group: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = group.octets();
        Self([0x33, 0x33, a, b, c, d])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::MacAddr;

    #[test]
    fn groups_map_as_the_rfcs_say() {
        assert_eq!(
            MacAddr::of_group_v4([239, 255, 0, 1].into()),
            MacAddr([0x01, 0x00, 0x5e, 0x7f, 0x00, 0x01])
        );
        let group = "ff02::1:ff28:9c5a".parse().unwrap();
        assert_eq!(MacAddr::of_group_v6(group).to_string(), "33:33:ff:28:9c:5a");
    }

    #[test]
    fn one_adapter_is_neither_nobody_nor_many() {
        assert!(MacAddr([2, 0, 0, 0, 0, 1]).is_unicast());
        assert!(!MacAddr::default().is_unicast() && !MacAddr::BROADCAST.is_unicast());
        assert!(MacAddr::BROADCAST.is_multicast());
    }
}
