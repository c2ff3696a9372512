//! A frame allocator for all CPUs: [`Frames`].

use core::{fmt, iter};

use super::{
    AlreadyInitialised, Backend, Buddy, FrameStats, Grow, Histogram, InitError, NotAdded, ReserveError,
};
use crate::error::{Corruption, FrameError, FreeError};
use crate::health::ZoneUsage;
use crate::ports::{Env, FrameAlloc, Inventory};
use crate::sync::Locked;
use crate::types::{FrameRange, FrameRequest, Pfn};

/// A [`Backend`] behind the kernel's lock, taken with interrupts masked; implements [`FrameAlloc`].
///
/// It can be a `static`: [`new`](Self::new) is `const`, and until [`init`](Self::init) every call fails with
/// `NotReady`. Every method may be called in interrupt context and, unless it says otherwise, holds the lock only as
/// long as one operation of the backend takes.
pub struct Frames<E: Env, T = Buddy<'static>> {
    backend: Locked<E, Option<T>>,
}

impl<E: Env, T: Backend> Frames<E, T> {
    /// Without a frame yet.
    pub const fn new(env: E) -> Self {
        Self { backend: Locked::new(env, None) }
    }

    /// Hands out the frames of `backend` from now on.
    ///
    /// # Errors
    ///
    /// [`AlreadyInitialised`] with the backend, the second time.
    ///
    /// # Safety
    ///
    /// Nobody else uses the frames that the backend manages and has not handed out, and the backend keeps its contract:
    /// it hands out no frame twice. [`Buddy`] and [`Bitmap`](super::Bitmap) do.
    pub unsafe fn init(&self, backend: T) -> Result<(), AlreadyInitialised<T>> {
        self.backend.with(|slot| {
            if slot.is_some() {
                return Err(AlreadyInitialised(backend));
            }
            *slot = Some(backend);
            Ok(())
        })
    }

    /// The environment.
    pub const fn env(&self) -> &E {
        self.backend.env()
    }

    /// Hands out as many adjacent frames as there are, at most `max`.
    ///
    /// # Errors
    ///
    /// [`FrameError`]; nothing is allocated then.
    pub fn allocate_largest(&self, max: usize) -> Result<FrameRange, FrameError> {
        self.backend.with(|slot| slot.as_mut().ok_or(FrameError::NotReady)?.allocate_largest(max))
    }

    /// Takes `range`, all of it free, out of management for good, as [`Backend::reserve`].
    ///
    /// # Errors
    ///
    /// [`ReserveError`]; nothing changes then.
    pub fn reserve(&self, range: FrameRange) -> Result<(), ReserveError> {
        self.backend.with(|slot| slot.as_mut().ok_or(ReserveError::NotReady)?.reserve(range))
    }

    /// Words of storage for [`add`](Self::add) of the same range.
    ///
    /// # Errors
    ///
    /// Those of [`add`](Self::add), except for the storage.
    pub fn words_with<'m>(&self, added: FrameRange) -> Result<usize, InitError>
    where
        T: Grow<'m>,
    {
        self.look(Err(InitError::NotReady), |backend| backend.words_with(added))
    }

    /// Manages `added` too, with the books in `storage`, and gives back the storage used before, as [`Grow::add`]. Holds
    /// the lock while the books move, for time linear in the free blocks. [`span`](FrameAlloc::span) grows: who made
    /// tables of its size gets frames beyond them.
    ///
    /// # Errors
    ///
    /// [`NotAdded`] with the storage; nothing changes then.
    ///
    /// # Safety
    ///
    /// Nobody else uses the frames of `added`.
    pub unsafe fn add<'m>(
        &self,
        storage: &'m mut [u64],
        added: FrameRange,
    ) -> Result<[&'m mut [u64]; 2], NotAdded<'m>>
    where
        T: Grow<'m>,
    {
        self.backend.with(|slot| match slot {
            Some(backend) => backend.add(storage, added),
            None => Err(NotAdded { reason: InitError::NotReady, storage }),
        })
    }

    /// The largest count that an allocation would get now; 0 before initialisation.
    pub fn largest_free(&self) -> usize {
        self.look(0, T::largest_free)
    }

    /// The free blocks in ascending order. The lock is taken anew for each, so that interrupts are not masked long:
    /// what changes meanwhile may be missed.
    pub fn free_blocks(&self) -> impl Iterator<Item = FrameRange> {
        let mut from = Pfn(0);
        iter::from_fn(move || {
            let block = self.next_free(from)?;
            from = block.end();
            Some(block)
        })
    }

    /// Free blocks by order; none before initialisation.
    pub fn histogram(&self) -> Histogram {
        self.look(Histogram::EMPTY, T::histogram)
    }

    /// Counters; zero before initialisation.
    pub fn stats(&self) -> FrameStats {
        self.look(FrameStats::default(), T::stats)
    }

    /// Walks every invariant with the lock held: for tests and self-tests.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    pub fn check(&self) -> Result<(), Corruption> {
        self.look(Ok(()), T::check)
    }

    fn look<R>(&self, before_init: R, work: impl FnOnce(&T) -> R) -> R {
        self.backend.with(|slot| slot.as_ref().map_or(before_init, work))
    }
}

/// One zone without watermarks, `Normal`; none before initialisation.
impl<E: Env, T: Backend> Inventory for Frames<E, T> {
    fn zone(&self, index: usize) -> Option<ZoneUsage> {
        let usage = |backend: &T| {
            let FrameStats { managed, free, .. } = backend.stats();
            let blocks = backend.histogram();
            ZoneUsage { name: "Normal", managed, free, cached: 0, min: 0, low: 0, high: 0, blocks }
        };
        if index == 0 { self.look(None, |backend| Some(usage(backend))) } else { None }
    }

    fn next_free(&self, from: Pfn) -> Option<FrameRange> {
        self.look(None, |backend| backend.next_free(from))
    }

    fn check(&self) -> Result<(), Corruption> {
        self.check()
    }
}

impl<E: Env, T> fmt::Debug for Frames<E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}

// SAFETY: `init`'s caller gave frames that nobody else uses and a backend that hands out no frame twice; the lock
// lets one CPU at a time use it; and a frame comes back only from its owner, by the contract of `free`.
unsafe impl<E: Env, T: Backend + Send> FrameAlloc for Frames<E, T> {
    fn span(&self) -> FrameRange {
        self.look(FrameRange::EMPTY, T::span)
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        self.backend.with(|slot| slot.as_mut().ok_or(FrameError::NotReady)?.allocate(request))
    }

    fn allocate_at(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        self.backend.with(|slot| slot.as_mut().ok_or(FrameError::NotReady)?.allocate_at(range))
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        self.backend.with(|slot| slot.as_mut().ok_or(FreeError::NotReady(range))?.free(range))
    }
}
