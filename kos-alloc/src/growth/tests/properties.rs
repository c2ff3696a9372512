//! Random calls beside a list of what is live; whatever fails, fails rightly.

use alloc::vec::Vec;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::{Below, Source, free, sizes, with_source};
use crate::error::{FrameError, FreeError};
use crate::growth::Config;
use crate::ports::FrameAlloc;
use crate::testing::{Bytes, cases};
use crate::types::{FrameRange, FrameRequest, Pfn};

/// Frames of the source below.
const FRAMES: usize = 96;

struct Model<'a> {
    source: &'a Source<'a>,
    below: &'a Below,
    config: Config,
    live: Vec<FrameRange>,
    /// Taken from the source below by others, so that it is fragmented.
    others: Vec<FrameRange>,
}

impl Model<'_> {
    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.u8() % 16 {
            0..=5 => self.allocate(&decode_request(bytes)),
            6..=9 => self.free(bytes),
            10 => self.free_part(bytes),
            11 => self.claim(bytes),
            12 => self.bad_free(bytes),
            13 => self.disturb(bytes),
            14 => self.calm(bytes),
            _ => self.shrink(),
        }
        let stats = self.source.stats();
        let live: usize = self.live.iter().map(|range| range.count()).sum();
        let others: usize = self.others.iter().map(|range| range.count()).sum();
        assert_eq!(stats.held, live + stats.free);
        assert_eq!(self.below.frames.live_frames(), stats.held + others);
        assert!(stats.held >= self.config.initial && stats.held <= self.config.max);
        assert_eq!(self.source.check(), Ok(()));
    }

    fn enter(&mut self, range: FrameRange) {
        let taken = self.live.iter().chain(&self.others);
        let shared = taken.copied().find(|other| !other.intersection(&range).is_empty());
        assert_eq!(shared, None, "{range:?} is handed out twice");
        self.live.push(range);
    }

    fn allocate(&mut self, request: &FrameRequest) {
        match self.source.allocate(request) {
            Ok(range) => {
                assert_eq!((range.count(), range.start().0 % request.align), (request.count, 0));
                assert!(range.end() <= request.below && self.below.span().contains_range(&range));
                self.enter(range);
            }
            Err(error) => self.assert_needed(request, error),
        }
    }

    /// No chunk has the frames, and the limit or the source below refuses more.
    fn assert_needed(&self, request: &FrameRequest, error: FrameError) {
        for start in self.below.span().start().0..self.below.span().end().min(request.below).0 {
            let range = FrameRange::new(Pfn(start), request.count).unwrap();
            if start.is_multiple_of(request.align) && range.end() <= request.below {
                assert!(self.source.allocate_at(range).is_err(), "{range:?} would have served {request:?}");
            }
        }
        match error {
            FrameError::LimitReached { max } => {
                assert_eq!(max, self.config.max);
                assert!(self.source.stats().held + request.count > max, "{request:?} is within the limit");
            }
            FrameError::NoMemory { requested, .. } => {
                assert_eq!(requested, request.count);
                assert!(self.below.frames.allocate(request).is_err(), "{request:?} could be had");
            }
            error => panic!("{error}"),
        }
    }

    fn pick(&mut self, bytes: &mut Bytes<'_>) -> Option<FrameRange> {
        let index = usize::from(bytes.u8()).checked_rem(self.live.len())?;
        Some(self.live.swap_remove(index))
    }

    fn free(&mut self, bytes: &mut Bytes<'_>) {
        if let Some(range) = self.pick(bytes) {
            assert_eq!(free(self.source, range), Ok(()));
        }
    }

    fn free_part(&mut self, bytes: &mut Bytes<'_>) {
        let Some(range) = self.pick(bytes) else { return };
        let middle = Pfn(range.start().0 + bytes.below(range.count()));
        let (front, back) =
            (FrameRange::between(range.start(), middle), FrameRange::between(middle, range.end()));
        assert_eq!(free(self.source, back), Ok(()));
        if !front.is_empty() {
            self.live.push(front);
        }
    }

    fn claim(&mut self, bytes: &mut Bytes<'_>) {
        let start = self.below.span().start().0 + bytes.below(FRAMES);
        let range = FrameRange::new(Pfn(start), 1 + bytes.below(8)).unwrap();
        if self.source.allocate_at(range).is_ok() {
            self.enter(range);
        }
    }

    /// Frames of which one at least is not live.
    fn bad_free(&mut self, bytes: &mut Bytes<'_>) {
        let start = self.below.span().start().0 + bytes.below(FRAMES);
        let range = FrameRange::new(Pfn(start), 1 + bytes.below(8)).unwrap();
        let covered: usize = self.live.iter().map(|live| live.intersection(&range).count()).sum();
        if covered < range.count() {
            let refused = free(self.source, range);
            assert!(
                matches!(refused, Err(FreeError::DoubleFree(at) | FreeError::NotManaged(at)) if at == range)
            );
        }
    }

    fn disturb(&mut self, bytes: &mut Bytes<'_>) {
        let request = FrameRequest::new(1 + bytes.below(6)).aligned(1 << (bytes.u8() % 4));
        self.others.extend(self.below.frames.allocate(&request));
    }

    fn calm(&mut self, bytes: &mut Bytes<'_>) {
        let index = usize::from(bytes.u8()).checked_rem(self.others.len());
        if let Some(range) = index.map(|index| self.others.swap_remove(index)) {
            assert_eq!(free(&self.below.frames, range), Ok(()));
        }
    }

    fn shrink(&self) {
        let before = self.source.stats().held;
        assert_eq!(self.source.shrink(), before - self.source.stats().held);
    }

    fn finish(mut self) {
        for range in core::mem::take(&mut self.live) {
            assert_eq!(free(self.source, range), Ok(()));
        }
        self.shrink();
        let stats = self.source.stats();
        assert_eq!((stats.held, stats.free, stats.lost), (self.config.initial, self.config.initial, 0));
        assert!(self.below.most.load(core::sync::atomic::Ordering::Relaxed) <= FRAMES);
    }
}

