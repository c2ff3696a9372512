//! A bitmap whose empty parts are skipped: [`Tree`].
//!
//! Level 0 has one bit an index. Bit `i` of a level above says whether word `i` of the level below has a bit set; the
//! top level is one word. So finding the next set bit reads at most two words a level, however many bits there are:
//! 4 levels for 64 GiB of 4 KiB frames. The levels lie one behind the other, level 0 first, in words that the caller
//! passes to each call.
//!
//! Invariant: a bit of a level is set if and only if its word in the level below is not zero.

/// Bits of a word, and its base-2 logarithm.
const WORD: usize = 64;
const WORD_SHIFT: u32 = 6;

/// The place and shape of one hierarchical bitmap. It holds no bits itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    /// First word of level 0.
    start: usize,
    /// Word behind the top level.
    end: usize,
    /// Bits of level 0.
    bits: usize,
}

/// One level of a tree.
#[derive(Clone, Copy)]
struct Level {
    start: usize,
    words: usize,
}

impl Level {
    const fn above(self) -> Self {
        Self { start: self.start + self.words, words: self.words.div_ceil(WORD) }
    }
}

impl Tree {
    /// A bitmap without a bit.
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0, bits: 0 };

    /// The shape of `bits` bits in the words from `start`; `None` if the words cannot be counted.
    pub(crate) fn new(start: usize, bits: usize) -> Option<Self> {
        let mut words = bits.div_ceil(WORD);
        let mut end = start.checked_add(words)?;
        while words > 1 {
            words = words.div_ceil(WORD);
            end = end.checked_add(words)?;
        }
        Some(Self { start, end, bits })
    }

    /// The word behind the last.
    pub(crate) const fn end(&self) -> usize {
        self.end
    }

    const fn bottom(&self) -> Level {
        Level { start: self.start, words: self.bits.div_ceil(WORD) }
    }

    /// Whether bit `index` is set.
    pub(crate) fn get(&self, words: &[u64], index: usize) -> bool {
        index < self.bits && read(words, self.start + index / WORD) & bit(index) != 0
    }

    /// Sets bit `index`; at most one word a level is written.
    pub(crate) fn set(&self, words: &mut [u64], index: usize) {
        if index < self.bits {
            raise(words, self.bottom(), index);
        }
    }

    /// Clears bit `index`; at most one word a level is written.
    pub(crate) fn clear(&self, words: &mut [u64], index: usize) {
        if index < self.bits {
            lower(words, self.bottom(), index);
        }
    }

    /// The lowest set bit at `from` or above. Reads at most two words a level.
    pub(crate) fn next(&self, words: &[u64], from: usize) -> Option<usize> {
        if from >= self.bits {
            return None;
        }
        let (mut level, mut height, mut index) = (self.bottom(), 0, from);
        loop {
            let found = read(words, level.start + index / WORD) & !0 << (index % WORD);
            if found != 0 {
                let index = index / WORD * WORD + lowest(found);
                return self.descend(words, height, level.start, index);
            }
            index = index / WORD + 1;
            if index >= level.words {
                return None;
            }
            (level, height) = (level.above(), height + 1);
        }
    }

    /// The lowest bit of level 0 under bit `index` of the level that has `height` levels below and begins at `start`.
    fn descend(&self, words: &[u64], height: u32, mut start: usize, mut index: usize) -> Option<usize> {
        for below in (0..height).rev() {
            start -= ((self.bits - 1) >> (WORD_SHIFT * (below + 1))) + 1;
            let word = read(words, start + index);
            if word == 0 {
                return None;
            }
            index = index * WORD + lowest(word);
        }
        Some(index)
    }

    /// Whether any bit from `first` to `last`, both included, is set. Reads one word if they lie in one, else at most
    /// two a level.
    pub(crate) fn any(&self, words: &[u64], first: usize, last: usize) -> bool {
        if first / WORD != last / WORD {
            return self.next(words, first).is_some_and(|found| found <= last);
        }
        let mask = !0 << (first % WORD) & !0 >> (WORD - 1 - last % WORD);
        first < self.bits && read(words, self.start + first / WORD) & mask != 0
    }

    /// The lowest clear bit at `from` or above, at most `limit`. Reads the words between.
    pub(crate) fn next_clear(&self, words: &[u64], from: usize, limit: usize) -> usize {
        let mut index = from;
        while index < limit {
            let clear = !read(words, self.start + index / WORD) & !0 << (index % WORD);
            if clear != 0 {
                return limit.min(index / WORD * WORD + lowest(clear));
            }
            index = (index / WORD + 1) * WORD;
        }
        limit
    }

    /// Sets (`value`) or clears the bits from `first` up to, not including, `end`, a word at a time.
    pub(crate) fn fill(&self, words: &mut [u64], first: usize, end: usize, value: bool) {
        let end = end.min(self.bits);
        let mut index = first;
        while index < end {
            let stop = end.min((index / WORD + 1) * WORD);
            let mask = (!0 >> (WORD - (stop - index))) << (index % WORD);
            self.fill_word(words, index / WORD, mask, value);
            index = stop;
        }
    }

    fn fill_word(&self, words: &mut [u64], index: usize, mask: u64, value: bool) {
        let Some(word) = words.get_mut(self.start + index) else { return };
        let before = *word;
        let after = if value { before | mask } else { before & !mask };
        *word = after;
        if self.bottom().words == 1 || (before == 0) == (after == 0) {
            return;
        }
        if value {
            raise(words, self.bottom().above(), index);
        } else {
            lower(words, self.bottom().above(), index);
        }
    }

    /// The first index whose summary does not tell the truth. Reads every word.
    pub(crate) fn check(&self, words: &[u64]) -> Result<(), usize> {
        let (mut level, mut scale) = (self.bottom(), WORD);
        while level.words > 1 {
            let above = level.above();
            let wrong = (0..level.words).find(|&index| {
                let summary = read(words, above.start + index / WORD) & bit(index) != 0;
                summary != (read(words, level.start + index) != 0)
            });
            if let Some(index) = wrong {
                return Err(index * scale);
            }
            (level, scale) = (above, scale * WORD);
        }
        Ok(())
    }
}

