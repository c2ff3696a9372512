//! Free blocks that rest with a CPU: [`Caches`].
//!
//! Each CPU has, for a zone, a stack of free blocks of each order in [`ORDERS`]. Popping and pushing takes no lock; a
//! stack is filled from the zone, and emptied into it, in batches of half its size, at most [`BATCH`].
//!
//! All stacks of all CPUs together hold at most 1/256 of the zone: where that is too little for two blocks of an order,
//! that order has no stack, and its blocks go through the lock.
//!
//! Invariants: an area is written by its CPU alone, with interrupts masked, except the word [`ASKED`], which others may
//! set; a block in a stack is allocated in the buddy, lies in the window of [`Live`](super::live::Live), and has no live
//! frame.
//!
//! ```text
//! area: [asked | allocations | frees | blocks of order 0 | .. | blocks of order 9 | stack of order 0 | .. ]
//! ```

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::percpu::{PerCpu, add};
use crate::types::{CpuIndex, FrameRange, FrameRequest, Pfn};

/// The orders that have stacks: small ones, and 2 MiB of 4 KiB frames.
const ORDERS: [u32; 5] = [0, 1, 2, 3, 9];

/// Blocks in a stack at most.
const MOST: [usize; 5] = [128, 32, 16, 8, 8];

/// Blocks that go to or come from the zone at a time, at most: it bounds what is done with interrupts masked.
const BATCH: usize = 32;

/// Eighths of a CPU's share that a stack may hold.
const EIGHTHS: [usize; 5] = [2, 1, 1, 1, 1];

/// What part of a zone may rest with CPUs: one in so many frames.
const SHARE: usize = 256;

/// Set by who is out of memory; cleared by the owner, who then gives everything back.
const ASKED: usize = 0;
const ALLOCATIONS: usize = 1;
const FREES: usize = 2;
const LENGTHS: usize = 3;
const STACKS: usize = LENGTHS + ORDERS.len();

/// One of [`ORDERS`], by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(usize);

impl Class {
    /// The class whose blocks are what `request` asks for.
    #[inline]
    pub(super) fn of_request(request: &FrameRequest) -> Option<Self> {
        let fits = request.align <= request.count && request.align.is_power_of_two();
        Self::of_count(request.count).filter(|_| fits)
    }

    /// The class of which `range` is a block.
    #[inline]
    pub(super) fn of_block(range: FrameRange) -> Option<Self> {
        Self::of_count(range.count()).filter(|_| range.start().0.is_multiple_of(range.count()))
    }

    #[inline]
    fn of_count(count: usize) -> Option<Self> {
        match count {
            1 => Some(Self(0)),
            2 => Some(Self(1)),
            4 => Some(Self(2)),
            8 => Some(Self(3)),
            512 => Some(Self(4)),
            _ => None,
        }
    }

    /// Every class.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..ORDERS.len()).map(Self)
    }

    /// Frames of a block.
    #[inline]
    pub(super) fn frames(self) -> usize {
        ORDERS.get(self.0).map_or(0, |order| 1 << order)
    }
}

/// How many blocks of each class a CPU may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape([usize; ORDERS.len()]);

impl Shape {
    /// For `cpus` CPUs and a zone of `managed` frames.
    pub(super) fn new(managed: usize, cpus: usize) -> Self {
        let share = managed / SHARE / cpus.max(1);
        let mut capacities = [0; ORDERS.len()];
        for (((capacity, order), most), eighths) in capacities.iter_mut().zip(ORDERS).zip(MOST).zip(EIGHTHS) {
            let blocks = (share / 8 * eighths) >> order;
            *capacity = if blocks < 2 { 0 } else { blocks.min(most) };
        }
        Self(capacities)
    }

    /// Words of an area; 0 if no class has a stack.
    fn words(&self) -> usize {
        let stacks: usize = self.0.iter().sum();
        if stacks == 0 { 0 } else { STACKS + stacks }
    }

    /// Words of storage for the areas of `cpus` CPUs; `None` if they cannot be counted.
    pub(super) fn storage_words(&self, cpus: usize) -> Option<usize> {
        PerCpu::storage_words(cpus, self.words())
    }

    /// Where in an area each stack is.
    fn places(&self) -> [Place; ORDERS.len()] {
        let mut start = STACKS;
        self.0.map(|capacity| {
            let place = Place { start, capacity };
            start += capacity;
            place
        })
    }
}

/// A stack's place in an area.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    capacity: usize,
}

