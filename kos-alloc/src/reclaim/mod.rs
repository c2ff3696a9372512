//! The last resort before `NoMemory`: [`Reclaiming`] asks whoever keeps memory that he can do without.
//!
//! Invariants: the frame source and the reclaimer are called without a lock and with interrupts as the caller has them;
//! the reclaimer is not entered twice on one CPU.
//!
//! Source: Linux's direct reclaim (`__alloc_pages_slowpath`), which also runs on each CPU that needs it and is kept from
//! recursion by a mark on the caller.

#[cfg(test)]
mod tests;

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Corruption, FrameError, FreeError};
use crate::health::ZoneUsage;
use crate::ports::{Env, FrameAlloc, Inventory, Reclaim};
use crate::types::{FrameFlags, FrameRange, FrameRequest, Pfn};

/// Rounds of asking at most; each asks for twice as much as the one before.
const ROUNDS: u32 = 3;

/// A [`FrameAlloc`] over `F` that asks `R` before it says `NoMemory`.
///
/// A request that `F` cannot serve starts at most three rounds: `R` gives back frames, and `F` is asked again. The first
/// round asks for as many frames as the request, each further one for twice as many, because frames that come back need
/// not be adjacent. A round that frees nothing is the last. Nobody is asked for a request with
/// [`NO_RECLAIM`](FrameFlags::NO_RECLAIM), in a non-maskable interrupt, or for more frames than `F` could ever have.
///
/// Every CPU that runs short asks for itself, also while others do: it neither waits for them nor fails because they are
/// at it. What is not possible is a second entry on one CPU: an allocation made by the reclaimer, or by an interrupt
/// handler that interrupted it, asks nobody. The CPU's number stands for the caller here, so a reclaimer must not move to
/// another CPU while it runs, unless its own allocations say `NO_RECLAIM`. Numbers from [`CPUS`](Self::CPUS) on share the
/// marks of the lower ones, and callers without a number share one; of two that share, the later one asks nobody.
pub struct Reclaiming<E: Env, F: FrameAlloc, R: Reclaim> {
    env: E,
    frames: F,
    reclaimer: R,
    asking: [AtomicUsize; WORDS],
    counters: Counters,
}

/// Words with a mark for each CPU, and one for callers without a number.
const WORDS: usize = 8;

#[derive(Debug, Default)]
struct Counters {
    rounds: AtomicUsize,
    freed: AtomicUsize,
    served: AtomicUsize,
    failed: AtomicUsize,
}

/// What the asking of one [`Reclaiming`] came to. The counters wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReclaimStats {
    /// Rounds that were run.
    pub rounds: usize,
    /// Frames that the reclaimer said it gave back.
    pub freed: usize,
    /// Requests that were served thanks to it.
    pub served: usize,
    /// Requests that failed all the same, those that found the reclaimer busy on their own CPU included.
    pub failed: usize,
}

impl<E: Env, F: FrameAlloc, R: Reclaim> Reclaiming<E, F, R> {
    /// CPUs that have a mark of their own: 511, on 32-bit targets 255.
    pub const CPUS: usize = WORDS * usize::BITS as usize - 1;

    /// Frames of `frames`, and `reclaimer` where they end.
    pub const fn new(env: E, frames: F, reclaimer: R) -> Self {
        let counters = Counters {
            rounds: AtomicUsize::new(0),
            freed: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
        };
        Self { env, frames, reclaimer, asking: [const { AtomicUsize::new(0) }; WORDS], counters }
    }

    /// The frame source.
    pub const fn frames(&self) -> &F {
        &self.frames
    }

    /// Who is asked.
    pub const fn reclaimer(&self) -> &R {
        &self.reclaimer
    }

    /// The counters, each of its own moment.
    pub fn stats(&self) -> ReclaimStats {
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let Counters { rounds, freed, served, failed } = &self.counters;
        ReclaimStats { rounds: read(rounds), freed: read(freed), served: read(served), failed: read(failed) }
    }

    fn may_ask(&self, request: &FrameRequest) -> bool {
        !request.flags.contains(FrameFlags::NO_RECLAIM)
            && request.count <= self.frames.span().count()
            && !self.env.in_nmi()
            && self.reclaimer.count() > 0
    }

    /// Runs rounds until `request` is served; `error` is why it was not.
    #[cold]
    fn ask(&self, request: &FrameRequest, error: FrameError) -> Result<FrameRange, FrameError> {
        let result = match self.enter() {
            Some(_turn) => self.rounds(request, error),
            None => Err(error),
        };
        let counter = if result.is_ok() { &self.counters.served } else { &self.counters.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }

    fn rounds(&self, request: &FrameRequest, error: FrameError) -> Result<FrameRange, FrameError> {
        let mut result = Err(error);
        for round in 0..ROUNDS {
            let freed = self.reclaimer.reclaim(request.count.saturating_mul(1 << round));
            self.counters.rounds.fetch_add(1, Ordering::Relaxed);
            self.counters.freed.fetch_add(freed, Ordering::Relaxed);
            // Also after a round without progress: another CPU's may have had some.
            result = self.frames.allocate(request);
            if freed == 0 || !matches!(result, Err(FrameError::NoMemory { .. })) {
                break;
            }
        }
        result
    }

    /// Marks this CPU as asking, unless it is already.
    fn enter(&self) -> Option<Turn<'_>> {
        let cpu = {
            let _masked = self.env.irq_save();
            self.env.cpu()
        };
        let number = cpu.map_or(Self::CPUS, |cpu| cpu.0 % Self::CPUS);
        let bits = usize::BITS as usize;
        let (word, mark) = (self.asking.get(number / bits)?, 1 << (number % bits));
        let marked = word.fetch_or(mark, Ordering::Acquire) & mark != 0;
        (!marked).then_some(Turn { word, mark })
    }
}

/// The mark of a CPU that asks; removed on drop.
struct Turn<'a> {
    word: &'a AtomicUsize,
    mark: usize,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.word.fetch_and(!self.mark, Ordering::Release);
    }
}

impl<E: Env, F: FrameAlloc, R: Reclaim> fmt::Debug for Reclaiming<E, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reclaiming").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

// SAFETY: only ranges of the wrapped allocator are handed out, each once.
unsafe impl<E: Env, F: FrameAlloc, R: Reclaim> FrameAlloc for Reclaiming<E, F, R> {
    fn span(&self) -> FrameRange {
        self.frames.span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        match self.frames.allocate(request) {
            Err(error @ FrameError::NoMemory { .. }) if self.may_ask(request) => self.ask(request, error),
            result => result,
        }
    }

    /// Asks nobody: exact frames are not what others can be asked for.
    fn allocate_at(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        self.frames.allocate_at(range)
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.frames.free(range) }
    }
}

impl<E: Env, F: FrameAlloc + Inventory, R: Reclaim> Inventory for Reclaiming<E, F, R> {
    fn zone(&self, index: usize) -> Option<ZoneUsage> {
        self.frames.zone(index)
    }

    fn next_free(&self, from: Pfn) -> Option<FrameRange> {
        self.frames.next_free(from)
    }

    fn check(&self) -> Result<(), Corruption> {
        self.frames.check()
    }
}
