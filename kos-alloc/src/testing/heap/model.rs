//! What a heap must do, in a form that cannot be wrong: [`HeapModel`].
//!
//! The model keeps every live block in a map by address and a pattern of bytes in it. Each step does one operation on
//! the heap and compares: results, alignment, overlap, contents, counters; wrong frees must be refused with the one right
//! error. It serves the property tests, the fuzz targets and the replay of their corpus alike.

use core::alloc::Layout;
use core::ptr::NonNull;

use alloc::collections::BTreeMap;

use super::pattern;
use crate::error::{AllocError, FreeError, ReallocError};
use crate::heap::{KernelHeap, Mode};
use crate::ports::{Env, FrameAlloc};
use crate::testing::HostEnv;
use crate::types::CpuIndex;

/// One operation; blocks are named by a number taken modulo the count of live ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeapOp {
    /// Allocate.
    Allocate(Layout),
    /// Allocate zeroed.
    AllocateZeroed(Layout),
    /// Allocate by the size alone.
    Kmalloc(usize),
    /// Resize a live block by its address alone.
    Krealloc(usize, usize),
    /// Free a live block.
    Free(usize),
    /// Resize a live block.
    Reallocate(usize, usize),
    /// Give empty slabs back.
    Shrink,
    /// Bring home what the caches have: of this CPU, or of all.
    Drain(bool),
    /// Change the mode; it may fail for want of frames.
    SetMode(Mode),
    /// Go on as another CPU of a [`HostEnv`].
    OnCpu(usize),
    /// Free something wrongly.
    BadFree(BadFree),
}

/// A free that must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFree {
    /// A live block, twice.
    Double(usize),
    /// So many bytes (at least 1, modulo the block) into a live block.
    Interior(usize, usize),
    /// A live block, with a layout that is too large by at least so many bytes.
    WrongSize(usize, usize),
    /// A live block, with an alignment that it does not have.
    WrongAlign(usize),
    /// An address that is no block: of the program, of a frame that the heap does not have, or none at all.
    Foreign(usize),
}

/// A live block.
#[derive(Clone, Copy, Debug)]
struct Block {
    ptr: NonNull<u8>,
    layout: Layout,
    seed: u8,
    /// Of `kmalloc`: it has all the bytes of its layout, whose alignment is not known.
    by_address: bool,
}

impl Block {
    fn check(&self) {
        pattern::check(self.ptr, self.layout.size(), self.layout.size(), self.seed);
    }
}

/// A heap and what must be in it.
#[derive(Debug)]
pub struct HeapModel<'h, E: Env, F: FrameAlloc> {
    heap: &'h KernelHeap<E, F>,
    live: BTreeMap<usize, Block>,
    steps: u8,
}

// A model is moved to the thread that steps it.
// SAFETY: the blocks are the model's own memory.
unsafe impl<E: Env, F: FrameAlloc> Send for HeapModel<'_, E, F> where KernelHeap<E, F>: Sync {}

impl<'h, E: Env, F: FrameAlloc> HeapModel<'h, E, F> {
    /// A model of `heap` that knows of no block yet.
    #[must_use]
    pub const fn new(heap: &'h KernelHeap<E, F>) -> Self {
        Self { heap, live: BTreeMap::new(), steps: 0 }
    }

