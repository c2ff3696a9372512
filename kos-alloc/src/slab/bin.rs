//! The slabs of one size class: [`Bin`].
//!
//! Slabs with a free block stand in a list, last touched first; full ones stand in none. At most one slab without a
//! live block is kept (it is in the list too): the next that becomes empty leaves.

use core::ptr::NonNull;

use super::class::{Class, Geometry};
use super::header::Slab;

/// The slabs of one class, its own cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Bin {
    geometry: Geometry,
    /// The first slab with a free block.
    partial: Option<Slab>,
    /// The one slab without a live block.
    empty: Option<Slab>,
    slabs: usize,
    live: usize,
}

impl Bin {
    /// No slabs yet, of `class` with frames of `frame` bytes.
    pub(crate) const fn new(class: Class, frame: usize) -> Self {
        Self { geometry: Geometry::new(class, frame), partial: None, empty: None, slabs: 0, live: 0 }
    }

    #[inline]
    pub(crate) const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Slabs held.
    pub(crate) const fn slabs(&self) -> usize {
        self.slabs
    }

    /// Blocks handed out.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// The first slab of the list of those with a free block.
    pub(crate) const fn partial(&self) -> Option<Slab> {
        self.partial
    }

    /// The slab without a live block, if one is kept.
    pub(crate) const fn empty(&self) -> Option<Slab> {
        self.empty
    }

    /// Takes a free block out of the first slab that has one.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<NonNull<u8>> {
        let slab = self.partial?;
        let block = slab.take(&self.geometry)?;
        if slab.live() == 1 && self.empty == Some(slab) {
            self.empty = None;
        }
        if slab.is_full() {
            self.unlink(slab);
        }
        self.live += 1;
        Some(slab.block(&self.geometry, block))
    }

    /// Puts a live block of `slab` back. A slab comes back that the bin no longer holds: the caller disposes of it.
    #[inline]
    pub(crate) fn put(&mut self, slab: Slab, block: usize) -> Option<Slab> {
        if slab.put(&self.geometry, block) {
            self.link(slab);
        }
        self.live = self.live.wrapping_sub(1);
        if slab.live() == 0 { self.retire(slab) } else { None }
    }

    /// Takes in a freshly formatted slab and takes its first block.
    pub(crate) fn adopt(&mut self, slab: Slab) -> Option<NonNull<u8>> {
        self.slabs += 1;
        self.link(slab);
        self.take()
    }

    /// Lets the empty slab go, if there is one.
    pub(crate) fn release_empty(&mut self) -> Option<Slab> {
        let slab = self.empty.take()?;
        self.release(slab);
        Some(slab)
    }

    /// Keeps `slab`, which just became empty, or lets it go.
    #[inline]
    fn retire(&mut self, slab: Slab) -> Option<Slab> {
        if self.empty.is_none() {
            self.empty = Some(slab);
            return None;
        }
        self.release(slab);
        Some(slab)
    }

    fn release(&mut self, slab: Slab) {
        self.unlink(slab);
        self.slabs -= 1;
    }

    #[inline]
    fn link(&mut self, slab: Slab) {
        slab.set_previous(None);
        slab.set_next(self.partial);
        if let Some(next) = self.partial {
            next.set_previous(Some(slab));
        }
        self.partial = Some(slab);
    }

    #[inline]
    fn unlink(&mut self, slab: Slab) {
        match slab.previous() {
            Some(previous) => previous.set_next(slab.next()),
            None => self.partial = slab.next(),
        }
        if let Some(next) = slab.next() {
            next.set_previous(slab.previous());
        }
    }
}
