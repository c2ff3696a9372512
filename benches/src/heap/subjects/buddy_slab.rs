//! buddy-slab-allocator: whole, behind its own locks, and as the two parts that its README shows.
//!
//! The crate takes locks and the CPU's slab from the integrator through interfaces that the linker resolves; that is
//! an extern call for each, which is part of its design and stays in the figures.

use core::alloc::Layout;
use core::hint;
use core::panic::Location;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use ax_sync::interface::{AcquireResult, ContextState, LockMetadata, SpinOps};
use buddy_slab_allocator::interface::BuddySlabIf;
use buddy_slab_allocator::{
    BuddyAllocator, GlobalAllocator, PerCpuSlab, SlabAllocResult, SlabAllocator, SlabDeallocResult,
    SlabPoolTrait, SlabTrait,
};

use crate::harness::memory::{ARENA_BYTES, Arena};
use crate::harness::must;
use crate::heap::Heap;

const PAGE: usize = 4096;

/// Blocks above go to the buddy, as in its `GlobalAllocator`.
const SLAB_MAX: usize = 2048;

static SLAB: PerCpuSlab<PAGE> = PerCpuSlab::new(0);

struct OneCpu;

impl SlabPoolTrait for OneCpu {
    fn current_slab(&self) -> &dyn SlabTrait {
        &SLAB
    }

    fn owner_slab(&self, _: usize) -> &dyn SlabTrait {
        &SLAB
    }
}

struct Platform;

#[ax_crate_interface::impl_interface]
impl BuddySlabIf for Platform {
    fn virt_to_phys(address: usize) -> usize {
        address
    }

    fn slab_pool() -> &'static dyn SlabPoolTrait {
        &OneCpu
    }
}

struct Locks;

#[ax_crate_interface::impl_interface]
impl SpinOps for Locks {
    fn acquire(
        locked: &AtomicBool,
        _metadata: &LockMetadata,
        _address: usize,
        _context: u8,
        _subclass: u32,
        _caller: &'static Location<'static>,
    ) -> ContextState {
        while locked.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            hint::spin_loop();
        }
        ContextState::new(0, 0)
    }

    fn try_acquire(
        locked: &AtomicBool,
        _metadata: &LockMetadata,
        _address: usize,
        _context: u8,
        _subclass: u32,
        _caller: &'static Location<'static>,
    ) -> AcquireResult {
        let free = locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        AcquireResult::new(free, ContextState::new(0, 0))
    }

    fn release(locked: &AtomicBool, _address: usize, _context: u8, _state: ContextState) {
        locked.store(false, Ordering::Release);
    }

    fn force_release(locked: &AtomicBool, _address: usize, _context: u8) {
        locked.store(false, Ordering::Release);
    }

    fn is_locked(locked: &AtomicBool) -> bool {
        locked.load(Ordering::Relaxed)
    }
}

/// Its `GlobalAllocator`. There is at most one at a time: it is a singleton by design.
pub(super) struct Global {
    heap: GlobalAllocator<PAGE>,
    _arena: Arena,
}

impl Heap for Global {
    fn new() -> Self {
        SLAB.reset();
        let arena = Arena::touched(ARENA_BYTES);
        let heap = GlobalAllocator::new();
        // SAFETY: the only slice of the arena; the arena lives as long as the heap.
        let memory = unsafe { arena.slice() };
        // SAFETY: the memory is used by nobody else.
        must(unsafe { heap.init(memory) }.ok());
        Self { heap, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.alloc(layout).ok()
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.heap.dealloc(block, layout) };
    }
}

/// Its slab and buddy allocators, put together as in its README, without a lock.
pub(super) struct Parts {
    slab: SlabAllocator<PAGE>,
    buddy: BuddyAllocator<PAGE>,
    _arena: Arena,
}

impl Parts {
    fn allocate_pages(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let pages = layout.size().div_ceil(PAGE);
        let address = self.buddy.alloc_pages(pages, layout.align().max(PAGE)).ok()?;
        NonNull::new(core::ptr::with_exposed_provenance_mut(address))
    }
}

impl Heap for Parts {
    fn new() -> Self {
        let arena = Arena::touched(ARENA_BYTES);
        let mut buddy = BuddyAllocator::new();
        // SAFETY: the only slice of the arena; the arena lives as long as the heap.
        let memory = unsafe { arena.slice() };
        // SAFETY: the memory is used by nobody else.
        must(unsafe { buddy.init(memory) }.ok());
        Self { slab: SlabAllocator::new(), buddy, _arena: arena }
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size().max(layout.align()) > SLAB_MAX {
            return self.allocate_pages(layout);
        }
        loop {
            match self.slab.alloc(layout).ok()? {
                SlabAllocResult::Allocated(block) => return Some(block),
                SlabAllocResult::NeedsSlab { size_class, pages } => {
                    let bytes = pages * PAGE;
                    let address = self.buddy.alloc_pages(pages, bytes).ok()?;
                    self.slab.add_slab(size_class, address, bytes, 0);
                }
            }
        }
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        if layout.size().max(layout.align()) > SLAB_MAX {
            self.buddy.dealloc_pages(block.addr().get(), layout.size().div_ceil(PAGE));
            return;
        }
        match self.slab.dealloc(block, layout) {
            SlabDeallocResult::Done => {}
            SlabDeallocResult::FreeSlab { base, pages } => self.buddy.dealloc_pages(base, pages),
        }
    }
}
