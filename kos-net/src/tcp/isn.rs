//! Numbers that nobody can guess: [`Secret`].
//!
//! Source: RFC 6528 (initial sequence numbers: a keyed hash of the four addresses and ports, plus a clock of 4 us), RFC 7323
//! section 5.4 (the clock of a pair of addresses starts anywhere, and goes on over its connections).

use core::fmt;
use core::hash::Hasher as _;
use core::net::{IpAddr, SocketAddr};

use siphasher::sip::SipHasher24;

use crate::time::Instant;
use crate::wire::SeqNumber;

/// Nanoseconds of one step of the clock in initial sequence numbers.
const STEP: u64 = 4_000;

/// What a hash is for: the same addresses give unrelated numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Initial sequence numbers.
    Initial = 1,
    /// Offsets of clocks.
    Clock = 2,
    /// The base of SYN cookies.
    Cookie = 3,
    /// The proof in SYN cookies.
    Proof = 4,
    /// Where the record of a SYN lies.
    Record = 5,
}

/// A key from the integrator's entropy.
#[derive(Clone, Copy)]
pub(crate) struct Secret([u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(crate) const fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// The initial sequence number of a connection that begins now.
    pub(crate) fn initial(&self, now: Instant, local: SocketAddr, remote: SocketAddr) -> SeqNumber {
        let clock = low(now.as_ticks() / STEP);
        SeqNumber(self.hash(Purpose::Initial, local, remote, 0)).plus(clock)
    }

    /// What is added to our clock towards `remote`.
    pub(crate) fn clock_offset(&self, local: IpAddr, remote: IpAddr) -> u32 {
        self.hash(Purpose::Clock, (local, 0).into(), (remote, 0).into(), 0)
    }

    /// 32 bits of a keyed hash.
    pub(crate) fn hash(&self, purpose: Purpose, local: SocketAddr, remote: SocketAddr, more: u64) -> u32 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u8(purpose as u8);
        for address in [local, remote] {
            match address.ip() {
                IpAddr::V4(ip) => hasher.write(&ip.octets()),
                IpAddr::V6(ip) => hasher.write(&ip.octets()),
            }
            hasher.write(&address.port().to_be_bytes());
        }
        hasher.write(&more.to_be_bytes());
        low(hasher.finish())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "32 bits of the hash or clock are wanted")]
const fn low(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use core::net::{Ipv4Addr, SocketAddr};

    use super::{STEP, Secret};
    use crate::time::Instant;

    fn at(port: u16) -> SocketAddr {
        (Ipv4Addr::new(192, 0, 2, 1), port).into()
    }

    /// They move with the clock, and with nothing that is visible.
    #[test]
    fn initial_numbers_say_nothing_of_others() {
        let secret = Secret::new([7; 16]);
        let start = Instant::from_ticks(1 << 40);
        let later = Instant::from_ticks((1 << 40) + 1000 * STEP);
        let first = secret.initial(start, at(1), at(2));
        assert_eq!(secret.initial(later, at(1), at(2)).since(first), 1000, "4 us a step");
        let others: BTreeSet<u32> =
            (1..=1000).map(|port| secret.initial(start, at(port), at(80)).0).collect();
        assert_eq!(others.len(), 1000);
        let steps: BTreeSet<u32> = (1..1000)
            .map(|port| {
                secret
                    .initial(start, at(port + 1), at(80))
                    .0
                    .wrapping_sub(secret.initial(start, at(port), at(80)).0)
            })
            .collect();
        assert_eq!(steps.len(), 999, "one number does not tell the next");
        let other = Secret::new([8; 16]);
        assert_ne!(other.initial(start, at(1), at(2)), first);
        assert_ne!(secret.clock_offset(at(1).ip(), at(1).ip()), other.clock_offset(at(1).ip(), at(1).ip()));
    }
}
