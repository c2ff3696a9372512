//! `bench`: how many instructions the paths with a budget take. `cargo demo bench` reads it.

use core::fmt::Write;

use crate::Kernel;
use crate::paths;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Text;

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let part = match arguments {
        [] => "",
        [part] => part,
        [_, extra, ..] => return Err(CommandError::Usage(Text::new(format_args!("unexpected '{extra}'")))),
    };
    writeln!(out, "build {}", kernel.platform().build())?;
    writeln!(out, "{:>12}  path", "instructions")?;
    let mut failed = false;
    for path in paths::all::<P>().iter().filter(|path| path.name.contains(part)) {
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
