//! Zones as text: a line or a paragraph a zone, in Linux's formats.

use core::fmt;

use super::{ZoneUsage, fragmentation, unusable_free};
use crate::frame::MAX_ORDER;
use crate::ports::Inventory;

/// Free blocks of each zone by order, as `/proc/buddyinfo`.
#[derive(Clone, Copy, Debug)]
pub struct BuddyInfo<'a, I>(pub &'a I);

/// The [`fragmentation`] index of each zone by order, as `/sys/kernel/debug/extfrag/extfrag_index`.
#[derive(Clone, Copy, Debug)]
pub struct ExternalIndex<'a, I>(pub &'a I);

/// The [`unusable_free`] index of each zone by order, as `/sys/kernel/debug/extfrag/unusable_index`.
#[derive(Clone, Copy, Debug)]
pub struct UnusableIndex<'a, I>(pub &'a I);

/// Free frames and watermarks of each zone, as the head of each paragraph of `/proc/zoneinfo`.
#[derive(Clone, Copy, Debug)]
pub struct ZoneInfo<'a, I>(pub &'a I);

impl<I: Inventory> fmt::Display for BuddyInfo<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_zone(self.0, f, |f, zone| writeln!(f, " {}", zone.blocks))
    }
}

impl<I: Inventory> fmt::Display for ExternalIndex<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_zone(self.0, f, |f, zone| thousandths(f, |order| fragmentation(&zone.blocks, order)))
    }
}

impl<I: Inventory> fmt::Display for UnusableIndex<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_zone(self.0, f, |f, zone| {
            thousandths(f, |order| i32::try_from(unusable_free(&zone.blocks, order)).unwrap_or(1000))
        })
    }
}

impl<I: Inventory> fmt::Display for ZoneInfo<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_zone(self.0, f, |f, zone| {
            writeln!(f, "\n  frames free     {}", zone.free)?;
            let rows = [("min", zone.min), ("low", zone.low), ("high", zone.high)];
            let rows = rows.into_iter().chain([("managed", zone.managed), ("cached", zone.cached)]);
            rows.into_iter().try_for_each(|(name, frames)| writeln!(f, "        {name:<8} {frames}"))
        })
    }
}

/// Begins a line for each zone, which `rest` ends.
fn each_zone<I: Inventory>(
    frames: &I,
    f: &mut fmt::Formatter<'_>,
    rest: impl Fn(&mut fmt::Formatter<'_>, &ZoneUsage) -> fmt::Result,
) -> fmt::Result {
    (0..).map_while(|index| frames.zone(index)).try_for_each(|zone| {
        write!(f, "Node 0, zone {:>8}", zone.name)?;
        rest(f, &zone)
    })
}

/// One index for each order, as a number with three decimals.
fn thousandths(f: &mut fmt::Formatter<'_>, index: impl Fn(u32) -> i32) -> fmt::Result {
    for order in 0..=MAX_ORDER {
        let index = index(order);
        let sign = if index < 0 { "-" } else { "" };
        let (whole, rest) = (index.unsigned_abs() / 1000, index.unsigned_abs() % 1000);
        write!(f, " {sign:>1}{whole}.{rest:03}")?;
    }
    writeln!(f)
}
