//! `run`: a program in ring 3, with all its descendants, until it has ended.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::platform::Platform;
use crate::process::End;
use crate::process::job::Ended;
use crate::process::load::Words;
use crate::process::space::UserSpace;
use crate::shell::{CommandError, CommandResult, Next, Output, Session, Status, Streams};
use crate::text::Text;

/// Runs a program; what it says goes to `streams`. It ends when the calling thread is told to.
pub(super) fn job<'k, P: Platform>(
    session: &Session<'k, P>,
    words: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> Result<Ended, CommandError> {
    looked(session, words, streams, |_| ())
}

/// The same; `look` sees its memory as it is at its end.
fn looked<'k, P: Platform>(
    session: &Session<'k, P>,
    words: &[&str],
    streams: &mut Streams<'_, 'k, P>,
    look: impl FnOnce(&UserSpace<P>),
) -> Result<Ended, CommandError> {
    let (kernel, mut heard) = (session.kernel, Ok(()));
    let hear = |said: &[u8]| {
        if heard.is_ok() {
            heard = streams.write_bytes(said);
        }
    };
    let exported = session.environment.exported()?;
    let variables = texts(&exported)?;
    let words = Words { words, variables: &variables };
    let ended = kernel.run_job(*session.ctx(), words, hear, || true, look);
    heard?;
    Ok(ended?)
}

/// Strings as a program gets them.
pub(super) fn texts(strings: &[String]) -> Result<Vec<&str>, CommandError> {
    let mut texts = Vec::new();
    texts.try_reserve_exact(strings.len())?;
    texts.extend(strings.iter().map(String::as_str));
    Ok(texts)
}

pub(in super::super) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    ended(job(session, named(arguments)?, streams)?, streams)
}

/// The end of a program as that of a command.
pub(super) fn ended<P: Platform>(ended: Ended, streams: &mut Streams<'_, '_, P>) -> CommandResult {
    let Ended { id, end } = ended;
    match end {
        End::Exited(0) => Ok(Next::Continue),
        End::Signaled(signal) => Err(CommandError::Status(Status(128 + u32::from(signal.number())))),
        end => {
            writeln!(streams, "process {id}: {end}")?;
            Err(CommandError::Quiet)
        }
    }
}

/// The words of a program and its arguments.
///
/// # Errors
/// There are none.
pub(super) fn named<'a>(words: &'a [&'a str]) -> Result<&'a [&'a str], CommandError> {
    if words.is_empty() {
        return Err(CommandError::Usage(Text::new(format_args!("no program given"))));
    }
    Ok(words)
}

/// Runs a program and shows its memory as it is at its end.
pub(super) fn job_and<'k, P: Platform>(
    session: &Session<'k, P>,
    words: &[&str],
    streams: &mut Streams<'_, 'k, P>,
    show: impl FnOnce(&UserSpace<P>, &mut dyn Write) -> CommandResult,
) -> CommandResult {
    let mut shown = Shown::default();
    let mut result = Ok(Next::Continue);
    looked(session, words, streams, |space| result = show(space, &mut shown))?;
    streams.write_str(&shown.0)?;
    result
}

/// What is shown while the program's memory is still there.
#[derive(Default)]
struct Shown(String);

impl Write for Shown {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.try_reserve(text.len()).map_err(|_| core::fmt::Error)?;
        self.0.push_str(text);
        Ok(())
    }
}
