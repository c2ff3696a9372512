//! Random delays: [`Jitter`].
//!
//! They keep hosts from speaking all at once; nobody gains by guessing one. What must not be guessed (ports, sequence numbers,
//! identifiers) takes its bytes from the integrator's entropy instead. Source: Steele, Lea, Flood, "Fast splittable pseudorandom
//! number generators" (2014).

use crate::time::Duration;

/// A source of delays, as good as its seed is different from that of the host next door.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A delay below `limit`; no delay if that is zero.
    pub(crate) const fn below(&mut self, limit: Duration) -> Duration {
        let Some(ticks) = self.next().checked_rem(limit.as_ticks()) else { return Duration::ZERO };
        Duration::from_ticks(ticks)
    }

    /// Between half of `middle` and one and a half of it (RFC 4861, section 10).
    pub(crate) const fn around(&mut self, middle: Duration) -> Duration {
        Duration::from_ticks(middle.as_ticks() / 2).saturating_add(self.below(middle))
    }
}

#[cfg(test)]
mod tests {
    use super::Jitter;
    use crate::time::Duration;

    #[test]
    fn delays_stay_in_their_bounds_and_differ() {
        let mut jitter = Jitter::new(7);
        let middle = Duration::from_secs(30);
        let delays: alloc::vec::Vec<Duration> = (0..100).map(|_| jitter.around(middle)).collect();
        assert!(
            delays.iter().all(|&delay| delay >= Duration::from_secs(15) && delay < Duration::from_secs(45))
        );
        assert!(delays.iter().any(|&delay| delay < Duration::from_secs(20)));
        assert!(delays.iter().any(|&delay| delay > Duration::from_secs(40)));
        assert_eq!(jitter.below(Duration::ZERO), Duration::ZERO);
        assert!(jitter.around(Duration::MAX) >= Duration::from_ticks(u64::MAX / 2));
    }
}
