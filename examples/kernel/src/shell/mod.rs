//! The shell: one line is one or more commands, each ends with a status.
//!
//! [`Kernel::execute`](crate::Kernel::execute) runs one command on any writer, [`script`] a list of them for somebody who wants
//! output and statuses apart; the interactive shell puts the editor of [`mod@line`] in front.

mod history;
mod keys;
pub mod line;
mod parse;
pub mod script;
mod session;

use core::fmt::{self, Write};

use kos_vfs::{AttrError, DirError, Errno, FileError, FsError, MountError, ResolveError};

use crate::Kernel;
use crate::cmds::inject::Witness;
use crate::cmds::{self, Command, Run};
use crate::platform::{Input, Platform};
use crate::run::End;
use crate::text::Text;
use line::{Editor, Event};
pub use parse::{commands, size};
pub(crate) use session::{File, Lossy, Output, Session, Streams};

/// How a command ended, as programs end: 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    /// It did its work.
    pub const SUCCESS: Self = Self(0);
    /// It could not, and said why.
    pub const FAILED: Self = Self(1);
    /// It was called wrongly.
    pub const USAGE: Self = Self(2);
    /// There is no such command.
    pub const UNKNOWN: Self = Self(127);
}

/// What happens after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next command.
    Continue,
    /// Nothing more: the machine is to end.
    End(End),
}

/// Why a command did not succeed.
#[derive(Clone, Debug)]
pub(crate) enum CommandError {
    /// It was called wrongly.
    Usage(Text),
    /// It could not do its work.
    Failed(Text),
    /// It has said everything itself; the status is 1.
    Quiet,
}

impl<E: core::error::Error + 'static> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::Failed(match refusal(&error) {
            Some(errno) => Text::new(format_args!("{}", errno.meaning())),
            None => Text::new(format_args!("{error}")),
        })
    }
}

/// The number that a program would get for a refused file operation. A damaged file system and a failing device have more to say.
fn refusal(error: &(dyn core::error::Error + 'static)) -> Option<Errno> {
    let errno = if let Some(error) = error.downcast_ref::<DirError>() {
        error.errno()
    } else if let Some(error) = error.downcast_ref::<FileError>() {
        error.errno()
    } else if let Some(error) = error.downcast_ref::<AttrError>() {
        error.errno()
    } else if let Some(error) = error.downcast_ref::<MountError>() {
        error.errno()
    } else if let Some(error) = error.downcast_ref::<ResolveError>() {
        error.errno()
    } else {
        error.downcast_ref::<FsError>()?.errno()
    };
    Some(errno).filter(|errno| !matches!(errno, Errno::EIO | Errno::EUCLEAN))
}

/// What a command gives back.
pub(crate) type CommandResult = Result<Next, CommandError>;

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) => text.fmt(f),
            Self::Quiet => f.write_str("it failed"),
        }
    }
}

/// Runs one command; see [`Kernel::execute`](crate::Kernel::execute).
pub(crate) fn execute<P: Platform>(
    session: &mut Session<'_, P>,
    command: &str,
    out: &mut dyn Output,
) -> Result<(Status, Next), fmt::Error> {
    let mut scratch = parse::Scratch::new();
    let parsed = match parse::parse(command, &mut scratch) {
        Ok(parsed) => parsed,
        Err(error) => {
            writeln!(out, "{error}")?;
            return Ok((Status::USAGE, Next::Continue));
        }
    };
    let Some((name, arguments)) = parsed.words.split_first() else {
        return Ok((Status::SUCCESS, Next::Continue));
    };
    let Some(found) = cmds::find::<P>(name) else {
        writeln!(out, "{name}: no such command; 'help' lists them")?;
        return Ok((Status::UNKNOWN, Next::Continue));
    };
    let mut streams = match session.redirect(&parsed, out) {
        Ok(streams) => streams,
        Err((why, out)) => {
            writeln!(out, "{name}: {why}")?;
            return Ok((Status::FAILED, Next::Continue));
        }
    };
    let witness = Witness::call(session.kernel);
    let result = run(session, found, arguments, &mut streams);
    let (status, next) = finish(result, found, &mut streams)?;
    let status = match witness {
        None => status,
        Some(witness) => witness.testify(session.kernel, status, &mut streams)?,
    };
    Ok((status, next))
}

/// Runs a command to the end of its output.
fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    command: &Command<P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let result = match command.run {
        Run::Kernel(_) if streams.input.is_some() => {
            Err(CommandError::Usage(Text::new(format_args!("it reads nothing"))))
        }
        Run::Kernel(run) => run(session.kernel, arguments, streams),
        Run::Session(run) => run(session, arguments, streams),
    };
    match streams.finish() {
        None => result,
        Some(fault) => Err(CommandError::Failed(Text::new(format_args!("cannot write: {fault}")))),
    }
}

/// Says what went wrong, if anything, and makes a status of it.
fn finish<P: Platform>(
    result: CommandResult,
    command: &Command<P>,
    streams: &mut Streams<'_, '_, P>,
) -> Result<(Status, Next), fmt::Error> {
    let name = command.name;
    let status = match result {
        Ok(next) => return Ok((Status::SUCCESS, next)),
        Err(CommandError::Quiet) => Status::FAILED,
        Err(CommandError::Failed(text)) => {
            streams.complain(format_args!("{name}: {text}"))?;
            Status::FAILED
        }
        Err(CommandError::Usage(text)) => {
            streams.complain(format_args!("{name}: {text}\nusage: {name} {}", command.arguments))?;
            Status::USAGE
        }
    };
    Ok((status, Next::Continue))
}

/// Reads lines from the console and runs them until somebody ends the machine or the console closes.
pub(crate) fn interactive<P: Platform>(kernel: &Kernel<P>) -> End {
    let mut editor = Editor::new("kos> ");
    let (mut console, mut session) = (Console(kernel.platform()), Session::new(kernel));
    loop {
        // The console takes everything.
        let _ = editor.draw(&mut console);
        match read(kernel, &mut editor, &mut console) {
            Some(Event::Interrupted) => {
                editor.take_line();
            }
            Some(Event::EndOfInput) | None => return End::Success,
            Some(Event::Line) => {
                let line = editor.take_line();
                if let Next::End(end) = run_line(&mut session, &line, &mut console) {
                    return end;
                }
            }
        }
    }
}

/// Feeds the editor until it completes something; `None` when the console is closed.
fn read<P: Platform>(kernel: &Kernel<P>, editor: &mut Editor, console: &mut Console<'_, P>) -> Option<Event> {
    loop {
        match kernel.platform().read_input() {
            Input::Closed => return None,
            Input::Empty => kernel.await_input(),
            Input::Byte(byte) => {
                // The console takes everything, so there is no error.
                if let Ok(Some(event)) = editor.feed(byte, console) {
                    return Some(event);
                }
            }
        }
    }
}

fn run_line<P: Platform>(session: &mut Session<'_, P>, line: &str, console: &mut Console<'_, P>) -> Next {
    for command in commands(line) {
        match execute(session, command, console) {
            Ok((_, Next::Continue)) | Err(fmt::Error) => {}
            Ok((_, end)) => return end,
        }
    }
    Next::Continue
}

/// The log console as a writer.
pub(crate) struct Console<'p, P>(pub(crate) &'p P);

impl<P: Platform> Write for Console<'_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_log(text.as_bytes());
        Ok(())
    }
}

impl<P: Platform> Output for Console<'_, P> {
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        self.0.write_log(bytes);
        Ok(())
    }

    fn is_terminal(&self) -> bool {
        true
    }
}
