//! A set of CPUs that all CPUs change at once.

use core::sync::atomic::{AtomicU64, Ordering};

/// The most CPUs: as many as the 8 bits of an APIC id can tell apart, without the one that means all.
pub const MAX_CPUS: usize = 255;

const WORDS: usize = MAX_CPUS.div_ceil(64);

/// A set of CPUs by number, below [`MAX_CPUS`]; numbers beyond are in no set.
///
/// An insertion is seen together with all that was written before it by whoever finds the CPU in the set.
#[derive(Debug, Default)]
pub struct CpuSet([AtomicU64; WORDS]);

impl CpuSet {
    /// No CPU.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; WORDS])
    }

    fn word(&self, cpu: u32) -> Option<(&AtomicU64, u64)> {
        Some((self.0.get(usize::try_from(cpu / 64).ok()?)?, 1 << (cpu % 64)))
    }

    /// Puts `cpu` in; whether it was not in before.
    pub fn insert(&self, cpu: u32) -> bool {
        self.word(cpu).is_some_and(|(word, bit)| word.fetch_or(bit, Ordering::AcqRel) & bit == 0)
    }

    /// Takes `cpu` out; whether it was in.
    pub fn remove(&self, cpu: u32) -> bool {
        self.word(cpu).is_some_and(|(word, bit)| word.fetch_and(!bit, Ordering::AcqRel) & bit != 0)
    }

    /// Whether `cpu` is in.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        self.word(cpu).is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    /// Whether none is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| word.load(Ordering::Acquire) == 0)
    }

    /// How many are in.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.load(Ordering::Acquire).count_ones()).sum()
    }

    /// Those that are in, ascending; of a set that changes meanwhile, each word as it is when the walk comes to it.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.0).flat_map(|(index, word)| bits(index, word.load(Ordering::Acquire)))
    }

    /// Takes all out and walks over them; one that is put in meanwhile may stay.
    pub fn take(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.0).flat_map(|(index, word)| {
            let quiet = word.load(Ordering::Relaxed) == 0;
            bits(index, if quiet { 0 } else { word.swap(0, Ordering::AcqRel) })
        })
    }
}

/// The CPUs of the word with this index.
fn bits(index: u32, mut word: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some(64 * index + bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn members_of_every_word_are_found_in_order() {
        let set = CpuSet::new();
        assert!(set.is_empty());
        for cpu in [254, 0, 63, 64, 128] {
            assert!(set.insert(cpu) && !set.insert(cpu) && set.contains(cpu));
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 128, 254]);
        assert!(set.remove(64) && !set.remove(64) && !set.contains(64));
        assert_eq!(set.len(), 4);
        assert_eq!(set.take().collect::<Vec<_>>(), [0, 63, 128, 254]);
        assert!(set.is_empty());
    }

    #[test]
    fn numbers_beyond_the_last_are_in_no_set() {
        let set = CpuSet::new();
        assert!(!set.insert(256) && !set.insert(u32::MAX) && !set.contains(256) && !set.remove(1 << 20));
        assert!(set.is_empty());
    }
}
