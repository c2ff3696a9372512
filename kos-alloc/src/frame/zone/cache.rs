//! Free blocks that rest with a CPU: [`Caches`].
//!
//! Each CPU has, for a zone, a stack of free blocks of each order in [`ORDERS`]. Popping and pushing takes no lock; a
//! stack is filled from the zone, and emptied into it, in batches of half its size.
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
        Self::of_count(request.count).filter(|_| request.align <= request.count)
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

    fn capacity(&self, class: Class) -> usize {
        self.0.get(class.0).copied().unwrap_or(0)
    }

    /// The place of the stack of `class` in an area.
    fn start(&self, class: Class) -> usize {
        STACKS + self.0.iter().take(class.0).sum::<usize>()
    }
}

/// The stacks of all CPUs for one zone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caches<'m> {
    areas: PerCpu<'m>,
    shape: Shape,
    /// [`Shape::start`] of each class.
    starts: [usize; ORDERS.len()],
}

impl<'m> Caches<'m> {
    /// Empty stacks in `storage`, which has as many words as `shape` said.
    pub(super) fn new(storage: &'m mut [u64], shape: Shape) -> Self {
        let words = shape.words();
        let areas = if words == 0 { PerCpu::EMPTY } else { PerCpu::new(storage, words) };
        let mut starts = [0; ORDERS.len()];
        starts.iter_mut().zip(Class::all()).for_each(|(start, class)| *start = shape.start(class));
        Self { areas, shape, starts }
    }

    /// The stack of `cpu` for blocks of `class`, if it has one. For that CPU alone, while interrupts are masked.
    #[inline]
    pub(super) fn stack(&self, cpu: CpuIndex, class: Class) -> Option<Stack<'m>> {
        let capacity = self.shape.capacity(class);
        let start = *self.starts.get(class.0)?;
        let area = self.areas.area(cpu).filter(|_| capacity > 0)?;
        let blocks = area.get(start..)?.get(..capacity)?;
        Some(Stack { area, len: area.get(LENGTHS + class.0)?, blocks, frames: class.frames() })
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
        let read = |area: &[AtomicUsize], word: usize| {
            area.get(word).map_or(0, |word| word.load(Ordering::Relaxed) as u64)
        };
        self.areas.areas().fold((0, 0), |(allocations, frees), (_, area)| {
            (allocations + read(area, ALLOCATIONS), frees + read(area, FREES))
        })
    }

    /// Every block that rests with any CPU. On a quiet machine.
    pub(super) fn blocks(&self) -> impl Iterator<Item = FrameRange> {
        let stacks = self.areas.areas().flat_map(|(cpu, _)| Class::all().map(move |class| (cpu, class)));
        stacks.filter_map(|(cpu, class)| self.stack(cpu, class)).flat_map(|stack| {
            let resting = stack.blocks.iter().take(stack.len());
            resting.filter_map(move |block| stack.range(block.load(Ordering::Relaxed)))
        })
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
    len: &'m AtomicUsize,
    blocks: &'m [AtomicUsize],
    frames: usize,
}

impl Stack<'_> {
    /// Number of blocks.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Frames of a block.
    pub(super) const fn frames(&self) -> usize {
        self.frames
    }

    /// Blocks that go to or come from the zone at a time.
    pub(super) const fn batch(&self) -> usize {
        self.blocks.len() / 2
    }

    /// Whether the CPU was asked to give its blocks back.
    pub(super) fn is_asked(&self) -> bool {
        self.area.get(ASKED).is_some_and(|asked| asked.load(Ordering::Relaxed) != 0)
    }

    /// The block pushed last; counts an allocation.
    #[inline]
    pub(super) fn pop(&self) -> Option<FrameRange> {
        let below = self.len().checked_sub(1)?;
        let block = self.blocks.get(below)?.load(Ordering::Relaxed);
        self.len.store(below, Ordering::Relaxed);
        self.count(ALLOCATIONS);
        self.range(block)
    }

    /// Puts `block` on top and counts a free; false if there is no room.
    #[inline]
    pub(super) fn push(&self, block: FrameRange) -> bool {
        let pushed = self.fill(block);
        if pushed {
            self.count(FREES);
        }
        pushed
    }

    /// Puts `block`, which comes from the zone, on top; false if there is no room.
    #[inline]
    pub(super) fn fill(&self, block: FrameRange) -> bool {
        let len = self.len();
        let Some(place) = self.blocks.get(len) else { return false };
        place.store(block.start().0, Ordering::Relaxed);
        self.len.store(len + 1, Ordering::Relaxed);
        true
    }

    /// Takes out the `count` blocks that have been here longest, or all.
    pub(super) fn take_oldest(&self, count: usize, mut taken: impl FnMut(FrameRange)) {
        let len = self.len().min(self.blocks.len());
        let count = count.min(len);
        for block in self.blocks.iter().take(count) {
            self.range(block.load(Ordering::Relaxed)).into_iter().for_each(&mut taken);
        }
        for (to, from) in self.blocks.iter().zip(self.blocks.iter().take(len).skip(count)) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.len.store(len - count, Ordering::Relaxed);
    }

    #[inline]
    fn count(&self, counter: usize) {
        if let Some(counter) = self.area.get(counter) {
            add(counter, 1);
        }
    }

    fn range(&self, start: usize) -> Option<FrameRange> {
        FrameRange::new(Pfn(start), self.frames)
    }
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
        assert!((0..32).all(|number| stack.push(block(number))) && !stack.push(block(32)));
        assert_eq!((caches.resting(), caches.resting_with(CpuIndex(1))), (64, 0));
        let mut taken = Vec::new();
        stack.take_oldest(stack.batch(), |range| taken.push(range));
        assert_eq!(taken, (0..16).map(block).collect::<Vec<_>>());
        assert_eq!(caches.blocks().collect::<Vec<_>>(), (16..32).map(block).collect::<Vec<_>>());
        assert_eq!((stack.pop(), stack.len(), caches.calls()), (Some(block(31)), 15, (1, 32)));
        assert!(caches.stack(CpuIndex(1), Class(1)).is_none(), "a CPU that was not there at first");
    }
}
