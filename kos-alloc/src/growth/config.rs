//! How much, and the books for it: [`Config`], [`Storage`].

use super::chunk::Chunk;
use super::error::InitError;

/// Sizes in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Taken at initialisation as one piece, and never given back.
    pub initial: usize,
    /// Taken at a time when the frames at hand do not serve a request; at least 1.
    pub step: usize,
    /// The most that is held at one time.
    pub max: usize,
}

impl Config {
    /// Length of [`Storage::chunks`]: the initial chunk, each step up to the limit, and as many again for the pieces that
    /// are taken where a whole step is not to be had. It may be lent longer or, at the price of fewer pieces, shorter.
    #[must_use]
    pub const fn chunks(&self) -> usize {
        let steps =
            if self.step == 0 { 0 } else { self.max.saturating_sub(self.initial).div_ceil(self.step) };
        1 + 2 * steps
    }

    /// Length of [`Storage::bits`], whatever sizes so many chunks have: a bitmap of more than one word has at most half
    /// as many words of summary.
    #[must_use]
    pub const fn words(&self) -> usize {
        self.max / 32 + 2 * self.chunks()
    }

    pub(super) const fn validate(&self) -> Result<(), InitError> {
        if self.step == 0 || self.initial > self.max { Err(InitError::Config(*self)) } else { Ok(()) }
    }
}

/// The books of one [`Growing`](super::Growing). Their content does not matter.
///
/// ```
/// use kos_alloc::growth::{Chunk, Config, Storage};
///
/// const SIZES: Config = Config { initial: 256, step: 256, max: 2048 };
/// let (mut chunks, mut bits) = ([Chunk::NONE; SIZES.chunks()], [0; SIZES.words()]);
/// let storage = Storage { chunks: &mut chunks, bits: &mut bits };
/// assert!(size_of_val(storage.chunks) + size_of_val(storage.bits) < 1500);
/// ```
#[derive(Debug)]
pub struct Storage<'m> {
    /// One for each chunk.
    pub chunks: &'m mut [Chunk],
    /// One bit for each frame, and summaries.
    pub bits: &'m mut [u64],
}
