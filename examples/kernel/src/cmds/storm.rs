//! `storm`: the heap under interrupts that allocate.

use core::fmt::Write;

use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, size};
use crate::storm::{self, TICKS_PER_SECOND};
use crate::text::{Grouped, Text};

/// Operations without an argument: a second or so where the machine is emulated.
const OPERATIONS: usize = 200_000;
/// Ticks that must have come, however fast the operations are.
const TICKS: u64 = 100;

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let operations = match arguments {
        [] => OPERATIONS,
        [word] => size(word).map_err(CommandError::Usage)?,
        [_, extra, ..] => return Err(CommandError::Usage(Text::new(format_args!("unexpected '{extra}'")))),
    };
    let before = kernel.in_use();
    let report = storm::rage(kernel, operations as u64, TICKS);
    let millis = report.took.as_millis();
    let counts = report.kernel;
    writeln!(
        out,
        "kernel   {:>12} heap operations in {}.{:03} s, {} of blocks that the handler had allocated",
        Grouped(counts.operations),
        millis / 1000,
        millis % 1000,
        Grouped(counts.received)
    )?;
    let counts = report.handler;
    match report.calm {
        Some(error) => writeln!(out, "handler  {error}: nothing came between")?,
        None => writeln!(
            out,
            "handler  {:>12} heap operations in {} ticks at {} Hz, {} of the kernel's blocks",
            Grouped(counts.operations),
            Grouped(report.ticks),
            Grouped(u64::from(TICKS_PER_SECOND)),
            Grouped(counts.received)
        )?,
    }
    kernel.check()?;
    let [damaged, refused] =
        [report.kernel.damaged + report.handler.damaged, report.kernel.refused + report.handler.refused];
    let after = kernel.in_use();
    if damaged > 0 || after != before {
        return Err(CommandError::Failed(Text::new(format_args!(
            "{damaged} blocks were overwritten; before {before}, after {after}"
        ))));
    }
    writeln!(
        out,
        "no deadlock, no block overwritten, {} refused; nothing leaked, every invariant holds",
        Grouped(refused)
    )?;
    Ok(Next::Continue)
}
