//! `memstat`: what the allocators count, and how they are; `-z` by zone, `-s` by size class, `-p` by process, or of one process.

use core::fmt::{self, Write};

use kos_alloc::HeapStats;
use kos_alloc::frame::FrameStats;
use kos_alloc::health::{Config, Health};

use super::{memory, mode, slabs, zones};
use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::{Bytes, Grouped, Text};

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    match *arguments {
        [] => overview(kernel, out)?,
        ["-z"] => zones::show(kernel, out)?,
        ["-p"] => memory::table(kernel, out)?,
        ["-s"] => slabs::show(&kernel.heap().stats(), out)?,
        [word, ref rest @ ..] => match (word.parse(), rest) {
            (Ok(id), []) => memory::of(kernel, id, out)?,
            (_, rest) => {
                let word = rest.last().unwrap_or(&word);
                return Err(CommandError::Usage(Text::new(format_args!("unexpected '{word}'"))));
            }
        },
    }
    Ok(Next::Continue)
}

fn overview<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> Result<(), CommandError> {
    frames(&kernel.frames().stats(), out)?;
    heap(&kernel.heap().stats(), mode::name(kernel.heap().mode()), out)?;
    let tables = kernel.with_tables(|tables| tables.stats().tables);
    writeln!(out, "tables   {tables} frames ({})", Bytes(tables * FRAME_BYTES))?;
    metadata(kernel, out)?;
    kernel.check()?;
    let health = kernel.heap().health(&Config::default());
    writeln!(out, "health   {health}; every invariant of frames, heap and tables holds; all sums are exact")?;
    match health {
        Health::Corrupt(corruption) => Err(corruption.into()),
        _ => Ok(()),
    }
}

/// What it takes to know whose memory is whose, beside what is managed that way.
fn metadata<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let (stats, managed) = (kernel.heap().stats(), kernel.frames().stats().managed as u64);
    let boot = kernel.accounts().reserved_by_name().find(|(name, _)| *name == "boot metadata");
    let tables = kernel.with_tables(|tables| tables.stats().tables);
    let frames = boot.map_or(0, |(_, frames)| frames) + stats.page_map_frames + stats.cache_frames;
    let all = frames as u64 + tables;
    let share = all * 10_000 / managed.max(1);
    writeln!(
        out,
        "metadata {} for {}, {}.{:02} %: of the boot, page map and CPU caches of the heap, page tables",
        Bytes(all * FRAME_BYTES),
        Bytes(managed * FRAME_BYTES),
        share / 100,
        share % 100
    )
}

fn frames(stats: &FrameStats, out: &mut dyn Write) -> fmt::Result {
    let FrameStats { managed, free, peak, allocations, frees, failures, .. } = *stats;
    writeln!(
        out,
        "frames   {} managed, {} used (peak {}), {} free; {} allocations, {} frees",
        Grouped(managed as u64),
        Grouped((managed - free) as u64),
        Grouped(peak as u64),
        Grouped(free as u64),
        Grouped(allocations),
        Grouped(frees)
    )?;
    writeln!(
        out,
        "         refused: {} out of memory, {} bad requests, {} in use, {} not managed, {} double frees",
        failures.no_memory, failures.bad_request, failures.in_use, failures.not_managed, failures.double_free
    )
}

fn heap(stats: &HeapStats, mode: &str, out: &mut dyn Write) -> fmt::Result {
    writeln!(
        out,
        "heap     {mode}: {} live in {} blocks, {} asked for: {}.{} % waste",
        Bytes(stats.live as u64),
        Grouped(stats.live_blocks() as u64),
        Bytes(stats.requested as u64),
        stats.waste() / 10,
        stats.waste() % 10
    )?;
    writeln!(
        out,
        "         {} frames (peak {}): slabs {}, large {}, pool {}, map {}, caches {}",
        Grouped(stats.frames as u64),
        Grouped(stats.peak_frames as u64),
        Bytes(stats.slab_bytes() as u64),
        Bytes(stats.large.frames as u64 * FRAME_BYTES),
        Bytes(stats.simple.frames as u64 * FRAME_BYTES),
        Bytes(stats.page_map_frames as u64 * FRAME_BYTES),
        Bytes(stats.cache_frames as u64 * FRAME_BYTES)
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
    )
}
