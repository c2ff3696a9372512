//! Ours: `Buddy` and `Bitmap`, alone and in `Frames`; `Zones`.

use core::marker::PhantomData;

use kos_alloc::frame::{Backend, Config, zone};
use kos_alloc::{Bitmap, Buddy, FrameAlloc, FrameRange, FrameRequest, Pfn};

use super::{FRAMES, Frames};
use crate::harness::memory::Arena;
use crate::harness::must;
use crate::kos::{Host, storage};
use crate::lock::Spin;

fn range(first: usize, count: usize) -> FrameRange {
    must(FrameRange::new(Pfn(first), count))
}

/// A backend that can be made for the frames of the comparison.
pub(super) trait Make: Backend + Send + 'static {
    /// With all frames free.
    fn make() -> Self;
}

impl Make for Buddy<'static> {
    fn make() -> Self {
        let usable = [range(0, FRAMES)];
        let words = must(Buddy::storage_words(Config::default(), &usable, &[]).ok());
        must(Buddy::new(storage(words), Config::default(), &usable, &[]).ok())
    }
}

impl Make for Bitmap<'static> {
    fn make() -> Self {
        let usable = [range(0, FRAMES)];
        let words = must(Bitmap::storage_words(&usable, &[]).ok());
        must(Bitmap::new(storage(words), &usable, &[]).ok())
    }
}

/// A backend alone.
pub(super) struct Alone<T>(T);

impl<T: Make> Frames for Alone<T> {
    fn new() -> Self {
        Self(T::make())
    }

    #[inline]
    fn allocate(&mut self, count: usize) -> Option<usize> {
        Some(self.0.allocate(&FrameRequest::new(count)).ok()?.start().0)
    }

    #[inline]
    fn free(&mut self, first: usize, count: usize) {
        must(self.0.free(range(first, count)).ok());
    }
}

/// `Frames` with a backend, behind the spin lock.
pub(super) struct Locked<T> {
    frames: kos_alloc::Frames<Host<Spin>, T>,
    backend: PhantomData<T>,
}

impl<T: Make> Frames for Locked<T> {
    fn new() -> Self {
        // The frames are only numbers: no allocator of frames touches them.
        let frames = kos_alloc::Frames::new(Host::new(&Arena::untouched(4096)));
        // SAFETY: nobody uses the frames at all.
        must(unsafe { frames.init(T::make()) }.ok());
        Self { frames, backend: PhantomData }
    }

    #[inline]
    fn allocate(&mut self, count: usize) -> Option<usize> {
        Some(self.frames.allocate(&FrameRequest::new(count)).ok()?.start().0)
    }

    #[inline]
    fn free(&mut self, first: usize, count: usize) {
        // SAFETY: handed out by `allocate`, and used by nobody.
        must(unsafe { self.frames.free(range(first, count)) }.ok());
    }
}

/// `Zones` with one zone and no watermark: its stacks for each CPU before a buddy behind the lock `L`.
pub(super) struct Zoned<L: lock_api::RawMutex + Send + Sync>(kos_alloc::Zones<'static, Host<L>>);

impl<L: lock_api::RawMutex + Send + Sync + 'static> Frames for Zoned<L> {
    fn new() -> Self {
        let zones = kos_alloc::Zones::new(Host::new(&Arena::untouched(4096)));
        let (usable, table) = ([range(0, FRAMES)], [zone::ZoneKind::new("all", Pfn::MAX)]);
        let config = zone::Config { min_free: Some(0), ..zone::Config::new(&table) };
        let words = must(zones.storage_words(&config, &usable, &[]).ok());
        // SAFETY: nobody uses the frames at all.
        must(unsafe { zones.init(storage(words), &config, &usable, &[]) }.ok());
        Self(zones)
    }

    #[inline]
    fn allocate(&mut self, count: usize) -> Option<usize> {
        Some(self.0.allocate(&FrameRequest::new(count)).ok()?.start().0)
    }

    #[inline]
    fn free(&mut self, first: usize, count: usize) {
        // SAFETY: handed out by `allocate`, and used by nobody.
        must(unsafe { self.0.free(range(first, count)) }.ok());
    }
}
