//! Words for each CPU, carved once out of lent memory: [`PerCpu`].
//!
//! A CPU's *area* is written by that CPU alone, with interrupts masked, so that nothing else on it can come between;
//! others may read it, or leave a request in a word set aside for that. The words are atomics, but never needed as such:
//! plain (`Relaxed`) loads and stores cost what ordinary ones do. So a wrong CPU number mixes up values; it is no data
//! race.
//!
//! Invariant, on which the unsafe code rests: the words made of a lent slice lie in it, each once.

use core::slice;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::types::CpuIndex;

/// Words of a `u64` of storage.
const PER_U64: usize = size_of::<u64>() / size_of::<usize>();

/// Areas begin this many words apart or a multiple, so that they share no cache line where the storage is aligned.
const LINE: usize = 64 / size_of::<usize>();

/// One area of words for each CPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerCpu<'m> {
    words: &'m [AtomicUsize],
    stride: usize,
}

impl<'m> PerCpu<'m> {
    /// No CPU has an area.
    pub(crate) const EMPTY: Self = Self { words: &[], stride: 0 };

    /// Words of storage for `cpus` areas of `words` words; `None` if they cannot be counted.
    pub(crate) fn storage_words(cpus: usize, words: usize) -> Option<usize> {
        Some(words.checked_next_multiple_of(LINE)?.checked_mul(cpus)?.div_ceil(PER_U64))
    }

    /// Areas of `words` words of 0 for as many CPUs as `storage` has room for.
    pub(crate) fn new(storage: &'m mut [u64], words: usize) -> Self {
        Self { words: atomic_words(storage), stride: words.next_multiple_of(LINE) }
    }

    /// The area of `cpu`, if it has one.
    #[inline]
    pub(crate) fn area(&self, cpu: CpuIndex) -> Option<&'m [AtomicUsize]> {
        let start = cpu.0.checked_mul(self.stride)?;
        self.words.get(start..)?.get(..self.stride).filter(|area| !area.is_empty())
    }

    /// Every area, in the order of the CPUs.
    pub(crate) fn areas(&self) -> impl Iterator<Item = (CpuIndex, &'m [AtomicUsize])> {
        self.words.chunks_exact(self.stride.max(1)).enumerate().map(|(cpu, area)| (CpuIndex(cpu), area))
    }
}

/// Sets `storage` to 0 and makes it words that many may read and write.
pub(crate) fn atomic_words(storage: &mut [u64]) -> &[AtomicUsize] {
    storage.fill(0);
    let words = storage.len() * PER_U64;
    let start: *const AtomicUsize = storage.as_mut_ptr().cast();
    // SAFETY: the slice is valid for so many words, aligned for a `u64` and so for them, and initialised; any bits are an
    // `AtomicUsize`. It is borrowed mutably for as long as the words live, so they are all that leads to it, and atomics
    // may be written through shared references.
    unsafe { slice::from_raw_parts(start, words) }
}

/// Adds to a word that only the calling CPU writes.
#[inline]
pub(crate) fn add(word: &AtomicUsize, value: usize) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(value), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn areas_are_apart_and_zero() {
        let words = PerCpu::storage_words(3, 9).unwrap();
        let mut storage = vec![!0; words];
        let areas = PerCpu::new(&mut storage, 9);
        for cpu in 0..3 {
            let area = areas.area(CpuIndex(cpu)).unwrap();
            assert!(area.len() >= 9 && area.iter().all(|word| word.load(Ordering::Relaxed) == 0));
            area.iter().for_each(|word| add(word, cpu + 1));
        }
        assert!(areas.area(CpuIndex(3)).is_none() && areas.area(CpuIndex(usize::MAX)).is_none());
        for (cpu, area) in areas.areas() {
            assert!(area.iter().all(|word| word.load(Ordering::Relaxed) == cpu.0 + 1));
        }
    }

    #[test]
    fn nothing_is_an_area_of_nobody() {
        assert!(PerCpu::EMPTY.area(CpuIndex(0)).is_none());
        assert_eq!(PerCpu::EMPTY.areas().count(), 0);
        assert_eq!(PerCpu::storage_words(usize::MAX, 9), None);
    }
}
