//! The shell: one line is one or more commands, each ends with a status.
//!
//! | part | idea |
//! |---|---|
//! | [`lang`] | the language: text in, a script or an error with its column out |
//! | `exec` | lists, pipelines, commands |
//! | `streams` | what a command reads and writes |
//! | `session`, `environment` | who runs it where, with which variables |
//! | [`script`] | commands for somebody who wants output and statuses apart |
//! | `jobs` | what runs in the background |
//! | `tty` | the terminal, Ctrl-C, and what is asked for without showing it |
//! | `login` | who is at the terminal, where that is asked |
//! | [`mod@line`], `history`, `keys`, `complete` | the editor in front of the interactive shell |

mod complete;
mod environment;
mod exec;
mod history;
mod jobs;
mod keys;
pub mod lang;
pub mod line;
mod login;
pub mod script;
mod session;
mod size;
mod streams;
mod tty;

use core::fmt::{self, Write};

use kos_ipc::posix::signal::ThreadSlot;
use kos_vfs::{AttrError, DirError, Errno, FileError, FsError, MountError, ResolveError};
use lock_api::Mutex;

use crate::Kernel;
use crate::glue::ipc::Sleeper;
use crate::glue::sleep_lock::SleepLock;
use crate::ipc::{self, ByteStream};
use crate::platform::Platform;
use crate::run::End;
use crate::text::Text;
use crate::threads::{How, Member};
use crate::user::roles::Role;
use line::{Editor, Event};
pub(crate) use session::{Login, Session};
pub use size::size;
pub(crate) use streams::{AskError, File, Lossy, Output, Shared, Streams, Terminal};
use tty::{Attended, Keys, Tty};

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
    /// Who ran it may not: it needs a role.
    pub const REFUSED: Self = Self(126);
    /// There is no such command.
    pub const UNKNOWN: Self = Self(127);
    /// It was told to end: Ctrl-C. As of who is ended by signal 2.
    pub const INTERRUPTED: Self = Self(130);
    /// Nobody reads what it says. As of who is ended by signal 13.
    pub const BROKEN_PIPE: Self = Self(141);
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
    /// Who ran it has not this role.
    Refused(Role),
    /// It has said everything itself; the status is 1.
    Quiet,
    /// The same, with another status.
    Status(Status),
    /// Not all that it says was taken. Why is known where its output is led: see [`streams::Fault`].
    Unheard,
}

impl<E: core::error::Error + 'static> From<E> for CommandError {
    fn from(error: E) -> Self {
        let error: &(dyn core::error::Error + 'static) = &error;
        if error.is::<fmt::Error>() {
            return Self::Unheard;
        }
        Self::Failed(match refusal(error) {
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
            Self::Refused(role) => write!(f, "this needs the role '{role}'"),
            Self::Quiet | Self::Status(_) => f.write_str("it failed"),
            Self::Unheard => f.write_str("not all that it says was taken"),
        }
    }
}

/// Runs a line; see [`Kernel::execute`](crate::Kernel::execute).
pub(crate) fn execute<P: Platform>(
    session: &mut Session<'_, P>,
    line: &str,
    terminal: &dyn Terminal,
) -> (Status, Next) {
    let script = match lang::parse(line) {
        Ok(script) => script,
        Err(error) => {
            // Who cannot be told is not told.
            let _ = terminal.complain(format_args!("{error}\n"));
            session.environment.status = Status::USAGE;
            return (Status::USAGE, Next::Continue);
        }
    };
    let mut status = Status::SUCCESS;
    for list in &script.lists {
        let (ended, next) = exec::list(session, list, terminal);
        status = ended;
        if next != Next::Continue || ended == Status::INTERRUPTED {
            return (ended, next);
        }
    }
    (status, Next::Continue)
}

/// Reads lines from the console and runs them until somebody ends the machine or the console closes.
pub(crate) fn interactive<P: Platform>(kernel: &Kernel<P>) -> End {
    at_terminal(kernel).unwrap_or_else(|why| {
        // The console takes everything.
        let _ = writeln!(Console(kernel.platform()), "kos: no shell: {why}");
        End::Failed
    })
}

fn at_terminal<P: Platform>(kernel: &Kernel<P>) -> Result<End, CommandError> {
    let (ipc, none) = (kernel.ipc()?, || CommandError::Failed(Text::new(format_args!("no memory"))));
    let typed = ByteStream::<P>::new(ipc.next_id()).ok_or_else(none)?;
    let mut place = [const { ThreadSlot::new() }];
    let signals = tty::Signals::<P>::new(
        Sleeper::new(),
        &mut place,
        &mut [],
        None,
        ipc::policy::PROCESS,
        ipc.next_id(),
    );
    let tty = Tty::new(ipc, &signals);
    let (keys, last) =
        (tty.keys(kernel, typed.reader())?, Mutex::<SleepLock<P>, _>::new(Some(typed.writer())));
    let listen = || {
        // Dropped when it listens no longer: the shell reads to the end, and leaves.
        let writer = last.lock().take();
        writer.iter().for_each(|writer| tty.listen(kernel, writer));
    };
    let members = [Member::new(How::new("tty"), &listen)];
    Ok(kernel.with_team(&members, |_| read_and_run(kernel, &keys))?)
}

fn read_and_run<P: Platform>(kernel: &Kernel<P>, keys: &Keys<'_, '_, '_, P>) -> End {
    let mut session = Session::new(kernel);
    if !kernel.command_line().login || !login::is_possible(kernel) {
        return at_prompt(keys, &mut session).unwrap_or(End::Success);
    }
    while login::ask(keys, &mut session) {
        if let Some(end) = at_prompt(keys, &mut session) {
            return end;
        }
        session = Session::new(kernel);
    }
    End::Success
}

/// Runs lines until one ends the machine; [`None`]: the user leaves, or the console is closed.
fn at_prompt<P: Platform>(keys: &Keys<'_, '_, '_, P>, session: &mut Session<'_, P>) -> Option<End> {
    let (kernel, mut editor) = (session.kernel, Editor::new("kos> "));
    let mut console = Console(kernel.platform());
    loop {
        session.jobs.show(&Shared::<P>::new(&mut console), true);
        // The console takes everything.
        let _ = editor.draw(&mut console);
        match read(keys, session, &mut editor, &mut console) {
            Some(Event::Interrupted) => {
                editor.take_line();
            }
            Some(Event::EndOfInput) | None => return None,
            Some(Event::Complete) => {}
            Some(Event::Line) => {
                let line = editor.take_line();
                session.remember(&line);
                let work = || execute(session, &line, &Attended::new(keys, &mut console));
                let ((_, next), interrupted) = keys.run(work);
                if interrupted {
                    let _ = console.write_str("^C\n");
                }
                if let Next::End(end) = next {
                    return Some(end);
                }
                if session.login == Login::Out {
                    return None;
                }
            }
        }
    }
}

/// Feeds the editor until it completes something; `None` when the console is closed.
fn read<P: Platform>(
    keys: &Keys<'_, '_, '_, P>,
    session: &mut Session<'_, P>,
    editor: &mut Editor,
    console: &mut Console<'_, P>,
) -> Option<Event> {
    loop {
        // The console takes everything, so there is no error.
        match editor.feed(keys.next()?, console) {
            Ok(Some(Event::Complete)) => {
                let rest = complete::complete(session, editor.before_cursor());
                let _ = editor.put(&rest, console);
            }
            Ok(Some(event)) => return Some(event),
            _ => {}
        }
    }
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
