//! What can be done with transactions, and how bytes stand for it: [`TxnOp`].

use core::alloc::Layout;

use crate::testing::Bytes;
use crate::types::FrameRequest;

/// One operation; things are named by a number taken modulo their count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnOp {
    /// Allocate a block in the transaction.
    Allocate(Layout),
    /// Allocate frames in the transaction.
    Frames(FrameRequest),
    /// Put a value into the transaction.
    Box,
    /// Put a value into the transaction whose making allocates a block there.
    BoxWith(Layout),
    /// Put a value into the transaction and take it out again.
    Keep,
    /// Let the commit free something that an earlier transaction left.
    Defer(usize),
    /// Remember the moment.
    Savepoint,
    /// Return to a moment that was remembered, here or elsewhere.
    RollbackTo(usize),
    /// Begin a nested transaction.
    Nest,
    /// Commit the innermost transaction.
    Commit,
    /// Roll the innermost transaction back.
    RollBack,
    /// Drop the innermost transaction.
    Drop,
    /// Free something that an earlier transaction left.
    Free(usize),
    /// Reserve so many blocks and so many runs of frames, instead of what was reserved before.
    Reserve(Layout, usize, FrameRequest, usize),
    /// Take a reserved block.
    Take,
    /// Take a reserved run of frames.
    TakeFrames,
    /// Let one of the next allocations fail.
    Fail(usize),
}

impl TxnOp {
    /// The operation that the next bytes stand for.
    pub fn decode(bytes: &mut Bytes<'_>) -> Self {
        match bytes.u8() % 32 {
            0..=4 => Self::Allocate(layout(bytes)),
            5..=7 => Self::Frames(frames(bytes)),
            8..=10 => Self::Box,
            11 => Self::BoxWith(layout(bytes)),
            12 | 13 => Self::Keep,
            14 | 15 => Self::Defer(usize::from(bytes.u8())),
            16 | 17 => Self::Savepoint,
            18..=20 => Self::RollbackTo(usize::from(bytes.u8())),
            21 | 22 => Self::Nest,
            23 | 24 => Self::Commit,
            25 => Self::RollBack,
            26 => Self::Drop,
            27 => Self::Free(usize::from(bytes.u8())),
            28 => Self::Reserve(layout(bytes), bytes.below(6), frames(bytes), bytes.below(4)),
            29 => Self::Take,
            30 => Self::TakeFrames,
            _ => Self::Fail(bytes.below(4)),
        }
    }
}

fn layout(bytes: &mut Bytes<'_>) -> Layout {
    let (size, power) = (bytes.u8(), bytes.u8() % 8);
    Layout::from_size_align(usize::from(size) * 3, 1 << power).unwrap_or(Layout::new::<u8>())
}

fn frames(bytes: &mut Bytes<'_>) -> FrameRequest {
    FrameRequest::new(1 + bytes.below(3)).aligned(1 << bytes.below(3))
}
