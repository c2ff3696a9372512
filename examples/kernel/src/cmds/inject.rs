//! `inject`: allocations that fail on purpose, and what became of the command that met them.

use core::fmt::{self, Write};

use crate::Kernel;
use crate::kernel::InUse;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Status, size};
use crate::text::Text;

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let injector = kernel.injector();
    match arguments {
        [] => match injector.passing() {
            None => writeln!(out, "nothing is to fail")?,
            Some(passing) => armed(passing, out)?,
        },
        ["off"] => {
            injector.disarm();
            writeln!(out, "nothing is to fail")?;
        }
        ["oom", word] => {
            let number = size(word).map_err(CommandError::Usage)?;
            let passing = number.checked_sub(1).ok_or_else(|| {
                CommandError::Usage(Text::new(format_args!("the first allocation from now is number 1")))
            })?;
            injector.arm(passing);
            armed(passing, out)?;
        }
        _ => return Err(CommandError::Usage(Text::new(format_args!("say which allocation is to fail")))),
    }
    Ok(Next::Continue)
}

fn armed(passing: usize, out: &mut dyn Write) -> fmt::Result {
    writeln!(
        out,
        "frame allocation {} from now fails, with all that its command asks for after it",
        passing + 1
    )
}

/// Looks on while a command runs that may meet a failure; what it leaves behind must be what it found.
pub(crate) struct Witness {
    before: InUse,
    refused: usize,
}

impl Witness {
    /// A witness, if anything is to fail.
    pub(crate) fn call<P: Platform>(kernel: &Kernel<P>) -> Option<Self> {
        let injector = kernel.injector();
        injector.passing()?;
        Some(Self { before: kernel.in_use(), refused: injector.refused() })
    }

    /// Says what became of the command if it met the failure, which is over with it.
    pub(crate) fn testify<P: Platform>(
        self,
        kernel: &Kernel<P>,
        status: Status,
        out: &mut dyn Write,
    ) -> Result<Status, fmt::Error> {
        let injector = kernel.injector();
        // A command that armed or disarmed it is not the one to be watched.
        if injector.passing().is_none() || injector.refused() <= self.refused {
            return Ok(status);
        }
        let (refused, after, before) = (injector.disarm(), kernel.in_use(), self.before);
        let plural = if refused == 1 { "" } else { "s" };
        write!(out, "inject: refused {refused} frame allocation{plural}; ")?;
        if let Err(corruption) = kernel.check() {
            writeln!(out, "{corruption}")?;
            return Ok(Status::FAILED);
        }
        if after != before {
            writeln!(out, "leaked: before {before}, after {after}")?;
            return Ok(Status::FAILED);
        }
        writeln!(out, "nothing leaked: {after}")?;
        Ok(status)
    }
}
