//! `inject`: what fails on purpose (memory, disks, packets), and what became of a command that met no memory.

use core::fmt::{self, Write};
use core::num::NonZeroUsize;
use core::str::FromStr;
use core::sync::atomic::Ordering::Relaxed;

use crate::Kernel;
use crate::glue::faults::Rule;
use crate::kernel::InUse;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Status, size};
use crate::text::Text;

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let (injector, faults) = (kernel.injector(), &kernel.faults);
    match arguments {
        [] => {}
        ["off"] => {
            injector.disarm();
            faults.off();
        }
        ["oom", which] => match which.parse()? {
            Which::From(passing) => injector.arm(passing),
            Which::Each(n) => injector.arm_each(n),
        },
        ["eio", which] => which.parse::<Which>()?.apply(&faults.failed),
        ["enospc", which] => which.parse::<Which>()?.apply(&faults.full),
        ["drop", which] => which.parse::<Which>()?.apply(&faults.lost),
        ["slow", millis] => {
            let millis = u32::try_from(size(millis).map_err(CommandError::Usage)?);
            faults.late.store(millis.unwrap_or(u32::MAX), Relaxed);
        }
        _ => return Err(CommandError::Usage(Text::new(format_args!("say what is to fail, and when")))),
    }
    show(kernel, out)?;
    Ok(Next::Continue)
}

/// Which of many are to fail, as it is typed: `3` or `@3`: the third from now and all after it; `1/50`: each fiftieth.
enum Which {
    From(usize),
    Each(NonZeroUsize),
}

impl FromStr for Which {
    type Err = CommandError;

    fn from_str(word: &str) -> Result<Self, CommandError> {
        let number = |digits| {
            size(digits).map_err(CommandError::Usage).and_then(|number| {
                let first = CommandError::Usage(Text::new(format_args!("the first from now is number 1")));
                NonZeroUsize::new(number).ok_or(first)
            })
        };
        match word.strip_prefix("1/") {
            Some(digits) => Ok(Self::Each(number(digits)?)),
            None => Ok(Self::From(number(word.strip_prefix('@').unwrap_or(word))?.get() - 1)),
        }
    }
}

impl Which {
    fn apply(self, rule: &Rule) {
        match self {
            Self::From(passing) => rule.from(passing),
            Self::Each(n) => rule.each(n),
        }
    }
}

/// Says what is to fail.
fn show<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let faults = &kernel.faults;
    let rules = [
        ("frame allocation", kernel.injector().rule()),
        ("disk request", &faults.failed),
        ("disk write for lack of room", &faults.full),
        ("packet sent", &faults.lost),
    ];
    let late = faults.late.load(Relaxed);
    if late == 0 && rules.iter().all(|(_, rule)| rule.passing().is_none()) {
        return writeln!(out, "nothing is to fail");
    }
    for (what, rule) in rules.iter().filter(|(_, rule)| rule.passing().is_some()) {
        writeln!(out, "{what}: {rule}")?;
    }
    if late > 0 {
        writeln!(out, "disk request: each {late} ms late")?;
    }
    Ok(())
}

/// Looks on while a command runs that may meet a failure; what it leaves behind must be what it found.
pub(crate) struct Witness {
    before: InUse,
    refused: usize,
}

impl Witness {
    /// A witness, if anything is to fail and nobody else works for whoever runs the command: what others take and give back
    /// meanwhile would be laid at its door.
    pub(crate) fn call<P: Platform>(session: &Session<'_, P>) -> Option<Self> {
        let (kernel, injector) = (session.kernel, session.kernel.injector());
        injector.passing()?;
        if !kernel.is_main_thread() || !session.jobs.numbers().is_empty() {
            return None;
        }
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
        let refused = injector.refused() - self.refused;
        if !injector.rule().repeats() {
            injector.disarm();
        }
        let (after, before) = (kernel.in_use(), self.before);
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
