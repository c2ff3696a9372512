//! Slabs of constructed objects: [`ObjectCache`].

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::handle::{Home, ObjBox};
use super::place::Places;
use super::stats::ObjectStats;
use crate::error::AllocError;
use crate::ports::{Construct, Env, FrameAlloc, Reclaim};
use crate::slab::Bin;
use crate::sync::Locked;

/// Constructed objects of type `T` in slabs of frames, for all CPUs.
///
/// [`allocate`](Self::allocate) and dropping an [`ObjBox`] take constant time and one lock, unless a slab comes or goes;
/// they may be called in interrupt handlers as far as `C`, the frame source, and `T`'s `drop` may. Slabs are of 4 to
/// 64 KiB: the smallest that holds eight objects and wastes at most 1/16, else 64 KiB, with at least one object.
///
/// Of eight slabs one may be empty, and always one: its objects wait for their next users. What is more goes back, and all
/// by [`shrink`](Self::shrink); the objects of a slab are dropped when it goes. An object that was forgotten keeps its
/// slab. The cache is also a [`Reclaim`]: its empty slabs can be had when frames end.
///
/// ```
/// # use kos_alloc::testing::{HostEnv, PlainFrames};
/// # use kos_alloc::{AllocError, FrameRange, ObjectCache, Pfn};
/// # let span = FrameRange::between(Pfn(16), Pfn(32));
/// # let (env, frames) = (HostEnv::new(span), PlainFrames::new(span));
/// struct Inode {
///     number: u64,
///     pages: Vec<u64>, // kept when the inode goes back
/// }
///
/// let inodes = ObjectCache::new(env, frames, || Ok(Inode { number: 0, pages: Vec::with_capacity(64) }));
/// let mut inode = inodes.allocate()?;
/// inode.number = 7;
/// drop(inode);
/// assert_eq!(inodes.allocate()?.number, 7, "the same object, as it was left");
/// assert_eq!(inodes.stats().live, 0);
/// # Ok::<(), AllocError>(())
/// ```
pub struct ObjectCache<T: Send, E: Env, F: FrameAlloc, C: Construct<T> = fn() -> Result<T, AllocError>> {
    pub(super) bin: Locked<E, Bin>,
    pub(super) frames: F,
    pub(super) construct: C,
    pub(super) next_colour: AtomicUsize,
    pub(super) constructed: AtomicUsize,
    pub(super) dropped: AtomicUsize,
    pub(super) lost_frames: AtomicUsize,
    /// The objects stand behind the lock: they move between threads, and are not shared by them.
    objects: PhantomData<lock_api::Mutex<E::Lock, T>>,
}

impl<T: Send, E: Env, F: FrameAlloc, C: Construct<T>> ObjectCache<T, E, F, C> {
    /// Without an object yet. `construct` makes them.
    pub const fn new(env: E, frames: F, construct: C) -> Self {
        Self {
            bin: Locked::new(env, Bin::new()),
            frames,
            construct,
            next_colour: AtomicUsize::new(0),
            constructed: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            lost_frames: AtomicUsize::new(0),
            objects: PhantomData,
        }
    }

    /// A constructed object: as the constructor made it, or as its last user left it.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if a slab is needed and there are no frames for it, or not one object could be constructed. Nothing
    /// changed then.
    pub fn allocate(&self) -> Result<ObjBox<'_, T>, AllocError> {
        let place = self.bin.with(|bin| bin.take(&Places::<T, E>::GEOMETRY));
        let place = place.map_or_else(|| self.grow(), Ok)?;
        // SAFETY: the bin handed out the place, and nobody else has it until it is put back.
        let object = unsafe { Places::<T, E>::coloured(place) };
        // SAFETY: as above; every object of a slab in the bin is constructed.
        Ok(unsafe { ObjBox::new(object, self) })
    }

    /// Gives the slabs back of which no object is in use, and drops their objects; says how many frames that were.
    pub fn shrink(&self) -> usize {
        self.shrink_by(usize::MAX)
    }

    /// As [`shrink`](Self::shrink), until so many frames went back.
    fn shrink_by(&self, frames: usize) -> usize {
        let mut given = 0;
        while given < frames {
            let Some(slab) = self.bin.with(Bin::release_empty) else { break };
            self.dispose(slab);
            given += Self::slab_frames();
        }
        given
    }

    /// The counters; those of objects made and dropped each of its own moment.
    pub fn stats(&self) -> ObjectStats {
        let (slabs, empty, live, peak) =
            self.bin.with(|bin| (bin.slabs(), bin.empties(), bin.live(), bin.peak()));
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        ObjectStats {
            size: Places::<T, E>::GEOMETRY.size as usize,
            slabs,
            empty,
            live,
            peak,
            constructed: read(&self.constructed),
            dropped: read(&self.dropped),
            lost_frames: read(&self.lost_frames),
        }
    }
}

impl<T: Send, E: Env, F: FrameAlloc, C: Construct<T>> Home<T> for ObjectCache<T, E, F, C> {
    unsafe fn give_back(&self, mut object: NonNull<T>) {
        // SAFETY: the caller promises that the object is constructed and unused.
        self.construct.reset(unsafe { object.as_mut() });
        // SAFETY: the caller promises that the object came from here.
        let Some((slab, index)) = (unsafe { Places::<T, E>::locate(object) }) else { return };
        let surplus = self.bin.with(|bin| {
            bin.put(&Places::<T, E>::GEOMETRY, slab, index);
            bin.trim()
        });
        if let Some(slab) = surplus {
            self.dispose(slab);
        }
    }
}

/// Frames of the slabs of which no object is in use.
impl<T: Send, E: Env, F: FrameAlloc, C: Construct<T>> Reclaim for ObjectCache<T, E, F, C> {
    fn count(&self) -> usize {
        self.bin.with(|bin| bin.empties()) * Self::slab_frames()
    }

    fn reclaim(&self, frames: usize) -> usize {
        self.shrink_by(frames)
    }
}

impl<T: Send, E: Env, F: FrameAlloc, C: Construct<T>> Drop for ObjectCache<T, E, F, C> {
    /// Gives every slab back but those of forgotten objects.
    fn drop(&mut self) {
        self.shrink();
    }
}

impl<T: Send, E: Env, F: FrameAlloc, C: Construct<T>> fmt::Debug for ObjectCache<T, E, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
