//! `memstat -z`: the zones of physical memory, their watermarks, and how fragmented what is free is.

use core::fmt::{self, Write};

use kos_alloc::Inventory;
use kos_alloc::frame::MAX_ORDER;
use kos_alloc::health::{ZoneUsage, fragmentation, unusable_free};

use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::platform::Platform;
use crate::text::{Bytes, Grouped};

pub(super) fn show<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    watermarks(kernel, out)?;
    orders(kernel, out)
}

/// The zones in ascending order.
fn zones<P: Platform>(kernel: &Kernel<P>) -> impl Iterator<Item = ZoneUsage> {
    (0..).map_while(|index| kernel.frames().zone(index))
}

fn watermarks<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let head = ["managed", "free", "in caches", "min", "low", "high"];
    let [managed, free, cached, min, low, high] = head;
    writeln!(out, "{:<8}{managed:>12}{free:>12}{cached:>11}{min:>9}{low:>9}{high:>9}  state", "zone")?;
    for ZoneUsage { name, managed, free, cached, min, low, high, .. } in zones(kernel) {
        let [managed, free, cached, min, low, high] =
            [managed, free, cached, min, low, high].map(|frames| Grouped(frames as u64));
        let state = match (managed.0, free.0 < low.0) {
            (0, _) => "empty",
            (_, true) => "pressure",
            (_, false) => "ok",
        };
        writeln!(out, "{name:<8}{managed:>12}{free:>12}{cached:>11}{min:>9}{low:>9}{high:>9}  {state}")?;
    }
    Ok(())
}

/// Free blocks of each zone by order, and the indices of fragmentation over all zones.
fn orders<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let all = kernel.frames().histogram();
    write!(out, "{:<8}{:>12}", "order", "free block")?;
    zones(kernel).try_for_each(|zone| write!(out, "{:>12}", zone.name))?;
    writeln!(out, "{:>12}{:>12}", "unusable", "extfrag")?;
    for order in 0..=MAX_ORDER {
        write!(out, "{order:<8}{:>12}", Bytes(FRAME_BYTES << order))?;
        zones(kernel).try_for_each(|zone| write!(out, "{:>12}", Grouped(zone.blocks.of(order) as u64)))?;
        let unusable = i32::try_from(unusable_free(&all, order)).unwrap_or(1000);
        writeln!(out, "{:>12}{:>12}", Thousandths(unusable), Thousandths(fragmentation(&all, order)))?;
    }
    writeln!(
        out,
        "unusable  share of free memory that lies in smaller blocks\n\
         extfrag   -1: there is such a block; else why not, from 0 (lack of memory) to 1 (memory in pieces)"
    )
}

/// A number with three decimals; pads.
struct Thousandths(i32);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, whole, rest) =
            (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        f.pad(crate::text::Text::new(format_args!("{sign}{whole}.{rest:03}")).as_str())
    }
}
