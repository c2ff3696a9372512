//! All the memory there is, in one hand: makes it run out exactly when a test wants.

use kos_alloc::{FrameAlloc, FrameError, FrameRequest};

use super::Failure;
use crate::KernelFrames;
use crate::ensure;
use crate::owned::Run;
use crate::platform::Platform;

/// Most pieces that free memory can be in.
const PIECES: usize = 256;
/// Most frames that can be given back one by one.
const SINGLES: usize = 16;

/// Every free frame.
pub(super) struct Hoard<'k, P: Platform> {
    singles: heapless::Vec<Run<'k, KernelFrames<P>>, SINGLES>,
    _rest: heapless::Vec<Run<'k, KernelFrames<P>>, PIECES>,
}

impl<'k, P: Platform> Hoard<'k, P> {
    /// Takes every free frame; `spare` of them can be given back.
    pub(super) fn new(frames: &'k KernelFrames<P>, spare: usize) -> Result<Self, Failure> {
        let mut singles = heapless::Vec::new();
        for _ in 0..spare {
            let pushed = singles.push(Run::new(frames, FrameRequest::new(1))?);
            ensure!(pushed.is_ok(), "a hoard gives back {SINGLES} frames at most");
        }
        frames.drain_local();
        let mut rest = heapless::Vec::new();
        while frames.largest_free() > 0 {
            let pushed = rest.push(Run::new(frames, FrameRequest::new(frames.largest_free()))?);
            ensure!(pushed.is_ok(), "free memory is in more than {PIECES} pieces");
        }
        let none = frames_left(frames);
        ensure!(
            none == Err(FrameError::NoMemory { requested: 1, largest_free: 0 }),
            "all is taken, but {none:?}"
        );
        Ok(Self { singles, _rest: rest })
    }

    /// Gives one frame back.
    pub(super) fn release_one(&mut self) {
        self.singles.pop();
    }
}

fn frames_left(frames: &impl FrameAlloc) -> Result<(), FrameError> {
    Run::new(frames, FrameRequest::new(1)).map(drop)
}
