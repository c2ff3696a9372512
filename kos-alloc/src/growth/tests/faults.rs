//! Chunks that cannot be had: every allocation below fails once; a source that takes nothing back.

use alloc::vec::Vec;

use super::{Below, Room, free, sizes, take, with_source};
use crate::error::{FrameError, FreeError};
use crate::growth::{Growing, InitError};
use crate::ports::FrameAlloc;
use crate::testing::{HostEnv, PlainFrames};
use crate::types::{FrameRange, FrameRequest, Pfn};

/// For every k: allocation number k of the source fails. What is short then is an error or a smaller chunk; frames come
/// out even.
#[test]
fn every_growth_may_fail() {
    let mut failures = 0;
    for k in 0.. {
        let below = Below::new(400);
        let failed = with_source(&below, sizes(16, 8, 300), |source| {
            below.frames.fail_at(Some(k));
            let mut live = Vec::new();
            let mut failed = 0;
            for count in [1, 16, 16, 40, 3, 8, 70, 16, 1, 15, 30, 9, 31] {
                match take(source, count) {
                    Ok(range) => live.push(range),
                    Err(FrameError::NoMemory { requested, .. }) if requested == count => failed += 1,
                    Err(error) => panic!("{error}"),
                }
                assert_eq!((source.check(), source.stats().held), (Ok(()), below.frames.live_frames()));
                if live.len() % 4 == 3 {
                    free(source, live.remove(0)).unwrap();
                }
            }
            live.into_iter().for_each(|range| free(source, range).unwrap());
            source.shrink();
            assert_eq!((source.stats().held, source.stats().free, source.check()), (16, 16, Ok(())));
            failed
        });
        assert_eq!(below.frames.live_frames(), 16, "frames lost when allocation {k} fails");
        assert!(failed <= 1, "failure {k} fails one request, or none if less will do");
        failures += failed;
        if below.frames.calls() <= k {
            assert!(k > 5 && failures > 5, "{k} failures, {failures} felt");
            return;
        }
    }
}

#[test]
fn a_failed_initial_piece_may_be_asked_for_again() {
    let below = Below::new(100);
    let mut room = Room::of(sizes(16, 16, 64));
    let source = Growing::new(HostEnv::without_memory(), &below);
    below.frames.fail_at(Some(0));
    let failed = source.init(sizes(16, 16, 64), room.lend()).unwrap_err();
    assert!(matches!(failed.error, InitError::Frames(FrameError::NoMemory { .. })));
    assert_eq!(below.frames.live_frames(), 0);
    assert!(source.init(sizes(16, 16, 64), failed.storage).is_ok());
}

/// What the source below does not take back is counted as lost and no longer held.
#[test]
fn refused_chunks_are_counted() {
    struct OneWay(PlainFrames);
    // SAFETY: ranges are the inner source's, and none is handed out again.
    unsafe impl FrameAlloc for OneWay {
        fn span(&self) -> FrameRange {
            self.0.span()
        }
        fn allocate(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
            self.0.allocate(request)
        }
        unsafe fn free(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
            Err(FreeError::NotManaged(range))
        }
    }
    let below = OneWay(PlainFrames::new(FrameRange::new(Pfn(8), 64).unwrap()));
    let mut room = Room::of(sizes(0, 8, 64));
    let source = Growing::new(HostEnv::without_memory(), &below);
    source.init(sizes(0, 8, 64), room.lend()).unwrap();
    free(&source, take(&source, 8).unwrap()).unwrap();
    assert_eq!(source.shrink(), 8);
    assert_eq!((source.stats().held, source.stats().lost, source.check()), (0, 8, Ok(())));
}
