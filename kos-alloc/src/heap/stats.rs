//! What a heap knows about itself: [`HeapStats`].

use core::fmt;

use crate::error::{AllocError, FreeError};
use crate::slab::CLASSES;

/// A snapshot of a heap's counters, taken at once.
///
/// The heap holds `page_map_frames + large.frames` frames and those of its slabs; `live` bytes of them are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapStats {
    /// Bytes that the live blocks were asked with (a block freed with another size of its class shifts it).
    pub requested: usize,
    /// Bytes of the live blocks: sizes of their classes, whole frames.
    pub live: usize,
    /// The most that [`live`](Self::live) ever was.
    pub peak: usize,
    /// Each size class, smallest first.
    pub classes: [ClassStats; CLASSES],
    /// Blocks that are whole frames.
    pub large: LargeStats,
    /// Allocations that failed, by reason.
    pub failed: FailedStats,
    /// Frees that were refused, by reason.
    pub refused: RefusedStats,
    /// Frames of the page map.
    pub page_map_frames: usize,
    /// Bytes of the slabs that can never be objects: headers and remainders.
    pub slab_overhead: usize,
    /// Frames that the frame source refused to take back; always 0 with a sound source.
    pub lost_frames: usize,
}

impl HeapStats {
    /// Bytes of all slabs, overhead and free objects included.
    #[must_use]
    pub fn slab_bytes(&self) -> usize {
        self.slab_overhead + self.classes.iter().map(|class| class.size * class.objects).sum::<usize>()
    }

    /// Blocks handed out and not yet freed.
    #[must_use]
    pub fn live_blocks(&self) -> usize {
        self.large.blocks + self.classes.iter().map(|class| class.live).sum::<usize>()
    }
}

impl fmt::Display for HeapStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "live {} B (asked {} B, peak {} B)", self.live, self.requested, self.peak)?;
        writeln!(f, "{:>6} {:>6} {:>8} {:>8}", "size", "slabs", "objects", "live")?;
        for class in self.classes.iter().filter(|class| class.slabs > 0) {
            writeln!(f, "{:>6} {:>6} {:>8} {:>8}", class.size, class.slabs, class.objects, class.live)?;
        }
        writeln!(f, "large: {} blocks, {} frames", self.large.blocks, self.large.frames)?;
        write!(f, "overhead: page map {} frames, slabs {} B", self.page_map_frames, self.slab_overhead)
    }
}

/// One size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Bytes of an object.
    pub size: usize,
    /// Slabs held.
    pub slabs: usize,
    /// Objects that these slabs have, free and live.
    pub objects: usize,
    /// Objects handed out.
    pub live: usize,
}

/// Blocks that are whole frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LargeStats {
    /// Blocks handed out.
    pub blocks: usize,
    /// Their frames.
    pub frames: usize,
}

/// Allocations that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedStats {
    /// [`AllocError::NoMemory`].
    pub no_memory: usize,
    /// [`AllocError::BadRequest`].
    pub bad_request: usize,
    /// [`AllocError::LimitReached`].
    pub limit_reached: usize,
    /// [`AllocError::LogFull`].
    pub log_full: usize,
    /// [`AllocError::WouldBlock`].
    pub would_block: usize,
    /// [`AllocError::NotReady`].
    pub not_ready: usize,
}

impl FailedStats {
    pub(super) const NONE: Self =
        Self { no_memory: 0, bad_request: 0, limit_reached: 0, log_full: 0, would_block: 0, not_ready: 0 };

    pub(super) fn count(&mut self, error: &AllocError) {
        let counter = match error {
            AllocError::NoMemory { .. } | AllocError::Frames(_) => &mut self.no_memory,
            AllocError::BadRequest { .. } => &mut self.bad_request,
            AllocError::LimitReached { .. } => &mut self.limit_reached,
            AllocError::LogFull { .. } => &mut self.log_full,
            AllocError::WouldBlock => &mut self.would_block,
            AllocError::NotReady => &mut self.not_ready,
        };
        *counter = counter.saturating_add(1);
    }
}

/// Frees (and reallocations) that were refused because the block was not what the caller said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedStats {
    /// [`FreeError::DoubleFree`].
    pub double_free: usize,
    /// [`FreeError::NotManaged`].
    pub not_managed: usize,
    /// [`FreeError::Interior`].
    pub interior: usize,
    /// [`FreeError::WrongSize`].
    pub wrong_size: usize,
    /// [`FreeError::LayoutRequired`].
    pub layout_required: usize,
    /// [`FreeError::Corrupt`].
    pub corrupt: usize,
    /// [`FreeError::WouldBlock`].
    pub would_block: usize,
    /// [`FreeError::NotReady`].
    pub not_ready: usize,
}

impl RefusedStats {
    pub(super) const NONE: Self = Self {
        double_free: 0,
        not_managed: 0,
        interior: 0,
        wrong_size: 0,
        layout_required: 0,
        corrupt: 0,
        would_block: 0,
        not_ready: 0,
    };

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> usize {
        let of_the_caller = self.double_free + self.not_managed + self.interior + self.wrong_size;
        of_the_caller + self.layout_required + self.corrupt + self.would_block + self.not_ready
    }

    pub(super) fn count<H>(&mut self, error: &FreeError<H>) {
        let counter = match error {
            FreeError::DoubleFree(_) => &mut self.double_free,
            FreeError::NotManaged(_) => &mut self.not_managed,
            FreeError::Interior { .. } => &mut self.interior,
            FreeError::WrongSize { .. } => &mut self.wrong_size,
            FreeError::LayoutRequired(_) => &mut self.layout_required,
            FreeError::Corrupt(_) => &mut self.corrupt,
            FreeError::WouldBlock(_) => &mut self.would_block,
            FreeError::NotReady(_) => &mut self.not_ready,
        };
        *counter = counter.saturating_add(1);
    }
}
