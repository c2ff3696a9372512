//! One verdict on the whole: [`assess`] by the thresholds of a [`Config`].

use core::{fmt, iter};

use super::{ZoneUsage, fragmentation};
use crate::error::Corruption;
use crate::frame::Histogram;
use crate::heap::KernelHeap;
use crate::ports::{Env, FrameAlloc, Inventory};

/// From when on memory is said to be unwell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Thousandths of a zone's managed frames: with fewer free a zone without a low watermark is under pressure.
    pub pressure: u16,
    /// The largest order whose blocks should be had.
    pub order: u32,
    /// The [`fragmentation`] index, in thousandths, above which a failing order is blamed on fragmentation.
    pub fragmentation: i32,
}

/// 1/64 free, blocks of order 9 (2 MiB of 4 KiB frames), and Linux's `vm.extfrag_threshold`.
impl Default for Config {
    fn default() -> Self {
        Self { pressure: 16, order: 9, fragmentation: 500 }
    }
}

/// How memory is doing; the gravest that is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// Nothing to report.
    Ok,
    /// No free block of this order is left in any zone, though enough memory is free: it lies in pieces.
    Fragmented {
        /// The smallest such order.
        order: u32,
        /// Its [`fragmentation`] index over all zones, in thousandths.
        index: i32,
    },
    /// A zone has less free than its low watermark; the first such zone.
    Pressure {
        /// Its name.
        zone: &'static str,
        /// Its free frames.
        free: usize,
        /// Frames that should be free.
        low: usize,
    },
    /// An invariant is broken.
    Corrupt(Corruption),
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Fragmented { order, index } => write!(f, "fragmented: no block of order {order} ({index})"),
            Self::Pressure { zone, free, low } => write!(f, "pressure: {zone} has {free} of {low} frames"),
            Self::Corrupt(corruption) => corruption.fmt(f),
        }
    }
}

/// The health of frames: the free ones of each zone, then the orders up to `config.order`. Cheap, so it does not look for
/// [`Health::Corrupt`]: [`Inventory::check`] does.
pub fn assess(frames: &impl Inventory, config: &Config) -> Health {
    let zones = || (0..).map_while(|index| frames.zone(index));
    zones().find_map(|zone| pressure(&zone, config)).unwrap_or_else(|| {
        let mut all = Histogram::EMPTY;
        zones().for_each(|zone| merge(&mut all, &zone.blocks));
        fragmented(&all, config)
    })
}

fn pressure(zone: &ZoneUsage, config: &Config) -> Option<Health> {
    let low = match zone.low {
        0 => zone.managed / 1000 * usize::from(config.pressure),
        low => low,
    };
    (zone.free < low).then_some(Health::Pressure { zone: zone.name, free: zone.free, low })
}

fn fragmented(blocks: &Histogram, config: &Config) -> Health {
    let mut orders = (0..=config.order).map(|order| (order, fragmentation(blocks, order)));
    let first = orders.find(|&(_, index)| index > config.fragmentation);
    first.map_or(Health::Ok, |(order, index)| Health::Fragmented { order, index })
}

fn merge(sum: &mut Histogram, other: &Histogram) {
    iter::zip(&mut sum.0, other.0).for_each(|(sum, blocks)| *sum = sum.saturating_add(blocks));
}

impl<E: Env, F: FrameAlloc + Inventory> KernelHeap<E, F> {
    /// The health of the heap and of its frames: every invariant of both, then [`assess`]. Masks interrupts as long as
    /// [`check`](Self::check) does.
    pub fn health(&self, config: &Config) -> Health {
        let sound = self.check().and_then(|()| self.frames().check());
        sound.map_or_else(Health::Corrupt, |()| assess(self.frames(), config))
    }
}
