//! What the heap promises, one promise a test.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use alloc::vec::Vec;

use super::{Machine, TestHeap, free, layout, reallocate, try_free};
use crate::error::{AllocError, FrameError, FreeError, InitError};
use crate::heap::{HeapConfig, KernelHeap};
use crate::ports::{Env, FrameAlloc};
use crate::testing::{HostEnv, PlainFrames, check_heap, host_frames};
use crate::types::{CpuIndex, DirectMap, FrameRange, FrameRequest, Pfn};

fn allocate(heap: &TestHeap<'_>, layout: Layout) -> NonNull<u8> {
    heap.allocate(layout).unwrap()
}

#[test]
fn the_contract_holds() {
    let machine = Machine::new(2048);
    let heap = machine.heap();
    check_heap(&heap);
    check_heap(&heap);
    heap.shrink();
    assert_eq!(machine.frames.live_frames(), heap.stats().page_map_frames);
}

#[test]
fn the_contract_holds_where_there_is_little_memory() {
    let machine = Machine::new(16);
    check_heap(&machine.heap());
}

/// osdk-heap-allocator 0.19, mimalloc#1400: small size, large alignment.
#[test]
fn size_64_align_4096_served_and_freed() {
    let machine = Machine::new(256);
    let heap = machine.heap();
    for power in 0..=17 {
        let odd = layout(64, 1 << power);
        let blocks: Vec<_> = (0..3).map(|_| allocate(&heap, odd)).collect();
        assert!(blocks.iter().all(|block| block.addr().get() % odd.align() == 0), "{odd:?}");
        blocks.iter().for_each(|block| free(&heap, *block, odd));
    }
    assert_eq!((heap.stats().live, heap.check()), (0, Ok(())));
}

/// Scarlet#347, esp-idf#8270, asterinas#3624: counters that stand still or wrap.
#[test]
fn stats_move_and_never_underflow() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let (small, large) = (layout(57, 8), layout(9000, 8));
    let blocks = (allocate(&heap, small), allocate(&heap, large));
    let stats = heap.stats();
    assert_eq!((stats.requested, stats.live, stats.frames), (9057, 64 + 12_288, 1 + 1 + 3));
    assert_eq!((stats.large.blocks, stats.large.frames), (1, 3));
    let class = stats.classes[7];
    assert_eq!((class.size, class.slabs, class.objects, class.live, class.peak), (64, 1, 63, 1, 1));
    assert_eq!((stats.slab_bytes(), stats.slab_overhead), (4096, 64));
    // Another size of the same class cannot be told from the right one, and must not make a counter wrap.
    free(&heap, blocks.0, layout(64, 8));
    free(&heap, blocks.1, large);
    let stats = heap.stats();
    assert_eq!((stats.requested, stats.live, stats.frames, stats.peak_frames), (0, 0, 2, 5));
    assert_eq!(stats.live_blocks(), 0);
    assert!(std::format!("{stats}").contains("live 0 B"));
}

/// A frame source that calls a handler whenever it is used, as an interrupt could come there.
struct Interrupting<'a> {
    frames: &'a PlainFrames,
    handler: Cell<Option<&'a dyn Fn()>>,
}

// SAFETY: the test has one thread.
unsafe impl Sync for Interrupting<'_> {}

impl Interrupting<'_> {
    /// Calls the handler, which is not called again meanwhile.
    fn interrupt(&self) {
        let handler = self.handler.take();
        handler.inspect(|handler| handler());
        self.handler.set(handler);
    }
}

// SAFETY: ranges are the inner source's.
unsafe impl FrameAlloc for Interrupting<'_> {
    fn span(&self) -> FrameRange {
        self.frames.span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        self.interrupt();
        self.frames.allocate(request)
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        self.interrupt();
        // SAFETY: the caller's promise is passed on.
        unsafe { self.frames.free(range) }
    }
}

/// moss-kernel#105, asterinas#263, embedded-alloc#72: a handler that uses the heap while it is busy must not find the
/// lock taken. `HostLock` panics when it is taken unmasked, so no handler comes while the lock is held; and here one
/// comes, and uses the same heap, wherever it is busy without: `HostLock` panics when it is taken twice.
#[test]
fn irq_handler_allocates_while_busy() {
    let machine = Machine::new(2048);
    let plain = PlainFrames::new(machine.env.direct_map().frames());
    let source = Interrupting { frames: &plain, handler: Cell::new(None) };
    let heap = KernelHeap::new(&machine.env, &source);
    heap.init(HeapConfig::default()).unwrap();
    let times = Cell::new(0);
    let handler = || {
        times.set(times.get() + 1);
        for size in [48, 8192, 9000] {
            let layout = layout(size, 8);
            free(&heap, heap.allocate(layout).unwrap(), layout);
        }
    };
    source.handler.set(Some(&handler));
    check_heap(&heap);
    assert!(times.get() > 100);
    assert_eq!((heap.check(), heap.stats().live), (Ok(()), 0));
}

