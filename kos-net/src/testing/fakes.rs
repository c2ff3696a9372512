//! Ports that tests drive: [`SeededEntropy`].

use crate::ports::{Entropy, EntropyError};
use crate::testing::Dice;

/// Bytes that a seed foresees, or none at all.
#[derive(Clone, Debug)]
pub struct SeededEntropy {
    dice: Dice,
    fails: bool,
}

impl SeededEntropy {
    /// The same bytes for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), fails: false }
    }

    /// No bytes.
    #[must_use]
    pub const fn failing() -> Self {
        Self { dice: Dice::new(0), fails: true }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        if self.fails {
            return Err(EntropyError);
        }
        for chunk in out.chunks_mut(8) {
            let random = self.dice.roll().to_ne_bytes();
            let (here, _) = random.split_at(chunk.len());
            chunk.copy_from_slice(here);
        }
        Ok(())
    }
}
