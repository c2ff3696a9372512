//! How many ICMP errors go out: [`IcmpLimit`].
//!
//! A bucket of tokens for each destination, and one for all. The destinations share a table by a keyed hash, so that nothing is
//! evicted: two that meet share a bucket. An error takes none, one or two tokens of the bucket for all, by chance, so that
//! nobody counts through it what others caused (CVE-2020-25705). A bucket is one number: when it will be full again.
//! Source: RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f).

use core::hash::{Hash as _, Hasher as _};
use core::net::IpAddr;

use siphasher::sip::SipHasher13;

use crate::jitter::Jitter;
use crate::room::Room;
use crate::time::{Duration, Instant, after};

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In this time a token comes.
    pub interval: Duration,
    /// So many tokens are in a full bucket.
    pub burst: u32,
}

/// Of how many errors a second what goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpLimitConfig {
    /// To one destination.
    pub destination: Rate,
    /// To all.
    pub all: Rate,
}

impl IcmpLimitConfig {
    /// To one destination 10 a second and 6 at once, to all 1000 a second and 50 at once.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            destination: Rate { interval: Duration::from_millis(100), burst: 6 },
            all: Rate { interval: Duration::from_millis(1), burst: 50 },
        }
    }
}

impl Default for IcmpLimitConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// A bucket of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// A full bucket.
    pub const FULL: Self = Self { full_at: 0 };

    /// What it is after `tokens` more were taken at `now`, if they are there.
    fn take(self, now: Instant, rate: Rate, tokens: u32) -> Option<Self> {
        let cost = |tokens: u32| rate.interval.saturating_mul(tokens.into());
        let start = Instant::from_ticks(self.full_at).max(now);
        let full_at = after(start, cost(tokens));
        // A full bucket holds `burst`; with nothing taken the next must still be there.
        let least = after(start, cost(tokens.max(1)));
        (least <= after(now, cost(rate.burst))).then_some(Self { full_at: full_at.as_ticks() })
    }
}

/// The buckets.
#[derive(Debug)]
pub struct IcmpLimit<S> {
    buckets: S,
    all: Bucket,
    config: IcmpLimitConfig,
    key: (u64, u64),
    jitter: Jitter,
}

impl<S: Room<Bucket>> IcmpLimit<S> {
    /// Full buckets. `seed` is random: it hides who shares a bucket with whom.
    pub fn new(mut buckets: S, config: IcmpLimitConfig, seed: [u64; 3]) -> Self {
        buckets.as_mut().fill(Bucket::FULL);
        let [low, high, jitter] = seed;
        Self { buckets, all: Bucket::FULL, config, key: (low, high), jitter: Jitter::new(jitter) }
    }

    /// Whether an error to `destination` may go out now; if so it counts.
    pub fn allow(&mut self, now: Instant, destination: IpAddr) -> bool {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        destination.hash(&mut hasher);
        let buckets = self.buckets.as_mut();
        let index =
            hasher.finish().checked_rem(buckets.len() as u64).and_then(|index| usize::try_from(index).ok());
        let Some(bucket) = index.and_then(|index| buckets.get_mut(index)) else { return false };
        let [.., low] = self.jitter.next().to_be_bytes();
        let own = bucket.take(now, self.config.destination, 1);
        let all = self.all.take(now, self.config.all, u32::from(low % 3));
        let (Some(own), Some(all)) = (own, all) else { return false };
        (*bucket, self.all) = (own, all);
        true
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use super::{Bucket, IcmpLimit, IcmpLimitConfig};
    use crate::time::Instant;

    fn limit() -> IcmpLimit<[Bucket; 256]> {
        IcmpLimit::new([Bucket::FULL; 256], IcmpLimitConfig::new(), [1, 2, 3])
    }

    fn at(ms: u64) -> Instant {
        Instant::from_ticks(ms * 1_000_000)
    }

    fn host(host: u32) -> IpAddr {
        Ipv4Addr::from_bits(0xc000_0200 + host).into()
    }

    #[test]
    fn one_destination_gets_six_and_then_ten_a_second() {
        let mut limit = limit();
        let got = |limit: &mut IcmpLimit<_>, now| (0..100).filter(|_| limit.allow(now, host(1))).count();
        assert_eq!(got(&mut limit, at(0)), 6);
        assert_eq!(got(&mut limit, at(99)), 0);
        assert_eq!(got(&mut limit, at(100)), 1);
        assert_eq!(got(&mut limit, at(100_000)), 6, "no more is saved than a bucket holds");
    }

    #[test]
    fn all_together_get_about_a_thousand_a_second() {
        let mut limit = limit();
        let sent = (0..1000_u64).flat_map(|ms| (0..64).map(move |host| (ms, host)));
        let passed = sent.filter(|&(ms, to)| limit.allow(at(ms), host(to * 7))).count();
        assert!((550..1200).contains(&passed), "{passed}");
    }

    /// CVE-2020-25705: whoever fills the bucket for all counts how much of it others used.
    #[test]
    fn what_is_left_for_all_cannot_be_counted() {
        let left = |seed| {
            let mut limit = IcmpLimit::new([Bucket::FULL; 256], IcmpLimitConfig::new(), [1, 2, seed]);
            (0..1000).filter(|&to| limit.allow(at(0), host(to))).count()
        };
        let counts: alloc::collections::BTreeSet<usize> = (0..32).map(left).collect();
        assert!(counts.len() > 8, "{counts:?}");
    }

    #[test]
    fn no_bucket_lets_nothing_out() {
        let mut limit = IcmpLimit::new([Bucket::FULL; 0], IcmpLimitConfig::new(), [1, 2, 3]);
        assert!(!limit.allow(at(0), host(1)));
    }
}