#[test]
fn an_init_that_comes_second_gives_its_frames_back() {
    let machine = Machine::new(64);
    let plain = PlainFrames::new(machine.env.direct_map().frames());
    let source = Interrupting { frames: &plain, handler: Cell::new(None) };
    let heap = KernelHeap::new(&machine.env, &source);
    // The handler's `init` comes between the two halves of the other; of its later calls each fails.
    let first = Cell::new(true);
    let handler = || assert_eq!(heap.init(HeapConfig::default()).is_ok(), first.replace(false));
    source.handler.set(Some(&handler));
    assert_eq!(heap.init(HeapConfig::default()), Err(InitError::AlreadyInitialised));
    assert_eq!((plain.used(), heap.check()), (1, Ok(())));
}

#[test]
fn nothing_is_allocated_for_no_bytes() {
    let machine = Machine::new(16);
    let heap = machine.cold_heap();
    for align in [1, 64, 1 << 20] {
        let nothing = layout(0, align);
        let ptr = allocate(&heap, nothing);
        assert_eq!(ptr.addr().get() % align, 0);
        free(&heap, ptr, nothing);
    }
    heap.init(HeapConfig::default()).unwrap();
    let grown = layout(0, 16);
    let block = reallocate(&heap, allocate(&heap, grown), grown, 40).unwrap();
    let nothing = reallocate(&heap, block, layout(40, 16), 0).unwrap();
    free(&heap, nothing, grown);
    assert_eq!(heap.stats().live_blocks(), 0);
}

#[test]
fn resizing_stays_in_place_while_class_or_frames_stay() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    for (old, same, other) in [(100, 112, 113), (65, 80, 64), (5000, 5120, 2000), (9000, 12_288, 8192)] {
        let before = layout(old, 8);
        let block = allocate(&heap, before);
        let grown = reallocate(&heap, block, before, same).unwrap();
        assert_eq!(grown, block);
        assert_eq!(heap.stats().requested, same);
        let moved = reallocate(&heap, grown, layout(same, 8), other).unwrap();
        assert_ne!(moved, block);
        free(&heap, moved, layout(other, 8));
    }
    assert_eq!((heap.stats().requested, heap.check()), (0, Ok(())));
}

/// Frames at the end of a large block go back, and those behind it are claimed if they are free.
#[test]
fn large_blocks_grow_and_shrink_in_place() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let (start, other) = (layout(3 * 4096, 8), layout(4 * 4096, 8));
    let block = allocate(&heap, start);
    let base = machine.frames.live_frames() - 3;
    let mut now = start;
    for frames in [10, 10, 4, 30, 3] {
        let next = layout(frames * 4096 - 5, 8);
        assert_eq!(reallocate(&heap, block, now, next.size()), Ok(block));
        now = next;
        assert_eq!(heap.usable_size(block), Ok(frames * 4096));
        assert_eq!((machine.frames.live_frames() - base, heap.check()), (frames, Ok(())));
        assert_eq!((heap.stats().large.frames, heap.stats().requested), (frames, now.size()));
    }
    let wall = allocate(&heap, other);
    // SAFETY: the block is this test's.
    assert_eq!(unsafe { heap.grow_in_place(block, now, 5 * 4096) }, Ok(false), "{wall:?} is behind it");
    // SAFETY: as above.
    assert_eq!(unsafe { heap.shrink_in_place(block, now, 4096) }, Ok(false), "that is another class");
    // SAFETY: as above.
    assert_eq!(unsafe { heap.grow_in_place(block, now, 9000) }, Ok(false), "that is not growing");
    // SAFETY: as above.
    assert_eq!(unsafe { heap.shrink_in_place(block, now, 9000) }, Ok(true));
    free(&heap, wall, other);
    free(&heap, block, layout(9000, 8));
    assert_eq!(heap.usable_size(block), Err(FreeError::DoubleFree(block)));
    assert_eq!((heap.check(), machine.frames.live_frames()), (Ok(()), base));
}

#[test]
fn shrink_returns_every_empty_slab() {
    let machine = Machine::new(512);
    let heap = machine.heap();
    let sizes = [8, 100, 700, 3000, 8192];
    let blocks: Vec<_> =
        sizes.iter().map(|size| (allocate(&heap, layout(*size, 8)), layout(*size, 8))).collect();
    let held = machine.frames.live_frames();
    assert_eq!(heap.shrink(), 0, "no slab is empty");
    blocks.iter().for_each(|(block, layout)| free(&heap, *block, *layout));
    assert_eq!(machine.frames.live_frames(), held, "one empty slab a class is kept");
    assert_eq!(heap.shrink(), held - 1);
    assert_eq!(machine.frames.live_frames(), 1);
    assert_eq!(heap.check(), Ok(()));
}

