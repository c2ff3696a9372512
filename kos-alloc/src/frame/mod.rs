//! Physical frames: who owns which.
//!
//! | type | bits a frame | allocate and free | for |
//! |---|---|---|---|
//! | [`Buddy`] | 1.15 | O(log frames) | the frames of a whole machine; large aligned blocks |
//! | [`Bitmap`] | 1 | one frame: O(1); runs: linear | few frames: a small board, a device's window, a guest |
//! | [`Frames`] | | one lock | either of them, shared by all CPUs |
//! | [`Zones`](zone::Zones) | 2.4 | mostly no lock, else that of a zone | a machine whose devices do not reach all frames |
//!
//! Neither ever touches a frame: all bookkeeping lies in words that the integrator lends, so frames may be unmapped,
//! belong to a guest, or be only numbers in a test. Frame numbers may be anything up to `usize::MAX`; huge holes between
//! regions cost nothing. Both give the lowest frames that fit, and blocks are aligned by absolute frame number.
//!
//! Frame 0 is managed if it is among the usable ranges. Who turns frame numbers into pointers lists it as reserved.
//!
//! Source: D. Knuth, The Art of Computer Programming 1, 2.5 (buddy system, boundary of first fit); bitmaps in place of
//! free lists as in LLFree (Wrenger et al., USENIX ATC 2023).

mod bitmap;
mod blocks;
mod buddy;
mod error;
#[expect(unsafe_code, reason = "implements the port that promises unique frames")]
mod frames;
mod region;
mod stats;
#[cfg(test)]
mod tests;
mod tree;
pub mod zone;

use crate::error::{Corruption, FrameError, FreeError};
use crate::types::{FrameRange, FrameRequest, Pfn};

pub use bitmap::Bitmap;
pub use buddy::{Buddy, Config};
pub use error::{AlreadyInitialised, InitError, NotAdded, ReserveError};
pub use frames::Frames;
pub use stats::{FrameFailures, FrameStats, Histogram};
pub(crate) use tree::Tree;

/// The order of the largest block that a buddy can have: `2^18` frames, 1 GiB of 4 KiB frames.
pub const MAX_ORDER: u32 = 18;

/// Words of storage that each region of adjacent frames takes, beside the bits.
pub const REGION_WORDS: usize = region::ENTRY;

/// A frame allocator without a lock; [`Frames`] adds one.
///
/// Costs are those of [`Buddy`]; k is the number of its levels, 7 for 64 GiB of 4 KiB frames. [`Bitmap`] tells where it
/// differs.
pub trait Backend {
    /// The smallest range that holds every managed frame; changes only when frames are added or reserved.
    fn span(&self) -> FrameRange;

    /// Hands out the lowest `request.count` frames that fit, if they are below `request.below`. O(k), see [`Buddy`] for
    /// requests above its top order.
    ///
    /// # Errors
    ///
    /// [`FrameError::BadRequest`], [`FrameError::NoMemory`]; nothing is allocated then.
    fn allocate(&mut self, request: &FrameRequest) -> Result<FrameRange, FrameError>;

    /// Hands out exactly `range`. O(k) for each free block that it touches.
    ///
    /// # Errors
    ///
    /// [`FrameError::NotManaged`] for an empty range or one with an unmanaged frame, [`FrameError::InUse`]; nothing is
    /// allocated then.
    fn allocate_at(&mut self, range: FrameRange) -> Result<FrameRange, FrameError>;

    /// Takes back frames: all that one allocation gave, or any part. O(k) for a block; any range up
    /// to the top order is at most twice as many blocks as there are orders.
    ///
    /// # Errors
    ///
    /// [`FreeError::NotManaged`] for an empty range or one with an unmanaged frame (reserved, in a hole, outside),
    /// [`FreeError::DoubleFree`] if any frame of it is free already; nothing changes then.
    fn free(&mut self, range: FrameRange) -> Result<(), FreeError<FrameRange>>;

    /// Hands out as many adjacent frames as there are, at most `max`: what [`largest_free`](Self::largest_free) tells.
    ///
    /// # Errors
    ///
    /// [`FrameError::BadRequest`] for a `max` of 0, [`FrameError::NoMemory`] if nothing is free.
    fn allocate_largest(&mut self, max: usize) -> Result<FrameRange, FrameError> {
        let count = if max <= 1 { max } else { self.largest_free().clamp(1, max) };
        self.allocate(&FrameRequest::new(count))
    }

    /// Takes `range`, all of it free, out of management for good: it is counted as reserved, and a later free of it is
    /// refused as not managed. Linear in the number of regions.
    ///
    /// # Errors
    ///
    /// [`ReserveError`]. A range within a region makes two of it, for which the storage must have room: the word counts
    /// have one to spare, [`REGION_WORDS`] more make room for another.
    fn reserve(&mut self, range: FrameRange) -> Result<(), ReserveError>;

    /// The largest count that [`allocate`](Self::allocate) would give now, without alignment. O(k + top-order blocks).
    fn largest_free(&self) -> usize;

    /// The lowest free block that starts at `from` or above: walk all by passing the end of the last. Neighbouring
    /// blocks may be reported apart. O(k).
    fn next_free(&self, from: Pfn) -> Option<FrameRange>;

    /// Free blocks by order. O(1).
    fn histogram(&self) -> Histogram;

    /// Counters. O(1).
    fn stats(&self) -> FrameStats;

    /// Walks every invariant. Linear in the words of storage, so for tests and self-tests.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    fn check(&self) -> Result<(), Corruption>;
}

/// A [`Backend`] to which memory can be added while it is in use. `'m` is the lifetime of its storage.
pub trait Grow<'m>: Backend {
    /// Words of storage for [`add`](Self::add) of the same range, with room for one region more.
    ///
    /// # Errors
    ///
    /// The reason of [`add`](Self::add), except for the storage.
    fn words_with(&self, added: FrameRange) -> Result<usize, InitError>;

    /// Manages `added` too; all of it is free, and what is adjacent to it coalesces. Moves the books into `storage`, what
    /// it holds does not matter, and gives back the storage used before, in the two parts in which it was used. Live
    /// frames stay as they are, and so do the counters. Frames that were reserved may come back so.
    ///
    /// Linear in the words of storage and the free blocks.
    ///
    /// # Errors
    ///
    /// [`NotAdded`] with the storage: a frame of `added` is managed already, or there is none, or the storage is short;
    /// nothing changes then.
    fn add(&mut self, storage: &'m mut [u64], added: FrameRange) -> Result<[&'m mut [u64]; 2], NotAdded<'m>>;
}

/// Refuses what no allocator can mean.
pub(crate) fn validate(request: &FrameRequest) -> Result<(), FrameError> {
    let FrameRequest { count, align, .. } = *request;
    if count == 0 || !align.is_power_of_two() { Err(FrameError::BadRequest { count, align }) } else { Ok(()) }
}
