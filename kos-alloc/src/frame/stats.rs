//! What a frame allocator counts: [`FrameStats`], [`Histogram`].

use core::fmt;

use super::MAX_ORDER;
use crate::error::{FrameError, FreeError};
use crate::types::FrameRange;

/// Free blocks by size: entry `k` counts the free blocks of `2^k` adjacent frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram(pub [usize; MAX_ORDER as usize + 1]);

impl Histogram {
    /// No block.
    pub const EMPTY: Self = Self([0; MAX_ORDER as usize + 1]);

    /// Free blocks of `2^order` frames; 0 for an order that does not exist.
    #[must_use]
    pub fn of(&self, order: u32) -> usize {
        self.0.get(order as usize).copied().unwrap_or(0)
    }

    /// Frames in all blocks.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.0.iter().zip(0..).map(|(blocks, order)| blocks << order).sum()
    }

    /// Counts the largest aligned blocks that `range` is made of.
    pub(super) fn add(&mut self, range: FrameRange) {
        for (_, order) in aligned_blocks(range.start().0, range.end().0, MAX_ORDER) {
            if let Some(blocks) = self.0.get_mut(order as usize) {
                *blocks += 1;
            }
        }
    }
}

/// One line: blocks of each order, from order 0, as Linux's `/proc/buddyinfo` prints them.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|blocks| write!(f, "{blocks:>6} "))
    }
}

/// The largest aligned blocks, none above `top`, of which the numbers from `start` up to `end` are made, as start and
/// order. At most `2 * top` of them are smaller than the top order.
pub(super) fn aligned_blocks(start: usize, end: usize, top: u32) -> impl Iterator<Item = (usize, u32)> {
    let mut at = start;
    core::iter::from_fn(move || {
        let left = end.checked_sub(at).filter(|&left| left > 0)?;
        let (block, order) = (at, at.trailing_zeros().min(left.ilog2()).min(top));
        at += 1 << order;
        Some((block, order))
    })
}

/// Counters of one frame allocator since its initialisation, in frames or calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameStats {
    /// Frames under management, reserved ones not included.
    pub managed: usize,
    /// Frames that `reserve` took out of management.
    pub reserved: usize,
    /// Frames that are free now.
    pub free: usize,
    /// The most frames that were allocated at one time.
    pub peak: usize,
    /// Successful allocations.
    pub allocations: u64,
    /// Successful frees.
    pub frees: u64,
    /// Calls that returned an error.
    pub failures: FrameFailures,
}

impl FrameStats {
    /// Frames that are allocated now.
    #[must_use]
    pub const fn allocated(&self) -> usize {
        self.managed.saturating_sub(self.free)
    }

    /// Each counter the sum of both.
    pub(super) const fn plus(&self, other: &Self) -> Self {
        Self {
            managed: self.managed + other.managed,
            reserved: self.reserved + other.reserved,
            free: self.free + other.free,
            peak: self.peak + other.peak,
            allocations: self.allocations + other.allocations,
            frees: self.frees + other.frees,
            failures: self.failures.plus(&other.failures),
        }
    }
}

/// Calls that returned an error, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameFailures {
    /// Allocations for which no free run was large enough.
    pub no_memory: u64,
    /// Allocations of 0 frames or with an alignment that is not a power of two.
    pub bad_request: u64,
    /// Claims of exact frames that were in use.
    pub in_use: u64,
    /// Claims and frees of frames that are not managed.
    pub not_managed: u64,
    /// Frees of frames that were free already.
    pub double_free: u64,
}

impl FrameFailures {
    const fn plus(&self, other: &Self) -> Self {
        Self {
            no_memory: self.no_memory + other.no_memory,
            bad_request: self.bad_request + other.bad_request,
            in_use: self.in_use + other.in_use,
            not_managed: self.not_managed + other.not_managed,
            double_free: self.double_free + other.double_free,
        }
    }
}

impl FrameStats {
    pub(super) const fn new(managed: usize) -> Self {
        let failures =
            FrameFailures { no_memory: 0, bad_request: 0, in_use: 0, not_managed: 0, double_free: 0 };
        Self { managed, reserved: 0, free: managed, peak: 0, allocations: 0, frees: 0, failures }
    }

    /// Counts `frames` more under management, all of them free.
    pub(super) const fn count_added(&mut self, frames: usize) {
        self.managed += frames;
        self.free += frames;
    }

    /// Counts `frames` less under management, all of which were free.
    pub(super) const fn count_reserved(&mut self, frames: usize) {
        self.managed -= frames;
        self.free -= frames;
        self.reserved += frames;
    }

    /// Counts an allocation after which `free` frames are left.
    pub(super) fn count_allocation(&mut self, free: usize, result: &Result<FrameRange, FrameError>) {
        self.free = free;
        self.peak = self.peak.max(self.allocated());
        match result {
            Ok(_) => self.allocations += 1,
            Err(FrameError::NoMemory { .. }) => self.failures.no_memory += 1,
            Err(FrameError::InUse(_)) => self.failures.in_use += 1,
            Err(FrameError::NotManaged(_)) => self.failures.not_managed += 1,
            Err(_) => self.failures.bad_request += 1,
        }
    }

    /// Counts a free after which `free` frames are free.
    pub(super) fn count_free(&mut self, free: usize, result: &Result<(), FreeError<FrameRange>>) {
        self.free = free;
        match result {
            Ok(()) => self.frees += 1,
            Err(FreeError::DoubleFree(_)) => self.failures.double_free += 1,
            Err(_) => self.failures.not_managed += 1,
        }
    }
}
