//! `vmmap` and `pagemap` of a program: it runs, and what it has in memory is shown as it is at its end.

use core::fmt::Write;

use kos_paging::space::{Behaviour, Kind, SpaceStats, Vma};
use kos_paging::{Flags, VirtAddr, VirtRange};

use super::run::{job_and, named};
use crate::cmds::pagemap::line;
use crate::platform::Platform;
use crate::process::object::Object;
use crate::process::space::UserSpace;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::text::{Bytes, Text};

pub(in super::super) fn vmmap<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    job_and(session, named(arguments)?, streams, mappings)
}

pub(in super::super) fn pagemap<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    if arguments.is_empty() {
        return crate::cmds::pagemap::run(session.kernel, arguments, streams);
    }
    job_and(session, arguments, streams, pages)
}

/// What a program has mapped, and how much of it is there.
pub(crate) fn mappings<P: Platform>(space: &UserSpace<P>, out: &mut dyn Write) -> CommandResult {
    writeln!(out, "{:<18} {:<18} {:>8} {:>8} rights what", "first", "last", "bytes", "resident")?;
    let mut next = Some(VirtAddr::new(0));
    while let Some(vma) = next.and_then(|next| space.vma_at_or_after(next)) {
        next = vma.range.last().checked_add(1);
        let mut resident = 0;
        space.residency(vma.range, |_, there| resident += u64::from(there))?;
        let (bytes, resident) = (text(vma.range.bytes()), text(resident * 4096));
        let (first, last) = (vma.range.first(), vma.range.last());
        writeln!(
            out,
            "{first:#018x} {last:#018x} {bytes:>8} {resident:>8} {:<6} {}",
            rights(&vma),
            what(&vma)
        )?;
    }
    let stats = space.stats();
    let SpaceStats { tables, minor_faults, major_faults, cow_copies, cow_reuses, zero_fills, .. } = stats;
    writeln!(
        out,
        "{} mapped, {} resident, {tables} tables; faults: {minor_faults} minor, {major_faults} major",
        Bytes(stats.virtual_bytes),
        Bytes(stats.resident() * 4096)
    )?;
    writeln!(
        out,
        "{zero_fills} pages of zeros, {cow_copies} copied on write, {cow_reuses} taken back, {} stack growths",
        stats.stack_growths
    )?;
    Ok(Next::Continue)
}

fn text(bytes: u64) -> Text {
    Text::new(format_args!("{}", Bytes(bytes)))
}

fn rights<O>(vma: &Vma<O>) -> Text {
    let mut text = Text::default();
    for (right, letter) in [(Flags::READ, 'r'), (Flags::WRITE, 'w'), (Flags::EXECUTE, 'x')] {
        // Four letters fit.
        let _ = text.write_char(if vma.rights.contains(right) { letter } else { '-' });
    }
    let _ = text.write_char(if vma.is_shared() { 's' } else { 'p' });
    text
}

fn what<P: Platform>(vma: &Vma<Object<P>>) -> &'static str {
    match vma.kind {
        Kind::Stack if vma.behaviour.contains(Behaviour::GROWS_DOWN) => "stack",
        Kind::Heap => "heap",
        Kind::Mapped => "file",
        Kind::Shared => "shared memory",
        _ => "memory",
    }
}

fn pages<P: Platform>(space: &UserSpace<P>, out: &mut dyn Write) -> CommandResult {
    let Some(layout) = P::PROGRAMS else { return Err(CommandError::Quiet) };
    let all = VirtRange::inclusive(VirtAddr::new(0), VirtAddr::new(layout.end - 1))?;
    let (mut runs, mut bytes, mut said) = (0_u64, 0, Ok(()));
    space.runs(all, |run| {
        runs += 1;
        bytes += run.range.bytes();
        if said.is_ok() {
            said = line(run, out);
        }
    })?;
    said?;
    writeln!(out, "{runs} runs, {} mapped, {} tables of its own", Bytes(bytes), space.stats().tables)?;
    Ok(Next::Continue)
}
