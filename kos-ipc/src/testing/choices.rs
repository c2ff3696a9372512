//! What a model is to do next, from a seed or from a fuzzer: [`Choices`].

use super::Rng;

/// Numbers that say what to do: so many of a seed, or those of a fuzzer's bytes.
#[derive(Clone, Debug)]
pub struct Choices<'a>(Source<'a>);

#[derive(Clone, Debug)]
enum Source<'a> {
    Random(Rng, u64),
    Bytes(&'a [u8]),
}

impl<'a> Choices<'a> {
    /// `count` steps of the sequence of `seed`.
    #[must_use]
    pub const fn random(seed: u64, count: u64) -> Self {
        Self(Source::Random(Rng::new(seed), count))
    }

    /// Until `data` is used up.
    #[must_use]
    pub const fn bytes(data: &'a [u8]) -> Self {
        Self(Source::Bytes(data))
    }

    /// Whether there is another step. Of bytes those that it uses count; of a seed, how often this is asked.
    pub const fn more(&mut self) -> bool {
        match &mut self.0 {
            Source::Random(_, left) => {
                let more = *left > 0;
                *left = left.saturating_sub(1);
                more
            }
            Source::Bytes(bytes) => !bytes.is_empty(),
        }
    }

    /// A number below `bound`; 0 if that is 0, or if there are no more bytes.
    pub fn below(&mut self, bound: usize) -> usize {
        let word = match &mut self.0 {
            Source::Random(rng, _) => return rng.below(bound),
            Source::Bytes(bytes) if bound <= 256 => take(bytes, 1),
            Source::Bytes(bytes) => take(bytes, 2),
        };
        word.checked_rem(bound).unwrap_or(0)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Any word.
    pub fn word(&mut self) -> u64 {
        match &mut self.0 {
            Source::Random(rng, _) => rng.next(),
            Source::Bytes(bytes) => take(bytes, 8) as u64,
        }
    }
}

fn take(bytes: &mut &[u8], count: usize) -> usize {
    let (now, rest) = bytes.split_at(count.min(bytes.len()));
    *bytes = rest;
    now.iter().fold(0, |word, &byte| word << 8 | usize::from(byte))
}
