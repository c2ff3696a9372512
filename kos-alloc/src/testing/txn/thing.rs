//! What may be live in a heap: a block, frames, or a value that says when it is dropped.

use core::alloc::Layout;
use core::cell::RefCell;
use core::ptr::NonNull;

use alloc::vec::Vec;

use super::faulty::{FaultyHeap, Live};
use crate::ports::{BlockAlloc, FrameAlloc};
use crate::txn::BlockBox;
use crate::types::FrameRange;

/// A value that writes its number down when it is dropped.
#[derive(Debug)]
pub(super) struct Value<'a> {
    number: usize,
    inverse: usize,
    dropped: &'a RefCell<Vec<usize>>,
}

impl<'a> Value<'a> {
    /// What one adds to a heap.
    pub(super) const LIVE: Live = Live { blocks: 1, bytes: size_of::<Self>(), frames: 0 };

    pub(super) const fn new(number: usize, dropped: &'a RefCell<Vec<usize>>) -> Self {
        Self { number, inverse: !number, dropped }
    }

    pub(super) const fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Value<'_> {
    fn drop(&mut self) {
        assert_eq!(self.inverse, !self.number, "a value was overwritten");
        self.dropped.borrow_mut().push(self.number);
    }
}

/// Something live that whoever has it may free.
#[derive(Debug)]
pub(super) enum Thing<'a, A: BlockAlloc> {
    Block(NonNull<u8>, Layout),
    Frames(FrameRange),
    Value(BlockBox<'a, FaultyHeap<A>, Value<'a>>),
}

impl<A: BlockAlloc> Thing<'_, A> {
    pub(super) const fn live(&self) -> Live {
        match self {
            Self::Block(_, layout) => Live { blocks: 1, bytes: layout.size(), frames: 0 },
            Self::Frames(range) => Live { blocks: 0, bytes: 0, frames: range.count() },
            Self::Value(_) => Value::LIVE,
        }
    }

    pub(super) fn free(self, heap: &FaultyHeap<A>) {
        match self {
            Self::Block(block, layout) => {
                // SAFETY: the block is live, and forgotten here.
                let freed = unsafe { heap.free(block, layout) };
                assert_eq!(freed, Ok(()));
            }
            Self::Frames(range) => {
                // SAFETY: the frames are in use, and forgotten here.
                let freed = unsafe { heap.frames().free(range) };
                assert_eq!(freed, Ok(()));
            }
            Self::Value(value) => drop(value),
        }
    }
}
