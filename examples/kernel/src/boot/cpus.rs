//! Stage `cpus`: memory for the stacks of the other CPUs, then all of them start at once. Who does not come is named.

use core::fmt::{self, Write};
use core::mem::ManuallyDrop;

use kos_alloc::{CpuIndex, FrameRequest};
use kos_paging::{Attrs, HugePolicy, VirtAddr, VirtRange};

use crate::accounts::FRAME_BYTES;
use crate::command_line::{CommandLine, Sabotage};
use crate::error::Cause;
use crate::glue::address::phys_of;
use crate::glue::rights::expressible;
use crate::kernel::{KernelTable, SharedFrames};
use crate::owned::Run;
use crate::platform::{CpuMemory, CpuState, DeviceError, Platform};
use crate::stage::Notes;
use crate::text::{Bytes, Text};

/// CPUs left out that the line names.
const NAMED: usize = 2;

/// Starts them; half of what is free may become their stacks. A machine on which none can be started runs on with one. The frames that
/// they got, also those of a CPU for which there were not enough.
pub(super) fn start<P: Platform>(
    platform: &P,
    frames: SharedFrames<P>,
    tables: &mut KernelTable<P>,
    notes: &mut Notes<'_, '_, P>,
) -> Result<usize, Cause> {
    let begun = platform.now();
    let (found, silent) = (platform.cpus().count(), silent(platform));
    let (mut bytes, mut given, enough) = (0, 0, frames.inner().stats().free / 2);
    let prepared = 1
        + (1..found)
            .take_while(|_| frames.inner().stats().free > enough)
            .map_while(|cpu| prepare(platform, frames, tables, CpuIndex(cpu), &mut given))
            .inspect(|taken| bytes += taken)
            .count();
    let started = start_all(platform, prepared, silent).map_err(|error| Text::new(format_args!("{error}")));
    let took = platform.now().checked_duration_since(begun).map_or(0, |took| took.as_micros());
    let online = platform.cpus().filter(|cpu| cpu.state == CpuState::Online).count();
    let mut line = Text::default();
    // What does not fit the line is cut.
    let _ = write!(line, "{online} of {found} online");
    if bytes > 0 {
        let _ = write!(line, " in {}.{} ms; {} of stacks", took / 1000, took / 100 % 10, Bytes(bytes));
    }
    match complaint(platform, started.err()) {
        None => notes.figures(format_args!("{line}")),
        Some(complaint) => notes.degraded(format_args!("{line}; {complaint}")),
    }
    Ok(given)
}

/// The CPU that gets no start signal.
fn silent<P: Platform>(platform: &P) -> Option<CpuIndex> {
    let line = CommandLine::parse(platform.command_line(), |_| ());
    let last = platform.cpus().last()?.number;
    (line.sabotage == Some(Sabotage::SilentCpu)).then_some(last)
}

/// Maps what `cpu` needs; the bytes that it got, or `None` if memory ended. What it got stays with it.
fn prepare<P: Platform>(
    platform: &P,
    frames: SharedFrames<P>,
    tables: &mut KernelTable<P>,
    cpu: CpuIndex,
    given: &mut usize,
) -> Option<u64> {
    platform.cpu_memory(cpu).try_fold(0, |bytes, piece| {
        *given += map::<P>(frames, tables, piece)?;
        Some(bytes + piece.length)
    })
}

/// Maps a piece on new frames; how many.
fn map<P: Platform>(frames: SharedFrames<P>, tables: &mut KernelTable<P>, piece: CpuMemory) -> Option<usize> {
    let count = usize::try_from(piece.length / FRAME_BYTES).ok()?;
    let run = Run::new(frames, FrameRequest::new(count)).ok()?;
    let attrs = expressible(tables.format(), Attrs::RW.global());
    let virt = VirtRange::new(VirtAddr::new(piece.virt), piece.length).ok()?;
    tables.map(virt, phys_of(run.range().start()), attrs, HugePolicy::Never).ok()?;
    // They are the CPU's for ever.
    let _ = ManuallyDrop::new(run);
    Some(count)
}

#[expect(unsafe_code, reason = "the one place where other CPUs get memory to run on")]
fn start_all<P: Platform>(
    platform: &P,
    prepared: usize,
    silent: Option<CpuIndex>,
) -> Result<(), DeviceError> {
    // SAFETY: `map` has mapped every piece of these CPUs on frames that nobody else has and that are never given back.
    unsafe { platform.start_cpus(prepared, silent) }
}

/// What is missing, if anything is.
fn complaint<P: Platform>(platform: &P, fault: Option<Text>) -> Option<Text> {
    let mut text = fault.unwrap_or_default();
    let mut say = |what: fmt::Arguments<'_>| {
        let mark = if text.as_str().is_empty() { "" } else { "; " };
        // What does not fit the line is cut.
        let _ = write!(text, "{mark}{what}");
    };
    let mut left_out = platform.cpus().filter(|cpu| cpu.state != CpuState::Online);
    for cpu in left_out.by_ref().take(NAMED) {
        say(format_args!("left out: cpu {} (apic {}), {}", cpu.number.0, cpu.id, cpu.state));
    }
    match left_out.count() {
        0 => {}
        more => say(format_args!("and {more} more, which lscpu names")),
    }
    match platform.cpus_beyond() {
        0 => {}
        beyond => say(format_args!("{beyond} more are out of reach")),
    }
    Some(text).filter(|text| !text.as_str().is_empty())
}