/// The stacks of all CPUs for one zone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caches<'m> {
    areas: PerCpu<'m>,
    places: [Place; ORDERS.len()],
}

impl<'m> Caches<'m> {
    /// No CPU has a stack.
    pub(super) const NONE: Self =
        Self { areas: PerCpu::EMPTY, places: [Place { start: 0, capacity: 0 }; ORDERS.len()] };

    /// Empty stacks in `storage`, which has as many words as `shape` said.
    pub(super) fn new(storage: &'m mut [u64], shape: Shape) -> Self {
        let words = shape.words();
        let areas = if words == 0 { PerCpu::EMPTY } else { PerCpu::new(storage, words) };
        Self { areas, places: shape.places() }
    }

    /// The stack of `cpu` for blocks of `class`, if it has one. For that CPU alone, while interrupts are masked.
    #[inline]
    pub(super) fn stack(&self, cpu: CpuIndex, class: Class) -> Option<Stack<'m>> {
        let place = *self.places.get(class.0).filter(|place| place.capacity > 0)?;
        Some(Stack { area: self.areas.area(cpu)?, class, place })
    }

    /// Asks `cpu` to give its blocks back.
    pub(super) fn ask(&self, cpu: CpuIndex) {
        if let Some(asked) = self.areas.area(cpu).and_then(|area| area.get(ASKED)) {
            asked.store(1, Ordering::Relaxed);
        }
    }

    /// Takes note that `cpu` heard.
    pub(super) fn hear(&self, cpu: CpuIndex) {
        if let Some(asked) = self.areas.area(cpu).and_then(|area| area.get(ASKED)) {
            asked.store(0, Ordering::Relaxed);
        }
    }

    /// Frames that rest with `cpu`.
    pub(super) fn resting_with(&self, cpu: CpuIndex) -> usize {
        self.areas.area(cpu).map_or(0, resting)
    }

    /// Frames that rest with all CPUs.
    pub(super) fn resting(&self) -> usize {
        self.areas.areas().map(|(_, area)| resting(area)).sum()
    }

    /// Allocations and frees that took no lock.
    pub(super) fn calls(&self) -> (u64, u64) {
        self.areas.areas().fold((0, 0), |(allocations, frees), (_, area)| {
            (allocations + read(area, ALLOCATIONS) as u64, frees + read(area, FREES) as u64)
        })
    }

    /// Every block that rests with any CPU. On a quiet machine.
    pub(super) fn blocks(&self) -> impl Iterator<Item = FrameRange> {
        let stacks = self.areas.areas().flat_map(|(cpu, _)| Class::all().map(move |class| (cpu, class)));
        stacks
            .filter_map(|(cpu, class)| self.stack(cpu, class))
            .flat_map(|stack| (0..stack.len()).filter_map(move |place| stack.get(place)))
    }
}

fn resting(area: &[AtomicUsize]) -> usize {
    let lengths = area.iter().skip(LENGTHS).zip(ORDERS);
    lengths.map(|(len, order)| len.load(Ordering::Relaxed) << order).sum()
}

/// The free blocks of one class with one CPU, which alone uses it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack<'m> {
    area: &'m [AtomicUsize],
    class: Class,
    place: Place,
}

