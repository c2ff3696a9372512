//! The invariants of a heap, walked one by one.

use super::pagemap::Frame;
use super::state::State;
use crate::error::Corruption;
use crate::slab::{Bin, CLASSES, Class};

/// What the page map says, added up.
struct Census {
    slabs: [usize; CLASSES],
    live: [usize; CLASSES],
    partial: [usize; CLASSES],
    empty: [usize; CLASSES],
    large_blocks: usize,
    large_frames: usize,
}

impl State {
    /// Whether page map, slabs, lists and counters agree.
    pub(super) fn check(&self) -> Result<(), Corruption> {
        let mut census = Census {
            slabs: [0; CLASSES],
            live: [0; CLASSES],
            partial: [0; CLASSES],
            empty: [0; CLASSES],
            large_blocks: 0,
            large_frames: 0,
        };
        let mut index = 0;
        while index < self.arena.frames() {
            index += match self.arena.look(index) {
                Frame::Slab(class) => self.check_slab(index, class, &mut census)?,
                Frame::Head(digits) => self.check_block(index, digits, &mut census)?,
                // A tail without a head is a block that another CPU is about to enter or to give back.
                Frame::Never | Frame::Returned | Frame::Tail(_) => 1,
                Frame::Damaged => {
                    return self.broken(index, "the page map has a byte that the heap does not write");
                }
            };
        }
        self.check_totals(&census)
    }

    /// Checks the slab whose first frame is `index`; says how many frames it has.
    fn check_slab(&self, index: usize, class: Class, census: &mut Census) -> Result<usize, Corruption> {
        let base = self.arena.address(index);
        let found = base.and_then(|base| self.slab_at(base.addr().get(), class));
        let Some((slab, geometry)) = found.filter(|(slab, _)| Some(slab.base()) == base) else {
            return self.broken(index, "a slab does not start where its class is aligned");
        };
        let frames = self.arena.frames_for(geometry.slab as usize);
        if (index..index + frames).any(|frame| self.arena.look(frame) != Frame::Slab(class)) {
            return self.broken(index, "a slab lacks frames");
        }
        if !slab.is_sound(self.secret) {
            return self.broken(index, "the cookie of a slab was overwritten");
        }
        if !slab.is_consistent(geometry) {
            return self.broken(index, "bitmap, summary and count of a slab differ");
        }
        let number = usize::from(class.index());
        add(&mut census.slabs, number, 1);
        add(&mut census.live, number, slab.live() as usize);
        add(&mut census.partial, number, usize::from(!slab.is_full()));
        add(&mut census.empty, number, usize::from(slab.live() == 0));
        Ok(frames)
    }

    /// Checks the large block whose head is `index`; says how many frames it has.
    fn check_block(&self, index: usize, digits: u8, census: &mut Census) -> Result<usize, Corruption> {
        let count = self.arena.large_count(index, digits).unwrap_or(0);
        if count == 0 || count > self.arena.frames() - index {
            return self.broken(index, "a large block has an impossible length");
        }
        if (index + 1..index + count).any(|tail| !matches!(self.arena.look(tail), Frame::Tail(_))) {
            return self.broken(index, "a large block lacks frames");
        }
        census.large_blocks += 1;
        census.large_frames += count;
        Ok(count)
    }

    fn check_totals(&self, census: &Census) -> Result<(), Corruption> {
        let stats = self.stats();
        let mut live = census.large_frames * self.arena.frame_bytes();
        for (class, bin) in self.bins() {
            let number = usize::from(class.index());
            let of = |counts: &[usize; CLASSES]| counts.get(number).copied().unwrap_or(0);
            if (of(&census.slabs), of(&census.live)) != (bin.slabs(), bin.live()) {
                return self.broken(0, "the counters of a class differ from its slabs");
            }
            if of(&census.empty) != usize::from(bin.empty().is_some()) {
                return self.broken(0, "a class keeps an empty slab that it does not know");
            }
            self.check_list(bin, class, of(&census.partial))?;
            live += bin.live() * class.size();
        }
        if (census.large_blocks, census.large_frames) != (stats.large.blocks, stats.large.frames) {
            return self.broken(0, "the counters of large blocks differ from the page map");
        }
        if live != stats.live || stats.live > stats.peak {
            return self.broken(0, "the live bytes differ from the blocks");
        }
        Ok(())
    }

    /// Whether the list of `bin` links exactly `expected` slabs of `class`, each with a free block.
    fn check_list(&self, bin: &Bin, class: Class, expected: usize) -> Result<(), Corruption> {
        let (mut previous, mut next) = (None, bin.partial());
        for _ in 0..expected {
            let Some(slab) = next else {
                return self.broken(0, "a slab with free blocks is not in its list");
            };
            let Some(index) = self.arena.index_of(slab.base().addr().get()) else {
                return self.broken(0, "a list leads out of the heap");
            };
            if self.arena.look(index) != Frame::Slab(class) || slab.previous() != previous || slab.is_full() {
                return self.broken(index, "a list links what is no slab with free blocks of its class");
            }
            (previous, next) = (Some(slab), slab.next());
        }
        if next.is_some() {
            return self.broken(0, "a list is longer than its class has slabs with free blocks");
        }
        Ok(())
    }

    fn broken<T>(&self, index: usize, what: &'static str) -> Result<T, Corruption> {
        Err(Corruption { what, frame: self.arena.frame(index) })
    }
}

fn add(counts: &mut [usize; CLASSES], number: usize, value: usize) {
    if let Some(count) = counts.get_mut(number) {
        *count += value;
    }
}
