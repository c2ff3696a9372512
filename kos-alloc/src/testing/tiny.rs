//! What the tiny heap must do, stepped beside it: [`tiny_ops`].
//!
//! The model keeps every live block by address with a pattern in it, and every lent range with its bounds. Each step does
//! one operation and compares result, place, contents and counters; wrong frees must be refused with the one right error.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::Bytes;
use super::heap::pattern;
use crate::error::{AllocError, FreeError};
use crate::tiny::{LendError, Tiny};

/// Ranges that are lent at most at a time.
const RANGES: usize = 4;
/// Longest range; what the lists of the heap under test can describe is less.
const LONGEST: usize = 12 << 10;
/// Steps after which all invariants are walked.
const CHECK_EVERY: usize = 8;

type Heap = Tiny<8, 4>;

/// Any operations on a heap of a few small ranges at odd places, compared with the model after each.
///
/// # Panics
///
/// If heap and model differ.
pub fn tiny_ops(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut model = Model::new();
    model.lend(0, 4096);
    let mut steps = 0;
    while !bytes.is_empty() {
        model.step(&mut bytes);
        steps += 1;
        if steps % CHECK_EVERY == 0 {
            model.check();
        }
    }
    model.end();
}

#[derive(Clone, Copy, Debug)]
struct Block {
    ptr: NonNull<u8>,
    layout: Layout,
    seed: u8,
}

/// Memory of which a part is lent.
#[derive(Debug)]
struct Range {
    memory: Vec<u8>,
    skip: usize,
    len: usize,
}

impl Range {
    fn lent(&mut self) -> NonNull<[u8]> {
        let part = self.memory.get_mut(self.skip..self.skip + self.len);
        NonNull::from(part.unwrap_or_default())
    }

    fn holds(&self, start: usize, size: usize) -> bool {
        let base = self.memory.as_ptr().addr() + self.skip;
        base <= start && start + size <= base + self.len
    }
}

struct Model {
    heap: Heap,
    ranges: Vec<Range>,
    live: BTreeMap<usize, Block>,
    steps: u8,
    failed: usize,
    refused: usize,
}

impl Model {
    fn new() -> Self {
        let (ranges, live) = (Vec::new(), BTreeMap::new());
        Self { heap: Heap::new(), ranges, live, steps: 0, failed: 0, refused: 0 }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        self.steps = self.steps.wrapping_add(1);
        let (kind, number) = (bytes.u8() % 16, usize::from(bytes.u8()));
        match kind {
            0..=5 => self.allocate(decode_layout(bytes)),
            6..=8 => self.free(number),
            9 => self.free_without_layout(number),
            10 | 11 => self.resize(number, decode_size(bytes)),
            12 => self.lend(number % 64, bytes.below(LONGEST)),
            13 => self.take_empty(),
            _ => self.bad_free(kind + bytes.u8() % 4, number, bytes.below(1024)),
        }
    }

    fn lend(&mut self, skip: usize, len: usize) {
        if self.ranges.len() == RANGES {
            return;
        }
        let mut range = Range { memory: vec![0xa5; skip + len], skip, len };
        // SAFETY: the memory is the model's, which keeps it while it is lent.
        match unsafe { self.heap.lend(range.lent()) } {
            Ok(()) => self.ranges.push(range),
            Err(LendError::TooSmall { given, needed }) => assert!(given == len && len < needed && len < 1024),
            Err(LendError::TooLarge { given, max }) => assert!(given == len && max < len),
        }
    }

    fn take_empty(&mut self) {
        let Some(taken) = self.heap.take_empty() else {
            for range in &self.ranges {
                assert!(
                    self.live.values().any(|block| range.holds(block.ptr.addr().get(), 1)),
                    "an empty range stays"
                );
            }
            return;
        };
        let found = self.ranges.iter_mut().position(|range| ptr::eq(range.lent().as_ptr(), taken.as_ptr()));
        let range = self.ranges.swap_remove(found.unwrap_or(usize::MAX));
        assert!(
            !self.live.values().any(|block| range.holds(block.ptr.addr().get(), 1)),
            "a range in use was given back"
        );
    }

    fn allocate(&mut self, layout: Layout) {
        match self.heap.allocate(layout) {
            Ok(ptr) => self.enter(ptr, layout),
            Err(error) => {
                self.failed += 1;
                match error {
                    AllocError::NotReady => assert!(self.ranges.is_empty()),
                    AllocError::NoMemory { requested, .. } => assert_eq!(requested, layout.size()),
                    AllocError::BadRequest { .. } => {
                        assert!(layout.size() + layout.align() > Heap::MAX_RANGE);
                    }
                    other => unreachable!("{other}"),
                }
            }
        }
    }

    fn enter(&mut self, ptr: NonNull<u8>, layout: Layout) {
        let (start, size) = (ptr.addr().get(), layout.size());
        assert!(start.is_multiple_of(layout.align()), "{ptr:?} for {layout:?}");
        if size == 0 {
            return;
        }
        assert!(self.ranges.iter().any(|range| range.holds(start, size)), "{ptr:?} was never lent");
        if let Some((other, block)) = self.live.range(..start + size).next_back() {
            assert!(other + block.layout.size() <= start, "{ptr:?} {layout:?} overlaps {block:?}");
        }
        let block = Block { ptr, layout, seed: self.steps };
        pattern::fill(ptr, size, block.seed);
        self.live.insert(start, block);
    }

    fn take(&mut self, number: usize) -> Option<Block> {
        let block = self.pick(number)?;
        pattern::check(block.ptr, block.layout.size(), block.layout.size(), block.seed);
        self.live.remove(&block.ptr.addr().get())
    }

