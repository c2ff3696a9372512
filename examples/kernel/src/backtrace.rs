//! The chain of frame pointers: who called whom.
//!
//! A function compiled with frame pointers keeps, at `[rbp]`, its caller's `rbp` and, at `[rbp + 8]`, the address it returns
//! to. The chain of a broken kernel, or of any program, may lead anywhere, so each step is checked: the pointer is aligned and lies
//! in a stack, the next one lies above it, and there are at most [`MAX_DEPTH`] of them.

use core::ops::Range;

/// The most calls that are reported.
pub const MAX_DEPTH: usize = 32;

/// Reads one aligned word of a stack.
pub trait StackMemory {
    /// The stack around `address`, if it lies in one.
    fn stack(&self, address: u64) -> Option<Range<u64>>;
    /// The word at `address`, which is aligned and lies wholly in a stack; [`None`]: it cannot be read.
    fn word(&self, address: u64) -> Option<u64>;
}

/// The return addresses, innermost first.
#[derive(Debug)]
pub struct Backtrace<'s, S> {
    memory: &'s S,
    frame: u64,
    stack: Range<u64>,
    left: usize,
}

impl<'s, S: StackMemory> Backtrace<'s, S> {
    /// Starts at the frame pointer `rbp`.
    #[must_use]
    pub fn new(memory: &'s S, rbp: u64) -> Self {
        Self { memory, frame: rbp, stack: memory.stack(rbp).unwrap_or(0..0), left: MAX_DEPTH }
    }

    /// Whether both words of the frame lie in the stack.
    fn plausible(&self) -> bool {
        let fits = self.frame.checked_add(16).is_some_and(|end| end <= self.stack.end);
        fits && self.frame >= self.stack.start && self.frame.is_multiple_of(8)
    }
}

impl<S: StackMemory> Iterator for Backtrace<'_, S> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.left == 0 || !self.plausible() {
            return None;
        }
        let caller = self.memory.word(self.frame)?;
        let returns_to = self.memory.word(self.frame + 8)?;
        self.left = if caller > self.frame { self.left - 1 } else { 0 };
        self.frame = caller;
        (returns_to != 0).then_some(returns_to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use proptest::prelude::*;

    const UNREADABLE: u64 = 0xbad;

    /// One stack that begins at `base`.
    struct Words {
        base: u64,
        words: Vec<u64>,
    }

    impl StackMemory for Words {
        fn stack(&self, address: u64) -> Option<Range<u64>> {
            let range = self.base..self.base + 8 * self.words.len() as u64;
            range.contains(&address).then_some(range)
        }

        fn word(&self, address: u64) -> Option<u64> {
            assert_eq!(address % 8, 0);
            let word = self.words[usize::try_from((address - self.base) / 8).unwrap()];
            (word != UNREADABLE).then_some(word)
        }
    }

    fn calls(base: u64, words: Vec<u64>, rbp: u64) -> Vec<u64> {
        Backtrace::new(&Words { base, words }, rbp).collect()
    }

    #[test]
    fn follows_the_chain_to_its_end() {
        assert_eq!(calls(0x1000, vec![0x1010, 7, 0x1020, 8, 0, 9], 0x1000), [7, 8, 9]);
    }

    #[test]
    fn stops_at_a_loop_a_step_down_and_a_wild_pointer() {
        assert_eq!(calls(0x1000, vec![0x1000, 7], 0x1000), [7]);
        assert_eq!(calls(0x1000, vec![0, 6, 0x1000, 7], 0x1010), [7]);
        assert_eq!(calls(0x1000, vec![0xdead_beef, 7], 0x1000), [7]);
        assert_eq!(calls(0x1000, vec![0x1003, 7, 8, 9], 0x1000), [7]);
        assert_eq!(calls(0x1000, vec![1, 2], 0x9000), []);
        assert_eq!(calls(0x1000, vec![1, 2], u64::MAX), []);
    }

    #[test]
    fn stops_when_half_a_frame_is_outside() {
        assert_eq!(calls(0x1000, vec![0x1010, 7, 8], 0x1000), [7]);
    }

    #[test]
    fn stops_at_what_cannot_be_read() {
        assert_eq!(calls(0x1000, vec![0x1010, 7, 0x1020, UNREADABLE, 0, 9], 0x1000), [7]);
        assert_eq!(calls(0x1000, vec![UNREADABLE, 7], 0x1000), []);
    }

    #[test]
    fn is_bounded() {
        let words = (0..200).map(|word| if word % 2 == 0 { 0x1000 + 8 * (word + 2) } else { word }).collect();
        assert_eq!(calls(0x1000, words, 0x1000).len(), MAX_DEPTH);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..ProptestConfig::default()
        })]

        #[test]
        fn never_reads_outside(words in prop::collection::vec(0x0f00u64..0x1300, 0..64), rbp in 0x0f00u64..0x1300) {
            prop_assert!(calls(0x1000, words, rbp).len() <= MAX_DEPTH);
        }
    }
}