/// Sets bit `index` of `level`, and the bits above it that were clear.
fn raise(words: &mut [u64], mut level: Level, mut index: usize) {
    while let Some(word) = words.get_mut(level.start + index / WORD) {
        let before = *word;
        *word |= bit(index);
        if before != 0 || level.words <= 1 {
            return;
        }
        (level, index) = (level.above(), index / WORD);
    }
}

/// Clears bit `index` of `level`, and the bits above it whose words became zero.
fn lower(words: &mut [u64], mut level: Level, mut index: usize) {
    while let Some(word) = words.get_mut(level.start + index / WORD) {
        *word &= !bit(index);
        if *word != 0 || level.words <= 1 {
            return;
        }
        (level, index) = (level.above(), index / WORD);
    }
}

fn read(words: &[u64], index: usize) -> u64 {
    words.get(index).copied().unwrap_or(0)
}

const fn bit(index: usize) -> u64 {
    1 << (index % WORD)
}

const fn lowest(word: u64) -> usize {
    word.trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use alloc::vec::Vec;

    const SIZES: [usize; 9] = [1, 2, 63, 64, 65, 4096, 4097, 64 * 64 * 64, 64 * 64 * 64 + 1];

    fn tree(bits: usize) -> (Tree, Vec<u64>) {
        let tree = Tree::new(3, bits).unwrap();
        (tree, vec![0; tree.end()])
    }

    /// Some indices below `bits`, both ends among them.
    fn sample(bits: usize) -> Vec<usize> {
        let picked: BTreeSet<_> = [0, 1, 63, 64, 65, 4095, 4096, bits / 2, bits - 1].into();
        picked.into_iter().filter(|&index| index < bits).collect()
    }

    #[test]
    fn top_level_is_one_word() {
        for (bits, words) in [(1, 1), (64, 1), (65, 2 + 1), (4096, 64 + 1), (4097, 65 + 2 + 1)] {
            assert_eq!(Tree::new(0, bits).unwrap().end(), words, "{bits} bits");
        }
        assert_eq!(Tree::new(usize::MAX, 1), None);
    }

    #[test]
    fn set_bits_are_found_in_order() {
        for bits in SIZES {
            let (tree, mut words) = tree(bits);
            let chosen = sample(bits);
            for &index in &chosen {
                tree.set(&mut words, index);
            }
            let found: Vec<_> =
                core::iter::successors(tree.next(&words, 0), |&at| tree.next(&words, at + 1)).collect();
            assert_eq!(found, chosen, "{bits} bits");
            tree.check(&words).unwrap();
            for &index in &chosen {
                assert!(tree.get(&words, index));
                tree.clear(&mut words, index);
                tree.check(&words).unwrap();
            }
            assert!(words.iter().all(|&word| word == 0), "{bits} bits");
        }
    }

    #[test]
    fn ranges_equal_single_bits() {
        for bits in SIZES {
            let (tree, mut by_range) = tree(bits);
            let mut by_bit = by_range.clone();
            let (first, end) = (bits / 3, bits - bits / 5);
            tree.fill(&mut by_range, first, end, true);
            (first..end).for_each(|index| tree.set(&mut by_bit, index));
            assert_eq!(by_range, by_bit, "{bits} bits");
            assert_eq!(tree.next_clear(&by_range, first, bits), end);
            assert_eq!(tree.any(&by_range, 0, first), first < end);
            assert!(first == 0 || !tree.any(&by_range, 0, first - 1));
            tree.fill(&mut by_range, 0, bits, false);
            assert!(by_range.iter().all(|&word| word == 0), "{bits} bits");
        }
    }

    #[test]
    fn bits_behind_the_end_do_not_exist() {
        let (tree, mut words) = tree(65);
        for index in [65, 128, usize::MAX] {
            tree.set(&mut words, index);
            assert!(!tree.get(&words, index));
            assert_eq!(tree.next(&words, index), None);
        }
        assert_eq!(tree.next(&words, 0), None);
    }

    #[test]
    fn a_wrong_summary_is_found() {
        let (tree, mut words) = tree(64 * 64 + 1);
        words[3 + 5] = 1;
        assert_eq!(tree.check(&words), Err(5 * 64));
    }
}
