//! [`SharedMask`]: a set of CPUs that all of them change and read without a lock.
//!
//! A reader may see one word before and the next after a change. So what it says is a hint, except for one CPU: a single bit
//! is in one word.

use crate::atomic::{AtomicU32, Ordering};
use crate::cpu::{CpuId, CpuSet};

/// CPUs in a set at most. Models have few, and each word costs them time.
pub(crate) const MAX_CPUS: usize = if cfg!(any(loom, shuttle)) { 64 } else { 256 };

/// The set.
#[derive(Debug)]
pub(crate) struct SharedMask([AtomicU32; MAX_CPUS / 32]);

impl SharedMask {
    /// No CPU.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; MAX_CPUS / 32])
    }

    /// No CPU.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU32::new(0)))
    }

    fn word(&self, cpu: CpuId) -> (Option<&AtomicU32>, u32) {
        (self.0.get(cpu.as_usize() / 32), 1 << (cpu.get() % 32))
    }

    /// Whether `cpu` is in it.
    #[inline]
    pub(crate) fn contains(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.word(cpu);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Whether nobody is in it.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }

    /// Puts `cpu` in. Writes only if it is not there.
    #[inline]
    pub(crate) fn insert(&self, cpu: CpuId) {
        if let (Some(word), bit) = self.word(cpu)
            && word.load(Ordering::Relaxed) & bit == 0
        {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }

    /// Takes `cpu` out; whether it was in. Of several who take it out, one gets true.
    #[inline]
    pub(crate) fn remove(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.word(cpu);
        word.is_some_and(|word| {
            word.load(Ordering::Relaxed) & bit != 0 && word.fetch_and(!bit, Ordering::AcqRel) & bit != 0
        })
    }

    /// All that are in it.
    #[inline]
    pub(crate) fn load<M: CpuSet>(&self) -> M {
        let mut set = M::EMPTY;
        for (whole, halves) in set.words_mut().iter_mut().zip(self.0.chunks_exact(2)) {
            for (half, shift) in halves.iter().zip([0, 32]) {
                *whole |= u64::from(half.load(Ordering::Relaxed)) << shift;
            }
        }
        set
    }

    /// Makes it `set`.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    pub(crate) fn store<M: CpuSet>(&self, set: &M) {
        for (whole, halves) in set.words().iter().zip(self.0.chunks_exact(2)) {
            for (half, shift) in halves.iter().zip([0, 32]) {
                half.store((whole >> shift) as u32, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::SharedMask;
    use crate::cpu::{CpuId, CpuMask, CpuSet};

    #[test]
    fn what_goes_in_comes_out() {
        let shared = SharedMask::new();
        let mut set = CpuMask::<4>::first_cpus(40);
        set.insert(CpuId::new(255));
        shared.store(&set);
        assert_eq!(shared.load::<CpuMask<4>>(), set);
        assert_eq!(shared.load::<CpuMask<1>>(), CpuMask::first_cpus(40));
        assert!(shared.remove(CpuId::new(39)) && !shared.remove(CpuId::new(39)));
        shared.insert(CpuId::new(64));
        assert!(shared.contains(CpuId::new(64)) && !shared.contains(CpuId::new(256)));
        assert_eq!(shared.load::<CpuMask<4>>().count(), 41);
    }
}
