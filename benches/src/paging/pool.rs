//! Frames for tables: the same stack for every subject, touched before.

use core::cell::RefCell;

use crate::harness::memory::Arena;
use crate::harness::must;

/// Bytes in a frame.
pub(super) const FRAME: usize = 4096;

/// Enough for the tables of all subjects of a question at once: each needs 515 for 1 GiB of pages.
const FRAMES: usize = 1 << 14;

struct Pool {
    free: Vec<usize>,
    _memory: Arena,
}

impl Pool {
    fn new() -> Self {
        let memory = Arena::touched(FRAMES * FRAME);
        let start = memory.start().as_ptr().expose_provenance();
        Self { free: (0..FRAMES).rev().map(|frame| start + frame * FRAME).collect(), _memory: memory }
    }
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::new(Pool::new());
}

/// The address of a frame, with undefined content.
#[inline]
pub(super) fn take() -> usize {
    POOL.with_borrow_mut(|pool| must(pool.free.pop()))
}

/// Gives a frame back.
#[inline]
pub(super) fn give(frame: usize) {
    POOL.with_borrow_mut(|pool| pool.free.push(frame));
}

/// Frames that are not in use.
#[cfg(test)]
pub(super) fn free() -> usize {
    POOL.with_borrow(|pool| pool.free.len())
}