#[test]
fn a_class_keeps_one_empty_slab() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let block = layout(1024, 8);
    let blocks: Vec<_> = (0..45).map(|_| allocate(&heap, block)).collect();
    assert_eq!(machine.frames.live_frames(), 1 + 3 * 4);
    blocks.iter().for_each(|ptr| free(&heap, *ptr, block));
    assert_eq!(machine.frames.live_frames(), 1 + 4);
    assert_eq!(heap.check(), Ok(()));
}

#[test]
fn slabs_leave_their_list_from_any_place() {
    let machine = Machine::new(128);
    let heap = machine.heap();
    let block = layout(1024, 8);
    let slabs: Vec<[NonNull<u8>; 15]> =
        (0..6).map(|_| core::array::from_fn(|_| allocate(&heap, block))).collect();
    // One block of each: all six are in the list.
    slabs.iter().for_each(|slab| free(&heap, slab[0], block));
    for slab in [2, 4, 0, 5, 1, 3] {
        slabs[slab][1..].iter().for_each(|ptr| free(&heap, *ptr, block));
        assert_eq!(heap.check(), Ok(()), "after slab {slab}");
    }
    assert_eq!(heap.stats().classes[23].slabs, 1);
}

#[test]
fn zeroed_memory_is_zero_when_reused() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    for size in [24, 4096, 9000] {
        let layout = layout(size, 8);
        let dirty = allocate(&heap, layout);
        // SAFETY: the block has so many bytes.
        unsafe { dirty.write_bytes(0xff, size) };
        free(&heap, dirty, layout);
        let clean = heap.allocate_zeroed(layout).unwrap();
        // SAFETY: the block has so many bytes, all written.
        let bytes = unsafe { core::slice::from_raw_parts(clean.as_ptr(), size) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        free(&heap, clean, layout);
    }
}

#[test]
fn a_call_masks_interrupts_once() {
    let machine = Machine::new(64);
    let heap = machine.heap();
    let word = layout(64, 8);
    let kept = allocate(&heap, word);
    let before = machine.env.masked();
    let block = allocate(&heap, word);
    free(&heap, block, word);
    assert_eq!(machine.env.masked() - before, 2, "one lock a call on the fast path");
    free(&heap, kept, word);
}

#[test]
fn before_init_everything_is_not_ready() {
    let machine = Machine::new(16);
    let heap = machine.cold_heap();
    let ptr = NonNull::dangling();
    for size in [8, 20_000] {
        assert_eq!(heap.allocate(layout(size, 8)), Err(AllocError::NotReady));
        assert_eq!(try_free(&heap, ptr, layout(size, 8)), Err(FreeError::NotReady(ptr)));
    }
    assert_eq!((heap.check(), heap.shrink()), (Ok(()), 0));
    assert_eq!((heap.stats().failed.not_ready, heap.stats().refused.not_ready), (2, 2));
}

/// An environment whose direct map is what the test says, with frames of 2^`SHIFT` bytes.
struct Remapped<'a, const SHIFT: u32>(&'a HostEnv, DirectMap);

// SAFETY: the map is that of the inner environment in other words, or one that `init` refuses.
unsafe impl<const SHIFT: u32> Env for Remapped<'_, SHIFT> {
    const PAGE_SHIFT: u32 = SHIFT;
    type Lock = <HostEnv as Env>::Lock;
    type Irq = <HostEnv as Env>::Irq;
    fn irq_save(&self) -> Self::Irq {
        self.0.irq_save()
    }
    fn cpu(&self) -> Option<CpuIndex> {
        self.0.cpu()
    }
    fn direct_map(&self) -> DirectMap {
        self.1
    }
    fn secret(&self) -> u64 {
        self.0.secret()
    }
}

// SAFETY: as for `HostEnv`.
unsafe impl<const SHIFT: u32> Sync for Remapped<'_, SHIFT> {}

