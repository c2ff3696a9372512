//! Sets of CPUs: [`CpuSet`], and one that CPUs enter and leave on their own.

use core::fmt;

#[cfg(target_has_atomic = "64")]
use crate::sync::{AtomicU64, Ordering};

const BITS: usize = u64::BITS as usize;

/// A set of CPUs, numbered from 0 to `64 * WORDS - 1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CpuSet<const WORDS: usize = 4>([u64; WORDS]);

impl<const WORDS: usize> CpuSet<WORDS> {
    /// No CPU.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Every CPU that the set can hold.
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// CPUs that a set can hold.
    pub const CAPACITY: usize = WORDS * BITS;

    /// Puts a CPU in; false if the set has no place for its number.
    #[must_use = "a CPU left out is not flushed"]
    pub fn insert(&mut self, cpu: usize) -> bool {
        let word = self.0.get_mut(cpu / BITS);
        word.map(|word| *word |= bit(cpu)).is_some()
    }

    /// Takes a CPU out.
    pub fn remove(&mut self, cpu: usize) {
        if let Some(word) = self.0.get_mut(cpu / BITS) {
            *word &= !bit(cpu);
        }
    }

    /// The same set without this CPU: the one that flushes its own TLB.
    #[must_use]
    pub fn without(mut self, cpu: usize) -> Self {
        self.remove(cpu);
        self
    }

    /// Whether the CPU is in.
    #[must_use]
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.get(cpu / BITS).is_some_and(|word| word & bit(cpu) != 0)
    }

    /// Whether no CPU is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many are in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The CPUs, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.0.into_iter().enumerate();
        words.flat_map(|(index, mut word)| {
            core::iter::from_fn(move || {
                let lowest = (word != 0).then(|| word.trailing_zeros() as usize)?;
                word &= word - 1;
                Some(index * BITS + lowest)
            })
        })
    }
}

impl<const WORDS: usize> Default for CpuSet<WORDS> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const WORDS: usize> fmt::Debug for CpuSet<WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<const WORDS: usize> FromIterator<usize> for CpuSet<WORDS> {
    /// # Panics
    ///
    /// If a number is too high for the set.
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        let mut set = Self::EMPTY;
        for cpu in cpus {
            assert!(set.insert(cpu), "CPU {cpu} has no place in a set of {}", Self::CAPACITY);
        }
        set
    }
}

/// A set that each CPU enters and leaves by itself.
///
/// Sequentially consistent: who enters and then reads a counter, and who raises the counter and then reads the set,
/// cannot both miss the other.
#[cfg(target_has_atomic = "64")]
#[derive(Debug)]
pub(super) struct AtomicCpuSet<const WORDS: usize>([AtomicU64; WORDS]);

#[cfg(target_has_atomic = "64")]
impl<const WORDS: usize> AtomicCpuSet<WORDS> {
    pub(super) fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Whether there is a place for the CPU; then it is in.
    pub(super) fn insert(&self, cpu: usize) -> bool {
        self.0.get(cpu / BITS).map(|word| word.fetch_or(bit(cpu), Ordering::SeqCst)).is_some()
    }

    pub(super) fn remove(&self, cpu: usize) {
        if let Some(word) = self.0.get(cpu / BITS) {
            word.fetch_and(!bit(cpu), Ordering::SeqCst);
        }
    }

    pub(super) fn contains(&self, cpu: usize) -> bool {
        self.0.get(cpu / BITS).is_some_and(|word| word.load(Ordering::SeqCst) & bit(cpu) != 0)
    }

    pub(super) fn load(&self) -> CpuSet<WORDS> {
        CpuSet(core::array::from_fn(|word| self.0.get(word).map_or(0, |word| word.load(Ordering::SeqCst))))
    }
}

const fn bit(cpu: usize) -> u64 {
    1 << (cpu % BITS)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::vec::Vec;

    use super::{AtomicCpuSet, CpuSet};

    #[test]
    fn a_set_holds_what_was_put_in() {
        let cpus = [0, 63, 64, 130, 255];
        let mut set: CpuSet = cpus.into_iter().collect();
        assert_eq!((set.len(), set.iter().collect::<Vec<_>>()), (5, cpus.to_vec()));
        assert!(!set.insert(256) && !set.contains(256), "256 CPUs at most");
        set.remove(64);
        set.remove(256);
        assert_eq!(set.without(0).iter().collect::<Vec<_>>(), [63, 130, 255]);
        assert!(CpuSet::<1>::EMPTY.is_empty() && CpuSet::<1>::ALL.len() == 64);
    }

    #[test]
    fn cpus_enter_and_leave() {
        let set = AtomicCpuSet::<2>::new();
        assert!(set.insert(5) && set.insert(127) && !set.insert(128));
        set.remove(5);
        assert_eq!(set.load().iter().collect::<Vec<_>>(), [127]);
        assert!(set.contains(127) && !set.contains(5));
    }
}
