//! Where the objects of a type lie in slabs: [`Places`].
//!
//! ```text
//! base                     first        colour lines of 64 B
//! │ head of the slab │ pad │ ─ ─ ─ ─ ─ ─ │ object 0 │ object 1 │ … │ rest │
//! ```
//!
//! The head's note says how many objects the slab has, and its colour. The bin of the slabs knows nothing of colours: it
//! speaks of the place that an object would have without.

use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::ports::Env;
use crate::slab::{Geometry, SLAB_LIMIT, Slab};

/// Bytes by which two colours differ: a cache line, or the alignment of the objects if that is more.
const LINE: usize = 64;

/// The geometry of `T` in the slabs of `E`.
pub(super) struct Places<T, E>(PhantomData<(T, E)>);

impl<T, E: Env> Places<T, E> {
    const ALIGN: usize = if align_of::<T>() > 8 { align_of::<T>() } else { 8 };

    /// Without a colour. The smallest slab that holds eight objects and wastes at most 1/16, or the largest.
    pub(super) const GEOMETRY: Geometry = {
        let bytes = if size_of::<T>() > 8 { size_of::<T>() } else { 8 };
        assert!(bytes <= SLAB_LIMIT, "an object fits a slab of 64 KiB");
        let geometry =
            Geometry::fitting(bytes.next_multiple_of(Self::ALIGN), Self::ALIGN, 1 << E::PAGE_SHIFT);
        assert!(geometry.blocks > 0, "an object fits a slab of 64 KiB");
        geometry
    };

    const STEP: usize = if Self::ALIGN > LINE { Self::ALIGN } else { LINE };

    /// Number of colours.
    pub(super) const COLOURS: usize = {
        let Geometry { slab, first, blocks, size, .. } = Self::GEOMETRY;
        1 + (slab - first - blocks * size) as usize / Self::STEP
    };

    /// Bytes of a slab.
    pub(super) const SLAB: usize = Self::GEOMETRY.slab as usize;

    /// Objects of a slab, unless constructing one failed.
    pub(super) const OBJECTS: usize = Self::GEOMETRY.blocks as usize;

    /// The geometry of a slab of `objects` objects.
    pub(super) const fn of_objects(objects: u32) -> Geometry {
        Self::GEOMETRY.with_blocks(objects)
    }

    /// The note for a slab of `objects` objects, at most 4096, with a colour below [`COLOURS`](Self::COLOURS).
    pub(super) const fn note(objects: u32, colour: u32) -> u32 {
        colour << 16 | objects
    }

    /// The objects of a slab.
    pub(super) fn objects(slab: Slab) -> u32 {
        slab.note() & 0xffff
    }

    fn colour(slab: Slab) -> usize {
        (slab.note() >> 16) as usize
    }

    /// Where object `index` of the slab at `base` lies.
    ///
    /// # Safety
    ///
    /// `base` is that of a slab, `index` below [`OBJECTS`](Self::OBJECTS), `colour` below [`COLOURS`](Self::COLOURS).
    pub(super) unsafe fn object(base: NonNull<u8>, index: usize, colour: usize) -> NonNull<T> {
        let offset = Self::GEOMETRY.offset_of(index) + colour * Self::STEP;
        // SAFETY: the object ends within the slab: `COLOURS` divides what the objects leave of it.
        unsafe { base.add(offset) }.cast()
    }

    /// The object whose place without a colour is `place`.
    ///
    /// # Safety
    ///
    /// `place` is a block that the bin of these slabs handed out.
    pub(super) unsafe fn coloured(place: NonNull<u8>) -> NonNull<T> {
        // SAFETY: the block lies in a slab, whose base it was derived from.
        let slab = unsafe { Slab::at(Self::base(place)) };
        // SAFETY: colour 0 puts every object its colour before the slab's end.
        unsafe { place.add(Self::colour(slab) * Self::STEP) }.cast()
    }

    /// The slab of an object and its number there.
    ///
    /// # Safety
    ///
    /// `object` is an object of a slab, with the pointer that [`coloured`](Self::coloured) gave.
    pub(super) unsafe fn locate(object: NonNull<T>) -> Option<(Slab, usize)> {
        let base = Self::base(object.cast());
        // SAFETY: the caller promises that this is a slab's object, and slabs are aligned to their size.
        let slab = unsafe { Slab::at(base) };
        let offset = object.addr().get() - base.addr().get();
        let (index, _) = Self::GEOMETRY.block_at(offset.checked_sub(Self::colour(slab) * Self::STEP)?)?;
        Some((slab, index))
    }

    /// All objects of a slab.
    pub(super) fn all(slab: Slab) -> impl Iterator<Item = NonNull<T>> {
        let colour = Self::colour(slab);
        // SAFETY: the indexes are those of objects that exist, and the colour is the slab's.
        (0..Self::objects(slab) as usize)
            .map(move |index| unsafe { Self::object(slab.base(), index, colour) })
    }

    /// The base of the slab in which `pointer` lies.
    fn base(pointer: NonNull<u8>) -> NonNull<u8> {
        let base = pointer.as_ptr().map_addr(|address| address & !(Self::SLAB - 1));
        // Not null: the slab has memory before the pointer.
        NonNull::new(base).unwrap_or(pointer)
    }
}
