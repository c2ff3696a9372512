//! [`SharedMask`]: a set of CPUs that all of them change and read without a lock. As wide as the [`CpuSet`] that is taken out
//! of it, so that a small machine does not pay for a large one.
//!
//! A reader may see one word before and the next after a change. So what it says is a hint, except for one CPU: a single bit
//! is in one word.

use core::fmt;

use super::{CpuId, CpuSet};
use crate::atomic::{AtomicU32, Ordering};

/// The words of a [`CpuSet`] that CPUs share. In halves, because machines of 32 bits have no wider atomics.
#[derive(Debug)]
pub struct SharedWords<const WORDS: usize>([[AtomicU32; 2]; WORDS]);

/// What can be [`CpuSet::Shared`]: [`SharedWords`] of any length.
pub trait SharedSet: fmt::Debug + Send + Sync + 'static {
    /// No bit.
    #[cfg(not(loom))]
    const ZERO: Self;
    /// No bit. The atomics of loom have no constants.
    #[cfg(loom)]
    fn zero() -> Self;

    /// The lower and the upper half of each word.
    fn halves(&self) -> &[AtomicU32];
}

impl<const WORDS: usize> SharedSet for SharedWords<WORDS> {
    #[cfg(not(loom))]
    const ZERO: Self = Self([const { [AtomicU32::new(0), AtomicU32::new(0)] }; WORDS]);
    #[cfg(loom)]
    fn zero() -> Self {
        Self(core::array::from_fn(|_| [AtomicU32::new(0), AtomicU32::new(0)]))
    }

    #[inline]
    fn halves(&self) -> &[AtomicU32] {
        self.0.as_flattened()
    }
}

/// The set.
#[derive(Debug)]
pub(crate) struct SharedMask<M: CpuSet>(M::Shared);

impl<M: CpuSet> SharedMask<M> {
    /// No CPU.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self(M::Shared::ZERO)
    }

    /// No CPU.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(M::Shared::zero())
    }

    /// How many CPUs it can name: what the mask can, unless it has not as many words as the mask.
    pub(crate) fn capacity(&self) -> usize {
        (M::CAPACITY as usize).min(32 * self.0.halves().len())
    }

    #[inline]
    fn half(&self, cpu: CpuId) -> (Option<&AtomicU32>, u32) {
        (self.0.halves().get(cpu.as_usize() / 32), 1 << (cpu.get() % 32))
    }

    /// Whether `cpu` is in it.
    #[inline]
    pub(crate) fn contains(&self, cpu: CpuId) -> bool {
        let (half, bit) = self.half(cpu);
        half.is_some_and(|half| half.load(Ordering::Relaxed) & bit != 0)
    }

    /// Whether nobody is in it.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.halves().iter().all(|half| half.load(Ordering::Relaxed) == 0)
    }

    /// Puts `cpu` in. Writes only if it is not there.
    #[inline]
    pub(crate) fn insert(&self, cpu: CpuId) {
        if let (Some(half), bit) = self.half(cpu)
            && half.load(Ordering::Relaxed) & bit == 0
        {
            half.fetch_or(bit, Ordering::AcqRel);
        }
    }

    /// Takes `cpu` out; whether it was in. Of several who take it out, one gets true.
    #[inline]
    pub(crate) fn remove(&self, cpu: CpuId) -> bool {
        let (half, bit) = self.half(cpu);
        half.is_some_and(|half| {
            half.load(Ordering::Relaxed) & bit != 0 && half.fetch_and(!bit, Ordering::AcqRel) & bit != 0
        })
    }

    /// All that are in it.
    #[inline]
    pub(crate) fn load(&self) -> M {
        let mut set = M::EMPTY;
        for (whole, halves) in set.words_mut().iter_mut().zip(self.0.halves().chunks_exact(2)) {
            for (half, shift) in halves.iter().zip([0, 32]) {
                *whole |= u64::from(half.load(Ordering::Relaxed)) << shift;
            }
        }
        set
    }

    /// Makes it `set`.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    pub(crate) fn store(&self, set: &M) {
        for (whole, halves) in set.words().iter().zip(self.0.halves().chunks_exact(2)) {
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
        assert_eq!(shared.load(), set);
        assert!(shared.remove(CpuId::new(39)) && !shared.remove(CpuId::new(39)));
        shared.insert(CpuId::new(64));
        assert!(shared.contains(CpuId::new(64)) && !shared.contains(CpuId::new(256)));
        assert_eq!(shared.load().count(), 41);
        assert!(!shared.is_empty());
        shared.store(&CpuMask::EMPTY);
        assert!(shared.is_empty());
    }

    #[test]
    fn it_is_as_wide_as_the_mask_and_no_wider() {
        let wide = SharedMask::<CpuMask<16>>::new();
        for cpu in [1023, 1024, u32::MAX] {
            wide.insert(CpuId::new(cpu));
        }
        assert_eq!(wide.load(), CpuMask::only(CpuId::new(1023)));
        assert_eq!((wide.capacity(), SharedMask::<CpuMask<1>>::new().capacity()), (1024, 64));
        #[cfg(not(shuttle))]
        assert_eq!((size_of_val(&wide), size_of::<SharedMask<CpuMask<1>>>()), (128, 8));
    }
}
