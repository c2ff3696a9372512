//! Operations on a frame allocator, decoded from bytes, beside the model: [`frame_ops`].

use alloc::vec::Vec;

use super::machine::Machine;
use super::model::{Fit, FrameModel};
use crate::frame::{Backend, InitError};
use crate::testing::Bytes;
use crate::types::{FrameRange, FrameRequest, Pfn};

/// Bytes of an input that are looked at: the work of one input is bounded, so that many are tried.
pub(super) const INPUT_LIMIT: usize = 640;

/// Steps after which all that can be seen of an allocator is compared.
const COMPARE_EVERY: usize = 16;

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameOp {
    /// [`Backend::allocate`].
    Allocate(FrameRequest),
    /// [`Backend::allocate_at`].
    Claim(FrameRange),
    /// [`Backend::allocate_largest`].
    Largest(usize),
    /// [`Backend::reserve`].
    Reserve(FrameRange),
    /// [`Backend::free`].
    Free(FrameRange),
}

impl FrameOp {
    /// Reads the next call; half of them are sensible in the state of `model`.
    #[must_use]
    pub fn decode(bytes: &mut Bytes<'_>, model: &FrameModel) -> Self {
        match bytes.u8() % 8 {
            0 => Self::Allocate(FrameRequest::new(1)),
            1 => Self::Allocate(decode_request(bytes, model)),
            2 => Self::Allocate(decode_odd_request(bytes)),
            3 => Self::Claim(decode_near(bytes, &model.free_runs())),
            4 => Self::Claim(decode_near(bytes, &model.managed())),
            5 => Self::Free(decode_near(bytes, &model.managed())),
            6 => Self::Free(decode_near(bytes, model.live())),
            _ => Self::Free(pick(bytes, model.live())),
        }
    }
}

/// A request that can often be met, every second one with a limit near a frame that is live.
fn decode_request(bytes: &mut Bytes<'_>, model: &FrameModel) -> FrameRequest {
    let (count, align) = (bytes.below(64), bytes.u8());
    let request = FrameRequest::new(count).aligned(1 << (align % 8));
    if align < 128 { request } else { request.below(decode_near(bytes, model.live()).end()) }
}

fn decode_odd_request(bytes: &mut Bytes<'_>) -> FrameRequest {
    let count = match bytes.u8() % 4 {
        0 => bytes.below(3000),
        1 => 1 << (bytes.u8() % 13),
        2 => usize::MAX - bytes.below(3),
        _ => usize::MAX / 2 + bytes.below(3),
    };
    let align = match bytes.u8() % 4 {
        0 => bytes.below(20),
        1 => 1 << (usize::BITS - 1),
        _ => 1 << (bytes.u8() % 14),
    };
    FrameRequest { align, ..FrameRequest::new(count) }
}

fn pick(bytes: &mut Bytes<'_>, ranges: &[FrameRange]) -> FrameRange {
    ranges.get(bytes.below(ranges.len())).copied().unwrap_or(FrameRange::EMPTY)
}

/// A range that begins in or just before one of `ranges`.
pub(super) fn decode_near(bytes: &mut Bytes<'_>, ranges: &[FrameRange]) -> FrameRange {
    let near = pick(bytes, ranges);
    let start = near.start().0.saturating_add(bytes.below(near.count() + 2)).saturating_sub(1);
    let count = match bytes.u8() % 4 {
        0 => bytes.below(1200),
        1 => usize::MAX - start,
        _ => bytes.below(10),
    };
    FrameRange::new(Pfn(start), count).unwrap_or(FrameRange::EMPTY)
}

/// Makes one call on the allocator and the model, and compares what they answer and count.
///
/// # Panics
///
/// On the first difference.
pub fn step(subject: &mut impl Backend, model: &mut FrameModel, op: FrameOp) {
    match op {
        FrameOp::Allocate(request) => {
            assert_eq!(subject.allocate(&request), model.allocate(&request), "{op:?}");
        }
        FrameOp::Claim(range) => assert_eq!(subject.allocate_at(range), model.allocate_at(range), "{op:?}"),
        FrameOp::Largest(max) => {
            assert_eq!(subject.allocate_largest(max), model.allocate_largest(max), "{op:?}");
        }
        FrameOp::Reserve(range) => assert_eq!(subject.reserve(range), model.reserve(range), "{op:?}"),
        FrameOp::Free(range) => assert_eq!(subject.free(range), model.free(range), "{op:?}"),
    }
    assert_eq!(subject.stats(), model.stats(), "{op:?}");
}

/// Compares all that can be seen of the allocator and the model.
///
/// # Panics
///
/// On a difference, or if an invariant of the allocator is broken.
pub fn compare(subject: &impl Backend, model: &FrameModel) {
    assert_eq!(subject.check(), Ok(()));
    assert_eq!(subject.stats(), model.stats());
    assert_eq!(subject.histogram(), model.histogram());
    assert_eq!(subject.largest_free(), model.largest_free());
}

/// The fuzz body: decodes a machine and calls, and runs them on a buddy and on a bitmap beside the model.
///
/// # Panics
///
/// On the first difference.
pub fn frame_ops(data: &[u8]) {
    let mut bytes = Bytes::new(data.get(..INPUT_LIMIT).unwrap_or(data));
    let machine = Machine::decode(&mut bytes);
    let model = |fit| FrameModel::new(fit, &machine.usable, &machine.reserved);
    let bitmap = machine.with_bitmap(|bitmap| run(bitmap, model(Fit::Exact), bytes.clone()));
    let buddy = machine.with_buddy(|buddy| {
        let fit = Fit::Blocks { top: buddy.max_order() };
        run(buddy, model(fit), bytes.clone());
    });
    let expected = if model(Fit::Exact).managed().is_empty() { Err(InitError::NoFrames) } else { Ok(()) };
    assert_eq!((bitmap, buddy), (expected, expected), "{machine:?}");
}

fn run(mut subject: impl Backend, mut model: FrameModel, bytes: Bytes<'_>) {
    let fresh = model.histogram();
    drive(&mut subject, &mut model, bytes, |subject, model, bytes| {
        let op = FrameOp::decode(bytes, model);
        step(subject, model, op);
    });
    assert_eq!(subject.histogram(), fresh, "all freed, all coalesced");
}

/// Takes steps until the bytes end, then frees everything; compares now and then.
pub(super) fn drive<S: Backend>(
    subject: &mut S,
    model: &mut FrameModel,
    mut bytes: Bytes<'_>,
    mut next: impl FnMut(&mut S, &mut FrameModel, &mut Bytes<'_>),
) {
    compare(subject, model);
    for steps in 1_usize.. {
        if bytes.is_empty() {
            break;
        }
        next(subject, model, &mut bytes);
        if steps.is_multiple_of(COMPARE_EVERY) {
            compare(subject, model);
        }
    }
    compare(subject, model);
    assert_eq!(walk(subject), model.free_runs(), "a walk over the free blocks shows the free runs");
    for range in model.live().to_vec() {
        step(subject, model, FrameOp::Free(range));
    }
    compare(subject, model);
}

/// The free blocks, joined to runs.
fn walk(subject: &impl Backend) -> Vec<FrameRange> {
    let mut runs: Vec<FrameRange> = Vec::new();
    let mut from = Pfn(0);
    while let Some(block) = subject.next_free(from) {
        match runs.last_mut() {
            Some(last) if last.end() == block.start() => {
                *last = FrameRange::between(last.start(), block.end());
            }
            _ => runs.push(block),
        }
        from = block.end();
    }
    runs
}
