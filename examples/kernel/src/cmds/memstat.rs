//! `memstat`: what the allocators count, and whether their invariants hold.

use core::fmt::{self, Write};

use kos_alloc::HeapStats;
use kos_alloc::frame::{FrameStats, MAX_ORDER};

use super::no_arguments;
use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::text::{Bytes, Grouped};

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    frames(kernel, out)?;
    heap(&kernel.heap().stats(), out)?;
    tables(kernel, out)?;
    kernel.check()?;
    writeln!(out, "health   every invariant of frames, heap and tables holds; all sums are exact")?;
    Ok(Next::Continue)
}

fn frames<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let FrameStats { managed, free, peak, allocations, frees, failures } = kernel.frames().stats();
    let used = managed - free;
    writeln!(
        out,
        "frames   {} managed, {} used (peak {}), {} free; {} allocations, {} frees",
        Grouped(managed as u64),
        Grouped(used as u64),
        Grouped(peak as u64),
        Grouped(free as u64),
        Grouped(allocations),
        Grouped(frees)
    )?;
    writeln!(
        out,
        "         refused: {} out of memory, {} bad requests, {} in use, {} not managed, {} double frees",
        failures.no_memory, failures.bad_request, failures.in_use, failures.not_managed, failures.double_free
    )?;
    let histogram = kernel.frames().histogram();
    writeln!(out, "         {:>5} {:>9} {:>12} {:>12}", "order", "block", "free blocks", "free frames")?;
    for order in (0..=MAX_ORDER).filter(|&order| histogram.of(order) > 0) {
        let (blocks, size) = (histogram.of(order) as u64, FRAME_BYTES << order);
        writeln!(
            out,
            "         {order:>5} {:>9} {:>12} {:>12}",
            Bytes(size),
            Grouped(blocks),
            Grouped(blocks << order)
        )?;
    }
    Ok(())
}

fn heap(stats: &HeapStats, out: &mut dyn Write) -> fmt::Result {
    writeln!(
        out,
        "heap     {} live in {} blocks ({} asked for), {} of slabs, peak {}",
        Bytes(stats.live as u64),
        Grouped(stats.live_blocks() as u64),
        Bytes(stats.requested as u64),
        Bytes(stats.slab_bytes() as u64),
        Bytes(stats.peak_frames as u64 * FRAME_BYTES)
    )?;
    let (failed, refused) = (&stats.failed, &stats.refused);
    writeln!(
        out,
        "         failed: {} out of memory, {} bad requests; wrong frees refused: {} ({} double, {} interior)",
        failed.no_memory,
        failed.bad_request,
        refused.total(),
        refused.double_free,
        refused.interior
    )?;
    if stats.slab_bytes() > 0 {
        writeln!(out, "         {:>5} {:>9} {:>12} {:>12}", "class", "slabs", "objects", "live")?;
    }
    for class in stats.classes.iter().filter(|class| class.slabs > 0) {
        writeln!(
            out,
            "         {:>5} {:>9} {:>12} {:>12}",
            class.size, class.slabs, class.objects, class.live
        )?;
    }
    writeln!(
        out,
        "         {} large blocks in {} frames; page map {} frames, slab overhead {}",
        stats.large.blocks,
        stats.large.frames,
        stats.page_map_frames,
        Bytes(stats.slab_overhead as u64)
    )
}

fn tables<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let stats = kernel.with_tables(|tables| tables.stats());
    writeln!(out, "tables   {} frames ({})", stats.tables, Bytes(stats.tables * FRAME_BYTES))
}