    fn pick(&self, number: usize) -> Option<Block> {
        self.live.values().nth(number.checked_rem(self.live.len())?).copied()
    }

    fn free(&mut self, number: usize) {
        let Some(block) = self.take(number) else { return };
        // SAFETY: the block is live, and the model forgot it.
        assert_eq!(unsafe { self.heap.free(block.ptr, block.layout) }, Ok(()), "{block:?}");
    }

    fn free_without_layout(&mut self, number: usize) {
        let Some(block) = self.take(number) else { return };
        let bytes = self.heap.usable_size(block.ptr);
        // SAFETY: as in `free`.
        let freed = unsafe { self.heap.free_without_layout(block.ptr) };
        if freed != Err(FreeError::LayoutRequired(block.ptr)) {
            assert_eq!(freed, bytes);
            return;
        }
        let align = block.layout.align();
        assert!(align >= 4 * size_of::<usize>() && block.layout.size() != align, "{block:?} needs no layout");
        self.refused += 1;
        self.live.insert(block.ptr.addr().get(), block);
    }

    fn resize(&mut self, number: usize, size: usize) {
        let Some(block) = self.pick(number).filter(|_| size != 0) else { return };
        let old = block.layout;
        // SAFETY: the block is live.
        let resized = unsafe { self.heap.resize(block.ptr, old, size) };
        let resized = resized.unwrap_or_else(|error| unreachable!("{error} for {block:?}"));
        assert!(resized || size > old.size(), "{block:?} did not shrink");
        pattern::check(
            block.ptr,
            if resized { size.min(old.size()) } else { old.size() },
            old.size(),
            block.seed,
        );
        if resized && let Ok(new) = Layout::from_size_align(size, old.align()) {
            self.live.remove(&block.ptr.addr().get());
            self.enter(block.ptr, new);
        }
    }

    fn bad_free(&mut self, kind: u8, number: usize, distance: usize) {
        let Some(block) = self.pick(number) else {
            let ptr = NonNull::from(&mut self.steps);
            let ready = !self.ranges.is_empty();
            let error = if ready { FreeError::NotManaged(ptr) } else { FreeError::NotReady(ptr) };
            return self.refused(ptr, Layout::new::<u8>(), error);
        };
        let Block { ptr, layout, .. } = block;
        let actual = self.heap.usable_size(ptr).unwrap_or(0);
        let wrong_size =
            |layout: Layout| FreeError::WrongSize { at: ptr, given: layout.pad_to_align().size(), actual };
        match kind % 4 {
            0 => {
                self.free(number);
                self.refused(ptr, layout, FreeError::DoubleFree(ptr));
            }
            1 if layout.size() > 1 => {
                let at = ptr.map_addr(|address| address.saturating_add(1 + distance % (layout.size() - 1)));
                self.refused(at, layout, FreeError::Interior { at, block: ptr });
            }
            2 => {
                let other = Layout::from_size_align(actual + 1 + distance, layout.align());
                other.into_iter().for_each(|other| self.refused(ptr, other, wrong_size(other)));
            }
            _ => {
                let other = Layout::from_size_align(layout.size(), 2 << ptr.addr().trailing_zeros());
                other.into_iter().for_each(|other| self.refused(ptr, other, wrong_size(other)));
            }
        }
    }

    fn refused(&mut self, ptr: NonNull<u8>, layout: Layout, expected: FreeError<NonNull<u8>>) {
        let mut before = self.heap.stats();
        // SAFETY: the heap must refuse it; if it does not, the test ends.
        assert_eq!(unsafe { self.heap.free(ptr, layout) }, Err(expected), "{layout:?}");
        before.refused += 1;
        assert_eq!(self.heap.stats(), before);
        self.refused += 1;
    }

    fn check(&self) {
        assert_eq!(self.heap.check(), Ok(()));
        let stats = self.heap.stats();
        assert_eq!((stats.chunks, stats.live_blocks), (self.ranges.len(), self.live.len()));
        assert_eq!((stats.failed, stats.refused), (self.failed, self.refused));
        assert_eq!(stats.lent, self.ranges.iter().map(|range| range.len).sum::<usize>());
        let usable = self.live.values().map(|block| self.heap.usable_size(block.ptr).unwrap_or(0));
        assert!(stats.live == usable.sum::<usize>() && stats.live <= stats.peak, "{stats}");
        for Block { ptr, layout, seed } in self.live.values().copied() {
            pattern::check(ptr, layout.size(), layout.size(), seed);
        }
    }

    /// Frees everything, takes every range back, and lends one again: it must hold as much as a new one.
    fn end(mut self) {
        while !self.live.is_empty() {
            self.free(self.live.len() - 1);
        }
        self.check();
        while !self.ranges.is_empty() {
            self.take_empty();
        }
        self.check();
    }
}

fn decode_layout(bytes: &mut Bytes<'_>) -> Layout {
    let size = decode_size(bytes);
    let power = bytes.u8();
    let power = if power < 224 { power % 5 } else { power % 13 };
    Layout::from_size_align(size, 1 << power).unwrap_or(Layout::new::<u8>())
}

/// A size of a random magnitude, so that small blocks are as frequent as large ones; at times an absurd one.
fn decode_size(bytes: &mut Bytes<'_>) -> usize {
    let (magnitude, value) = (bytes.u8(), usize::from(bytes.u16()));
    match magnitude {
        255 => isize::MAX.unsigned_abs() - value,
        _ => value & ((1 << (magnitude % 13)) - 1),
    }
}
