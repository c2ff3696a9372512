//! Memory of words whose pages may be away: [`Words`].

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use alloc::vec::Vec;

use super::HostMask;
use crate::ports::{Fault, FutexSpace, WordFault};

/// Words at the addresses 0, 4, 8 and so on, all of them shared or private as one likes.
///
/// The page of each can be [taken away](Self::page_out) and comes back when it is faulted in; the k-th call can be made to
/// [fail](Self::fail_at).
#[derive(Debug)]
pub struct Words {
    words: Vec<AtomicU32>,
    /// A bit for each word that is away: of the first 64.
    away: AtomicU64,
    calls_left: AtomicU64,
}

impl Words {
    /// So many words, all 0.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let words = (0..count).map(|_| AtomicU32::new(0)).collect();
        Self { words, away: AtomicU64::new(0), calls_left: AtomicU64::new(u64::MAX) }
    }

    /// Sets a word, as a program does. Nothing happens where there is none.
    pub fn set(&self, address: usize, value: u32) {
        if let Some(word) = self.words.get(address / 4) {
            word.store(value, Ordering::Release);
        }
    }

    /// What a word is; 0 where there is none.
    #[must_use]
    pub fn get(&self, address: usize) -> u32 {
        self.words.get(address / 4).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Takes the page of a word away.
    pub fn page_out(&self, address: usize) {
        self.away.fetch_or(Self::bit(address), Ordering::Relaxed);
    }

    /// Has the k-th call from now on find no memory, from 0; and all after it.
    pub fn fail_at(&self, call: u64) {
        self.calls_left.store(call, Ordering::Relaxed);
    }

    fn bit(address: usize) -> u64 {
        u32::try_from(address / 4).ok().and_then(|word| 1_u64.checked_shl(word)).unwrap_or(0)
    }

    fn count(&self, address: usize) -> Result<(), Fault> {
        let less = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(1) };
        let counted = self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        counted.map(drop).map_err(|_| Fault { at: address })
    }

    fn word(&self, address: usize) -> Result<&AtomicU32, WordFault> {
        self.count(address).map_err(WordFault::Fault)?;
        if self.away.load(Ordering::Relaxed) & Self::bit(address) != 0 {
            return Err(WordFault::NotResident);
        }
        self.words.get(address / 4).ok_or(WordFault::Fault(Fault { at: address }))
    }
}

impl FutexSpace for Words {
    type Key = usize;

    fn key(&self, address: usize, _: bool) -> Result<usize, Fault> {
        assert!(!HostMask::is_masked(), "may block, and a lock is held");
        self.count(address)?;
        if address / 4 < self.words.len() { Ok(address) } else { Err(Fault { at: address }) }
    }

    fn load(&self, address: usize) -> Result<u32, WordFault> {
        Ok(self.word(address)?.load(Ordering::Acquire))
    }

    fn compare_exchange(&self, address: usize, old: u32, new: u32) -> Result<u32, WordFault> {
        let word = self.word(address)?;
        let result = word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire);
        Ok(result.unwrap_or_else(|found| found))
    }

    fn fault_in(&self, address: usize, _: bool) -> Result<(), Fault> {
        assert!(!HostMask::is_masked(), "may block, and a lock is held");
        self.count(address)?;
        self.away.fetch_and(!Self::bit(address), Ordering::Relaxed);
        Ok(())
    }
}
