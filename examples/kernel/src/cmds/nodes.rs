//! `nodes`: which CPUs and which memory are near each other, as the firmware says.

use core::fmt::Write;

use super::no_arguments;
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::text::Bytes;

pub(super) fn nodes<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    let platform = kernel.platform();
    let of_cpus = platform.cpus().filter_map(|cpu| platform.node_of(cpu.number));
    let Some(last) = platform.node_memory().map(|piece| piece.node).chain(of_cpus).max() else {
        writeln!(out, "one node: the firmware tells none apart")?;
        return Ok(Next::Continue);
    };
    writeln!(out, "{:>4} {:>12} {:>12} {:>12}", "node", "from", "to", "memory")?;
    for node in 0..=last {
        for piece in platform.node_memory().filter(|piece| piece.node == node) {
            let end = piece.start.saturating_add(piece.length);
            writeln!(out, "{node:>4} {:>#12x} {end:>#12x} {:>12}", piece.start, Bytes(piece.length))?;
        }
        write!(out, "{node:>4} cpus")?;
        for cpu in platform.cpus().filter(|cpu| platform.node_of(cpu.number) == Some(node)) {
            write!(out, " {}", cpu.number.0)?;
        }
        writeln!(out)?;
    }
    Ok(Next::Continue)
}
