//! The caches of the CPUs.

use core::ptr::NonNull;

use alloc::vec::Vec;

use super::{Machine, TestHeap, drain_all, free, layout, try_free};
use crate::error::{AllocError, FrameError, FreeError};
use crate::heap::{HeapConfig, KernelHeap, Mode};
use crate::ports::FrameAlloc;
use crate::testing::{HostEnv, PlainFrames, check_heap};
use crate::types::{CpuIndex, FrameRange, FrameRequest, Pfn};

const SMALL: usize = 16 << 10;

fn on_cpu<R>(cpu: usize, work: impl FnOnce() -> R) -> R {
    HostEnv::bind(Some(CpuIndex(cpu)));
    let result = work();
    HostEnv::bind(None);
    result
}

fn machine(cpus: usize) -> Machine {
    Machine::with_cpus(Pfn(0x2_0001), 2048, cpus)
}

fn fill(heap: &TestHeap<'_>, count: usize, size: usize) -> Vec<NonNull<u8>> {
    (0..count).map(|_| heap.allocate(layout(size, 8)).unwrap()).collect()
}

#[test]
fn the_contract_holds_with_caches() {
    let machine = machine(2);
    let heap = machine.hybrid(256 << 10);
    for cpu in [0, 1, 0] {
        on_cpu(cpu, || check_heap(&heap));
    }
    drain_all(&machine, &heap);
    let stats = heap.stats();
    assert_eq!(machine.frames.live_frames(), stats.page_map_frames + stats.cache_frames);
}

/// hermit-os/kernel#1984: while somebody has the locks of a class, the CPUs allocate and free on.
#[test]
fn threads_do_not_serialise() {
    let machine = machine(4);
    let heap = machine.hybrid(256 << 10);
    let line = layout(64, 8);
    let warm = || fill(&heap, 2, 64).iter().for_each(|block| free(&heap, *block, line));
    (0..4).for_each(|cpu| on_cpu(cpu, warm));
    let class = crate::slab::Class::of(line).unwrap();
    let work = |cpu| {
        HostEnv::bind(Some(CpuIndex(cpu)));
        (0..1000).for_each(|_| free(&heap, heap.allocate(line).unwrap(), line));
    };
    heap.depot(class).with(heap.env(), |_| {
        heap.bin(class).with(heap.env(), |_| {
            std::thread::scope(|scope| (1..4).for_each(|cpu| drop(scope.spawn(move || work(cpu)))));
        });
    });
    drain_all(&machine, &heap);
    assert_eq!(heap.stats().live, 0);
}

/// What was freed last is handed out first, without a lock: `HostLock` is not asked, interrupts are masked once.
#[test]
fn the_local_path_takes_no_lock() {
    let machine = machine(1);
    let heap = machine.hybrid(256 << 10);
    let line = layout(64, 8);
    free(&heap, heap.allocate(line).unwrap(), line);
    heap.bin(crate::slab::Class::of(line).unwrap()).with(heap.env(), |_| {
        let before = machine.env.masked();
        let block = heap.allocate(line).unwrap();
        free(&heap, block, line);
        assert_eq!(heap.allocate(line), Ok(block));
        free(&heap, block, line);
        assert_eq!(machine.env.masked() - before, 4, "once a call");
    });
}

#[test]
fn caches_take_their_share_and_count_it() {
    let machine = machine(4);
    let heap = machine.hybrid(SMALL);
    let blocks = fill(&heap, 2000, 40);
    blocks.iter().for_each(|block| free(&heap, *block, layout(40, 8)));
    let stats = heap.stats();
    let cached: usize = stats.classes.iter().map(|class| class.size * class.cached).sum();
    assert!(cached > 0 && cached + stats.cache_frames * 4096 / 4 <= SMALL + 4096, "{cached}");
    assert_eq!((stats.live, stats.requested, stats.stranded), (0, 0, 0));
    assert_eq!(on_cpu(3, || heap.stats().stranded), cached - depot_bytes(&heap));
    heap.shrink();
    assert_eq!(heap.stats().classes.iter().map(|class| class.cached).sum::<usize>(), 0);
    assert_eq!(heap.check(), Ok(()));
}

