//! [`Frames`]: the contract of the port, threads, life before initialisation, faults on demand.

use alloc::vec;
use alloc::vec::Vec;

use super::{one, range};
use crate::error::{FrameError, FreeError};
use crate::frame::{Backend, Bitmap, Frames};
use crate::ports::FrameAlloc;
use crate::testing::{FailAt, HostEnv, PlainFrames, check_frame_alloc, host_frames};
use crate::types::{FrameRange, Pfn};

/// Frees what the test owns.
#[expect(unsafe_code, reason = "calls the port")]
fn free(frames: &impl FrameAlloc, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
    // SAFETY: the test allocated it, or it is refused.
    unsafe { frames.free(range) }
}

#[test]
fn every_frame_allocator_keeps_the_contract() {
    check_frame_alloc(&PlainFrames::new(range(5, 1200)));

    let env = HostEnv::new(range(0, 2000));
    let mut storage = Vec::new();
    let frames = host_frames(&env, &mut storage);
    check_frame_alloc(&frames);
    check_frame_alloc(&FailAt::new(&frames));
    frames.check().unwrap();
    assert_eq!(frames.stats().free, 1999, "frame 0 is reserved");

    let usable = [range(7, 999), range(1 << 20, (1 << 20) + 5000)];
    let mut storage = vec![0; Bitmap::storage_words(&usable, &[]).unwrap()];
    let frames = Frames::new(&env);
    #[expect(unsafe_code, reason = "initialises with frames that are only numbers")]
    // SAFETY: nobody uses these frames, there is no memory behind them.
    unsafe { frames.init(Bitmap::new(&mut storage, &usable, &[]).unwrap()) }.unwrap();
    check_frame_alloc(&frames);
    frames.check().unwrap();
}

#[test]
fn not_ready_before_initialisation_and_initialised_once() {
    let env = HostEnv::without_memory();
    let frames = Frames::new(&env);
    assert_eq!(frames.allocate(&one()), Err(FrameError::NotReady));
    assert_eq!(frames.allocate_at(range(0, 1)), Err(FrameError::NotReady));
    assert_eq!(free(&frames, range(0, 1)), Err(FreeError::NotReady(range(0, 1))));
    assert_eq!((frames.span(), frames.largest_free()), (FrameRange::EMPTY, 0));
    let mut storage = [0; 100];
    let (first, second) = storage.split_at_mut(50);
    let bitmap = |storage| Bitmap::new(storage, &[range(1, 9)], &[]).unwrap();
    #[expect(unsafe_code, reason = "initialises with frames that are only numbers")]
    // SAFETY: nobody uses these frames, there is no memory behind them.
    let init = |bitmap| unsafe { frames.init(bitmap) };
    assert!(init(bitmap(first)).is_ok());
    assert_eq!(init(bitmap(second)).unwrap_err().0.stats().managed, 8, "the second comes back");
    assert_eq!(frames.free_blocks().collect::<Vec<_>>(), [range(1, 9)]);
}

#[test]
fn threads_get_disjoint_frames() {
    let env = HostEnv::new(range(0, 4096));
    let mut storage = Vec::new();
    let frames = host_frames(&env, &mut storage);
    let work = |seed: usize| {
        let mut mine: Vec<FrameRange> = Vec::new();
        for turn in 0..2000 {
            let request = crate::FrameRequest::new(1 + (seed + turn) % 5);
            mine.extend(frames.allocate(&request));
            if mine.len() > 40 {
                free(&frames, mine.swap_remove(turn % 40)).unwrap();
            }
        }
        mine
    };
    let mut all: Vec<FrameRange> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|seed| scope.spawn(move || work(seed))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_by_key(FrameRange::start);
    assert!(all.windows(2).all(|pair| pair[0].end() <= pair[1].start()), "no frame has two owners");
    all.into_iter().for_each(|range| free(&frames, range).unwrap());
    assert_eq!(frames.stats().free, frames.stats().managed);
    frames.check().unwrap();
}

#[test]
fn the_kth_allocation_fails_once() {
    let env = HostEnv::new(range(0, 64));
    let mut storage = Vec::new();
    let frames = FailAt::new(host_frames(&env, &mut storage));
    frames.fail_at(Some(1));
    let first = frames.allocate(&one()).unwrap();
    assert_eq!(frames.allocate(&one()), Err(FrameError::NoMemory { requested: 1, largest_free: 0 }));
    let third = frames.allocate(&one()).unwrap();
    assert_eq!((frames.calls(), frames.live_frames()), (3, 2));
    assert_eq!(
        (first.start(), third.start()),
        (Pfn(1), Pfn(2)),
        "frame 0 is reserved, the lowest come first"
    );
    free(&frames, first).unwrap();
    free(&frames, third).unwrap();
    assert_eq!(frames.live_frames(), 0);
}
