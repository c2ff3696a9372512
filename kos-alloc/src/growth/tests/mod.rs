//! Tests of growing sources.

mod behaviour;
mod faults;
mod properties;
mod threads;

use core::sync::atomic::{AtomicUsize, Ordering};

use alloc::vec;
use alloc::vec::Vec;

use super::{Chunk, Config, Growing, Storage};
use crate::error::{FrameError, FreeError};
use crate::ports::FrameAlloc;
use crate::testing::{FailAt, HostEnv, PlainFrames};
use crate::types::{FrameRange, FrameRequest, Pfn};

/// A source below that counts, fails on demand, and panics when it is called under a lock.
struct Below {
    frames: FailAt<PlainFrames>,
    most: AtomicUsize,
    calls: AtomicUsize,
}

impl Below {
    fn new(count: usize) -> Self {
        let span = FrameRange::new(Pfn(0x203), count).unwrap();
        Self { frames: FailAt::new(PlainFrames::new(span)), most: 0.into(), calls: 0.into() }
    }

    /// Calls so far.
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn enter(&self) {
        assert!(!HostEnv::is_masked(), "the source is called without a lock");
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: passed on.
unsafe impl FrameAlloc for Below {
    fn span(&self) -> FrameRange {
        self.frames.span()
    }

    fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        self.enter();
        let result = self.frames.allocate(request);
        self.most.fetch_max(self.frames.live_frames(), Ordering::Relaxed);
        result
    }

    unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        self.enter();
        // SAFETY: passed on.
        unsafe { self.frames.free(range) }
    }
}

type Source<'a> = Growing<'a, HostEnv, &'a Below>;

/// Room for the books of a [`Config`].
struct Room {
    chunks: Vec<Chunk>,
    bits: Vec<u64>,
}

impl Room {
    fn of(config: Config) -> Self {
        Self { chunks: vec![Chunk::NONE; config.chunks()], bits: vec![!0; config.words()] }
    }

    fn lend(&mut self) -> Storage<'_> {
        Storage { chunks: &mut self.chunks, bits: &mut self.bits }
    }
}

fn sizes(initial: usize, step: usize, max: usize) -> Config {
    Config { initial, step, max }
}

/// Runs `work` on an initialised source of `config` over `below`.
fn with_source<R>(below: &Below, config: Config, work: impl FnOnce(&Source<'_>) -> R) -> R {
    let mut room = Room::of(config);
    let source = Growing::new(HostEnv::without_memory(), below);
    source.init(config, room.lend()).unwrap();
    work(&source)
}

fn free(source: &impl FrameAlloc, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
    // SAFETY: no test uses a frame; wrong frees are refused.
    unsafe { source.free(range) }
}

fn take(source: &impl FrameAlloc, count: usize) -> Result<FrameRange, FrameError> {
    source.allocate(&FrameRequest::new(count))
}
