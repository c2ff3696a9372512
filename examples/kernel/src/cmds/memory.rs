//! `memstat -p` and `memstat PROCESS`: the memory of programs, and that it adds up to what is used.

use core::fmt::{self, Write};

use kos_paging::space::SpaceStats;

use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::owners;
use crate::platform::Platform;
use crate::process::census::{Census, Figures};
use crate::process::job::Taken;
use crate::process::{Process, StartError};
use crate::shell::CommandError;
use crate::text::{Bytes, Grouped, Text};

/// Frames as bytes, in a column.
fn bytes(frames: u64) -> Text {
    Text::new(format_args!("{}", Bytes(frames * FRAME_BYTES)))
}

/// Every process, and whose all the frames are that are used.
pub(super) fn table<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut census = Census::new(kernel).ok_or(StartError::NoMemory)?;
    let owners = owners::of_programs(kernel, &mut census)?;
    let head = ["resident", "alone", "shared", "its share", "tables"];
    write!(out, "{:>7} {:<24}", "process", "name")?;
    head.iter().try_for_each(|word| write!(out, "{word:>11}"))?;
    writeln!(out)?;
    for figures in &census.processes {
        let name = kernel.processes.of_number(figures.id).map(|process| process.name());
        let name = name.as_deref().unwrap_or("(ended)");
        write!(out, "{:>7} {name:<24}", figures.id)?;
        row(figures, out)?;
    }
    let alone: u64 = census.processes.iter().map(Figures::alone).sum();
    let (shared, lists) = (bytes(census.shared), bytes(census.lists));
    let [programs, own, used] = [owners.programs, owners.kernel(), owners.used].map(bytes);
    writeln!(
        out,
        "programs {programs} = processes alone, tables and lists {} + shared, once {shared} + objects' lists {lists}",
        bytes(alone)
    )?;
    write!(out, "kernel   {own} ")?;
    for (index, (name, frames)) in owners.of_kernel().iter().filter(|(_, frames)| *frames > 0).enumerate() {
        write!(out, "{} {name} {}", if index == 0 { "=" } else { " +" }, bytes(*frames))?;
    }
    writeln!(out, "\nused     {used} = programs + kernel: {} frames, each found once", Grouped(owners.used))?;
    Ok(())
}

fn row(figures: &Figures, out: &mut dyn Write) -> fmt::Result {
    let share = Text::new(format_args!("{}", Bytes(figures.share_bytes)));
    let columns = [figures.resident(), figures.own, figures.shared].map(bytes);
    columns.iter().try_for_each(|column| write!(out, "{column:>11}"))?;
    writeln!(out, "{share:>11}{:>11}", bytes(figures.tables + figures.lists))
}

/// One process.
pub(crate) fn of<P: Platform>(kernel: &Kernel<P>, id: u32, out: &mut dyn Write) -> Result<(), CommandError> {
    let none = || CommandError::Failed(Text::new(format_args!("no process {id}")));
    let process = kernel.processes.of_number(id).ok_or_else(none)?;
    let state =
        process.end().map_or_else(|| Text::new(format_args!("runs")), |end| Text::new(format_args!("{end}")));
    writeln!(out, "process  {} '{}', child of {}: {state}", process.id, process.name(), process.parent)?;
    let mut census = Census::new(kernel).ok_or(StartError::NoMemory)?;
    owners::of_programs(kernel, &mut census)?;
    if let (Some(space), Some(figures)) =
        (process.space(), census.processes.iter().find(|figures| figures.id == process.id))
    {
        memory(&space.stats(), figures, out)?;
    }
    kernel_objects(&process, out)?;
    Ok(())
}

fn memory(stats: &SpaceStats, figures: &Figures, out: &mut dyn Write) -> fmt::Result {
    let SpaceStats { vmas, anon_pages, file_pages, shared_pages, peak_pages, .. } = *stats;
    writeln!(
        out,
        "mapped   {} in {vmas} mappings; resident {}, {} at most",
        Bytes(stats.virtual_bytes),
        bytes(figures.resident()),
        bytes(peak_pages)
    )?;
    let [anon, file, shared] = [anon_pages, file_pages, shared_pages].map(bytes);
    writeln!(out, "resident memory {anon} + files {file} + shared mappings {shared}")?;
    writeln!(
        out,
        "         alone {} + with others {}, its share of that {}",
        bytes(figures.own),
        bytes(figures.shared),
        Bytes(figures.share_bytes)
    )?;
    writeln!(out, "tables   {}; list of mappings {}", bytes(figures.tables), bytes(figures.lists))?;
    writeln!(
        out,
        "faults   {} minor, {} major; {} zeroed, {} copied on write",
        stats.minor_faults, stats.major_faults, stats.zero_fills, stats.cow_copies
    )
}

/// What it has of the kernel, and what its group may.
fn kernel_objects<P: Platform>(process: &Process<P>, out: &mut dyn Write) -> fmt::Result {
    let caps = process.caps.space().stats();
    let Taken { bytes, files, limits, .. } = process.job.taken();
    writeln!(out, "objects  {} of {} capabilities", caps.live, caps.slots)?;
    write!(out, "group    {} of memory, {} at most", Bytes(bytes.0), Bytes(bytes.1))?;
    if let Some(limit) = limits.0 {
        write!(out, ", {} allowed", Bytes(limit))?;
    }
    write!(out, "; {} files, {} at most", files.0, files.1)?;
    if let Some(limit) = limits.1 {
        write!(out, ", {limit} allowed")?;
    }
    writeln!(out)
}
