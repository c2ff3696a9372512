//! Every allocation fails once, in a story that nests, grows the heap, resizes and reserves.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use alloc::vec::Vec;

use super::{Counted, bytes, frames, free, free_frames};
use crate::error::{AllocError, ReallocError};
use crate::testing::{FailAt, FaultyHeap, HostEnv, PlainFrames};
use crate::txn::LogEntry;
use crate::types::{FrameRange, Pfn};
use crate::{HeapConfig, KernelHeap, Reservation, Transaction};

type Kernel<'m> = KernelHeap<&'m HostEnv, &'m FailAt<PlainFrames>>;
type Heap<'h, 'm> = FaultyHeap<&'h Kernel<'m>>;

/// A block outside every transaction that is resized; it frees itself.
struct Buffer<'h, 'm> {
    heap: &'h Kernel<'m>,
    block: NonNull<u8>,
    layout: Layout,
}

impl<'h, 'm> Buffer<'h, 'm> {
    fn new(heap: &'h Kernel<'m>, size: usize) -> Result<Self, AllocError> {
        Ok(Self { heap, block: heap.allocate(bytes(size))?, layout: bytes(size) })
    }

    fn resize(&mut self, size: usize) -> Result<(), AllocError> {
        // SAFETY: the block is the buffer's, with this layout; after a failure it still is.
        let moved = unsafe { self.heap.reallocate(self.block, self.layout, size) };
        self.block = moved.map_err(|error| match error {
            ReallocError::Allocate(error) => error,
            ReallocError::Free(error) => panic!("{error}"),
        })?;
        self.layout = bytes(size);
        Ok(())
    }
}

impl Drop for Buffer<'_, '_> {
    fn drop(&mut self) {
        free(self.heap, self.block, self.layout);
    }
}

/// What the story leaves when nothing fails.
struct Outcome {
    blocks: Vec<NonNull<u8>>,
    range: FrameRange,
}

/// Three levels: the outermost makes objects of every size, so that the heap grows; the second resizes a buffer on the way;
/// the third is given up. Then a reservation, half of which is used.
fn story(heap: &Heap<'_, '_>, kernel: &Kernel<'_>, dropped: &Cell<usize>) -> Result<Outcome, AllocError> {
    let mut log = [LogEntry::EMPTY; 64];
    let mut tx = Transaction::begin_in(heap, &mut log);
    let blocks = (0..40).map(|_| tx.allocate(bytes(700))).collect::<Result<_, _>>()?;
    let mut buffer = Buffer::new(kernel, 100)?;
    let mut nested = tx.nested();
    nested.new_box(Counted(dropped))?;
    nested.new_box([0u8; 8192])?;
    for size in [400, 5000, 9000, 40_000, 10] {
        buffer.resize(size)?;
    }
    let inmost = nested.nested();
    inmost.allocate(bytes(20_000))?;
    inmost.allocate_frames(&frames(5))?;
    drop(inmost);
    let start = nested.savepoint();
    nested.new_box(Counted(dropped))?;
    nested.rollback_to(start).expect("a fresh savepoint");
    nested.rollback().expect("a sound heap");
    let range = tx.allocate_frames(&frames(3))?;
    let mut reserved = Reservation::new(heap, &[(bytes(64), 4)], &[(frames(2), 2)])?;
    let spare = reserved.take(bytes(64)).expect("reserved");
    // SAFETY: the block is live, and nobody uses it.
    unsafe { tx.defer_free(spare, bytes(64)) }.expect("room in the log");
    tx.commit();
    Ok(Outcome { blocks, range })
}

/// Runs the story with `fail` told of `k`; gives what `fail` counted if the story came to its end.
fn run(
    k: usize,
    fail: impl Fn(&Heap<'_, '_>, &FailAt<PlainFrames>, Option<usize>) -> usize,
) -> Option<usize> {
    let span = FrameRange::new(Pfn(0x1_0003), 256).unwrap();
    let (env, source) = (HostEnv::new(span), FailAt::new(PlainFrames::new(span)));
    let kernel = KernelHeap::new(&env, &source);
    kernel.init(HeapConfig::default()).unwrap();
    let (heap, dropped) = (FaultyHeap::new(&kernel), Cell::new(0));
    let (frames_before, live_before) = (source.live_frames(), kernel.stats().live);
    fail(&heap, &source, Some(k));
    let outcome = story(&heap, &kernel, &dropped);
    let (ended, calls) = (outcome.is_ok(), fail(&heap, &source, None));
    if let Ok(Outcome { blocks, range }) = outcome {
        assert_eq!(dropped.get(), 2);
        assert_eq!(heap.live().blocks, blocks.len());
        blocks.into_iter().for_each(|block| free(&heap, block, bytes(700)));
        free_frames(&heap, range);
    }
    kernel.shrink();
    assert_eq!(heap.live(), super::NOTHING, "left over when allocation {k} fails");
    assert_eq!(kernel.stats().live, live_before, "live bytes when allocation {k} fails");
    assert_eq!(source.live_frames(), frames_before, "frames when allocation {k} fails");
    assert_eq!(kernel.check(), Ok(()));
    ended.then_some(calls)
}

/// Blocks and frames, counted together where the transactions ask for them.
#[test]
fn every_allocation_may_fail_and_leaves_what_was() {
    let tell = |heap: &Heap<'_, '_>, k| {
        let calls = heap.calls();
        heap.fail_at(k);
        calls
    };
    let ended = (0..).find(|k| run(*k, |heap, _, k| tell(heap, k)).is_some());
    assert_eq!(ended, Some(40 + 2 + 2 + 1 + 1 + 1 + 6), "allocations of the story");
}

/// The frames below the heap: slabs, large blocks, blocks that are resized. The heap bears some failures by itself.
#[test]
fn every_growth_may_fail_and_leaves_what_was() {
    let tell = |source: &FailAt<PlainFrames>, k| {
        let calls = source.calls();
        source.fail_at(k);
        calls
    };
    let growths = (0..).find(|k| run(*k, |_, source, k| tell(source, k)).is_some_and(|calls| calls <= *k));
    assert!(growths.is_some_and(|growths| growths >= 15), "{growths:?} growths");
}

/// The heap is full: whatever a transaction gets of it goes back.
#[test]
fn a_dry_heap_is_left_as_it_was() {
    let span = FrameRange::new(Pfn(0x1_0003), 40).unwrap();
    let env = HostEnv::new(span);
    let heap = KernelHeap::new(&env, PlainFrames::new(span));
    heap.init(HeapConfig::default()).unwrap();
    for size in [64, 3000, 10_000] {
        let before = heap.stats().live;
        let mut log = [LogEntry::EMPTY; 4096];
        let tx = heap.begin_in(&mut log);
        while tx.allocate(bytes(size)).is_ok() {}
        assert!(tx.room() > 0 && heap.stats().live > 80_000, "{size}: {:?}", heap.stats().live);
        drop(tx);
        assert_eq!((heap.stats().live, heap.check()), (before, Ok(())));
    }
}
