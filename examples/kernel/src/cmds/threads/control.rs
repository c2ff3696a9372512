//! `kill`, `nice`, `taskset`: what becomes of a thread, how much it gets, where it runs.

use core::fmt::Write;

use kos_sched::{Nice, Policy};

use super::words::{parse_cpus, places, policy, thread, usage};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::text::{Grouped, Text};
use crate::threads::{Role, View};
use crate::time::Duration;

/// How long `kill` waits for a thread to leave, in looks of a millisecond.
const LOOKS: u32 = 2000;

fn failed(what: core::fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

/// A thread that commands may end or move, of the session's user.
fn own<P: Platform>(session: &Session<'_, P>, word: &str) -> Result<View, CommandError> {
    let view = thread(session.kernel, word)?;
    match view.role {
        Role::Background | Role::Program => session.may_end(&view).map(|()| view),
        _ => {
            Err(failed(format_args!("{} '{}' is the kernel's own; it stays as it is", view.task, view.name)))
        }
    }
}

/// Wakes the thread with the word that it is to end; it leaves by itself, and what it had is given back.
pub(in crate::cmds) fn kill<P: Platform>(
    session: &Session<'_, P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let kernel = session.kernel;
    if arguments.is_empty() {
        return Err(usage(format_args!("which thread?")));
    }
    for word in arguments {
        let view = own(session, word)?;
        let start = kernel.platform().now();
        kernel.end_task(view.task);
        let there = || kernel.threads.views().any(|other| other.task == view.task);
        let left = (0..LOOKS).any(|_| {
            let _ = kernel.threads.sleep(Duration::from_millis(1));
            kernel.tidy();
            !there()
        });
        if !left {
            return Err(failed(format_args!("{} '{}' was told, and has not left", view.task, view.name)));
        }
        let took = kernel.platform().now().checked_duration_since(start).map_or(0, |took| took.as_micros());
        writeln!(out, "{} '{}' left after {} us", view.task, view.name, Grouped(took))?;
    }
    Ok(Next::Continue)
}

pub(in crate::cmds) fn nice<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    out: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let kernel = session.kernel;
    let [word, value] = arguments else { return Err(usage(format_args!("a thread and a nice value"))) };
    let view = thread(kernel, word)?;
    session.may_end(&view)?;
    let nice = value.parse::<i8>().map_err(|_| usage(format_args!("'{value}' is no nice value")))?;
    let nice = Nice::new(nice)?;
    let new = match view.policy {
        Policy::Fair { slice, .. } => Policy::Fair { nice, slice },
        Policy::Batch(_) => Policy::Batch(nice),
        other => return Err(failed(format_args!("{} is '{}', not fair", view.task, policy(other)))),
    };
    kernel.threads.set_policy(view.task, new)?;
    writeln!(
        out,
        "{} '{}': {} before, now {}, weight {}",
        view.task,
        view.name,
        policy(view.policy),
        policy(new),
        nice.weight()
    )?;
    Ok(Next::Continue)
}

pub(in crate::cmds) fn taskset<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    out: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let kernel = session.kernel;
    let sched = kernel.threads.runtime().scheduler();
    let all = sched.online_cpus();
    let view = match arguments {
        [word] => thread(kernel, word)?,
        [word, list] => {
            let (view, mask) = (own(session, word)?, parse_cpus(list)?);
            sched.set_affinity(view.task, &mask, kernel.threads.runtime().now())?;
            thread(kernel, word)?
        }
        _ => return Err(usage(format_args!("a thread, and CPUs like 0-3,6 to let it run there only"))),
    };
    writeln!(out, "{} '{}' runs on: {}", view.task, view.name, places(kernel, &view, &all))?;
    Ok(Next::Continue)
}
