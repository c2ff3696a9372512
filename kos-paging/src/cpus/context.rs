//! What one address space knows of the TLBs: [`TlbContext`].
//!
//! Each flush has a number, the *generation* of the space. A CPU that has the space loaded is interrupted; one that has
//! not may keep what is stale, for nobody there can use it, and drops it when it loads the space again: it has seen a
//! lower generation. So a CPU that left the space is never disturbed.
//!
//! Invariant: `seen` of a CPU is the generation up to which its TLB holds nothing stale. Only that CPU writes it, with
//! interrupts masked. A CPU is in `loaded` before it reads the generation and loads the root, and until after it has
//! loaded another root; a shootdown raises the generation before it reads `loaded`. A full fence
//! stands between on both sides, so that one of the two sees the other.
//!
//! Source: the generations of Linux's `arch/x86/mm/tlb.c`, as described in its comments.

use core::fmt;

use super::{AtomicCpuSet, CpuSet, Shootdown};
use crate::flush::FlushSet;
use crate::sync::{AtomicU64, Bug, Ordering, fence, seeded};

/// What one address space knows of the TLBs of up to `64 * WORDS` CPUs. 8 bytes a CPU.
pub struct TlbContext<const WORDS: usize = 4> {
    loaded: AtomicCpuSet<WORDS>,
    generation: AtomicU64,
    seen: [[AtomicU64; 64]; WORDS],
}

/// What a CPU has to invalidate for a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The request's set.
    Set,
    /// All of the space: requests before this one were not answered here yet, and are by this.
    All,
}

impl<const WORDS: usize> TlbContext<WORDS> {
    /// Loaded nowhere, and no TLB holds anything of it: the space is new, and so is its ASID.
    #[must_use]
    pub fn new() -> Self {
        Self {
            loaded: AtomicCpuSet::new(),
            generation: AtomicU64::new(1),
            seen: core::array::from_fn(|_| core::array::from_fn(|_| AtomicU64::new(0))),
        }
    }

    /// The calling CPU loads the space. `load` gets whether the CPU must drop what it holds under the space's ASID, and
    /// does both. Interrupts masked. False, and nothing done, if the number is too high for the context.
    ///
    /// A CPU that loads the space for the first time drops too: what an earlier owner of the ASID left is not known here.
    #[must_use = "a CPU that is not counted is not flushed"]
    pub fn enter(&self, cpu: usize, load: impl FnOnce(bool)) -> bool {
        let Some(seen) = self.seen(cpu) else { return false };
        let early = seeded(Bug::GenerationBeforeEntry).then(|| self.generation.load(Ordering::SeqCst));
        if !self.loaded.insert(cpu) {
            return false;
        }
        fence(Ordering::SeqCst);
        let generation = early.unwrap_or_else(|| self.generation.load(Ordering::SeqCst));
        load(seen.load(Ordering::Relaxed) != generation);
        seen.store(generation, Ordering::Release);
        true
    }

    /// The calling CPU has loaded another space. Interrupts masked.
    pub fn leave(&self, cpu: usize) {
        self.loaded.remove(cpu);
    }

    /// The CPUs that have the space loaded now.
    #[must_use]
    pub fn loaded(&self) -> CpuSet<WORDS> {
        self.loaded.load()
    }

    /// The number of the last flush.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// A new request: its number, and who must answer it. What is to be invalidated was changed before.
    #[must_use]
    pub fn request(&self) -> (u64, CpuSet<WORDS>) {
        if seeded(Bug::LoadedBeforeRequest) {
            let loaded = self.loaded();
            return (self.generation.fetch_add(1, Ordering::SeqCst) + 1, loaded);
        }
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        fence(Ordering::SeqCst);
        (generation, self.loaded())
    }

    /// The calling CPU answers the request `set`: in the interrupt of the shootdown, or for itself. `invalidate` drops
    /// what it is told. Interrupts masked.
    ///
    /// Nothing to do on a CPU that has left the space or has dropped it all since.
    pub fn answer(&self, cpu: usize, set: &FlushSet, invalidate: impl FnOnce(Answer)) {
        let Some(seen) = self.seen(cpu).filter(|_| self.loaded.contains(cpu)) else { return };
        let (before, current) = (seen.load(Ordering::Relaxed), self.generation());
        if before >= set.generation() {
            return;
        }
        if set.generation() == current && before + 1 == current {
            invalidate(Answer::Set);
        } else {
            invalidate(Answer::All);
        }
        seen.store(current, Ordering::Release);
    }

    /// Whether the CPU can use nothing any more that was stale at this generation: it has answered, or left.
    #[must_use]
    pub fn is_answered(&self, cpu: usize, generation: u64) -> bool {
        !self.loaded.contains(cpu)
            || self.seen(cpu).is_none_or(|seen| seen.load(Ordering::Acquire) >= generation)
    }

    /// Makes every CPU drop the space when it loads it next: its ASID was another's, or its tables were edited while
    /// nobody had them loaded.
    pub fn forget(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// A flush of those who have the space loaded, by `tlb`: what [`Unmapped::flush`](crate::Unmapped::flush) takes.
    pub const fn shootdown<'a, T>(&'a self, tlb: &'a T) -> Shootdown<'a, T, WORDS> {
        Shootdown::new(tlb, self)
    }

    fn seen(&self, cpu: usize) -> Option<&AtomicU64> {
        self.seen.get(cpu / 64)?.get(cpu % 64)
    }
}

impl<const WORDS: usize> Default for TlbContext<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WORDS: usize> fmt::Debug for TlbContext<WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlbContext")
            .field("loaded", &self.loaded())
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
