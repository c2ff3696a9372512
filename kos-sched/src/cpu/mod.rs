//! CPUs and sets of them: [`CpuId`], [`CpuSet`], [`CpuMask`].

mod shared;

use core::fmt;

pub(crate) use shared::SharedMask;
pub use shared::{SharedSet, SharedWords};

/// A CPU by its number, counted from 0 without holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(u32);

impl CpuId {
    /// CPU number `number`.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Its number, to index a table with.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A set of CPUs, as words of 64 bits. A CPU beyond its capacity is never in it.
pub trait CpuSet: Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// No CPU.
    const EMPTY: Self;
    /// How many CPUs it can name.
    const CAPACITY: u32;
    /// The same words where CPUs share them: as many as [`words`](Self::words). With fewer, a scheduler has fewer CPUs.
    type Shared: SharedSet;

    /// The words: bit `i % 64` of word `i / 64` is CPU `i`.
    fn words(&self) -> &[u64];
    /// The words, to change.
    fn words_mut(&mut self) -> &mut [u64];

    /// The CPUs 0 to `cpus` - 1.
    #[must_use]
    fn first_cpus(cpus: u32) -> Self {
        let mut set = Self::EMPTY;
        for (word, first) in set.words_mut().iter_mut().zip((0..).step_by(64)) {
            let here = cpus.saturating_sub(first);
            *word = if here >= 64 { u64::MAX } else { (1 << here) - 1 };
        }
        set
    }

    /// Only `cpu`.
    #[must_use]
    fn only(cpu: CpuId) -> Self {
        let mut set = Self::EMPTY;
        set.insert(cpu);
        set
    }

    /// Whether `cpu` is in it.
    fn contains(&self, cpu: CpuId) -> bool {
        self.words().get(cpu.as_usize() / 64).is_some_and(|word| word >> (cpu.get() % 64) & 1 != 0)
    }

    /// Puts `cpu` in. A CPU beyond the capacity is left out.
    fn insert(&mut self, cpu: CpuId) {
        if let Some(word) = self.words_mut().get_mut(cpu.as_usize() / 64) {
            *word |= 1 << (cpu.get() % 64);
        }
    }

    /// Takes `cpu` out.
    fn remove(&mut self, cpu: CpuId) {
        if let Some(word) = self.words_mut().get_mut(cpu.as_usize() / 64) {
            *word &= !(1 << (cpu.get() % 64));
        }
    }

    /// The CPUs that are in both.
    #[must_use]
    fn and(mut self, other: &Self) -> Self {
        for (word, other) in self.words_mut().iter_mut().zip(other.words()) {
            *word &= other;
        }
        self
    }

    /// The CPUs that are in this set and not in the other.
    #[must_use]
    fn without(mut self, other: &Self) -> Self {
        for (word, other) in self.words_mut().iter_mut().zip(other.words()) {
            *word &= !other;
        }
        self
    }

    /// Whether no CPU is in it.
    fn is_empty(&self) -> bool {
        self.words().iter().all(|&word| word == 0)
    }

    /// How many CPUs are in it.
    fn count(&self) -> u32 {
        self.words().iter().map(|word| word.count_ones()).sum()
    }

    /// The lowest CPU in it.
    fn first(&self) -> Option<CpuId> {
        self.next_from(CpuId::new(0))
    }

    /// The lowest CPU in it that is `from` or above. Takes time in proportion to the words.
    fn next_from(&self, from: CpuId) -> Option<CpuId> {
        let mut mask = u64::MAX << (from.get() % 64);
        for (index, word) in (0..).zip(self.words()).skip(from.as_usize() / 64) {
            let found = word & mask;
            if found != 0 {
                return Some(CpuId::new(index * 64 + found.trailing_zeros()));
            }
            mask = u64::MAX;
        }
        None
    }

    /// The CPUs in it, in rising order.
    fn iter(&self) -> impl Iterator<Item = CpuId> {
        let mut from = Some(CpuId::new(0));
        core::iter::from_fn(move || {
            let found = self.next_from(from?)?;
            from = found.get().checked_add(1).map(CpuId::new);
            Some(found)
        })
    }
}

/// A set of up to 64 × `WORDS` CPUs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CpuMask<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> CpuMask<WORDS> {
    /// The set of these words, as [`CpuSet::words`] has them.
    #[must_use]
    pub const fn from_words(words: [u64; WORDS]) -> Self {
        Self(words)
    }
}

impl<const WORDS: usize> CpuSet for CpuMask<WORDS> {
    const EMPTY: Self = Self([0; WORDS]);
    #[expect(clippy::cast_possible_truncation, reason = "nobody has 2^26 words of CPUs")]
    const CAPACITY: u32 = 64 * WORDS as u32;
    type Shared = SharedWords<WORDS>;

    fn words(&self) -> &[u64] {
        &self.0
    }

    fn words_mut(&mut self) -> &mut [u64] {
        &mut self.0
    }
}

/// As a list of ranges: `0-3,8`.
impl<const WORDS: usize> fmt::Debug for CpuMask<WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.first();
        let mut comma = "";
        while let Some(first) = rest {
            let mut last = first;
            while self.contains(CpuId::new(last.get() + 1)) {
                last = CpuId::new(last.get() + 1);
            }
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
            rest = self.next_from(CpuId::new(last.get() + 1));
        }
        Ok(())
    }
}

impl<const WORDS: usize> fmt::Display for CpuMask<WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::{CpuId, CpuMask, CpuSet};

    type Mask = CpuMask<4>;

    #[test]
    fn a_mask_holds_what_was_put_in() {
        let mut mask = Mask::first_cpus(70);
        assert_eq!((mask.count(), mask.first()), (70, Some(CpuId::new(0))));
        mask.remove(CpuId::new(3));
        mask.insert(CpuId::new(255));
        mask.insert(CpuId::new(256));
        assert_eq!(format!("{mask}"), "0-2,4-69,255");
        assert_eq!(mask.iter().map(CpuId::get).filter(|cpu| cpu % 60 == 9).collect::<Vec<_>>(), [9, 69]);
        assert_eq!(mask.next_from(CpuId::new(70)), Some(CpuId::new(255)));
        assert_eq!(mask.next_from(CpuId::new(256)), None);
        assert!(mask.without(&mask).is_empty() && mask.and(&mask) == mask);
        assert!(!mask.contains(CpuId::new(u32::MAX)) && !mask.contains(CpuId::new(256)));
        assert_eq!(Mask::first_cpus(u32::MAX).count(), 256);
        assert_eq!(Mask::only(CpuId::new(64)).iter().collect::<Vec<_>>(), [CpuId::new(64)]);
    }
}
