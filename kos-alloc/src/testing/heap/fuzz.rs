//! Bytes of a fuzzer as operations on a heap: [`heap_ops`], [`bad_free`].

use core::alloc::Layout;
use core::cell::RefCell;

use alloc::vec::Vec;

use super::model::{BadFree, HeapModel, HeapOp};
use super::plain::PlainFrames;
use crate::growth;
use crate::heap::{HeapConfig, KernelHeap, Mode};
use crate::ports::FrameAlloc;
use crate::testing::{Bytes, FailAt, HostEnv, host_frames};
use crate::types::{FrameRange, Pfn};

/// Frames of the heap under test: few, so that it runs out; an odd start, so that alignment is not by chance.
const FRAMES: usize = 64;
const START: Pfn = Pfn(0x1_0003);

/// CPUs, each with a cache of so many bytes.
const CPUS: usize = 3;
const CACHE_BYTES: usize = 10 << 10;

/// The simple pool: a step is no multiple of the chunk that a larger block asks for.
const POOL: growth::Config = growth::Config { initial: 0, step: 5, max: 24 };

/// Steps after which all invariants are walked.
const CHECK_EVERY: usize = 8;

/// Any operations on a small heap, compared with the model after each.
///
/// # Panics
///
/// If heap and model differ, or frames are lost.
pub fn heap_ops(data: &[u8]) {
    run(data, HeapOp::decode);
}

/// As [`heap_ops`], with a change of mode every few operations, and blocks that are known by their address alone.
///
/// # Panics
///
/// If heap and model differ, or frames are lost.
pub fn mode_ops(data: &[u8]) {
    run(data, |bytes| match bytes.u8() % 8 {
        0 => HeapOp::SetMode(decode_mode(bytes.u8())),
        1 | 2 => HeapOp::Kmalloc(decode_size(bytes)),
        3 => HeapOp::Krealloc(usize::from(bytes.u8()), decode_size(bytes)),
        _ => HeapOp::decode(bytes),
    });
}

/// As [`heap_ops`], with every other operation a wrong free.
///
/// # Panics
///
/// If a wrong free is not refused as what it is, or changes anything.
pub fn bad_free(data: &[u8]) {
    let mut bad = false;
    run(data, |bytes| {
        bad = !bad;
        if bad { HeapOp::decode(bytes) } else { HeapOp::BadFree(decode_bad(bytes)) }
    });
}

fn span() -> FrameRange {
    FrameRange::between(START, Pfn(START.0 + FRAMES))
}

std::thread_local! {
    /// Used by one input after the other: to map memory takes longer than to run most inputs.
    static ENV: RefCell<HostEnv> = RefCell::new(HostEnv::with_cpus(span(), CPUS));
}

/// The first byte is the number of the frame allocation that fails; the second chooses frame source, mode, and whether the
/// simple pool has a chunk from the beginning.
fn run(data: &[u8], next: impl FnMut(&mut Bytes<'_>) -> HeapOp) {
    let mut bytes = Bytes::new(data);
    let fail_at = usize::from(bytes.u8());
    ENV.with_borrow_mut(|env| {
        env.reset();
        let choice = bytes.u8();
        let mode = if choice & 2 == 0 { Mode::TwoTier } else { Mode::Hybrid };
        let pool = growth::Config { initial: usize::from(choice & 4), ..POOL };
        let cache_bytes_per_cpu = Some(CACHE_BYTES);
        let config = HeapConfig { mode, cache_bytes_per_cpu, pool, ..HeapConfig::default() };
        if choice & 1 == 0 {
            run_on(env, PlainFrames::new(span()), config, fail_at, &mut bytes, next);
        } else {
            run_on(env, host_frames(env, &mut Vec::new()), config, fail_at, &mut bytes, next);
        }
    });
}

fn run_on<F: FrameAlloc>(
    env: &HostEnv,
    frames: F,
    config: HeapConfig,
    fail_at: usize,
    bytes: &mut Bytes<'_>,
    mut next: impl FnMut(&mut Bytes<'_>) -> HeapOp,
) {
    let frames = FailAt::new(frames);
    let heap = KernelHeap::new(env, &frames);
    assert_eq!(heap.init(config), Ok(()));
    frames.fail_at(Some(fail_at));
    let mut model = HeapModel::new(&heap);
    let mut steps = 0;
    while !bytes.is_empty() {
        model.step(next(bytes));
        steps += 1;
        if steps % CHECK_EVERY == 0 {
            model.check();
        }
    }
    model.free_all();
    for cpu in 0..CPUS {
        model.step(HeapOp::OnCpu(cpu));
        model.check();
        heap.shrink();
    }
    HostEnv::bind(None);
    let stats = heap.stats();
    assert_eq!((stats.live, stats.stranded), (0, 0));
    assert_eq!(stats.simple.frames, config.pool.initial);
    let kept = stats.page_map_frames + stats.cache_frames + stats.simple.frames;
    assert_eq!(frames.live_frames(), kept, "frames were lost");
}

impl HeapOp {
    /// The operation that the next bytes stand for.
    pub fn decode(bytes: &mut Bytes<'_>) -> Self {
        match bytes.u8() % 16 {
            0..=5 => Self::Allocate(decode_layout(bytes)),
            6 => Self::AllocateZeroed(decode_layout(bytes)),
            7..=11 => Self::Free(usize::from(bytes.u16())),
            12 | 13 => Self::Reallocate(usize::from(bytes.u16()), decode_size(bytes)),
            14 => decode_whole(bytes.u8()),
            _ => Self::BadFree(decode_bad(bytes)),
        }
    }
}

/// What concerns the whole heap.
fn decode_whole(byte: u8) -> HeapOp {
    match byte % 8 {
        0 | 1 => HeapOp::Shrink,
        2 | 3 | 5 => HeapOp::SetMode(decode_mode(byte % 8)),
        4 => HeapOp::Drain(byte > 127),
        _ => HeapOp::OnCpu(usize::from(byte)),
    }
}

fn decode_mode(byte: u8) -> Mode {
    match byte % 3 {
        0 => Mode::Hybrid,
        1 => Mode::SimpleHeap,
        _ => Mode::TwoTier,
    }
}

fn decode_bad(bytes: &mut Bytes<'_>) -> BadFree {
    let (kind, number) = (bytes.u8(), usize::from(bytes.u16()));
    match kind % 5 {
        0 => BadFree::Double(number),
        1 => BadFree::Interior(number, usize::from(bytes.u16())),
        2 => BadFree::WrongSize(number, usize::from(bytes.u16())),
        3 => BadFree::WrongAlign(number),
        _ => BadFree::Foreign(number),
    }
}

/// Small alignments mostly, at times any.
fn decode_layout(bytes: &mut Bytes<'_>) -> Layout {
    let size = decode_size(bytes);
    let power = bytes.u8();
    let align = if power < 240 { 1 << (power % 8) } else { 1usize << (power % 24) };
    Layout::from_size_align(size, align).unwrap_or(Layout::new::<u8>())
}

/// A size of a random magnitude, so that small blocks are as frequent as large ones; at times an absurd one.
fn decode_size(bytes: &mut Bytes<'_>) -> usize {
    let (magnitude, value) = (bytes.u8(), usize::from(bytes.u16()));
    match magnitude {
        255 => isize::MAX.unsigned_abs() - value,
        254 => usize::MAX - value,
        _ => value & ((1 << (magnitude % 17)) - 1),
    }
}
