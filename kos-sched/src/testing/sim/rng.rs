//! [`Rng`]: splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). Eight bytes, so that each
//! task has its own and draws the same numbers whatever the scheduler does.

/// A stream of numbers that is the same for the same seed.
#[derive(Clone, Copy, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of `seed` that belongs to number `of`: streams of one seed have nothing in common that a test would see.
    #[must_use]
    pub fn split(seed: u64, of: u64) -> Self {
        Self(Self(seed ^ of.wrapping_mul(0xd6e8_feb8_6659_fd93)).next_u64())
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A number from `low` to `high`, both included; `low` if they are the wrong way round.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        let width = u128::from(high.saturating_sub(low)) + 1;
        let scaled = (u128::from(self.next_u64()) * width) >> 64;
        low.saturating_add(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// A number from 0 to `count` - 1, to index with; 0 for none.
    pub fn index(&mut self, count: usize) -> usize {
        let drawn = self.range(0, (count as u64).saturating_sub(1));
        usize::try_from(drawn).unwrap_or(0)
    }

    /// True `numerator` times of `denominator`.
    pub fn chance(&mut self, numerator: u32, denominator: u32) -> bool {
        self.range(1, denominator.into()) <= numerator.into()
    }
}
