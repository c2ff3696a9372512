//! Frame allocators: the subjects, and one file per question.
//!
//! Everybody manages the same number of frames, free at the start. None of them touches a frame; buddy-slab-allocator
//! keeps its metadata in front of the frames, buddy_system_allocator takes memory for its sets from malloc.

pub(crate) mod churn;
pub(crate) mod free_cost;
mod kos;
pub(crate) mod pair;
pub(crate) mod shuffled;
mod subjects;

use crate::harness::question::Body;

pub(crate) use subjects::subjects;

/// Frames that each subject manages: 1 GiB of them.
pub(crate) const FRAMES: usize = 1 << 18;

/// A frame allocator with everything free.
pub(crate) trait Frames: 'static {
    /// An allocator of [`FRAMES`] frames.
    fn new() -> Self;

    /// The first of `count` adjacent frames.
    fn allocate(&mut self, count: usize) -> Option<usize>;

    /// Takes back what [`allocate`](Self::allocate) gave.
    fn free(&mut self, first: usize, count: usize);
}

/// What a question does with any frame allocator.
pub(crate) trait Workload: Copy + 'static {
    /// The body that does it with `frames`.
    fn body<F: Frames>(self, frames: F) -> Box<dyn Body>;
}
