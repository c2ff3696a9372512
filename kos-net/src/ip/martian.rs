//! Addresses that no packet from a link can have.
//!
//! Source: RFC 1122 section 3.2.1.3, RFC 1812 section 5.3.7, RFC 4291 section 2.5, RFC 6890.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether nobody can have sent that: many, nobody, this host itself (unless the packet came over `loopback`), or an IPv4 address
/// in IPv6. Who asks whether an address is free (RFC 4862, section 5.4) does so from the unspecified one: that is to be let
/// through before. The broadcast address of a network is told by [`Prefix::is_broadcast`](super::Prefix::is_broadcast).
#[must_use]
pub fn is_martian_source(source: IpAddr, loopback: bool) -> bool {
    match source {
        IpAddr::V4(source) => is_never_v4(source, loopback) || source.is_multicast(),
        IpAddr::V6(source) => is_never_v6(source, loopback) || source.is_multicast(),
    }
}

/// Whether nobody can be meant by that: as [`is_martian_source`], but many can.
#[must_use]
pub fn is_martian_destination(destination: IpAddr, loopback: bool) -> bool {
    match destination {
        IpAddr::V4(Ipv4Addr::BROADCAST) => false,
        IpAddr::V4(destination) => is_never_v4(destination, loopback),
        IpAddr::V6(destination) => is_never_v6(destination, loopback) || is_within_host(destination),
    }
}

fn is_never_v4(address: Ipv4Addr, loopback: bool) -> bool {
    let [first, ..] = address.octets();
    first == 0 || first >= 240 || (address.is_loopback() && !loopback)
}

fn is_never_v6(address: Ipv6Addr, loopback: bool) -> bool {
    let mapped = address.to_ipv4_mapped().is_some();
    address.is_unspecified() || mapped || (address.is_loopback() && !loopback)
}

/// Groups whose scope is no link: reserved, or one interface.
const fn is_within_host(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 0xff && second & 15 < 2
}

#[cfg(test)]
mod tests {
    use super::{is_martian_destination, is_martian_source};

    fn source(address: &str) -> bool {
        is_martian_source(address.parse().unwrap(), false)
    }

    /// smoltcp#867: a SYN from nobody made a connection to nobody.
    #[test]
    fn syn_from_unspecified_address_dropped() {
        assert!(source("0.0.0.0") && source("::"));
        assert!(source("0.1.2.3"), "this network");
    }

    #[test]
    fn sources_that_cannot_be_are_martians() {
        for martian in
            ["127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "ff02::1", "::ffff:1.2.3.4"]
        {
            assert!(source(martian), "{martian}");
        }
        for host in ["192.0.2.1", "10.0.0.1", "169.254.0.1", "fe80::1", "2001:db8::1", "fd00::1"] {
            assert!(!source(host), "{host}");
        }
        assert!(!is_martian_source("127.0.0.1".parse().unwrap(), true));
        assert!(!is_martian_source("::1".parse().unwrap(), true));
    }

    #[test]
    fn many_can_be_meant() {
        let destination = |address: &str| is_martian_destination(address.parse().unwrap(), false);
        for meant in ["255.255.255.255", "224.0.0.1", "192.0.2.1", "ff02::1", "2001:db8::1"] {
            assert!(!destination(meant), "{meant}");
        }
        for martian in ["0.0.0.0", "127.0.0.1", "240.0.0.1", "::", "::1", "ff01::1", "ff00::1"] {
            assert!(destination(martian), "{martian}");
        }
    }
}
