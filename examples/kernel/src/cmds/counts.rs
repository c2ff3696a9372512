//! `counts`: how many instructions the paths with a budget take. `cargo demo bench` reads it.

use core::fmt::Write;

use super::no_arguments;
use crate::Kernel;
use crate::paths;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    writeln!(out, "build {}", kernel.platform().build())?;
    writeln!(out, "{:>12}  path", "instructions")?;
    let mut failed = false;
    for path in paths::all::<P>() {
        match (path.count)(kernel) {
            Ok(count) => writeln!(out, "{count:>12}  {}", path.name)?,
            Err(failure) => {
                failed = true;
                writeln!(out, "{:>12}  {}: {failure}", "-", path.name)?;
            }
        }
    }
    if failed { Err(CommandError::Quiet) } else { Ok(Next::Continue) }
}