fn depot_bytes(heap: &TestHeap<'_>) -> usize {
    let bytes = |(class, depot): (crate::slab::Class, &crate::sync::Guarded<_, super::super::Depot>)| {
        class.size() * depot.with(heap.env(), |depot| depot.resting())
    };
    heap.depots.iter().map(bytes).sum()
}

/// tgoskits#2301: what it costs to free another CPU's block must not depend on how many wait for their owner.
#[test]
fn remote_free_cost_is_constant() {
    let machine = machine(2);
    let heap = machine.hybrid(256 << 10);
    let line = layout(64, 8);
    let masked = |work: &dyn Fn()| {
        let before = machine.env.masked();
        work();
        machine.env.masked() - before
    };
    for count in [10, 1000, 10_000] {
        let blocks = on_cpu(0, || fill(&heap, count, 64));
        let costs: Vec<_> =
            on_cpu(1, || blocks.iter().map(|block| masked(&|| free(&heap, *block, line))).collect());
        // Call, exchange, depot, bin, retry: the longest way, whatever `count` is.
        assert!(costs.iter().max() <= Some(&6), "{:?} for {count}", costs.iter().max());
        let exchanges = costs.iter().filter(|cost| **cost > 1).count();
        assert!(exchanges * 4 <= count.max(40), "{exchanges} of {count}");
    }
    drain_all(&machine, &heap);
    assert_eq!(heap.stats().live, 0);
}

/// Blocks that one CPU frees and another allocates go round through the depot, and no new slab is needed.
#[test]
fn what_one_cpu_frees_another_gets() {
    let machine = machine(2);
    let heap = machine.hybrid(64 << 10);
    for _ in 0..200 {
        let blocks = on_cpu(0, || fill(&heap, 100, 64));
        on_cpu(1, || blocks.iter().for_each(|block| free(&heap, *block, layout(64, 8))));
    }
    let class = heap.stats().classes[7];
    assert!(class.slabs <= 10, "{class:?}");
    drain_all(&machine, &heap);
}

#[test]
fn memory_that_rests_is_drained_before_no_memory() {
    let machine = machine(1);
    let heap = machine.hybrid(64 << 10);
    let blocks = fill(&heap, 500, 100);
    blocks.iter().for_each(|block| free(&heap, *block, layout(100, 8)));
    let all = 2048 - heap.stats().page_map_frames - heap.stats().cache_frames;
    assert!(heap.allocate(layout(all * 4096, 8)).is_ok());
}

/// Only the owner touches a magazine: the others are asked, by a kick and a flag.
#[test]
fn other_cpus_are_kicked_before_no_memory() {
    let machine = machine(3);
    let heap = machine.hybrid(64 << 10);
    let blocks = fill(&heap, 200, 64);
    on_cpu(1, || blocks.iter().for_each(|block| free(&heap, *block, layout(64, 8))));
    let stranded = heap.stats().stranded;
    assert!(stranded > 0);
    assert!(matches!(heap.allocate(layout(1 << 30, 8)), Err(AllocError::NoMemory { .. })));
    assert_eq!([0, 1, 2].map(|cpu| machine.env.kicks(CpuIndex(cpu))), [0, 1, 0]);
    assert!(heap.stats().stranded > 0, "only CPU 1 itself can give it back");
    on_cpu(1, || heap.drain_local());
    assert_eq!((heap.stats().stranded, heap.check()), (0, Ok(())));
}

/// A CPU that takes no interrupts sees the flag when next it exchanges a magazine.
#[test]
fn the_flag_drains_at_the_next_exchange() {
    let machine = machine(2);
    let heap = machine.hybrid(64 << 10);
    on_cpu(1, || fill(&heap, 1, 64));
    assert!(heap.stats().stranded > 0);
    heap.collect();
    on_cpu(1, || fill(&heap, 1, 128));
    assert_eq!(heap.stats().classes[7].cached, 0);
}

#[test]
fn fail_fast_asks_nobody() {
    let machine = machine(2);
    let heap = machine.cold_heap();
    heap.init(HeapConfig { mode: Mode::Hybrid, fail_fast: true, ..HeapConfig::default() }).unwrap();
    on_cpu(1, || fill(&heap, 1, 64));
    let frames = machine.frames.live_frames();
    assert!(matches!(heap.allocate(layout(1 << 30, 8)), Err(AllocError::NoMemory { .. })));
    assert_eq!((machine.env.kicks(CpuIndex(1)), machine.frames.live_frames()), (0, frames));
}