fn decode_request(bytes: &mut Bytes<'_>) -> FrameRequest {
    let count = match bytes.u8() % 4 {
        0 => 1,
        1 | 2 => 1 + bytes.below(10),
        _ => 1 + bytes.below(FRAMES),
    };
    let request = FrameRequest::new(count).aligned(1 << (bytes.u8() % 5));
    if bytes.u8().is_multiple_of(8) { request.below(Pfn(0x203 + bytes.below(FRAMES))) } else { request }
}

fn growth_ops(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let initial = bytes.below(20);
    let config = sizes(initial, 1 + bytes.below(20), initial + bytes.below(80));
    let below = Below::new(FRAMES);
    // Room for each frame to be a chunk, so that the books are never what is short.
    let room = Config { step: 1, ..config };
    let mut room = super::Room::of(room);
    let source = Source::new(crate::testing::HostEnv::without_memory(), &below);
    source.init(config, room.lend()).unwrap();
    let mut model = Model { source: &source, below: &below, config, live: Vec::new(), others: Vec::new() };
    while !bytes.is_empty() {
        model.step(&mut bytes);
    }
    model.finish();
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(cases())
    })]

    #[test]
    fn growth_equals_the_model(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        growth_ops(&data);
    }
}

#[test]
fn all_storage_that_was_counted_suffices_for_whole_steps() {
    for (initial, step, max) in [(0, 1, 70), (0, 64, 640), (65, 65, 650), (1, 129, 900), (0, 4097, 8194)] {
        let below = Below::new(9000);
        with_source(&below, sizes(initial, step, max), |source| {
            while super::take(source, 1).is_ok() {}
            assert_eq!((source.stats().held, source.stats().free), (max, 0));
            assert_eq!(source.check(), Ok(()));
        });
    }
}
