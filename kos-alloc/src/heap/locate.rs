//! Which block an address names. The page map decides; nothing is read through the address.

use core::ptr::NonNull;

use super::pagemap::Frame;
use super::state::State;
use crate::error::FreeError;
use crate::slab::{Class, Geometry, Slab};

/// A live block.
#[derive(Debug)]
pub(super) enum Found {
    /// A block of a slab.
    Block { class: Class },
    /// Whole frames: `count` from `index`.
    Large { index: usize, count: usize },
}

/// Why an address names no live block.
#[derive(Debug)]
pub(super) enum Miss {
    Refused(FreeError<NonNull<u8>>),
    /// It points into the large block to whose tail frame `index` belongs; to find the head takes a walk.
    InTail {
        index: usize,
    },
}

impl State {
    /// The live block that starts at `ptr`.
    pub(super) fn locate(&self, ptr: NonNull<u8>) -> Result<Found, Miss> {
        let Some(index) = self.arena.index_of(ptr.addr().get()) else { return Err(self.outside(ptr)) };
        match self.arena.look(index) {
            Frame::Slab(class) => self.locate_block(ptr, class).map(|_| Found::Block { class }),
            Frame::Head(digits) => self.locate_large(ptr, index, digits),
            Frame::Tail(_) => Err(Miss::InTail { index }),
            Frame::Never => Err(Miss::Refused(FreeError::NotManaged(ptr))),
            Frame::Returned => Err(Miss::Refused(FreeError::DoubleFree(ptr))),
            Frame::Damaged => Err(Miss::Refused(FreeError::Corrupt(ptr))),
        }
    }

    /// The live block that starts at `ptr`, in a frame that the page map gives to a slab of `class`.
    #[inline]
    pub(super) fn locate_block(&self, ptr: NonNull<u8>, class: Class) -> Result<(Slab, usize), Miss> {
        let address = ptr.addr().get();
        let Some((slab, geometry)) = self.slab_at(address, class) else {
            return Err(Miss::Refused(FreeError::Corrupt(ptr)));
        };
        if !slab.is_sound(self.secret) {
            return Err(Miss::Refused(FreeError::Corrupt(ptr)));
        }
        let offset = address & (geometry.slab as usize - 1);
        let Some((block, start)) = geometry.block_at(offset) else {
            return Err(Miss::Refused(FreeError::NotManaged(ptr)));
        };
        if start != offset {
            return Err(Miss::Refused(FreeError::Interior { at: ptr, block: slab.block(geometry, block) }));
        }
        if slab.is_free(geometry, block) {
            return Err(Miss::Refused(FreeError::DoubleFree(ptr)));
        }
        Ok((slab, block))
    }

    fn locate_large(&self, ptr: NonNull<u8>, index: usize, digits: u8) -> Result<Found, Miss> {
        let count = self.arena.large_count(index, digits);
        let (Some(count), Some(block)) = (count, self.arena.address(index)) else {
            return Err(Miss::Refused(FreeError::Corrupt(ptr)));
        };
        if ptr != block {
            return Err(Miss::Refused(FreeError::Interior { at: ptr, block }));
        }
        Ok(Found::Large { index, count })
    }

    /// The slab of `class` in which `address` lies, as the page map says.
    #[inline]
    pub(super) fn slab_at(&self, address: usize, class: Class) -> Option<(Slab, &Geometry)> {
        let geometry = self.bin(class)?.geometry();
        let base = self.arena.pointer(address & !(geometry.slab as usize - 1))?;
        // SAFETY: the page map names a slab's frames from `adopt`, which takes a formatted slab, to `dismiss`, both
        // under the lock that guards `self`.
        Some((unsafe { Slab::at(base) }, geometry))
    }

    #[cold]
    fn outside(&self, ptr: NonNull<u8>) -> Miss {
        Miss::Refused(if self.arena.is_ready() {
            FreeError::NotManaged(ptr)
        } else {
            FreeError::NotReady(ptr)
        })
    }
}
