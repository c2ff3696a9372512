//! The contract of [`FrameAlloc`], for any implementation: [`check_frame_alloc`].

use alloc::vec::Vec;

use crate::error::{FrameError, FreeError};
use crate::ports::FrameAlloc;
use crate::types::{FrameRange, FrameRequest, Pfn};

/// Frames taken at most, so that the check of a large machine ends soon.
const MOST: usize = 4096;

/// Checks that `frames` keeps the contract of its port, as far as a caller can see: exact counts, alignment, no frame
/// handed out twice, typed errors for what is wrong, nothing lost. Needs a free frame and the allocator for itself;
/// leaves it as it was.
///
/// # Panics
///
/// On the first breach.
pub fn check_frame_alloc(frames: &impl FrameAlloc) {
    refuses_bad_requests(frames);
    hands_out_what_is_asked(frames);
    refuses_wrong_frees(frames);
    loses_nothing(frames);
}

fn allocate(frames: &impl FrameAlloc, request: FrameRequest) -> Result<FrameRange, FrameError> {
    let range = frames.allocate(&request)?;
    assert_eq!(range.count(), request.count, "{request:?} is given exactly");
    assert_eq!(range.start().0 % request.align, 0, "{request:?} is aligned");
    assert!(frames.span().contains_range(&range), "{range:?} is within the span");
    Ok(range)
}

fn free(frames: &impl FrameAlloc, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
    // SAFETY: the check owns what it allocated and uses no frame; other ranges are refused, or the check fails.
    unsafe { frames.free(range) }
}

fn refuses_bad_requests(frames: &impl FrameAlloc) {
    for (count, align) in [(0, 1), (1, 0), (1, 3), (0, 0), (usize::MAX, 6)] {
        let refused = frames.allocate(&FrameRequest::new(count).aligned(align));
        assert_eq!(refused, Err(FrameError::BadRequest { count, align }));
    }
    for (count, align) in [(usize::MAX, 1), (usize::MAX / 2 + 2, 1), (1, 1 << (usize::BITS - 1))] {
        let refused = frames.allocate(&FrameRequest::new(count).aligned(align));
        let fits = frames.span().contains(Pfn(0)) && count == 1;
        assert!(fits || matches!(refused, Err(FrameError::NoMemory { .. })), "{count} aligned to {align}");
        if let Ok(range) = refused {
            assert_eq!(free(frames, range), Ok(()), "free what was given");
        }
    }
}

fn hands_out_what_is_asked(frames: &impl FrameAlloc) {
    let mut live: Vec<FrameRange> = Vec::new();
    for count in (1..=33).chain([64, 100, 512]) {
        for align in [1, 2, 16, 512] {
            let Ok(range) = allocate(frames, FrameRequest::new(count).aligned(align)) else { continue };
            let shared = live.iter().find(|other| !other.intersection(&range).is_empty());
            assert_eq!(shared, None, "{range:?} is handed out twice");
            live.push(range);
        }
    }
    // Back in parts: an allocation need not be freed at once.
    for range in live {
        let middle = Pfn(range.start().0 + range.count() / 2);
        for part in [FrameRange::between(middle, range.end()), FrameRange::between(range.start(), middle)] {
            assert!(part.is_empty() || free(frames, part).is_ok(), "{part:?} of {range:?} can be freed");
        }
    }
}

fn refuses_wrong_frees(frames: &impl FrameAlloc) {
    let one = allocate(frames, FrameRequest::new(1));
    let range = one.unwrap_or(FrameRange::EMPTY);
    assert!(one.is_ok(), "the check needs a free frame: {one:?}");
    assert_eq!(free(frames, range), Ok(()), "free what was given");
    assert_eq!(free(frames, range), Err(FreeError::DoubleFree(range)));
    let span = frames.span();
    let outside = [
        FrameRange::between(Pfn(0), span.start()),
        FrameRange::between(span.end(), Pfn(usize::MAX)),
        FrameRange::between(Pfn(0), Pfn(usize::MAX)),
    ];
    for range in outside.into_iter().filter(|range| !range.is_empty()) {
        assert_eq!(free(frames, range), Err(FreeError::NotManaged(range)));
    }
}

fn loses_nothing(frames: &impl FrameAlloc) {
    let take_all = || -> Vec<FrameRange> {
        let singles = core::iter::from_fn(|| allocate(frames, FrameRequest::new(1)).ok());
        singles.take(MOST).collect()
    };
    let all = take_all();
    for &range in all.iter().step_by(2).chain(all.iter().skip(1).step_by(2)) {
        assert_eq!(free(frames, range), Ok(()), "free what was given");
    }
    let again = take_all();
    assert_eq!(again.len(), all.len(), "every frame comes back");
    for range in again {
        assert_eq!(free(frames, range), Ok(()), "free what was given");
    }
}
