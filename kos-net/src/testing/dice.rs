//! Chance that a seed foresees: [`Dice`] (SplitMix64: Steele, Lea, Flood 2014).

/// The same throws for the same seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Throws that `seed` foresees.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`; 0 if that is 0.
    pub const fn below(&mut self, limit: u64) -> u64 {
        let roll = self.roll();
        match roll.checked_rem(limit) {
            Some(value) => value,
            None => 0,
        }
    }

    /// True in `millionths` of all cases.
    pub const fn happens(&mut self, millionths: u32) -> bool {
        self.below(1_000_000) < millionths as u64
    }
}
