//! `fork-demo`, `mmap-demo`, `crashme`: programs that show what address spaces promise, and the frames before and after.

use core::fmt::Write;

use super::run::job;
use crate::kernel::InUse;
use crate::platform::Platform;
use crate::process::End;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};

/// What each hostile program does, by the word that `crash` knows.
pub(crate) const HOSTILE: [(&str, &str); 7] = [
    ("null", "jumps to address 0"),
    ("stack", "calls itself for ever"),
    ("pointers", "gives system calls wild pointers, then follows one"),
    ("kernel", "reads the kernel's memory"),
    ("privileged", "masks interrupts"),
    ("hog", "takes all memory"),
    ("wx", "runs what it has written"),
];

/// Runs programs and says what was in use before and after; a difference is a failure.
fn balanced<'k, P: Platform>(
    session: &mut Session<'k, P>,
    streams: &mut Streams<'_, 'k, P>,
    work: impl FnOnce(&mut Session<'k, P>, &mut Streams<'_, 'k, P>) -> Result<bool, CommandError>,
) -> CommandResult {
    let kernel = session.kernel;
    // Counts of frames are made once, for good.
    kernel.processes.ports(kernel)?;
    let before: InUse = kernel.in_use();
    let good = work(session, streams)?;
    let (after, programs) = (kernel.in_use(), kernel.processes.frames());
    writeln!(streams, "before: {before}")?;
    writeln!(streams, "after:  {after}; programs have {programs} frames")?;
    if good && programs == 0 { Ok(Next::Continue) } else { Err(CommandError::Quiet) }
}

fn exits<'k, P: Platform>(
    session: &mut Session<'k, P>,
    words: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> Result<bool, CommandError> {
    let end = job(session, words, streams)?.end;
    if end == End::Exited(0) {
        return Ok(true);
    }
    writeln!(streams, "{end}")?;
    Ok(false)
}

pub(in super::super) fn fork_demo<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    super::super::no_arguments(arguments)?;
    balanced(session, streams, |session, streams| exits(session, &["fork-demo"], streams))
}

pub(in super::super) fn mmap_demo<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let path = arguments.first().copied().unwrap_or("/tmp/mmap-demo");
    super::super::no_arguments(arguments.get(1..).unwrap_or_default())?;
    balanced(session, streams, |session, streams| exits(session, &["mmap-demo", path], streams))
}

pub(in super::super) fn crashme<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    super::super::no_arguments(arguments)?;
    balanced(session, streams, |session, streams| {
        let mut alone = true;
        for (word, what) in HOSTILE {
            let end = job(session, &["crash", word], streams)?.end;
            writeln!(streams, "{word:<10} {what}: {end}")?;
            alone &= matches!(end, End::Killed(_));
        }
        Ok(alone)
    })
}
