//! The contract of [`FrameAlloc`], for any implementation: [`check_frame_alloc`].

use alloc::vec::Vec;

use crate::error::{FrameError, FreeError};
use crate::ports::FrameAlloc;
use crate::types::{FrameRange, FrameRequest, Pfn};

/// Frames taken at most, so that the check of a large machine ends soon.
const MOST: usize = 4096;

/// Checks that `frames` keeps the contract of its port, as far as a caller can see: exact counts, alignment, limits, no
/// frame handed out twice, claims of exact frames (where the source knows them), parts that coalesce, typed errors for
/// what is wrong, nothing lost. Needs a free frame and the allocator for itself; leaves it as it was.
///
/// # Panics
///
/// On the first breach.
pub fn check_frame_alloc(frames: &impl FrameAlloc) {
    refuses_bad_requests(frames);
    hands_out_what_is_asked(frames);
    stays_below_limits(frames);
    claims_exactly(frames);
    coalesces(frames);
    refuses_wrong_frees(frames);
    loses_nothing(frames);
}

fn allocate(frames: &impl FrameAlloc, request: FrameRequest) -> Result<FrameRange, FrameError> {
    let range = frames.allocate(&request)?;
    assert_eq!(range.count(), request.count, "{request:?} is given exactly");
    assert_eq!(range.start().0 % request.align, 0, "{request:?} is aligned");
    assert!(frames.span().contains_range(&range), "{range:?} is within the span");
    assert!(range.end() <= request.below, "{range:?} is below {}", request.below);
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

fn stays_below_limits(frames: &impl FrameAlloc) {
    for count in [1, 3, 16] {
        let Ok(range) = allocate(frames, FrameRequest::new(count)) else { continue };
        assert_eq!(free(frames, range), Ok(()), "free what was given");
        let span = frames.span();
        for limit in [Pfn(0), span.start(), range.start(), range.end(), span.end()] {
            let below = allocate(frames, FrameRequest::new(count).below(limit));
            let room = limit.0.saturating_sub(span.start().0) >= count;
            assert!(room || matches!(below, Err(FrameError::NoMemory { .. })), "{count} below {limit}");
            give_back(frames, below);
        }
        let again = frames.allocate_below(count, span.end());
        assert_eq!(again.map(|range| range.count()), Ok(count), "the whole span is below its end");
        give_back(frames, again);
    }
}

/// A source that knows no claims answers [`FrameError::InUse`] to each; any other keeps to the contract.
fn claims_exactly(frames: &impl FrameAlloc) {
    let Ok(range) = allocate(frames, FrameRequest::new(3)) else { return };
    assert_eq!(frames.allocate_at(range), Err(FrameError::InUse(range)), "live frames are not claimed");
    assert_eq!(free(frames, range), Ok(()), "free what was given");
    let claimed = frames.allocate_at(range);
    if claimed == Err(FrameError::InUse(range)) {
        return;
    }
    assert_eq!(claimed, Ok(range), "exactly the frames asked for");
    let first = FrameRange::new(range.start(), 1).unwrap_or(FrameRange::EMPTY);
    assert_eq!(frames.allocate_at(first), Err(FrameError::InUse(first)), "claimed frames are in use");
    let other = allocate(frames, FrameRequest::new(1));
    assert!(!other.is_ok_and(|other| range.contains_range(&other)), "claimed frames are not handed out");
    give_back(frames, other);
    for bad in [FrameRange::EMPTY, FrameRange::between(frames.span().end(), Pfn::MAX)] {
        assert_eq!(frames.allocate_at(bad), Err(FrameError::NotManaged(bad)));
    }
    assert_eq!(free(frames, range), Ok(()), "a claim is freed like an allocation");
}

/// Memory that was given back in single frames, in another order, serves a large request again.
fn coalesces(frames: &impl FrameAlloc) {
    let mut large = [512, 64, 8].into_iter().map(|count| FrameRequest::new(count).aligned(count));
    let Some(range) = large.find_map(|request| allocate(frames, request).ok()) else { return };
    let (even, odd): (Vec<_>, Vec<_>) = (range.start().0..range.end().0).partition(|at| at % 2 == 0);
    for at in even.into_iter().rev().chain(odd) {
        let part = FrameRange::between(Pfn(at), Pfn(at + 1));
        assert_eq!(free(frames, part), Ok(()), "{part:?} of {range:?} can be freed");
    }
    let again = allocate(frames, FrameRequest::new(range.count()).aligned(range.count()));
    assert!(again.is_ok(), "{range:?} was freed and does not coalesce: {again:?}");
    give_back(frames, again);
}

/// Frees what an allocation gave, if it gave something.
fn give_back(frames: &impl FrameAlloc, given: Result<FrameRange, FrameError>) {
    assert_eq!(given.map_or(Ok(()), |range| free(frames, range)), Ok(()), "free what was given");
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
