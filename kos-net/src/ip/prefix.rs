//! Networks: [`Prefix`].

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// The bits of an address, from the highest on.
pub(crate) const fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => (address.to_bits() as u128) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// How many bits an address of that family has.
pub(crate) const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

const fn first(bits: u128) -> [u8; 4] {
    let [a, b, c, d, ..] = bits.to_be_bytes();
    [a, b, c, d]
}

const fn mask(length: u8) -> u128 {
    match u128::MAX.checked_shl(128 - length as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

impl Prefix {
    /// The network of `address` whose `length` first bits count; `None` if it has not that many.
    #[must_use]
    pub const fn new(address: IpAddr, length: u8) -> Option<Self> {
        if length > width(address) {
            return None;
        }
        let bits = bits(address) & mask(length);
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_octets(first(bits))),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        };
        Some(Self { address, length })
    }

    /// That address alone.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { address, length: width(address) }
    }

    /// Its first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits its addresses share.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether `address` is in it.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && bits(address) & mask(self.length) == bits(self.address)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }

    /// Whether `address` is the broadcast address of this network, which has one if it is IPv4 and has more than two addresses.
    #[must_use]
    pub const fn is_broadcast(&self, address: IpAddr) -> bool {
        self.length < 31
            && self.address.is_ipv4()
            && self.contains(address)
            && bits(address) >> 96 == (bits(self.address) | !mask(self.length)) >> 96
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::Prefix;

    fn prefix(address: &str, length: u8) -> Prefix {
        Prefix::new(address.parse().unwrap(), length).unwrap()
    }

    #[test]
    fn bits_behind_the_length_do_not_count() {
        let net = prefix("192.0.2.77", 24);
        assert_eq!(net.to_string(), "192.0.2.0/24");
        assert!(net.contains("192.0.2.255".parse().unwrap()) && !net.contains("192.0.3.0".parse().unwrap()));
        assert!(!prefix("0.0.0.0", 0).contains("::".parse().unwrap()));
        assert!(prefix("::", 0).covers(&prefix("2001:db8::", 32)));
        assert!(!prefix("2001:db8::", 64).covers(&prefix("2001:db8::", 32)));
        assert_eq!(Prefix::new("192.0.2.1".parse().unwrap(), 33), None);
        assert_eq!(prefix("::1", 128), Prefix::host("::1".parse().unwrap()));
    }

    #[test]
    fn a_network_of_more_than_two_has_a_broadcast_address() {
        let is = |net: Prefix, address: &str| net.is_broadcast(address.parse().unwrap());
        assert!(is(prefix("192.0.2.0", 24), "192.0.2.255") && !is(prefix("192.0.2.0", 24), "192.0.2.254"));
        assert!(is(prefix("192.0.2.4", 30), "192.0.2.7") && !is(prefix("192.0.2.4", 30), "192.0.2.255"));
        assert!(!is(prefix("192.0.2.4", 31), "192.0.2.5") && !is(prefix("192.0.2.4", 32), "192.0.2.4"));
        assert!(!is(prefix("2001:db8::", 120), "2001:db8::ff"));
    }
}
