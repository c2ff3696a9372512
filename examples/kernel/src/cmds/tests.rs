//! `selftest`: the in-kernel tests for people.

use core::fmt::Write;

use crate::Kernel;
use crate::platform::Platform;
use crate::selftest;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Text;

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let filter = match arguments {
        [] => "",
        [filter] => filter,
        [_, extra, ..] => return Err(CommandError::Usage(Text::new(format_args!("unexpected '{extra}'")))),
    };
    let (mut passed, mut failed) = (0, 0);
    for test in selftest::selected(kernel, filter, None) {
        let report = selftest::run_one(kernel, test);
        let micros = report.took.as_micros();
        match report.result {
            Ok(()) => {
                passed += 1;
                writeln!(out, "ok    {:<56}{micros:>9} us", report.name)?;
            }
            Err(failure) => {
                failed += 1;
                writeln!(out, "FAIL  {:<56}{micros:>9} us\n      {failure}", report.name)?;
            }
        }
    }
    match (passed, failed) {
        (0, 0) => Err(CommandError::Failed(Text::new(format_args!(
            "no test has '{filter}' in its name; 'selftest' runs all"
        )))),
        (_, 0) => {
            writeln!(out, "{passed} tests passed, and left frames and heap as they were")?;
            Ok(Next::Continue)
        }
        _ => {
            Err(CommandError::Failed(Text::new(format_args!("{failed} of {} tests failed", passed + failed))))
        }
    }
}