#[test]
fn drain_parked() {
    let machine = machine(2);
    let heap = machine.hybrid(64 << 10);
    let blocks = on_cpu(1, || fill(&heap, 100, 200));
    on_cpu(1, || blocks.iter().for_each(|block| free(&heap, *block, layout(200, 8))));
    assert!(heap.stats().stranded > 0);
    // SAFETY: CPU 1 is this thread, which does something else.
    unsafe { heap.drain_parked(CpuIndex(1)) };
    // SAFETY: there is no such CPU.
    unsafe { heap.drain_parked(CpuIndex(2)) };
    assert_eq!((heap.stats().stranded, heap.stats().live, heap.check()), (0, 0, Ok(())));
}

#[test]
fn double_frees_are_found_wherever_the_block_rests() {
    let machine = machine(2);
    let heap = machine.hybrid(64 << 10);
    let line = layout(64, 8);
    let blocks = on_cpu(0, || fill(&heap, 400, 64));
    for (index, block) in blocks.iter().enumerate() {
        on_cpu(index % 2, || free(&heap, *block, line));
        for cpu in [0, 1] {
            assert_eq!(on_cpu(cpu, || try_free(&heap, *block, line)), Err(FreeError::DoubleFree(*block)));
        }
    }
    drain_all(&machine, &heap);
    let stats = heap.stats();
    assert_eq!((stats.refused.double_free, stats.live, stats.requested), (800, 0, 0));
}

/// talc#53, linked-list-allocator#58: a write to a free block is found, and the block never handed out again.
#[test]
fn stray_write_is_reported() {
    for hybrid in [false, true] {
        let machine = machine(1);
        let heap = if hybrid { machine.hybrid(64 << 10) } else { machine.heap() };
        let line = layout(64, 8);
        let (kept, block) = (heap.allocate(line).unwrap(), heap.allocate(line).unwrap());
        free(&heap, block, line);
        // SAFETY: the block is memory of the arena; the test plays the stray write.
        unsafe { block.cast::<u32>().write(0xdead) };
        assert!(heap.check().is_err());
        let blocks = fill(&heap, 300, 64);
        assert!(!blocks.contains(&block));
        let told = machine.env.take_violations();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].error, FreeError::Corrupt(block));
        let stats = heap.stats();
        assert_eq!((stats.leaked_blocks(), stats.classes[7].live), (1, 301));
        blocks.iter().chain([&kept]).for_each(|block| free(&heap, *block, line));
        heap.shrink();
        assert_eq!((heap.stats().live, heap.check()), (0, Ok(())));
    }
}

/// A stray write to a block in a magazine is found too when the magazine is flushed, and a double free that no seal
/// showed when the slab has the block already.
#[test]
fn a_flush_finds_what_is_wrong() {
    let machine = machine(1);
    let heap = machine.hybrid(64 << 10);
    let line = layout(64, 8);
    let blocks = fill(&heap, 4, 64);
    blocks[1..].iter().for_each(|block| free(&heap, *block, line));
    // SAFETY: the block is memory of the arena; the test plays the stray write.
    unsafe { blocks[1].cast::<u64>().write(1) };
    // SAFETY: as above.
    unsafe { blocks[2].cast::<u64>().write(1) };
    assert_eq!(try_free(&heap, blocks[2], line), Ok(()), "its seal is gone: it looks live");
    heap.shrink();
    let told: Vec<_> = machine.env.take_violations().iter().map(|violation| violation.error).collect();
    assert_eq!(told.len(), 2);
    assert!(
        told.contains(&FreeError::Corrupt(blocks[1])) && told.contains(&FreeError::DoubleFree(blocks[2]))
    );
    assert_eq!(heap.check(), Ok(()));
    free(&heap, blocks[0], line);
}

