//! The invariants of a heap, walked one by one.
//!
//! Each slab and each list is looked at under the lock of its class; the totals of a class are compared only if nobody
//! used it during the walk. So a busy heap is never called broken, and a quiet one is checked completely.

use super::KernelHeap;
use super::ground::Ground;
use super::pagemap::Frame;
use crate::error::Corruption;
use crate::ports::{Env, FrameAlloc};
use crate::slab::{Bin, CLASSES, Class, List, PerClass};

/// What the page map says of a class, added up.
#[derive(Clone, Copy, Default)]
struct Census {
    /// The bin's number of changes before the walk.
    changes: usize,
    slabs: usize,
    live: usize,
    partial: usize,
    empty: usize,
}

/// What the page map says of everything.
struct Found {
    classes: PerClass<Census>,
    large_settled: Option<usize>,
    large_blocks: usize,
    large_frames: usize,
    simple_settled: Option<usize>,
    simple_frames: usize,
}

impl<E: Env, F: FrameAlloc> KernelHeap<E, F> {
    /// Walks every invariant: page map, slabs, seals, lists, counters. For tests and diagnosis: it takes time in proportion
    /// to the frames of the span, but a lock no longer than one slab, one list or one depot takes. What rests in the caches
    /// of other CPUs is left to them.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    pub fn check(&self) -> Result<(), Corruption> {
        let Some(ground) = self.ground.get() else { return Ok(()) };
        let mut found = self.before();
        let mut index = 0;
        while index < ground.arena.frames() {
            index += match ground.arena.look(index) {
                Frame::Slab(class) => self.check_slab(ground, index, class, found.classes.of_mut(class))?,
                Frame::Head(digits) => self.check_large_block(ground, index, digits, &mut found)?,
                Frame::Simple => {
                    found.simple_frames += 1;
                    1
                }
                // A tail without a head is a block that another CPU is about to enter or to give back.
                Frame::Never | Frame::Returned | Frame::Tail(_) => 1,
                Frame::Damaged => {
                    return broken(ground, index, "the page map has a byte that the heap does not write");
                }
            };
        }
        self.check_caches(ground)?;
        self.check_totals(ground, &found)
    }

    fn before(&self) -> Found {
        let mut classes = PerClass::new([Census::default(); CLASSES]);
        for class in Class::all() {
            classes.of_mut(class).changes = self.bin(class).with(&self.env, |bin| bin.changes());
        }
        let large_settled = self.counters.large_settled();
        Found {
            classes,
            large_settled,
            large_blocks: 0,
            large_frames: 0,
            simple_settled: self.simple.settled(),
            simple_frames: 0,
        }
    }

    /// Checks the slab whose first frame is `index`; says how many frames it has.
    fn check_slab(
        &self,
        ground: &Ground,
        index: usize,
        class: Class,
        census: &mut Census,
    ) -> Result<usize, Corruption> {
        self.bin(class).with(&self.env, |_| {
            if ground.arena.look(index) != Frame::Slab(class) {
                // It went back to the source meanwhile.
                return Ok(1);
            }
            Self::check_live_slab(ground, index, class, census)
        })
    }

    /// As [`check_slab`](Self::check_slab), under the lock of the class.
    fn check_live_slab(
        ground: &Ground,
        index: usize,
        class: Class,
        census: &mut Census,
    ) -> Result<usize, Corruption> {
        let (arena, geometry) = (&ground.arena, Self::geometry(class));
        let slab = arena.address(index).and_then(|place| Self::slab_at(ground, place.addr().get(), class));
        let first = slab.and_then(|slab| arena.index_of(slab.base().addr().get()));
        let Some((slab, first)) = slab.zip(first) else {
            return broken(ground, index, "a slab does not start where its class is aligned");
        };
        let frames = arena.frames_for(geometry.slab as usize);
        if (first..first + frames).any(|frame| arena.look(frame) != Frame::Slab(class)) {
            return broken(ground, index, "a slab lacks frames");
        }
        if first < index {
            // It came into being behind the walk.
            return Ok(first + frames - index);
        }
        if !slab.is_sound(ground.secret) {
            return broken(ground, index, "the cookie of a slab was overwritten");
        }
        if !slab.is_consistent(geometry) {
            return broken(ground, index, "bitmap, summary and count of a slab differ");
        }
        if !slab.is_sealed(geometry, ground.secret) {
            return broken(ground, index, "a free block was written to");
        }
        census.slabs += 1;
        census.live += slab.live() as usize;
        census.partial += usize::from(!slab.is_full() && slab.live() > 0);
        census.empty += usize::from(slab.live() == 0);
        Ok(frames)
    }

    /// Checks the large block whose head is `index`; says how many frames it has.
    fn check_large_block(
        &self,
        ground: &Ground,
        index: usize,
        digits: u8,
        found: &mut Found,
    ) -> Result<usize, Corruption> {
        let arena = &ground.arena;
        let count = arena.large_count(index, digits).unwrap_or(0);
        let fits = count > 0 && count <= arena.frames() - index;
        let whole = fits && (index + 1..index + count).all(|tail| matches!(arena.look(tail), Frame::Tail(_)));
        if whole {
            found.large_blocks += 1;
            found.large_frames += count;
            return Ok(count);
        }
        if !self.is_large_settled(found) {
            // It was freed or resized meanwhile.
            return Ok(1);
        }
        broken(ground, index, "a large block has an impossible length, or lacks frames")
    }

    /// Whether no large block came, went or changed its size since the walk began.
    fn is_large_settled(&self, found: &Found) -> bool {
        found.large_settled.is_some() && found.large_settled == self.counters.large_settled()
    }

    fn check_totals(&self, ground: &Ground, found: &Found) -> Result<(), Corruption> {
        for (class, census) in found.classes.iter() {
            self.bin(class).with(&self.env, |bin| Self::check_bin(ground, class, bin, census))?;
        }
        self.check_simple()?;
        if found.simple_settled.is_some()
            && found.simple_frames != self.simple_stats().frames
            && found.simple_settled == self.simple.settled()
        {
            return broken(ground, 0, "the page map gives the simple pool other frames than it has");
        }
        let large = self.counters.large();
        if (found.large_blocks, found.large_frames) != (large.blocks, large.frames)
            && self.is_large_settled(found)
        {
            return broken(ground, 0, "the counters of large blocks differ from the page map");
        }
        Ok(())
    }

    /// Whether lists and counters of a class are as its slabs say.
    fn check_bin(ground: &Ground, class: Class, bin: &Bin, census: &Census) -> Result<(), Corruption> {
        if bin.changes() != census.changes {
            return Ok(());
        }
        if (census.slabs, census.live, census.empty) != (bin.slabs(), bin.live(), bin.empties()) {
            return broken(ground, 0, "the counters of a class differ from its slabs");
        }
        if bin.live() < bin.leaked() || bin.live() > bin.peak() {
            return broken(ground, 0, "the counters of a class contradict each other");
        }
        Self::check_list(ground, class, bin.partial(), census.partial)?;
        Self::check_list(ground, class, bin.empty(), census.empty)
    }

    /// Whether `list` links exactly `expected` slabs of `class`, each with a free block.
    fn check_list(ground: &Ground, class: Class, list: &List, expected: usize) -> Result<(), Corruption> {
        let (mut previous, mut next) = (None, list.first());
        for _ in 0..expected {
            let Some(slab) = next else {
                return broken(ground, 0, "a slab with free blocks is not in its list");
            };
            let Some(index) = ground.arena.index_of(slab.base().addr().get()) else {
                return broken(ground, 0, "a list leads out of the heap");
            };
            let in_place = ground.arena.look(index) == Frame::Slab(class) && slab.previous() == previous;
            if !in_place || slab.is_full() {
                return broken(ground, index, "a list links what is no slab with free blocks of its class");
            }
            (previous, next) = (Some(slab), slab.next());
        }
        if next.is_some() {
            return broken(ground, 0, "a list is longer than its class has such slabs");
        }
        Ok(())
    }
}

fn broken<T>(ground: &Ground, index: usize, what: &'static str) -> Result<T, Corruption> {
    Err(Corruption { what, frame: ground.arena.frame(index) })
}
