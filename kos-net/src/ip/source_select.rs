//! Which of an interface's addresses a packet goes out from: [`select`].
//!
//! Source: RFC 6724 section 5, rules 1, 2, 3, 5, 6 and 8. A host is strong: only addresses of the interface that the packet leaves by
//! are candidates (rule 5 before all others), and none that is still tentative. Home and temporary addresses (4, 7) are not known.

use core::cmp::Reverse;
use core::net::{IpAddr, Ipv6Addr};

use super::Prefix;
use super::prefix::bits;

/// An address of the outgoing interface that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// It.
    pub address: IpAddr,
    /// How many of its bits are those of its network.
    pub prefix_length: u8,
    /// Whether it is not to be used for anything new.
    pub deprecated: bool,
}

/// The best source for `destination`; of equal ones the first. `None` if there is none of its family.
pub fn select(candidates: impl IntoIterator<Item = Candidate>, destination: IpAddr) -> Option<IpAddr> {
    let mut best = None;
    for candidate in candidates {
        if candidate.address.is_ipv4() != destination.is_ipv4() {
            continue;
        }
        let merit = merit(&candidate, destination);
        if best.is_none_or(|(_, least)| merit > least) {
            best = Some((candidate.address, merit));
        }
    }
    best.map(|(address, _)| address)
}

/// By rule: the same address, an appropriate scope, not deprecated, the same label, the longest prefix in common.
type Merit = (bool, (bool, Reverse<u8>, u8), bool, bool, u32);

fn merit(candidate: &Candidate, destination: IpAddr) -> Merit {
    let (own, wanted) = (scope(candidate.address), scope(destination));
    let enough = own >= wanted;
    let scope = if enough { (true, Reverse(own), 0) } else { (false, Reverse(0), own) };
    let common = (bits(candidate.address) ^ bits(destination)).leading_zeros();
    (
        candidate.address == destination,
        scope,
        !candidate.deprecated,
        label(candidate.address) == label(destination),
        common.min(candidate.prefix_length.into()),
    )
}

/// How far an address reaches (section 3.1), as groups count it: 2 a link, 5 a site, 14 the world.
const fn scope(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) if address.is_link_local() || address.is_loopback() => 2,
        IpAddr::V4(_) => 14,
        IpAddr::V6(address) => match address.octets() {
            [0xff, scope, ..] => scope & 15,
            [0xfe, second, ..] if second & 0xc0 == 0x80 => 2,
            [0xfe, second, ..] if second & 0xc0 == 0xc0 => 5,
            _ if address.is_loopback() => 2,
            _ => 14,
        },
    }
}

/// The default policy table (section 2.1), longest prefixes first.
const LABELS: [(Ipv6Addr, u8, u8); 8] = [
    (Ipv6Addr::LOCALHOST, 128, 0),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 4),
    (Ipv6Addr::UNSPECIFIED, 96, 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 13),
];

fn label(address: IpAddr) -> u8 {
    let covers = |&&(network, length, _): &&(Ipv6Addr, u8, u8)| {
        Prefix::new(network.into(), length).is_some_and(|prefix| prefix.contains(address))
    };
    LABELS.iter().find(covers).map_or(1, |&(_, _, label)| label)
}

#[cfg(test)]
mod tests {
    use super::{Candidate, select};

    fn chosen(sources: &[&str], destination: &str) -> String {
        let candidate = |source: &&str| {
            let (address, deprecated) = match source.strip_suffix('!') {
                Some(address) => (address, true),
                None => (*source, false),
            };
            Candidate { address: address.parse().unwrap(), prefix_length: 64, deprecated }
        };
        select(sources.iter().map(candidate), destination.parse().unwrap())
            .map_or_else(String::new, |address| address.to_string())
    }

    use alloc::string::{String, ToString as _};

    /// RFC 6724, section 10.1, where the rules are ours.
    #[test]
    fn the_examples_of_the_rfc_come_out() {
        for (sources, destination, wanted) in [
            (&["2001:db8:3::1", "fe80::1"][..], "2001:db8:1::1", "2001:db8:3::1"),
            (&["2001:db8:3::1", "fe80::1"], "ff05::1", "2001:db8:3::1"),
            (&["2001:db8:1::1!", "2001:db8:2::1"], "2001:db8:1::1", "2001:db8:1::1"),
            (&["fe80::1!", "2001:db8:1::1"], "fe80::2", "fe80::1"),
            (&["2001:db8:1::2", "2001:db8:3::2"], "2001:db8:1::1", "2001:db8:1::2"),
            (&["2002:c633:6401::d5e3:7953:13eb:22e8", "2001:db8:1::2"], "2001:db8:1::1", "2001:db8:1::2"),
            (&["2001:db8:1::2!", "2001:db8:1::3"], "2001:db8:9::1", "2001:db8:1::3"),
            (&["fe80::1"], "2001:db8::1", "fe80::1"),
            (&["fd00::1", "2001:db8::1"], "fd00:1::1", "fd00::1"),
            (&["192.0.2.1", "2001:db8::1"], "198.51.100.1", "192.0.2.1"),
            (&["169.254.1.1", "192.0.2.1"], "198.51.100.1", "192.0.2.1"),
            (&["169.254.1.1", "192.0.2.1"], "169.254.9.9", "169.254.1.1"),
            (&["192.0.2.1"], "2001:db8::1", ""),
        ] {
            assert_eq!(chosen(sources, destination), wanted, "{sources:?} to {destination}");
        }
    }
}
