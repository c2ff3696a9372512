//! Indices, verdicts and reports, over a machine that is only numbers.

mod index;
mod reports;
#[expect(unsafe_code, reason = "frees, and implements an unsafe port by passing it on")]
mod verdict;

use alloc::vec::Vec;

use crate::error::Corruption;
use crate::frame::Histogram;
use crate::health::ZoneUsage;
use crate::ports::Inventory;
use crate::types::{FrameRange, Pfn};

fn blocks(orders: &[(usize, usize)]) -> Histogram {
    let mut histogram = Histogram::EMPTY;
    orders.iter().for_each(|&(order, count)| histogram.0[order] = count);
    histogram
}

/// A frame source that holds what a test says.
struct Paper {
    zones: Vec<ZoneUsage>,
    free: Vec<FrameRange>,
}

impl Paper {
    /// Zones of 10,000 frames with a low watermark of 100, of which these blocks are free.
    fn new(zones: &[(&'static str, Histogram)]) -> Self {
        let zones = zones.iter().map(|&(name, blocks)| {
            let free = blocks.frames() + 7;
            ZoneUsage { name, managed: 10_000, free, cached: 7, min: 80, low: 100, high: 120, blocks }
        });
        Self { zones: zones.collect(), free: Vec::new() }
    }
}

impl Inventory for Paper {
    fn zone(&self, index: usize) -> Option<ZoneUsage> {
        self.zones.get(index).copied()
    }

    fn next_free(&self, from: Pfn) -> Option<FrameRange> {
        self.free.iter().copied().find(|block| block.start() >= from)
    }

    fn check(&self) -> Result<(), Corruption> {
        Ok(())
    }
}
