//! Chance that a seed foresees: [`Dice`].
//!
//! Source: SplitMix64; Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.

/// The same throws for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31).checked_rem(bound).unwrap_or(0)
    }

    /// True in `millionths` of all cases.
    pub(crate) fn happens(&mut self, millionths: u32) -> bool {
        self.below(1_000_000) < millionths.into()
    }
}
