//! The tests as KTAP (version 1, as `Documentation/dev-tools/ktap.rst` of Linux describes it), a line at a time, so that a
//! reader sees how far a dead kernel came.

use core::fmt::{self, Write};

use super::{Report, Verdict, run_one, selected};
use crate::Kernel;
use crate::command_line::Sabotage;
use crate::platform::Platform;
use crate::shell::Console;

/// Runs the tests; true if there was one and none failed.
pub(crate) fn run<P: Platform>(kernel: &Kernel<P>, filter: &str, sabotage: Option<Sabotage>) -> bool {
    let mut out = Console(kernel.platform());
    // The console takes everything.
    write_all(kernel, filter, sabotage, &mut out).unwrap_or(false)
}

fn write_all<P: Platform>(
    kernel: &Kernel<P>,
    filter: &str,
    sabotage: Option<Sabotage>,
    out: &mut dyn Write,
) -> Result<bool, fmt::Error> {
    let total = selected(kernel, filter, sabotage).count();
    write!(out, "KTAP version 1\n1..{total}\n")?;
    let (mut failed, mut skipped) = (0, 0);
    for (index, test) in selected(kernel, filter, sabotage).enumerate() {
        writeln!(out, "# running {}", test.name)?;
        let report = run_one(kernel, test);
        failed += usize::from(matches!(report.verdict, Verdict::Failed(_)));
        skipped += usize::from(matches!(report.verdict, Verdict::Skipped(_)));
        write_result(index + 1, &report, out)?;
    }
    writeln!(out, "# {} passed, {failed} failed, {skipped} skipped", total - failed - skipped)?;
    Ok(total > 0 && failed == 0)
}

fn write_result(number: usize, report: &Report, out: &mut dyn Write) -> fmt::Result {
    let (name, micros) = (report.name, report.took.as_micros());
    match &report.verdict {
        Verdict::Passed => writeln!(out, "ok {number} {name} # {micros} us"),
        Verdict::Skipped(lack) => writeln!(out, "ok {number} {name} # SKIP {lack}"),
        Verdict::Failed(failure) => write!(out, "# {failure}\nnot ok {number} {name} # {micros} us\n"),
    }
}
