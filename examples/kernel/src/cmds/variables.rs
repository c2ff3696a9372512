//! `export`, `unset`, `env`, `sh`: variables, and scripts that get copies of them.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use kos_vfs::{At, How, OpenFlags};
use lock_api::Mutex;

use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;
use crate::shell::{
    self, CommandError, CommandResult, Next, Output, Session, Status, Streams, Terminal, lang,
};
use crate::text::Text;

fn failed(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

fn usage(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
}

pub(super) fn export<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    if arguments.is_empty() {
        return env(session, arguments, streams);
    }
    for argument in arguments {
        let set = match argument.split_once('=') {
            Some((name, value)) => session.environment.set(name, value, true),
            None => session.environment.export(argument),
        };
        set.map_err(|why| failed(format_args!("{argument}: {why}")))?;
    }
    Ok(Next::Continue)
}

pub(super) fn unset<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    _: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    if arguments.is_empty() {
        return Err(usage(format_args!("which variable?")));
    }
    for name in arguments {
        // What was not there is not there.
        let _ = session.environment.unset(name);
    }
    Ok(Next::Continue)
}

pub(super) fn env<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    super::no_arguments(arguments)?;
    for variable in session.environment.all().filter(|variable| variable.exported) {
        writeln!(streams, "{}={}", variable.name, variable.value)?;
    }
    Ok(Next::Continue)
}

/// The streams of a script, for its commands.
struct Inherited<'s, 'o, 'k, P: Platform>(Mutex<SleepLock<P>, &'s mut Streams<'o, 'k, P>>);

impl<P: Platform> Terminal for Inherited<'_, '_, '_, P> {
    fn write(&self, bytes: &[u8]) -> fmt::Result {
        self.0.lock().write_bytes(bytes)
    }

    fn complain(&self, what: fmt::Arguments<'_>) -> fmt::Result {
        Output::complain(&mut **self.0.lock(), what)
    }

    fn is_terminal(&self) -> bool {
        self.0.lock().is_terminal()
    }
}

pub(super) fn sh<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let path = arguments.first().ok_or_else(|| usage(format_args!("which script?")))?;
    let text = read(session, path)?;
    let text = core::str::from_utf8(&text).map_err(|why| failed(format_args!("{path}: {why}")))?;
    let inner = session.nest()?;
    let mut inner =
        inner.ok_or_else(|| failed(format_args!("{path}: too many scripts within each other")))?;
    inner.environment.set_words(arguments.iter().copied())?;
    // A line such as `#!/bin/sh` is a comment.
    if let Err(error) = lang::parse(text) {
        return Err(failed(format_args!("{path}: {error}")));
    }
    let inherited = Inherited(Mutex::new(streams));
    match shell::execute(&mut inner, text, &inherited) {
        (_, Next::End(end)) => Ok(Next::End(end)),
        (Status::SUCCESS, Next::Continue) => Ok(Next::Continue),
        (status, Next::Continue) => Err(CommandError::Status(status)),
    }
}

/// A whole file, up to what a script may have.
fn read<P: Platform>(session: &mut Session<'_, P>, path: &str) -> Result<Vec<u8>, CommandError> {
    let how = How::flags(OpenFlags::empty());
    let file = session.call()?.open(At::Cwd, path.as_bytes(), &how);
    let file = file.map_err(|why| failed(format_args!("{path}: {}", CommandError::from(why))))?;
    let mut text = Vec::new();
    let mut buffer = [0; 512];
    loop {
        let count = file.read(&mut buffer)?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            return Ok(text);
        }
        if text.len() + piece.len() > lang::MAX_BYTES {
            return Err(failed(format_args!("{path}: {}", lang::Problem::TooLong)));
        }
        text.try_reserve(piece.len()).map_err(|_| failed(format_args!("no memory")))?;
        text.extend_from_slice(piece);
    }
}
