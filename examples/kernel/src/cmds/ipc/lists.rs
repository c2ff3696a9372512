//! `caps`, `ipcs`, and what `audit` says of programs: what is there, and what was done.

use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

use kos_ipc::cap::{Object, Rights};
use kos_ipc::policy::Decision;
use kos_ipc::quota::Resource;

use crate::Kernel;
use crate::ipc::Handle;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Text;

/// Records that are shown at a time.
const SHOWN: usize = 40;

pub(in super::super) fn caps<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let only = match arguments {
        [] => None,
        [word] => Some(
            word.parse::<u32>()
                .map_err(|_| CommandError::Usage(Text::new(format_args!("'{word}' is no process"))))?,
        ),
        _ => return Err(CommandError::Usage(Text::new(format_args!("one process at most")))),
    };
    let all = kernel.processes.all();
    let chosen = all.iter().filter(|process| only.is_none_or(|id| process.id == id));
    let mut any = false;
    for process in chosen {
        any = true;
        let stats = process.caps.space().stats();
        writeln!(
            out,
            "process {} '{}': {} of {} slots",
            process.id,
            process.name(),
            stats.live,
            stats.slots
        )?;
        let mut said = Ok(());
        process.caps.space().each(|id, info, object| {
            let (kind, badge) = (Handle::<P>::kind_name(info.kind), info.badge);
            let what = object.map_or(0, Handle::<P>::id);
            let state = if object.is_some() { "" } else { " revoked" };
            let rights = letters(info.rights);
            let line = writeln!(out, "  {:#018x} {rights} {kind} {what}{state}, badge {badge}", id.raw());
            said = said.and(line);
        });
        said?;
    }
    match only {
        Some(id) if !any => Err(CommandError::Failed(Text::new(format_args!("no process {id}")))),
        _ => Ok(Next::Continue),
    }
}

/// The rights that matter to programs, a letter each.
fn letters(rights: Rights) -> heapless::String<8> {
    const LETTERS: [(Rights, char); 8] = [
        (Rights::READ, 'r'),
        (Rights::WRITE, 'w'),
        (Rights::WAIT, 'a'),
        (Rights::SIGNAL, 's'),
        (Rights::DUPLICATE, 'd'),
        (Rights::TRANSFER, 't'),
        (Rights::MINT, 'm'),
        (Rights::REVOKE, 'v'),
    ];
    LETTERS.iter().map(|(right, letter)| if rights.contains(*right) { *letter } else { '-' }).collect()
}

pub(in super::super) fn ipcs<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    super::super::no_arguments(arguments)?;
    let ipc = kernel.ipc()?;
    let (slots, cells) = (ipc.quota.used(Resource::Slots), ipc.quota.used(Resource::Cells));
    writeln!(out, "capabilities {slots}, revocation cells {cells}, names {}", ipc.names.len())?;
    for process in &kernel.processes.all() {
        let mut said = Ok(());
        process.caps.space().each(|_, info, object| {
            let Some(object) = object.filter(|object| object.kind() != Handle::<P>::NAMES) else { return };
            let (kind, holder) = (Handle::<P>::kind_name(info.kind), process.id);
            let line = write!(out, "{kind} {}: held by process {holder}", object.id());
            let line = line.and_then(|()| match object {
                Handle::Port(port) => writeln!(out, ", served by {}", port.server),
                Handle::Bits(bits) => writeln!(out, ", bits {:#x}", bits.pending()),
                Handle::Segment(shared) => writeln!(out, ", {} bytes", shared.segment.size()),
                Handle::Names => writeln!(out),
            });
            said = said.and(line);
        });
        said?;
    }
    Ok(Next::Continue)
}

/// What programs did, or were refused; from now on everything, or the latter only.
pub(in super::super) fn audit<P: Platform>(
    kernel: &Kernel<P>,
    all: Option<bool>,
    out: &mut dyn Write,
) -> CommandResult {
    let rules = &kernel.ipc()?.rules;
    if let Some(all) = all {
        rules.all.store(all, Relaxed);
    }
    for record in (0..SHOWN).map_while(|_| rules.log.take()) {
        let event = record.event;
        let (at, who) = (record.at.duration_since_epoch().as_millis(), event.subject);
        let said = if event.decision == Decision::Allow { "allowed" } else { "DENIED" };
        let object = event.object;
        write!(out, "{at:>8} ms process {} (domain {}) ", who.process, who.domain)?;
        writeln!(out, "{:?} {:?} {}: {said}", event.op, object.kind, object.id)?;
    }
    let scope = if rules.all.load(Relaxed) { "all" } else { "what is denied" };
    writeln!(
        out,
        "programs: recording {scope}; {} records wait, {} were lost",
        rules.log.len(),
        rules.log.lost()
    )?;
    Ok(Next::Continue)
}
