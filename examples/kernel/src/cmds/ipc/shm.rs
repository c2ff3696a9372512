//! `shm`: the segments that processes share.

use core::fmt::Write;

use kos_ipc::quota::Resource;
use kos_ipc::shm::Seals;

use crate::Kernel;
use crate::ipc::{Handle, Shared};
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::text::Grouped;

/// Segments that are shown.
const SHOWN: usize = 32;

pub(in super::super) fn shm<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    super::super::no_arguments(arguments)?;
    let ipc = kernel.ipc()?;
    writeln!(out, "{:<20} {:>12} {:>8}  seals", "name", "bytes", "mappings")?;
    // Each has a holder, as names go with who gave them.
    let mut seen = heapless::Vec::<u32, SHOWN>::new();
    for process in &kernel.processes.all() {
        let mut said = Ok(());
        process.caps.space().each(|_, _, object| {
            let Some(Handle::Segment(shared)) = object else { return };
            if !seen.contains(&shared.id) && seen.push(shared.id).is_ok() {
                said = said.and_then(|()| line(shared, out));
            }
        });
        said?;
    }
    writeln!(out, "{} bytes in all", Grouped(ipc.quota.used(Resource::Bytes) as u64))?;
    Ok(Next::Continue)
}

fn line<P: Platform>(shared: &Shared<P>, out: &mut dyn Write) -> core::fmt::Result {
    let (name, segment) = (core::str::from_utf8(&shared.name).unwrap_or("?"), &shared.segment);
    write!(out, "{name:<20} {:>12} {:>8}  ", segment.size(), segment.mapped())?;
    let seals = segment.seals();
    for (seal, what) in [(Seals::GROW, "grow "), (Seals::SHRINK, "shrink "), (Seals::WRITE, "write ")] {
        out.write_str(if seals.contains(seal) { what } else { "" })?;
    }
    writeln!(out, "{}", if seals.is_empty() { "none" } else { "" })
}
