//! The slabs of one size class: [`Bin`].
//!
//! Slabs with both free and live blocks stand in the *partial* list, last touched first; slabs without a live block in
//! the *empty* list; full ones in none. Blocks are taken from partial slabs first. A few empty slabs are kept against a
//! caller who goes to and fro; which more become empty leave.

use core::ptr::NonNull;

use super::class::Geometry;
use super::header::Slab;
use super::list::List;

/// Of so many slabs a class may keep one that is empty; at least one in all.
const SLABS_PER_EMPTY: usize = 8;

/// Blocks of one slab that were taken out together.
#[derive(Debug)]
pub(crate) struct Blocks {
    slab: Slab,
    first: usize,
    bits: u64,
    count: usize,
}

impl Blocks {
    /// How many there were at first.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The next of them.
    #[inline]
    pub(crate) fn next(&mut self, geometry: &Geometry) -> Option<NonNull<u8>> {
        if self.bits == 0 {
            return None;
        }
        let block = self.first + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(self.slab.block(geometry, block))
    }
}

/// The slabs of one class. Every method wants the geometry of that class.
#[derive(Debug)]
pub(crate) struct Bin {
    partial: List,
    empty: List,
    empties: usize,
    slabs: usize,
    live: usize,
    peak: usize,
    /// Bytes that the live blocks were asked with; wraps.
    requested: usize,
    leaked: usize,
    changes: usize,
}

impl Bin {
    /// No slabs yet.
    pub(crate) const fn new() -> Self {
        Self {
            partial: List::new(),
            empty: List::new(),
            empties: 0,
            slabs: 0,
            live: 0,
            peak: 0,
            requested: 0,
            leaked: 0,
            changes: 0,
        }
    }

    /// Slabs held.
    pub(crate) const fn slabs(&self) -> usize {
        self.slabs
    }

    /// Blocks that are out of the slabs.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// The most that [`live`](Self::live) ever was.
    pub(crate) const fn peak(&self) -> usize {
        self.peak
    }

    /// Blocks that will never be handed out again, because something wrote to them while they were free.
    pub(crate) const fn leaked(&self) -> usize {
        self.leaked
    }

    /// Bytes that callers asked for and have not given back, as far as they came through this bin; wraps.
    pub(crate) const fn requested(&self) -> usize {
        self.requested
    }

    /// A number that changes whenever something else does.
    pub(crate) const fn changes(&self) -> usize {
        self.changes
    }

    /// The slabs with both free and live blocks.
    pub(crate) const fn partial(&self) -> &List {
        &self.partial
    }

    /// The slabs without a live block.
    pub(crate) const fn empty(&self) -> &List {
        &self.empty
    }

    /// Slabs in [`empty`](Self::empty).
    pub(crate) const fn empties(&self) -> usize {
        self.empties
    }

    /// Enters a change of the bytes asked for: `more` of them, and `less`.
    #[inline]
    pub(crate) fn count_requested(&mut self, more: usize, less: usize) {
        self.requested = self.requested.wrapping_add(more).wrapping_sub(less);
        self.changes = self.changes.wrapping_add(1);
    }

    /// Gives up a block that is out of its slab.
    pub(crate) fn leak(&mut self) {
        self.leaked += 1;
    }

    /// Takes a free block out of a slab that has one.
    pub(crate) fn take(&mut self, geometry: &Geometry) -> Option<NonNull<u8>> {
        self.take_up_to(1, geometry).and_then(|mut blocks| blocks.next(geometry))
    }

    /// Takes free blocks out of a slab that has one: up to `most`, which is not 0, and as many as a word of its bitmap
    /// names. A slab whose bitmap was trampled leaves the lists: the class goes on with another.
    pub(crate) fn take_up_to(&mut self, most: usize, geometry: &Geometry) -> Option<Blocks> {
        let (slab, (index, free)) = loop {
            let slab = match self.partial.first() {
                Some(slab) => slab,
                None => self.reopen()?,
            };
            match slab.free_word(geometry) {
                Some(word) => break (slab, word),
                None => self.partial.remove(slab),
            }
        };
        let (mut rest, mut count) = (free, 0);
        while rest != 0 && count < most {
            rest &= rest - 1;
            count += 1;
        }
        slab.take(geometry, index, rest, count);
        if slab.is_full() {
            self.partial.remove(slab);
        }
        self.live += count;
        self.peak = self.peak.max(self.live);
        self.changes = self.changes.wrapping_add(1);
        Some(Blocks { slab, first: index * 64, bits: free ^ rest, count })
    }

    /// Puts a live block of `slab` back.
    #[inline]
    pub(crate) fn put(&mut self, geometry: &Geometry, slab: Slab, block: usize) {
        if slab.put(geometry, block) {
            self.partial.push(slab);
        }
        self.live = self.live.wrapping_sub(1);
        self.changes = self.changes.wrapping_add(1);
        if slab.live() == 0 {
            self.partial.remove(slab);
            self.empty.push(slab);
            self.empties += 1;
        }
    }

    /// Takes in a freshly formatted slab.
    pub(crate) fn adopt(&mut self, slab: Slab) {
        self.slabs += 1;
        self.empties += 1;
        self.changes = self.changes.wrapping_add(1);
        self.empty.push(slab);
    }

    /// Lets an empty slab go, if there are more than are to be kept. The caller disposes of it.
    #[inline]
    pub(crate) fn trim(&mut self) -> Option<Slab> {
        let surplus = self.empties > 1 && self.empties > self.slabs / SLABS_PER_EMPTY;
        if surplus { self.release_empty() } else { None }
    }

    /// Lets an empty slab go, if there is one. The caller disposes of it.
    pub(crate) fn release_empty(&mut self) -> Option<Slab> {
        let slab = self.empty.pop()?;
        self.empties -= 1;
        self.slabs -= 1;
        self.changes = self.changes.wrapping_add(1);
        Some(slab)
    }

    /// Makes an empty slab a partial one.
    #[cold]
    fn reopen(&mut self) -> Option<Slab> {
        let slab = self.empty.pop()?;
        self.empties -= 1;
        self.partial.push(slab);
        Some(slab)
    }
}
