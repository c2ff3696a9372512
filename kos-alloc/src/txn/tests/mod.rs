//! Transactions and reservations, promise by promise, and every allocation failing once.

mod boxed;
mod faults;
mod macros;
mod partial;
mod properties;
mod reservation;
mod transaction;

use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;

use alloc::vec::Vec;

use crate::ports::{BlockAlloc, FrameAlloc};
use crate::testing::{FakeHeap, FaultyHeap, Live};
use crate::types::{FrameRange, FrameRequest};

/// A heap that fails when told to, over one that cannot be wrong.
type TestHeap = FaultyHeap<FakeHeap>;

const NOTHING: Live = Live { blocks: 0, bytes: 0, frames: 0 };

fn heap() -> TestHeap {
    FaultyHeap::new(FakeHeap::new())
}

fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

fn frames(count: usize) -> FrameRequest {
    FrameRequest::new(count)
}

fn live(blocks: usize, bytes: usize, frames: usize) -> Live {
    Live { blocks, bytes, frames }
}

/// Frees a block that a committed transaction or a reservation left to the test.
fn free(heap: &impl BlockAlloc, block: NonNull<u8>, layout: Layout) {
    // SAFETY: the tests pass live blocks that they do not use again.
    assert_eq!(unsafe { heap.free(block, layout) }, Ok(()));
}

/// The same for frames.
fn free_frames(heap: &impl BlockAlloc, range: FrameRange) {
    // SAFETY: the tests pass live frames that they do not use again.
    assert_eq!(unsafe { heap.frames().free(range) }, Ok(()));
}

/// Writes its number down when it is dropped.
struct Witness<'d>(u32, &'d RefCell<Vec<u32>>);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

/// Counts how often it is dropped.
struct Counted<'d>(&'d Cell<usize>);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}
