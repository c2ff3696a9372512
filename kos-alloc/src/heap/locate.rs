//! Which block an address names. The page map decides; nothing is read through the address until page map, cookie and
//! slot have said that it is a block of a slab, and nothing is ever written.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::ground::Ground;
use super::pagemap::Frame;
use crate::error::FreeError;
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Class, Slab, bytes_needed, seal};

/// A live block.
#[derive(Debug)]
pub(super) enum Found {
    /// A block of a slab.
    Block(Class),
    /// Whole frames: `count` from `index`, whose mark says that there are `digits` digits of the count.
    Large { index: usize, digits: u8, count: usize },
    /// What the simple pool has there, of which it alone knows.
    Simple,
}

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// The live block that starts at `ptr`.
    pub(super) fn locate(ground: &Ground, ptr: NonNull<u8>) -> Result<Found, FreeError<NonNull<u8>>> {
        let arena = &ground.arena;
        let Some(index) = arena.index_of(ptr.addr().get()) else { return Err(FreeError::NotManaged(ptr)) };
        match arena.look(index) {
            Frame::Slab(class) => Self::locate_live(ground, ptr, class),
            Frame::Head(digits) => Self::locate_large(ground, ptr, index, digits),
            Frame::Tail(_) => {
                let head = arena.head_before(index).and_then(|head| arena.address(head));
                Err(head.map_or(FreeError::NotManaged(ptr), |block| FreeError::Interior { at: ptr, block }))
            }
            Frame::Simple => Ok(Found::Simple),
            Frame::Never => Err(FreeError::NotManaged(ptr)),
            Frame::Returned => Err(FreeError::DoubleFree(ptr)),
            Frame::Damaged => Err(FreeError::Corrupt(ptr)),
        }
    }

    /// The block that starts at `ptr`, live or free, in a frame that the page map gives to a slab of `class`. Small machines
    /// have one copy of it.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(super) fn locate_block(
        ground: &Ground,
        ptr: NonNull<u8>,
        class: Class,
    ) -> Result<(Slab, usize), FreeError<NonNull<u8>>> {
        let geometry = Self::geometry(class);
        let address = ptr.addr().get();
        let Some(slab) = Self::slab_at(ground, address, class).filter(|slab| slab.is_sound(ground.secret))
        else {
            return Err(FreeError::Corrupt(ptr));
        };
        let offset = geometry.offset_in_slab(address);
        let Some((block, start)) = geometry.block_at(offset) else {
            return Err(FreeError::NotManaged(ptr));
        };
        if start != offset {
            return Err(FreeError::Interior { at: ptr, block: slab.block(geometry, block) });
        }
        Ok((slab, block))
    }

    fn locate_live(ground: &Ground, ptr: NonNull<u8>, class: Class) -> Result<Found, FreeError<NonNull<u8>>> {
        Self::locate_block(ground, ptr, class)?;
        // SAFETY: it is a block of a live slab.
        if unsafe { seal::is_sealed(ptr, ground.secret) } {
            return Err(FreeError::DoubleFree(ptr));
        }
        Ok(Found::Block(class))
    }

    fn locate_large(
        ground: &Ground,
        ptr: NonNull<u8>,
        index: usize,
        digits: u8,
    ) -> Result<Found, FreeError<NonNull<u8>>> {
        let count = ground.arena.large_count(index, digits);
        let (Some(count), Some(block)) = (count, ground.arena.address(index)) else {
            return Err(FreeError::Corrupt(ptr));
        };
        if ptr != block {
            return Err(FreeError::Interior { at: ptr, block });
        }
        Ok(Found::Large { index, digits, count })
    }

    /// The slab of `class` in which `address` lies, as the page map says.
    #[inline]
    pub(super) fn slab_at(ground: &Ground, address: usize, class: Class) -> Option<Slab> {
        let base = ground.arena.pointer(address & !(Self::geometry(class).slab as usize - 1))?;
        // SAFETY: the page map names a slab's frames from `adopt`, which takes a formatted slab, to `dismiss`; a slab
        // with a live block, or one that is looked at under the lock of its class, is not dismissed meanwhile.
        Some(unsafe { Slab::at(base) })
    }
}

pub(super) fn wrong_size(at: NonNull<u8>, layout: Layout, actual: usize) -> FreeError<NonNull<u8>> {
    FreeError::WrongSize { at, given: bytes_needed(layout), actual }
}
