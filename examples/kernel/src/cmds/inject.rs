//! `inject`: what fails on purpose (memory, disks, packets), of everybody or of one process, and what became of a command that met
//! no memory.

use core::fmt::{self, Write};
use core::num::{NonZeroU32, NonZeroUsize};
use core::str::FromStr;
use core::sync::atomic::Ordering::Relaxed;

use crate::Kernel;
use crate::glue::faults::{Faults, Rule};
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
        ["oom", which, whose @ ..] => {
            let (which, process) = (which.parse()?, process(kernel, whose)?);
            injector.begin(asking::<P>);
            apply(injector.rule(), which, process);
        }
        ["eio", which, whose @ ..] => apply(&faults.failed, which.parse()?, process(kernel, whose)?),
        ["enospc", which, whose @ ..] => apply(&faults.full, which.parse()?, process(kernel, whose)?),
        // The kernel sends them all.
        ["drop", which] => apply(&faults.lost, which.parse()?, None),
        ["slow", millis, whose @ ..] => slow(faults, millis, process(kernel, whose)?)?,
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

/// The one process that is meant: one that runs, or `next`, the one that is started next. None: everybody.
fn process<P: Platform>(kernel: &Kernel<P>, words: &[&str]) -> Result<Option<NonZeroU32>, CommandError> {
    let wrong = |what| Err(CommandError::Usage(what));
    let id = match words {
        [] => return Ok(None),
        ["next"] => kernel.coming_process(),
        [id] => match id.parse() {
            Ok(id) if kernel.processes.all().iter().any(|process| process.id == id) => id,
            Ok(_) => return Err(CommandError::Failed(Text::new(format_args!("there is no process {id}")))),
            Err(_) => return wrong(Text::new(format_args!("'{id}' is no number of a process"))),
        },
        _ => return wrong(Text::new(format_args!("say what is to fail, and when"))),
    };
    Ok(NonZeroU32::new(id))
}

/// The process for which the calling thread works.
fn asking<P: Platform>() -> u32 {
    P::with_kernel(|kernel: &Kernel<P>| kernel.threads.process()).unwrap_or(0)
}

fn apply(rule: &Rule, which: Which, process: Option<NonZeroU32>) {
    rule.off();
    if let Some(process) = process {
        rule.only(process);
    }
    match which {
        Which::From(passing) => rule.from(passing),
        Which::Each(n) => rule.each(n),
    }
}

fn slow(faults: &Faults, millis: &str, process: Option<NonZeroU32>) -> Result<(), CommandError> {
    let millis = u32::try_from(size(millis).map_err(CommandError::Usage)?);
    faults.late_of.store(process.map_or(0, NonZeroU32::get), Relaxed);
    faults.late.store(millis.unwrap_or(u32::MAX), Relaxed);
    Ok(())
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
        write!(out, "disk request: each {late} ms late")?;
        let of = NonZeroU32::new(faults.late_of.load(Relaxed));
        writeln!(out, "{}", of.map_or(Text::default(), |of| Text::new(format_args!(", of process {of}"))))?;
    }
    Ok(())
}

/// Looks on while a command runs that may meet a failure; what it leaves behind must be what it found.
pub(crate) struct Witness {
    before: InUse,
    refused: usize,
}

impl Witness {
    /// A witness, if anything is to fail of everybody and nobody else works for whoever runs the command: what others take and give
    /// back meanwhile would be laid at its door.
    pub(crate) fn call<P: Platform>(session: &Session<'_, P>) -> Option<Self> {
        let (kernel, injector) = (session.kernel, session.kernel.injector());
        injector.passing()?;
        if injector.rule().process().is_some()
            || !kernel.is_main_thread()
            || !session.jobs.numbers().is_empty()
        {
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
