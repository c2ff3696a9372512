//! `memstat -s` and `slabtop`: the size classes of the heap.

use core::fmt::{self, Write};

use kos_alloc::health::SlabInfo;
use kos_alloc::{ClassStats, HeapStats};

use super::no_arguments;
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::text::{Bytes, Grouped, Text};

/// A line a class, in the order of `/proc/slabinfo`; classes without a slab are left out.
pub(super) fn show(stats: &HeapStats, out: &mut dyn Write) -> fmt::Result {
    if stats.classes.iter().all(|class| class.slabs == 0) {
        writeln!(out, "no size class has a slab now")?;
    }
    let [active, cached, objects, size] = ["active", "cached", "objects", "size"];
    write!(out, "{:<12}{active:>9}{cached:>9}{objects:>9}{size:>7}", "name")?;
    writeln!(out, "{:>11}{:>7}{:>9}{:>8}", "in a slab", "slabs", "peak", "leaked")?;
    for class in stats.classes.iter().filter(|class| class.slabs > 0) {
        let ClassStats { size, slabs, objects, live, cached, peak, leaked } = *class;
        let name = Text::new(format_args!("heap-{size}"));
        write!(out, "{name:<12}{live:>9}{cached:>9}{objects:>9}{size:>7}")?;
        writeln!(out, "{:>11}{slabs:>7}{peak:>9}{leaked:>8}", objects / slabs.max(1))?;
    }
    writeln!(
        out,
        "{:<12}{:>9} blocks in {} frames, whole ones; slabs hold {}, {} of it for books",
        "large",
        Grouped(stats.large.blocks as u64),
        Grouped(stats.large.frames as u64),
        Bytes(stats.slab_bytes() as u64),
        Bytes(stats.slab_overhead as u64)
    )
}

pub(super) fn top<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    write!(out, "{}", SlabInfo(&kernel.heap().stats()))?;
    Ok(Next::Continue)
}
