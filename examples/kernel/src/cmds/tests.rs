//! `selftest`: the in-kernel tests for people.

use core::fmt::Write;

use crate::Kernel;
use crate::platform::Platform;
use crate::selftest::{self, Verdict};
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Text;

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let filter = match arguments {
        [] => "",
        [filter] => filter,
        [_, extra, ..] => return Err(CommandError::Usage(Text::new(format_args!("unexpected '{extra}'")))),
    };
    let (mut passed, mut skipped, mut failed) = (0, 0, 0);
    for test in selftest::selected(kernel, filter, None) {
        let report = selftest::run_one(kernel, test);
        let micros = report.took.as_micros();
        match report.verdict {
            Verdict::Passed => {
                passed += 1;
                writeln!(out, "ok    {:<56}{micros:>9} us", report.name)?;
            }
            Verdict::Skipped(lack) => {
                skipped += 1;
                writeln!(out, "skip  {:<56}{lack}", report.name)?;
            }
            Verdict::Failed(failure) => {
                failed += 1;
                writeln!(out, "FAIL  {:<56}{micros:>9} us\n      {failure}", report.name)?;
            }
        }
    }
    match (passed + skipped, failed) {
        (0, 0) => Err(CommandError::Failed(Text::new(format_args!(
            "no test has '{filter}' in its name; 'selftest' runs all"
        )))),
        (_, 0) => {
            let skips =
                if skipped == 0 { Text::default() } else { Text::new(format_args!(", {skipped} skipped")) };
            writeln!(out, "{passed} tests passed{skips}, and left frames and heap as they were")?;
            Ok(Next::Continue)
        }
        (ran, _) => {
            Err(CommandError::Failed(Text::new(format_args!("{failed} of {} tests failed", ran + failed))))
        }
    }
}