#[test]
fn a_direct_map_that_does_not_serve_is_refused() {
    let machine = Machine::at(Pfn(64), 64);
    let whole = machine.env.direct_map();
    let init = |map: DirectMap| {
        KernelHeap::new(Remapped::<12>(&machine.env, map), &machine.frames).init(HeapConfig::default())
    };
    for (start, count) in [(64, 63), (65, 63), (65, 64), (0, 0), (1000, 64)] {
        let mapped = FrameRange::new(Pfn(start), count).unwrap();
        let expected = InitError::NotMapped { span: whole.frames(), mapped };
        assert_eq!(init(DirectMap::new(whole.base(), mapped)), Err(expected));
    }
    let shifted = whole.base().map_addr(|address| address.saturating_add(4096));
    let skewed = InitError::Skewed { keeps: 4096, needed: 64 << 10 };
    assert_eq!(init(DirectMap::new(shifted, whole.frames())), Err(skewed));
    let nothing = KernelHeap::new(&machine.env, PlainFrames::new(FrameRange::EMPTY));
    assert_eq!(nothing.init(HeapConfig::default()), Err(InitError::NoFrames));
    assert_eq!(machine.frames.live_frames(), 0);
}

/// The map keeps 64 KiB here: more is refused, not promised wrongly.
#[test]
fn alignment_beyond_the_direct_map_is_a_bad_request() {
    let machine = Machine::at(Pfn(1 << 17), 200);
    let span = FrameRange::new(Pfn(16), 200).unwrap();
    let env = Remapped::<12>(&machine.env, DirectMap::new(machine.env.direct_map().base(), span));
    let heap = KernelHeap::new(&env, PlainFrames::new(span));
    heap.init(HeapConfig::default()).unwrap();
    let (kept, lost) = (layout(100, 64 << 10), layout(100, 128 << 10));
    free(&heap, heap.allocate(kept).unwrap(), kept);
    assert_eq!(heap.allocate(lost), Err(AllocError::BadRequest { size: 100, align: 128 << 10 }));
    assert_eq!(heap.stats().failed.bad_request, 1);
}

#[test]
fn larger_frames_work_too() {
    fn check<const SHIFT: u32>() {
        let times = 1 << (SHIFT - HostEnv::PAGE_SHIFT);
        let machine = Machine::at(Pfn(7 * times), 256 * times);
        let span = FrameRange::new(Pfn(7), 256).unwrap();
        let env = Remapped::<SHIFT>(&machine.env, DirectMap::new(machine.env.direct_map().base(), span));
        let heap = KernelHeap::new(&env, PlainFrames::new(span));
        heap.init(HeapConfig::default()).unwrap();
        check_heap(&heap);
        assert_eq!(heap.frames().used(), heap.stats().page_map_frames);
    }
    check::<13>();
    check::<14>();
    check::<16>();
}

/// unikraft#688: the source's account and the heap's are the same.
#[test]
fn metadata_is_counted_once() {
    let machine = Machine::new(5000);
    let heap = machine.heap();
    for step in 0..400 {
        allocate(&heap, layout(1 + step * 67 % 20_000, 8));
    }
    let stats = heap.stats();
    let bytes = (stats.page_map_frames + stats.large.frames) * 4096 + stats.slab_bytes();
    assert_eq!(stats.page_map_frames, 2);
    assert_eq!(bytes, machine.frames.live_frames() * 4096);
}

/// hawkw/mycelium#257, buddy-slab-allocator 0.6: blocks that are aligned by their place in the region only.
#[test]
fn blocks_align_absolutely() {
    for start in [1, 2, 3, 5, 8, 15, 16, 17] {
        let machine = Machine::at(Pfn(start), 200);
        let heap = machine.heap();
        for size in [512, 4096, 8192, 65_536] {
            let natural = layout(size, size);
            assert_eq!(allocate(&heap, natural).addr().get() % size, 0, "{size} bytes from frame {start}");
        }
    }
}

#[test]
fn the_frame_count_of_any_large_block_reads_back() {
    let machine = Machine::new(2200);
    let heap = machine.heap();
    let arena = heap.ground.get().unwrap().arena;
    for count in (1..300).chain([1 << 7, (1 << 7) + 1, 1 << 11, 2100]) {
        arena.mark_tails(3, count);
        arena.mark_head(3, count);
        let super::super::pagemap::Frame::Head(digits) = arena.look(3) else { panic!("no head") };
        assert_eq!(arena.large_count(3, digits), Some(count));
        assert_eq!(arena.head_before(3 + count - 1), (count > 1).then_some(3));
    }
}

#[test]
fn the_contract_holds_over_the_buddy() {
    let env = HostEnv::new(FrameRange::new(Pfn(0), 1500).unwrap());
    let mut storage = Vec::new();
    let frames = host_frames(&env, &mut storage);
    let free = frames.stats().free;
    let heap = KernelHeap::new(&env, &frames);
    heap.init(HeapConfig::default()).unwrap();
    check_heap(&heap);
    assert_eq!(frames.stats().free + heap.stats().page_map_frames, free);
    assert_eq!(frames.check(), Ok(()));
}
