//! Several threads on one heap, each with its own list of operations.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use super::{Machine, TestHeap, drain_all, free, layout};
use crate::heap::HeapConfig;
use crate::testing::{Bytes, HeapModel, HeapOp, HostEnv};
use crate::types::{CpuIndex, Pfn};

const THREADS: usize = 4;

/// Bytes of a small generator, the same in every run.
fn bytes(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..count).map(step).collect()
}

/// A thread's wrong free could be another's right one by the time it comes, so these lists have none.
fn story(heap: &TestHeap<'_>, cpu: usize) {
    HostEnv::bind(Some(CpuIndex(cpu)));
    let data = bytes(u32::try_from(cpu).unwrap(), 24_000);
    let mut data = Bytes::new(&data);
    let mut model = HeapModel::new(heap);
    while !data.is_empty() {
        match HeapOp::decode(&mut data) {
            HeapOp::BadFree(_) | HeapOp::OnCpu(_) => {}
            op => model.step(op),
        }
    }
    model.free_all();
}

/// Counts a thread that ended, be it by a panic.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Each thread is a CPU; modes change under them, and one walks the invariants meanwhile.
#[test]
fn threads_share_one_heap() {
    let machine = Machine::with_cpus(Pfn(0x2_0001), 600, THREADS + 1);
    // Who walks is a CPU of its own: CPU 0 is a thread.
    HostEnv::bind(Some(CpuIndex(THREADS)));
    let heap = machine.hybrid(16 << 10);
    let start = Barrier::new(THREADS + 1);
    let running = AtomicUsize::new(THREADS);
    thread::scope(|scope| {
        for cpu in 0..THREADS {
            let (heap, start, running) = (&heap, &start, &running);
            scope.spawn(move || {
                let _done = Done(running);
                start.wait();
                story(heap, cpu);
            });
        }
        start.wait();
        while running.load(Ordering::Acquire) > 0 {
            assert_eq!(heap.check(), Ok(()));
        }
    });
    drain_all(&machine, &heap);
    let stats = heap.stats();
    assert_eq!((stats.live, stats.requested, stats.refused.total(), stats.stranded), (0, 0, 0, 0));
    assert_eq!(machine.frames.live_frames(), stats.page_map_frames + stats.cache_frames);
}

/// Blocks are freed by another thread than the one that allocated them.
#[test]
fn blocks_cross_threads() {
    struct Moved(core::ptr::NonNull<u8>, core::alloc::Layout);
    // SAFETY: the block is handed over whole.
    unsafe impl Send for Moved {}
    let machine = Machine::with_cpus(Pfn(0x2_0001), 400, 2);
    let heap = machine.hybrid(32 << 10);
    let queue: Mutex<Vec<Moved>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            HostEnv::bind(Some(CpuIndex(0)));
            for step in 0..3000 {
                let layout = layout(1 + step * 37 % 9000, 8);
                if let Ok(block) = heap.allocate(layout) {
                    queue.lock().unwrap().push(Moved(block, layout));
                }
            }
        });
        scope.spawn(|| {
            HostEnv::bind(Some(CpuIndex(1)));
            for _ in 0..3000 {
                let Some(Moved(block, layout)) = queue.lock().unwrap().pop() else { continue };
                free(&heap, block, layout);
            }
        });
    });
    for Moved(block, layout) in queue.into_inner().unwrap() {
        free(&heap, block, layout);
    }
    drain_all(&machine, &heap);
    assert_eq!((heap.stats().live, heap.stats().stranded), (0, 0));
}

/// Two `init` at once: one wins, the other gives its frames back.
#[test]
fn one_of_two_inits_wins() {
    for _ in 0..200 {
        let machine = Machine::new(8);
        let heap = machine.cold_heap();
        let wins = thread::scope(|scope| {
            let inits = [(); 2].map(|()| scope.spawn(|| heap.init(HeapConfig::default())));
            inits.into_iter().map(|init| init.join().unwrap()).filter(Result::is_ok).count()
        });
        assert_eq!((wins, machine.frames.live_frames()), (1, 1));
    }
}
