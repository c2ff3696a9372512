//! How memory is doing: fragmentation, pressure, waste, and the reports that print it.
//!
//! | item | what it is |
//! |---|---|
//! | [`unusable_free`], [`external`], [`fragmentation`] | the three indices of Linux, over a [`Histogram`] |
//! | [`assess`], [`KernelHeap::health`](crate::KernelHeap::health) | one verdict, [`Health`], by the thresholds of a [`Config`] |
//! | [`HeapStats::waste`](crate::HeapStats::waste) | what size classes cost |
//! | [`BuddyInfo`], [`ExternalIndex`], [`UnusableIndex`], [`ZoneInfo`], [`SlabInfo`], [`FrameDump`] | text, by `Display` |
//!
//! The frames side speaks of any [`Inventory`](crate::Inventory). Nothing here allocates, and a report takes a snapshot
//! of one zone at a time, so it holds no lock while it prints; what changes meanwhile may be seen half.
//!
//! Source: Linux, `mm/vmstat.c` (indices, buddyinfo, zoneinfo), `mm/compaction.c` (threshold); procps, `slabtop`.

mod dump;
mod index;
mod report;
mod slabtop;
#[cfg(test)]
mod tests;
mod verdict;
mod waste;

use crate::frame::Histogram;

pub use dump::FrameDump;
pub use index::{external, fragmentation, unusable_free};
pub use report::{BuddyInfo, ExternalIndex, UnusableIndex, ZoneInfo};
pub use slabtop::SlabInfo;
pub use verdict::{Config, Health, assess};

/// What a zone holds at one moment, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneUsage {
    /// Its name, such as `DMA32`.
    pub name: &'static str,
    /// Frames under management.
    pub managed: usize,
    /// Free frames, those in CPU caches included.
    pub free: usize,
    /// Free frames that rest in CPU caches, outside of [`blocks`](Self::blocks).
    pub cached: usize,
    /// What is kept for those who free memory; 0 where the source has no watermarks, as the next two.
    pub min: usize,
    /// Below it the zone is under pressure.
    pub low: usize,
    /// Above it the pressure is over.
    pub high: usize,
    /// Free blocks by order.
    pub blocks: Histogram,
}