impl Stack<'_> {
    /// Number of blocks.
    #[inline]
    pub(super) fn len(&self) -> usize {
        read(self.area, LENGTHS + self.class.0)
    }

    /// Whether there is no room for one more.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.place.capacity
    }

    /// Frames of a block.
    pub(super) fn frames(&self) -> usize {
        self.class.frames()
    }

    /// Blocks that go to or come from the zone at a time.
    pub(super) fn batch(&self) -> usize {
        (self.place.capacity / 2).min(BATCH)
    }

    /// Whether the CPU was asked to give its blocks back.
    pub(super) fn is_asked(&self) -> bool {
        read(self.area, ASKED) != 0
    }

    /// The block pushed last, by its first frame; counts an allocation.
    #[inline]
    pub(super) fn pop(&self) -> Option<Pfn> {
        let below = self.len().checked_sub(1)?;
        let block = self.area.get(self.place.start + below)?.load(Ordering::Relaxed);
        self.set_len(below);
        self.count(ALLOCATIONS);
        Some(Pfn(block))
    }

    /// Puts the block from `start` on top and counts a free; the stack is not full.
    #[inline]
    pub(super) fn push(&self, start: Pfn) {
        self.fill(start);
        self.count(FREES);
    }

    /// Puts the block from `start`, which comes from the zone, on top; the stack is not full.
    #[inline]
    pub(super) fn fill(&self, start: Pfn) {
        let len = self.len();
        if let Some(place) = self.area.get(self.place.start + len) {
            place.store(start.0, Ordering::Relaxed);
            self.set_len(len + 1);
        }
    }

    /// Takes out the `count` blocks that have been here longest, or all; neighbours among them together.
    pub(super) fn take_oldest(&self, count: usize, mut taken: impl FnMut(FrameRange)) {
        let len = self.len();
        let count = count.min(len);
        let mut run = FrameRange::EMPTY;
        for block in (0..count).filter_map(|place| self.get(place)) {
            if run.is_empty() {
                run = block;
            } else if run.end() == block.start() {
                run = FrameRange::between(run.start(), block.end());
            } else if block.end() == run.start() {
                run = FrameRange::between(block.start(), run.end());
            } else {
                taken(core::mem::replace(&mut run, block));
            }
        }
        if !run.is_empty() {
            taken(run);
        }
        let stack = self.area.get(self.place.start..).unwrap_or(&[]);
        for (to, from) in stack.iter().zip(stack.iter().take(len).skip(count)) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.set_len(len - count);
    }

    #[inline]
    fn set_len(&self, len: usize) {
        if let Some(word) = self.area.get(LENGTHS + self.class.0) {
            word.store(len, Ordering::Relaxed);
        }
    }

    #[inline]
    fn count(&self, counter: usize) {
        if let Some(counter) = self.area.get(counter) {
            add(counter, 1);
        }
    }

    /// The block at `place` from the bottom.
    fn get(&self, place: usize) -> Option<FrameRange> {
        FrameRange::new(Pfn(read(self.area, self.place.start + place)), self.frames())
    }
}

#[inline]
fn read(area: &[AtomicUsize], word: usize) -> usize {
    area.get(word).map_or(0, |word| word.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn all_stacks_together_hold_a_256th() {
        for managed in [0, 4096, 32_768, 1 << 20, 1 << 24] {
            for cpus in [1, 2, 8, 256] {
                let Shape(capacities) = Shape::new(managed, cpus);
                let frames: usize =
                    capacities.iter().zip(ORDERS).map(|(blocks, order)| blocks << order).sum();
                assert!(frames * cpus * SHARE <= managed, "{capacities:?} for {managed} frames, {cpus} CPUs");
                assert!(!capacities.contains(&1), "a stack of one block is none");
            }
        }
        assert_eq!(Shape::new(1 << 24, 1), Shape(MOST));
    }

    #[test]
    fn classes_are_aligned_blocks() {
        let request = |count, align| Class::of_request(&FrameRequest::new(count).aligned(align));
        assert_eq!(request(4, 4).map(Class::frames), Some(4));
        assert_eq!((request(4, 8), request(3, 1), request(16, 1)), (None, None, None));
        assert_eq!((request(1, 0), request(4, 3)), (None, None), "no alignment at all");
        let block = |start, count| Class::of_block(FrameRange::new(Pfn(start), count).unwrap());
        assert_eq!(block(1024, 512).map(Class::frames), Some(512));
        assert_eq!((block(2, 4), block(256, 512)), (None, None));
    }

    #[test]
    fn the_oldest_blocks_leave_first() {
        let shape = Shape::new(1 << 20, 1);
        let mut storage = vec![0; shape.storage_words(1).unwrap()];
        let caches = Caches::new(&mut storage, shape);
        let stack = caches.stack(CpuIndex(0), Class(1)).unwrap();
        let block = |number: usize| FrameRange::new(Pfn(2 * number), 2).unwrap();
        (0..32).for_each(|number| stack.push(block(number).start()));
        assert!(stack.is_full());
        assert_eq!((caches.resting(), caches.resting_with(CpuIndex(1))), (64, 0));
        let mut taken = Vec::new();
        stack.take_oldest(stack.batch(), |range| taken.push(range));
        assert_eq!(taken, [FrameRange::new(Pfn(0), 32).unwrap()], "neighbours together");
        assert_eq!(caches.blocks().collect::<Vec<_>>(), (16..32).map(block).collect::<Vec<_>>());
        assert_eq!((stack.pop(), stack.len(), caches.calls()), (Some(Pfn(62)), 15, (1, 32)));
        assert!(caches.stack(CpuIndex(1), Class(1)).is_none(), "a CPU that was not there at first");
    }
}
