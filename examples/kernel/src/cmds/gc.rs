//! `gc`: what is kept for later goes back, step by step; then frames without an owner are looked for.
//!
//! Nothing is traced: every frame of a program is in a count, which falls as its process and its segments go. What is left in it when
//! there is neither belongs to nobody.

use core::fmt::{self, Write};

use kos_ipc::quota::Resource;

use super::no_arguments;
use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::{Bytes, Grouped, Text};

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    let mut free = kernel.frames().stats().free;
    let mut step = |kernel: &Kernel<P>, what: fmt::Arguments<'_>| {
        let gained = kernel.frames().stats().free.saturating_sub(free);
        free += gained;
        writeln!(out, "{:>12} frames  {what}", Grouped(gained as u64))
    };
    if let Some(files) = kernel.files() {
        let pages = files.vfs().shrink_pages(usize::MAX);
        step(kernel, format_args!("{pages} clean pages of the cache"))?;
        let names = files.vfs().shrink(0);
        step(kernel, format_args!("{names} names that were remembered"))?;
    }
    let in_use = kernel.in_use();
    step(kernel, format_args!("what rests with CPUs, empty slabs, spare buffers of the network"))?;
    writeln!(out, "in use       {in_use}; {} free", Bytes(free as u64 * FRAME_BYTES))?;
    owners(kernel, out)
}

/// The frames of programs, and whose they are.
fn owners<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> CommandResult {
    let (frames, processes) = (kernel.processes.frames(), kernel.processes.all().len());
    let segments = kernel.ipc().map_or(0, |ipc| ipc.quota.used(Resource::Bytes));
    writeln!(
        out,
        "programs     {} frames of {processes} processes and {} of segments",
        Grouped(frames as u64),
        Bytes(segments as u64)
    )?;
    if frames > 0 && processes == 0 && segments == 0 {
        return Err(CommandError::Failed(Text::new(format_args!("{frames} frames belong to nobody"))));
    }
    Ok(Next::Continue)
}
