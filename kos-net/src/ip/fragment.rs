//! Packets that go out in pieces: [`Pieces`], and the numbers that tell datagrams apart: [`Identifications`].
//!
//! Source: RFC 791 section 3.2; RFC 8200 section 4.5. Numbers: RFC 7739 section 5.3: a keyed hash of who and to whom, and a counter
//! that goes on by chance, so that nobody learns from his numbers those of others.

use core::hash::{Hash as _, Hasher as _};
use core::net::IpAddr;
use core::ops::Range;

use siphasher::sip::SipHasher24;

use crate::jitter::Jitter;
use crate::wire::{FragmentPlace, IpProtocol};

/// The largest payload of a packet.
const MAX_PAYLOAD: usize = 65_535;

/// The pieces of a payload: the place of each, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// Bytes of a piece that others follow.
    step: usize,
    /// Bytes of the last, at most.
    last: usize,
    next: usize,
    end: usize,
}

impl Pieces {
    /// Cuts `payload` bytes so that each piece with `header` bytes before it is a packet of at most `mtu`. In IPv6 the header of
    /// the fragment belongs to `header`. `None` if not even 8 bytes fit, or the payload is larger than any packet's.
    #[must_use]
    pub const fn new(payload: usize, header: usize, mtu: usize) -> Option<Self> {
        let Some(last) = mtu.checked_sub(header) else { return None };
        let step = last & !7;
        if step == 0 || payload > MAX_PAYLOAD {
            return None;
        }
        Some(Self { step, last, next: 0, end: payload })
    }
}

impl Iterator for Pieces {
    type Item = (FragmentPlace, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.end.checked_sub(self.next).filter(|&left| left > 0)?;
        let more = left > self.last;
        let bytes = self.next..self.next + if more { self.step } else { left };
        let offset = u16::try_from(bytes.start).ok()?;
        self.next = bytes.end;
        Some((FragmentPlace { offset, more }, bytes))
    }
}

/// Numbers for datagrams that are or may be cut. Those of IPv4 take the lower 16 bits.
#[derive(Debug)]
pub struct Identifications {
    key: (u64, u64),
    counters: [u32; COUNTERS],
    jitter: Jitter,
}

const COUNTERS: usize = 32;

impl Identifications {
    /// Numbers that follow from `seed`, which is random and secret.
    #[must_use]
    pub const fn new(seed: [u64; 3]) -> Self {
        let [low, high, jitter] = seed;
        Self { key: (low, high), counters: [0; COUNTERS], jitter: Jitter::new(jitter) }
    }

    /// The next number from `source` to `destination`.
    pub fn next(&mut self, source: IpAddr, destination: IpAddr, protocol: IpProtocol) -> u32 {
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        (source, destination, protocol).hash(&mut hasher);
        let [a, b, c, d, .., last] = hasher.finish().to_be_bytes();
        let start = u32::from_be_bytes([a, b, c, d]);
        let [.., low] = self.jitter.next().to_be_bytes();
        let step = 1 + u32::from(low & 3);
        let Some(counter) = self.counters.get_mut(usize::from(last) % COUNTERS) else { return start };
        *counter = counter.wrapping_add(step);
        start.wrapping_add(*counter)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::{Identifications, Pieces};
    use crate::wire::{FragmentPlace, IpProtocol};

    #[test]
    fn a_payload_that_fits_is_one_piece() {
        let pieces: Vec<_> = Pieces::new(1480, 20, 1500).unwrap().collect();
        assert_eq!(pieces, [(FragmentPlace::WHOLE, 0..1480)]);
        assert_eq!(Pieces::new(1480, 20, 27), None);
        assert_eq!(Pieces::new(1480, 40, 20), None);
        assert_eq!(Pieces::new(65_536, 20, 1500), None);
        assert_eq!(Pieces::new(65_535, 20, 28).unwrap().count(), 8192);
    }

    #[test]
    fn numbers_of_one_flow_differ_and_tell_nothing_of_another() {
        let mut numbers = Identifications::new([1, 2, 3]);
        let (a, b, c) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), [10, 0, 0, 3].into());
        let first: BTreeSet<u32> = (0..1000).map(|_| numbers.next(a, b, IpProtocol::UDP)).collect();
        assert_eq!(first.len(), 1000);
        let near = |number: u32| first.iter().any(|&other| other.abs_diff(number) < 10_000);
        assert!(!near(numbers.next(a, c, IpProtocol::UDP)));
        assert!(!near(Identifications::new([1, 3, 3]).next(a, b, IpProtocol::UDP)));
    }

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn pieces_are_the_payload_and_fit(payload in 1_usize..65_536, header in 20_usize..100, mtu in 128_usize..9001) {
            let mut end = 0;
            let pieces: Vec<_> = Pieces::new(payload, header, mtu).unwrap().collect();
            for (index, (place, bytes)) in pieces.iter().enumerate() {
                prop_assert_eq!((usize::from(place.offset), bytes.start), (end, end));
                prop_assert!(bytes.len() + header <= mtu);
                prop_assert_eq!(place.more, index + 1 < pieces.len());
                prop_assert!(!place.more || bytes.len() % 8 == 0);
                end = bytes.end;
            }
            prop_assert_eq!(end, payload);
        }
    }
}
