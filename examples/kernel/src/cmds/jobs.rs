//! `jobs`, `fg`, `wait`, `kill`, `history`: what runs in the background, and what was typed.

use core::fmt::Write;

use super::{no_arguments, threads};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Output, Session, Status, Streams};
use crate::text::Text;

fn usage(what: core::fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
}

/// The number in `%1`.
fn number(word: &str) -> Result<u32, CommandError> {
    let number = word.strip_prefix('%').and_then(|number| number.parse().ok());
    number.ok_or_else(|| usage(format_args!("'{word}' is no job such as %1")))
}

pub(super) fn jobs<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    no_arguments(arguments)?;
    session.jobs.list(streams)?;
    Ok(Next::Continue)
}

/// Shows what a job says until it has ended; its status. [`None`]: Ctrl-C came first.
fn attend<'k, P: Platform>(
    session: &mut Session<'k, P>,
    number: u32,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<Option<Status>, CommandError> {
    session.jobs.attend(number, &mut |bytes| streams.write_bytes(bytes))
}

fn ended(status: Option<Status>) -> CommandResult {
    match status {
        Some(Status::SUCCESS) => Ok(Next::Continue),
        Some(status) => Err(CommandError::Status(status)),
        None => Err(CommandError::Quiet),
    }
}

pub(super) fn fg<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let last = session.jobs.numbers().last().copied();
    let job = match arguments {
        [] => last.ok_or_else(|| CommandError::Failed(Text::new(format_args!("there is no job"))))?,
        [word] => number(word)?,
        [_, word, ..] => return Err(usage(format_args!("unexpected '{word}'"))),
    };
    let status = attend(session, job, streams)?;
    if status.is_none() {
        // Ctrl-C is for it, too.
        session.jobs.kill(job);
    }
    ended(status)
}

pub(super) fn wait<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let mut status = Some(Status::SUCCESS);
    if arguments.is_empty() {
        for job in session.jobs.numbers() {
            status = attend(session, job, streams)?;
            if status.is_none() {
                break;
            }
        }
        // As elsewhere: who waits for all asks for no status.
        return ended(status.map(|_| Status::SUCCESS));
    }
    for word in arguments {
        status = attend(session, number(word)?, streams)?;
    }
    ended(status)
}

pub(super) fn kill<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    if arguments.is_empty() {
        return Err(usage(format_args!("which thread, or job?")));
    }
    for &word in arguments {
        if !word.starts_with('%') {
            threads::control::kill(session, &[word], streams)?;
            continue;
        }
        if let Some(thread) = session.jobs.thread(number(word)?) {
            session.may_end(&thread)?;
        }
        if !session.jobs.kill(number(word)?) {
            return Err(CommandError::Failed(Text::new(format_args!("no job {word}"))));
        }
    }
    Ok(Next::Continue)
}

pub(super) fn history<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    no_arguments(arguments)?;
    for (number, line) in session.typed.iter().enumerate() {
        writeln!(streams, "{:>4}  {line}", number + 1)?;
    }
    Ok(Next::Continue)
}
