//! The shell: one line is one or more commands, each ends with a status.
//!
//! [`Kernel::execute`](crate::Kernel::execute) runs one command on any writer, [`script`] a list of them for somebody who wants
//! output and statuses apart; the interactive shell puts the editor of [`mod@line`] in front.

mod history;
mod keys;
pub mod line;
mod parse;
pub mod script;

use core::fmt::{self, Write};

use crate::Kernel;
use crate::cmds::inject::Witness;
use crate::cmds::{self, Command};
use crate::platform::{Input, Platform};
use crate::run::End;
use crate::text::Text;
use line::{Editor, Event};
pub use parse::{commands, size};

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

impl<E: core::error::Error> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::Failed(Text::new(format_args!("{error}")))
    }
}

/// What a command gives back.
pub(crate) type CommandResult = Result<Next, CommandError>;

/// Runs one command; see [`Kernel::execute`](crate::Kernel::execute).
pub(crate) fn execute<P: Platform>(
    kernel: &Kernel<P>,
    command: &str,
    out: &mut dyn Write,
) -> Result<(Status, Next), fmt::Error> {
    let Some(words) = parse::words(command) else {
        writeln!(out, "more than {} words: no command takes so many", parse::MAX_WORDS)?;
        return Ok((Status::USAGE, Next::Continue));
    };
    let Some((name, arguments)) = words.split_first() else {
        return Ok((Status::SUCCESS, Next::Continue));
    };
    let Some(found) = cmds::find::<P>(name) else {
        writeln!(out, "{name}: no such command; 'help' lists them")?;
        return Ok((Status::UNKNOWN, Next::Continue));
    };
    let witness = Witness::call(kernel);
    let (status, next) = finish((found.run)(kernel, arguments, out), found, out)?;
    let status = match witness {
        None => status,
        Some(witness) => witness.testify(kernel, status, out)?,
    };
    Ok((status, next))
}

/// Says what went wrong, if anything, and makes a status of it.
fn finish<P: Platform>(
    result: CommandResult,
    command: &Command<P>,
    out: &mut dyn Write,
) -> Result<(Status, Next), fmt::Error> {
    let name = command.name;
    let status = match result {
        Ok(next) => return Ok((Status::SUCCESS, next)),
        Err(CommandError::Quiet) => Status::FAILED,
        Err(CommandError::Failed(text)) => {
            writeln!(out, "{name}: {text}")?;
            Status::FAILED
        }
        Err(CommandError::Usage(text)) => {
            writeln!(out, "{name}: {text}\nusage: {name} {}", command.arguments)?;
            Status::USAGE
        }
    };
    Ok((status, Next::Continue))
}

/// Reads lines from the console and runs them until somebody ends the machine or the console closes.
pub(crate) fn interactive<P: Platform>(kernel: &Kernel<P>) -> End {
    let mut editor = Editor::new("kos> ");
    let mut console = Console(kernel.platform());
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
                if let Next::End(end) = run_line(kernel, &line, &mut console) {
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

fn run_line<P: Platform>(kernel: &Kernel<P>, line: &str, console: &mut Console<'_, P>) -> Next {
    for command in commands(line) {
        match execute(kernel, command, console) {
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
