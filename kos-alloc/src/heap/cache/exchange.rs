//! What happens when a magazine runs empty or full.
//!
//! The other magazine of the CPU comes first, then the depot, then the slabs: half a magazine from them, a whole one to
//! them, under one lock. Everything is done in one masked section, which is bounded by one magazine; slabs that became empty
//! leave after it.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::cpu::Shelf;
use super::magazine::Magazine;
use crate::error::FreeError;
use crate::heap::KernelHeap;
use crate::heap::ground::Ground;
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Bin, Chain, Class, seal};

/// Blocks with which a magazine is filled at least, if it has room for so many.
const LEAST_FILLED: usize = 2;

/// What an exchange came to.
pub(super) enum Exchange {
    /// It can be tried again.
    Done,
    /// A block that is not as a free block is left its magazine: it is to be told of, and then tried again.
    Broken(FreeError<NonNull<u8>>),
    /// There is no cache for it, or nothing to fill it with.
    Useless,
}

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// A block of `class` for `size` bytes from the cache of this CPU, which is filled first.
    pub(in crate::heap) fn refill(&self, ground: &Ground, class: Class, size: usize) -> Option<NonNull<u8>> {
        loop {
            if let Some(block) = self.pop(class, size) {
                return Some(block);
            }
            if !self.exchange(class, |shelf, _| self.fill(ground, shelf, class)) {
                return None;
            }
        }
    }

    /// Makes room for a block of `class` in the cache of this CPU; false if there is no cache to be had.
    pub(in crate::heap) fn make_room(&self, ground: &Ground, class: Class) -> bool {
        self.exchange(class, |shelf, leaving| self.empty(ground, shelf, class, leaving))
    }

    /// Does `work` in the cache of this CPU, and afterwards what must not be done masked; says whether it was of use.
    fn exchange(&self, class: Class, work: impl FnOnce(&mut Shelf<'_>, &mut Chain) -> Exchange) -> bool {
        let Some(caches) = self.caches.active() else { return false };
        let mut leaving = Chain::new();
        let (outcome, asked) = {
            let _masked = self.env.irq_save();
            let Some(cache) = self.own_cache(caches) else { return false };
            let Some(turn) = cache.enter() else { return false };
            let mut shelf = turn.shelf(class);
            if shelf.capacity() == 0 {
                return false;
            }
            (work(&mut shelf, &mut leaving), cache.is_asked_to_drain())
        };
        self.dispose_of_slabs(class, leaving);
        if asked {
            self.drain_local();
        }
        match outcome {
            Exchange::Done => true,
            Exchange::Useless => false,
            Exchange::Broken(error) => {
                self.report(error, class.layout());
                true
            }
        }
    }

    /// Sees to it that the loaded magazine has a whole block on top.
    fn fill(&self, ground: &Ground, shelf: &mut Shelf<'_>, class: Class) -> Exchange {
        if let Some(block) = shelf.loaded.top() {
            return self.discard_top(ground, shelf.loaded, class, block);
        }
        if !shelf.previous.is_empty() {
            shelf.swap();
            return Exchange::Done;
        }
        let empty = shelf.loaded;
        if let Some(full) = self.depot(class).with(&self.env, |depot| depot.trade_for_full(empty)) {
            shelf.loaded = full;
            return Exchange::Done;
        }
        let geometry = Self::geometry(class);
        let mut wanted = shelf.capacity().div_ceil(2).max(LEAST_FILLED).min(shelf.capacity());
        self.bin(class).with(&self.env, |bin| {
            while wanted > 0
                && let Some(mut blocks) = bin.take_up_to(wanted, geometry)
            {
                wanted -= blocks.count();
                while let Some(block) = blocks.next(geometry) {
                    empty.push(block);
                }
            }
        });
        if empty.is_empty() { Exchange::Useless } else { Exchange::Done }
    }

    /// Sees to it that the loaded magazine has room.
    fn empty(&self, ground: &Ground, shelf: &mut Shelf<'_>, class: Class, leaving: &mut Chain) -> Exchange {
        let (full, capacity) = (shelf.loaded, shelf.capacity());
        if full.len() < capacity {
            return Exchange::Done;
        }
        if shelf.previous.len() < capacity {
            shelf.swap();
            return Exchange::Done;
        }
        if let Some(empty) = self.depot(class).with(&self.env, |depot| depot.trade_for_empty(full)) {
            shelf.loaded = empty;
            return Exchange::Done;
        }
        shelf.swap();
        self.flush(ground, shelf.loaded, class, leaving)
    }

    /// Puts the blocks of `magazine`, which belongs to the caller, back into their slabs; slabs that leave for it are put
    /// into `leaving`. Stops at a block that is not as a free block is left its magazine, which is dropped.
    pub(super) fn flush(
        &self,
        ground: &Ground,
        magazine: Magazine,
        class: Class,
        leaving: &mut Chain,
    ) -> Exchange {
        self.bin(class).with(&self.env, |bin| {
            while let Some(block) = magazine.top() {
                magazine.drop_top();
                if let Err(error) = Self::bring_home(ground, bin, class, block) {
                    return Exchange::Broken(error);
                }
                if let Some(slab) = bin.trim() {
                    Self::dismiss(ground, slab, class);
                    leaving.push(slab);
                }
            }
            Exchange::Done
        })
    }

    /// Puts a free block, out of a magazine, back into its slab. Under the lock of the class.
    pub(super) fn bring_home(
        ground: &Ground,
        bin: &mut Bin,
        class: Class,
        block: NonNull<u8>,
    ) -> Result<(), FreeError<NonNull<u8>>> {
        let (slab, number) = Self::locate_block(ground, block, class)?;
        if slab.is_free(Self::geometry(class), number) {
            return Err(FreeError::DoubleFree(block));
        }
        // SAFETY: it is a block of a live slab: its bit says that it is out.
        if !unsafe { seal::is_sealed(block, ground.secret) } {
            bin.leak();
            return Err(FreeError::Corrupt(block));
        }
        bin.put(Self::geometry(class), slab, number);
        Ok(())
    }

    /// Drops the block on top of a magazine if its seal is broken.
    #[cold]
    fn discard_top(&self, ground: &Ground, magazine: Magazine, class: Class, block: NonNull<u8>) -> Exchange {
        // SAFETY: what is in a magazine is a block of a slab.
        if unsafe { seal::is_sealed(block, ground.secret) } {
            return Exchange::Done;
        }
        magazine.drop_top();
        self.bin(class).with(&self.env, Bin::leak);
        Exchange::Broken(FreeError::Corrupt(block))
    }

    /// Gives the frames of slabs back that left their bin. Without a lock.
    pub(in crate::heap) fn dispose_of_slabs(&self, class: Class, mut leaving: Chain) -> usize {
        let Some(ground) = self.ground.get() else { return 0 };
        core::iter::from_fn(|| leaving.pop())
            .map(|slab| {
                Self::surplus_of(ground, slab, class).map_or(0, |surplus| self.dispose(ground, surplus))
            })
            .sum()
    }

    /// Tells the kernel what a magazine was found with; a double free is counted. Without a lock.
    #[cold]
    pub(in crate::heap) fn report(&self, error: FreeError<NonNull<u8>>, layout: Layout) {
        if matches!(error, FreeError::DoubleFree(_)) {
            self.counters.count_refused(&error);
        }
        self.tell(error, layout);
    }
}
