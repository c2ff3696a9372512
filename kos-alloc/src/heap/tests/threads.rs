//! Several threads on one heap, each with its own list of operations.

use alloc::vec::Vec;
use std::sync::{Barrier, Mutex};
use std::thread;

use super::{Machine, TestHeap, free, layout};
use crate::heap::HeapConfig;
use crate::testing::{Bytes, HeapModel, HeapOp};

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
fn story(heap: &TestHeap<'_>, seed: u32) {
    let data = bytes(seed, 24_000);
    let mut data = Bytes::new(&data);
    let mut model = HeapModel::new(heap);
    while !data.is_empty() {
        match HeapOp::decode(&mut data) {
            HeapOp::BadFree(_) => {}
            op => model.step(op),
        }
    }
    model.free_all();
}

#[test]
fn threads_share_one_heap() {
    let machine = Machine::new(400);
    let heap = machine.heap();
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (heap, start) = (&heap, &start);
            scope.spawn(move || {
                start.wait();
                story(heap, seed);
            });
        }
    });
    assert_eq!(heap.check(), Ok(()));
    let stats = heap.stats();
    assert_eq!((stats.live, stats.requested, stats.refused.total()), (0, 0, 0));
    heap.shrink();
    assert_eq!(machine.frames.live_frames(), 1);
}

/// Blocks are freed by another thread than the one that allocated them.
#[test]
fn blocks_cross_threads() {
    struct Moved(core::ptr::NonNull<u8>, core::alloc::Layout);
    // SAFETY: the block is handed over whole.
    unsafe impl Send for Moved {}
    let machine = Machine::new(400);
    let heap = machine.heap();
    let queue: Mutex<Vec<Moved>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            for step in 0..3000 {
                let layout = layout(1 + step * 37 % 9000, 8);
                if let Ok(block) = heap.allocate(layout) {
                    queue.lock().unwrap().push(Moved(block, layout));
                }
            }
        });
        scope.spawn(|| {
            for _ in 0..3000 {
                let Some(Moved(block, layout)) = queue.lock().unwrap().pop() else { continue };
                free(&heap, block, layout);
            }
        });
    });
    for Moved(block, layout) in queue.into_inner().unwrap() {
        free(&heap, block, layout);
    }
    assert_eq!((heap.stats().live, heap.check()), (0, Ok(())));
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
