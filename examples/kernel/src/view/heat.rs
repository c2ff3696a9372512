//! The heat map of the buddies: a line a zone, a place an order, and the more of the zone's free memory it holds, the darker.

use core::fmt::{self, Write};

use kos_alloc::Inventory;
use kos_alloc::frame::MAX_ORDER;

use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::platform::Platform;
use crate::text::{Bytes, Text};

/// From nothing to all of it.
const HEAT: &[u8; 10] = b".:-=+*%#@W";

pub(super) fn show<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    write!(out, "{:<8}", "zone")?;
    (0..=MAX_ORDER).try_for_each(|order| write!(out, "{order:>3}"))?;
    writeln!(out, "  free")?;
    for zone in (0..).map_while(|index| kernel.frames().zone(index)).filter(|zone| zone.managed > 0) {
        write!(out, "{:<8}", zone.name)?;
        for order in 0..=MAX_ORDER {
            let frames = zone.blocks.of(order) << order;
            write!(out, "{:>3}", heat(frames, zone.blocks.frames()))?;
        }
        let [free, managed] = [zone.free, zone.managed].map(|frames| Bytes(frames as u64 * FRAME_BYTES));
        let low = if zone.free < zone.low { " LOW" } else { "" };
        writeln!(out, "  {}{low}", Text::new(format_args!("{free}/{managed}")))?;
    }
    writeln!(out, "        share of the zone's free memory in blocks of 2^order frames: . none, W all")
}

/// A share of the whole; what is there at all is seen.
fn heat(part: usize, whole: usize) -> char {
    let last = HEAT.len() - 1;
    let step = (part * last).div_ceil(whole.max(1)).min(last);
    HEAT.get(step).copied().map_or('?', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_darker_and_something_is_seen() {
        assert_eq!([heat(0, 100), heat(1, 1_000_000), heat(50, 100), heat(100, 100)], ['.', ':', '*', 'W']);
        assert_eq!(heat(0, 0), '.');
    }
}
