//! Blocks that change their size where they are.
//!
//! A block of a slab may use all of its class. A block of whole frames gives frames at its end back, or claims those behind
//! it. While it changes its head is taken away, so that a wrong free meanwhile is a double free.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::KernelHeap;
use super::ground::Ground;
use super::locate::{Found, wrong_size};
use super::source::Surplus;
use crate::error::FreeError;
use crate::ports::{Env, FrameAlloc};
use crate::slab::Class;

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Makes the block at `ptr`, of layout `old`, one of at least as many bytes, `new_size`, where it is; false, and nothing
    /// changed, if that cannot be.
    ///
    /// # Errors
    ///
    /// [`FreeError`] as [`free`](Self::free), if `ptr` is no live block of that layout.
    ///
    /// # Safety
    ///
    /// The block is the caller's.
    pub unsafe fn grow_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new_size: usize,
    ) -> Result<bool, FreeError<NonNull<u8>>> {
        self.resize_if(new_size >= old.size(), ptr, old, new_size)
    }

    /// Makes the block at `ptr`, of layout `old`, one of at most as many bytes, `new_size`, where it is; false, and nothing
    /// changed, if that cannot be: the block would be of another class. Frames at the end of a large block go back.
    ///
    /// # Errors
    ///
    /// [`FreeError`] as [`free`](Self::free), if `ptr` is no live block of that layout.
    ///
    /// # Safety
    ///
    /// The block is the caller's, who uses no more than `new_size` bytes of it any more.
    pub unsafe fn shrink_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new_size: usize,
    ) -> Result<bool, FreeError<NonNull<u8>>> {
        self.resize_if(new_size <= old.size(), ptr, old, new_size)
    }

    fn resize_if(
        &self,
        right_way: bool,
        ptr: NonNull<u8>,
        old: Layout,
        new_size: usize,
    ) -> Result<bool, FreeError<NonNull<u8>>> {
        let Ok(new) = Layout::from_size_align(new_size, old.align()) else { return Ok(false) };
        if !right_way || old.size() == 0 || new_size == 0 {
            return Ok(false);
        }
        self.resize(ptr, old, new).map_err(|error| self.refuse(error))
    }

    /// Whether the block at `ptr` of layout `old` now is one of `new`, of the same alignment; neither is empty.
    pub(super) fn resize(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<bool, FreeError<NonNull<u8>>> {
        let ground = self.ground.get().ok_or(FreeError::NotReady(ptr))?;
        match Self::locate(ground, ptr)? {
            Found::Block(class) if Class::of(old) != Some(class) => Err(wrong_size(ptr, old, class.size())),
            Found::Block(class) => {
                let fits = Class::of(new) == Some(class);
                if fits {
                    self.bin(class).with(&self.env, |bin| bin.count_requested(new.size(), old.size()));
                }
                Ok(fits)
            }
            Found::Simple => self.resize_simple(ptr, old, new),
            Found::Large { index, digits, count } => {
                Self::check_large(ground, ptr, old, count)?;
                if Class::of(old).is_some() != Class::of(new).is_some() {
                    // A block that becomes small moves: it would keep a frame.
                    return Ok(false);
                }
                let new_count = ground.arena.frames_for(new.size());
                if new_count != count && !self.resize_large(ground, (index, digits, count), new_count) {
                    return Ok(false);
                }
                self.counters.requested.add(new.size().wrapping_sub(old.size()));
                Ok(true)
            }
        }
    }

    /// Makes the block of `count` frames whose first is `index` one of `new_count`.
    fn resize_large(
        &self,
        ground: &Ground,
        (index, digits, count): (usize, u8, usize),
        new_count: usize,
    ) -> bool {
        let arena = &ground.arena;
        let _changing = self.counters.change_large();
        if self.env.in_nmi() || new_count > arena.frames() - index || !arena.take_head(index, digits) {
            return false;
        }
        let resized = new_count < count || self.claim_behind(ground, index + count, new_count - count);
        let now = if resized { new_count } else { count };
        self.counters.resize_large(count, now);
        arena.mark_tails(index, now);
        arena.mark_head(index, now);
        if now < count {
            self.dispose(ground, Surplus { index: index + now, count: count - now });
        }
        resized
    }

    /// Takes `count` frames from `index` out of the source, if they are free.
    fn claim_behind(&self, ground: &Ground, index: usize, count: usize) -> bool {
        let claimed = self.frames.allocate_at(ground.arena.range(index, count)).is_ok();
        if claimed {
            self.counters.hold(count);
        }
        claimed
    }
}
