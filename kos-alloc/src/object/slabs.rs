//! Where slabs come from and go to. Everything here runs without the lock.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use super::cache::ObjectCache;
use super::place::Places;
use crate::error::{AllocError, FrameError};
use crate::ports::{Construct, Env, FrameAlloc};
use crate::slab::Slab;
use crate::types::{FrameRange, FrameRequest};

impl<T: Send, E: Env, F: FrameAlloc, C: Construct<T>> ObjectCache<T, E, F, C> {
    pub(super) const fn slab_frames() -> usize {
        Places::<T, E>::SLAB >> E::PAGE_SHIFT
    }

    /// The first object of a new slab, as the bin speaks of it.
    #[cold]
    pub(super) fn grow(&self) -> Result<NonNull<u8>, AllocError> {
        let count = Self::slab_frames();
        let range = self.frames.allocate(&FrameRequest::new(count).aligned(count)).map_err(Self::explain)?;
        let made = self.address_of(range).and_then(|base| {
            // SAFETY: the frames were handed out to this cache alone, and are mapped at `base`, aligned.
            unsafe { self.fill(base) }
        });
        let slab = made.inspect_err(|_| self.give_back_frames(range))?;
        let place = self.bin.with(|bin| {
            bin.adopt(slab);
            bin.take(&Places::<T, E>::GEOMETRY)
        });
        place.ok_or(AllocError::NoMemory { requested: size_of::<T>(), largest_free: 0 })
    }

    /// The address of a slab's frames.
    fn address_of(&self, range: FrameRange) -> Result<NonNull<u8>, AllocError> {
        let map = self.bin.env().direct_map();
        let offset = map.offset_of(range.start(), E::PAGE_SHIFT).filter(|offset| {
            let address = map.base().addr().get().wrapping_add(*offset);
            map.frames().contains_range(&range) && address.is_multiple_of(Places::<T, E>::SLAB)
        });
        let offset =
            offset.ok_or(AllocError::BadRequest { size: size_of::<T>(), align: Places::<T, E>::SLAB })?;
        // SAFETY: the frame is in the direct map, at this distance from its base.
        Ok(unsafe { map.base().add(offset) })
    }

    /// Makes a slab at `base`, with as many objects as can be constructed, but not without any.
    ///
    /// # Safety
    ///
    /// The memory of a slab at `base` belongs to the cache.
    unsafe fn fill(&self, base: NonNull<u8>) -> Result<Slab, AllocError> {
        let colour = self.next_colour.fetch_add(1, Ordering::Relaxed) % Places::<T, E>::COLOURS;
        let mut made = 0;
        while made < Places::<T, E>::OBJECTS {
            match self.construct.construct() {
                Ok(object) => {
                    // SAFETY: the slab is the caller's, and the numbers are below those of `Places`.
                    let place = unsafe { Places::<T, E>::object(base, made, colour) };
                    // SAFETY: an object's place, in which there is nothing yet.
                    unsafe { place.write(object) };
                }
                Err(error) if made == 0 => return Err(error),
                Err(_) => break,
            }
            made += 1;
        }
        self.constructed.fetch_add(made, Ordering::Relaxed);
        let (made, colour) = (u32::try_from(made).unwrap_or(0), u32::try_from(colour).unwrap_or(0));
        let geometry = Places::<T, E>::of_objects(made);
        // SAFETY: the slab belongs to the cache, and its objects lie behind its head.
        let slab = unsafe { Slab::format_head(base, &geometry, self.bin.env().secret()) };
        slab.set_note(Places::<T, E>::note(made, colour));
        Ok(slab)
    }

    /// Drops the objects of a slab that the bin let go, and gives its frames back.
    pub(super) fn dispose(&self, slab: Slab) {
        for object in Places::<T, E>::all(slab) {
            // SAFETY: the object is constructed, and nobody uses it: its slab was empty and left the bin.
            unsafe { object.drop_in_place() };
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let start = self.bin.env().direct_map().frame_of(slab.base().addr().get(), E::PAGE_SHIFT);
        if let Some(range) = start.and_then(|start| FrameRange::new(start, Self::slab_frames())) {
            self.give_back_frames(range);
        }
    }

    fn give_back_frames(&self, range: FrameRange) {
        // SAFETY: the frames were handed out to this cache, and nothing lies in them any more.
        if unsafe { self.frames.free(range) }.is_err() {
            self.lost_frames.fetch_add(range.count(), Ordering::Relaxed);
        }
    }

    /// The frame source's reason in bytes.
    fn explain(error: FrameError) -> AllocError {
        let requested = size_of::<T>();
        let bytes = |frames: usize| frames.saturating_mul(1 << E::PAGE_SHIFT);
        match error {
            FrameError::NoMemory { largest_free, .. } => {
                AllocError::NoMemory { requested, largest_free: bytes(largest_free) }
            }
            FrameError::LimitReached { max } => AllocError::LimitReached { max: bytes(max) },
            FrameError::NotReady => AllocError::NotReady,
            _ => AllocError::NoMemory { requested, largest_free: 0 },
        }
    }
}