    /// Live blocks.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.live.len()
    }

    /// Bytes that live blocks were asked with.
    #[must_use]
    pub fn requested(&self) -> usize {
        self.live.values().map(|block| block.layout.size()).sum()
    }

    /// Does one operation on the heap.
    ///
    /// # Panics
    ///
    /// If the heap does not do what it must.
    pub fn step(&mut self, op: HeapOp) {
        self.steps = self.steps.wrapping_add(1);
        match op {
            HeapOp::Allocate(layout) => self.allocate(layout),
            HeapOp::AllocateZeroed(layout) => self.allocate_zeroed(layout),
            HeapOp::Kmalloc(size) => self.kmalloc(size),
            HeapOp::Krealloc(number, size) => self.krealloc(number, size),
            HeapOp::Free(number) => self.free(number),
            HeapOp::Reallocate(number, size) => self.reallocate(number, size),
            HeapOp::Shrink => {
                self.heap.shrink();
            }
            HeapOp::Drain(false) => self.heap.drain_local(),
            HeapOp::Drain(true) => {
                self.heap.collect();
            }
            HeapOp::SetMode(mode) => {
                // It fails where there are no frames for caches; then nothing changes.
                let _ = self.heap.set_mode(mode);
            }
            HeapOp::OnCpu(cpu) => HostEnv::bind(Some(CpuIndex(cpu % self.heap.env().cpus()))),
            HeapOp::BadFree(bad) => self.bad_free(bad),
        }
    }

    /// Compares counters and contents, and walks the heap's own invariants. For one model a heap.
    ///
    /// # Panics
    ///
    /// If they differ.
    pub fn check(&self) {
        assert_eq!(self.heap.check(), Ok(()));
        let stats = self.heap.stats();
        assert_eq!(stats.live_blocks(), self.blocks(), "live blocks");
        assert_eq!(stats.requested, self.requested(), "requested bytes");
        assert!(stats.live >= stats.requested && stats.peak_frames >= stats.frames, "{stats:?}");
        assert_eq!(stats.lost_frames, 0);
        for block in self.live.values() {
            block.check();
        }
    }

    /// Frees every block, last address first.
    ///
    /// # Panics
    ///
    /// If the heap refuses one or its content changed.
    pub fn free_all(&mut self) {
        while !self.live.is_empty() {
            self.free(self.live.len() - 1);
        }
    }

    fn allocate(&mut self, layout: Layout) {
        match self.heap.allocate(layout) {
            Ok(ptr) => self.enter(ptr, layout),
            Err(error) => self.failed(layout.size(), error),
        }
    }

    fn allocate_zeroed(&mut self, layout: Layout) {
        match self.heap.allocate_zeroed(layout) {
            Ok(ptr) => {
                pattern::check_zero(ptr, layout.size());
                self.enter(ptr, layout);
            }
            Err(error) => self.failed(layout.size(), error),
        }
    }

    fn free(&mut self, number: usize) {
        let Some(block) = self.pick(number) else { return };
        self.free_block(block);
    }

    fn free_block(&mut self, block: Block) {
        block.check();
        self.live.remove(&block.ptr.addr().get());
        let freed = if block.by_address {
            // SAFETY: the block is live, and the model forgot it.
            unsafe { self.heap.kfree(block.ptr.as_ptr()) }
        } else {
            // SAFETY: as above.
            unsafe { self.heap.free(block.ptr, block.layout) }
        };
        assert_eq!(freed, Ok(()), "{block:?}");
    }

    fn reallocate(&mut self, number: usize, size: usize) {
        let Some(block) = self.pick(number).filter(|block| !block.by_address) else { return };
        let kept = block.layout.size().min(size);
        self.live.remove(&block.ptr.addr().get());
        // SAFETY: the block is live; the model goes on with the result.
        match unsafe { self.heap.reallocate(block.ptr, block.layout, size) } {
            Ok(ptr) => {
                pattern::check(ptr, kept, block.layout.size(), block.seed);
                if let Ok(layout) = Layout::from_size_align(size, block.layout.align()) {
                    self.enter(ptr, layout);
                }
            }
            Err(error) => {
                assert!(matches!(error, ReallocError::Allocate(_)), "{error} for {block:?}");
                block.check();
                self.live.insert(block.ptr.addr().get(), block);
            }
        }
    }

    fn kmalloc(&mut self, size: usize) {
        match self.heap.kmalloc(size) {
            Ok(ptr) => self.enter_by_address(ptr, size),
            Err(error) => assert_ne!(error, AllocError::NotReady, "for {size} bytes"),
        }
    }

    fn enter_by_address(&mut self, ptr: NonNull<u8>, size: usize) {
        let usable = self.heap.usable_size(ptr).unwrap_or(0);
        assert!(usable >= size && usable > 0, "{usable} of {size} bytes");
        assert!(ptr.addr().get().is_multiple_of(2 * size_of::<usize>()));
        self.enter(ptr, Layout::from_size_align(usable, 1).unwrap_or(Layout::new::<()>()));
        if let Some(block) = self.live.get_mut(&ptr.addr().get()) {
            block.by_address = true;
        }
    }

    fn krealloc(&mut self, number: usize, size: usize) {
        let Some(block) = self.pick(number).filter(|block| block.by_address) else { return };
        let filled = block.layout.size();
        // SAFETY: the block is live; the model goes on with the result.
        match unsafe { self.heap.krealloc(block.ptr.as_ptr(), size) } {
            Ok(ptr) => {
                pattern::check(ptr, filled.min(size), filled, block.seed);
                self.live.remove(&block.ptr.addr().get());
                self.enter_by_address(ptr, size);
            }
            Err(error) => {
                assert!(matches!(error, ReallocError::Allocate(_)), "{error} for {block:?}");
                block.check();
            }
        }
    }

    fn bad_free(&mut self, bad: BadFree) {
        match bad {
            BadFree::Double(number) => {
                let Some(block) = self.pick(number) else { return };
                self.free_block(block);
                self.refused(block.ptr, block.layout, FreeError::DoubleFree(block.ptr));
            }
            BadFree::Interior(number, distance) => {
                let Some(block) = self.pick(number).filter(|block| block.layout.size() > 1) else { return };
                let distance = 1 + distance % (block.layout.size() - 1);
                // SAFETY: the distance is less than the block's size.
                let at = unsafe { block.ptr.add(distance) };
                self.refused(at, block.layout, FreeError::Interior { at, block: block.ptr });
            }
            BadFree::WrongSize(number, more) => {
                let Some(block) = self.pick(number) else { return };
                // Half as many bytes again, or a frame, are in no case of the block's class or frame count.
                let (size, align) = (block.layout.size(), block.layout.align());
                self.wrong_layout(block, size + size / 2 + align + (1 << E::PAGE_SHIFT) + more, align);
            }
            BadFree::WrongAlign(number) => {
                let Some(block) = self.pick(number) else { return };
                self.wrong_layout(block, block.layout.size(), 2 << block.ptr.addr().trailing_zeros());
            }
            BadFree::Foreign(which) => self.foreign(which),
        }
    }

    fn wrong_layout(&self, block: Block, size: usize, align: usize) {
        let Ok(layout) = Layout::from_size_align(size, align) else { return };
        // SAFETY: a wrong layout is refused, so the block stays the model's.
        let result = unsafe { self.heap.free(block.ptr, layout) };
        let actual = match result {
            Err(FreeError::WrongSize { actual, .. }) => actual,
            _ => 0,
        };
        let expected = FreeError::WrongSize { at: block.ptr, given: size.next_multiple_of(align), actual };
        assert_eq!(result, Err(expected), "{block:?} freed as {layout:?}");
        assert!(actual >= block.layout.size());
    }

    fn foreign(&self, which: usize) {
        let local = 0u64;
        let map = self.heap.env().direct_map();
        let end = map.base().addr().get() + (map.frames().count() << E::PAGE_SHIFT);
        let ptr = match which % 4 {
            0 => NonNull::from(&local).cast(),
            1 => NonNull::dangling(),
            2 => NonNull::new(core::ptr::without_provenance_mut(end)).unwrap_or(NonNull::dangling()),
            _ => {
                NonNull::new(core::ptr::without_provenance_mut(usize::MAX - 7)).unwrap_or(NonNull::dangling())
            }
        };
        self.refused(ptr, Layout::new::<u64>(), FreeError::NotManaged(ptr));
    }

    fn refused(&self, ptr: NonNull<u8>, layout: Layout, expected: FreeError<NonNull<u8>>) {
        // SAFETY: the heap must refuse it; if it does not, the test ends.
        assert_eq!(unsafe { self.heap.free(ptr, layout) }, Err(expected), "{layout:?}");
    }

    fn enter(&mut self, ptr: NonNull<u8>, layout: Layout) {
        let (start, size) = (ptr.addr().get(), layout.size());
        assert_eq!(start % layout.align(), 0, "{ptr:?} for {layout:?}");
        if size == 0 {
            return;
        }
        let overlapped = self.live.range(..start + size).next_back();
        if let Some((other, block)) = overlapped {
            assert!(other + block.layout.size() <= start, "{ptr:?} {layout:?} overlaps {block:?}");
        }
        let block = Block { ptr, layout, seed: self.steps, by_address: false };
        pattern::fill(ptr, size, block.seed);
        self.live.insert(start, block);
    }

    /// A failure must be one of memory or of the request; the model does not know how much memory there is.
    fn failed(&self, size: usize, error: AllocError) {
        assert_ne!(error, AllocError::NotReady, "for {size} bytes");
        if let AllocError::NoMemory { requested, .. } = error {
            assert_eq!(requested, size);
        }
    }

    fn pick(&self, number: usize) -> Option<Block> {
        let number = number.checked_rem(self.live.len())?;
        self.live.values().nth(number).copied()
    }
}
