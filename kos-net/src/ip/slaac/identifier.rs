//! The lower half of an address: [`IdentifierKey`], stable in a network, different in each (RFC 7217).

use core::hash::Hasher as _;
use core::net::Ipv6Addr;

use siphasher::sip::SipHasher24;

use crate::ip::Prefix;
use crate::ip::prefix::bits;
use crate::wire::MacAddr;

/// From what an interface's identifiers follow.
#[derive(Clone, Copy)]
pub struct IdentifierKey {
    /// Random, secret, kept over restarts: the addresses stay the same as long as it does.
    pub secret: [u64; 2],
    /// What tells the host's interfaces apart.
    pub interface: MacAddr,
}

impl core::fmt::Debug for IdentifierKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "IdentifierKey({}, ..)", self.interface)
    }
}

impl IdentifierKey {
    /// The address in `prefix`, of which 64 bits count, after `conflicts` addresses there were another's.
    pub(super) fn address(&self, prefix: &Prefix, conflicts: u8) -> Ipv6Addr {
        let network = bits(prefix.address()) >> 64 << 64;
        // A reserved identifier comes up once in 2^40 times; twice in a row does not.
        let first = self.identifier(network, conflicts, 0);
        let identifier = if is_reserved(first) { self.identifier(network, conflicts, 1) } else { first };
        Ipv6Addr::from_bits(network | u128::from(identifier))
    }

    fn identifier(&self, network: u128, conflicts: u8, attempt: u8) -> u64 {
        let [low, high] = self.secret;
        let mut hasher = SipHasher24::new_with_keys(low, high);
        hasher.write(&network.to_be_bytes());
        hasher.write(&self.interface.0);
        hasher.write(&[conflicts, attempt]);
        hasher.finish()
    }
}

/// RFC 5453: routers of a subnet, proxies, other anycast addresses.
const fn is_reserved(identifier: u64) -> bool {
    identifier == 0 || identifier >> 24 == 0x02_005e_fffe || identifier >> 7 == 0xfdff_ffff_ffff_ff80 >> 7
}

#[cfg(test)]
mod tests {
    use super::{IdentifierKey, is_reserved};
    use crate::ip::Prefix;
    use crate::wire::MacAddr;

    #[test]
    fn an_identifier_is_stable_and_tells_nothing() {
        let key = IdentifierKey { secret: [1, 2], interface: MacAddr([2, 0, 0, 0, 0, 1]) };
        let home = Prefix::new("2001:db8:1::".parse().unwrap(), 64).unwrap();
        let away = Prefix::new("2001:db8:2::".parse().unwrap(), 64).unwrap();
        let low = |address: core::net::Ipv6Addr| address.to_bits() << 64;
        assert_eq!(key.address(&home, 0), key.address(&home, 0));
        assert!(home.contains(key.address(&home, 0).into()));
        assert_ne!(low(key.address(&home, 0)), low(key.address(&away, 0)));
        assert_ne!(key.address(&home, 0), key.address(&home, 1));
        assert_ne!(key.address(&home, 0), IdentifierKey { secret: [1, 3], ..key }.address(&home, 0));
        let other = IdentifierKey { interface: MacAddr([2, 0, 0, 0, 0, 2]), ..key };
        assert_ne!(key.address(&home, 0), other.address(&home, 0));
    }

    #[test]
    fn identifiers_of_others_are_reserved() {
        for reserved in
            [0, 0x0200_5eff_fe00_0000, 0x0200_5eff_feff_ffff, 0xfdff_ffff_ffff_ff80, 0xfdff_ffff_ffff_ffff]
        {
            assert!(is_reserved(reserved), "{reserved:x}");
        }
        for free in [1, 0x0200_5eff_fdff_ffff, 0x0200_5eff_ff00_0000, 0xfdff_ffff_ffff_ff7f, u64::MAX] {
            assert!(!is_reserved(free), "{free:x}");
        }
    }
}