#[test]
fn modes_change_with_live_blocks() {
    let machine = machine(2);
    let heap = machine.heap();
    let mut blocks = Vec::new();
    for (step, mode) in [Mode::Hybrid, Mode::TwoTier, Mode::Hybrid, Mode::TwoTier].into_iter().enumerate() {
        assert_eq!(heap.set_mode(mode), Ok(()));
        assert_eq!(heap.mode(), mode);
        for size in [8, 64, 3000, 8192, 10_000] {
            blocks.push((on_cpu(step % 2, || heap.allocate(layout(size, 8)).unwrap()), layout(size, 8)));
        }
    }
    assert_eq!(machine.frames.live_frames(), heap.stats().frames);
    for (index, (block, layout)) in blocks.into_iter().enumerate() {
        heap.set_mode(if index % 3 == 0 { Mode::Hybrid } else { Mode::TwoTier }).unwrap();
        on_cpu(index % 2, || free(&heap, block, layout));
    }
    drain_all(&machine, &heap);
    assert_eq!((heap.stats().live, heap.stats().stranded), (0, 0));
}

#[test]
fn caches_that_cannot_be_made_leave_the_mode() {
    let machine = machine(1);
    let heap = machine.heap();
    machine.frames.fail_at(Some(0));
    assert!(matches!(heap.set_mode(Mode::Hybrid), Err(AllocError::Frames(_))));
    assert_eq!((heap.mode(), heap.stats().frames), (Mode::TwoTier, 1));
    assert_eq!(heap.set_mode(Mode::Hybrid), Ok(()));
    assert_eq!(machine.cold_heap().set_mode(Mode::Hybrid), Err(AllocError::NotReady));
}

#[test]
fn an_init_without_frames_for_caches_holds_nothing() {
    let machine = machine(1);
    let heap = machine.cold_heap();
    let config = HeapConfig { mode: Mode::Hybrid, ..HeapConfig::default() };
    machine.frames.fail_at(Some(1));
    assert!(heap.init(config).is_err());
    assert_eq!((machine.frames.live_frames(), heap.stats().frames), (0, 0));
    assert_eq!(heap.init(config), Ok(()));
}

#[test]
fn without_terms_for_caches_hybrid_is_two_tier() {
    let machine = machine(2);
    let heap = machine.hybrid(100);
    let (stats, blocks) = (heap.stats(), fill(&heap, 10, 64));
    assert_eq!((heap.mode(), stats.cache_frames), (Mode::Hybrid, 0));
    blocks.iter().for_each(|block| free(&heap, *block, layout(64, 8)));
    assert_eq!((heap.stats().classes[7].cached, heap.stats().live), (0, 0));
}

/// theseus-os/Theseus#11: interrupts are masked for one magazine at a time, however much there is to bring home, and
/// never while frames come or go.
#[test]
fn masked_section_is_bounded() {
    struct Unmasked<'a>(&'a PlainFrames);
    // SAFETY: ranges are the inner source's.
    unsafe impl FrameAlloc for Unmasked<'_> {
        fn span(&self) -> FrameRange {
            self.0.span()
        }
        fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
            assert!(!HostEnv::is_masked(), "masked while frames are allocated");
            self.0.allocate(request)
        }
        unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
            assert!(!HostEnv::is_masked(), "masked while frames are freed");
            // SAFETY: the caller's promise is passed on.
            unsafe { self.0.free(range) }
        }
    }
    let machine = machine(16);
    let plain = PlainFrames::new(machine.frames.span());
    let heap = KernelHeap::new(&machine.env, Unmasked(&plain));
    let cache_bytes_per_cpu = Some(1 << 20);
    heap.init(HeapConfig { mode: Mode::Hybrid, cache_bytes_per_cpu, ..HeapConfig::default() }).unwrap();
    let line = layout(64, 8);
    let capacity = 128;
    let blocks: Vec<_> = (0..10_000).map(|_| heap.allocate(line).unwrap()).collect();
    blocks.iter().for_each(|block| free(&heap, *block, line));
    let cached = heap.stats().classes[7].cached;
    assert!(cached > 10 * capacity, "{cached}");
    let before = machine.env.sections();
    heap.shrink();
    assert!(machine.env.sections() - before >= cached / capacity);
    assert_eq!((heap.stats().classes[7].cached, heap.check()), (0, Ok(())));
}
