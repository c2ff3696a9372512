//! Commands in a row for somebody who wants each one's output and status: [`Sink`]. They run as who the command line says.

use core::fmt::{self, Write};

use super::{Next, Output, Session, Shared, Status, Terminal, exec, lang};
use crate::platform::Platform;
use crate::text::Text;
use crate::user::who::Who;
use crate::{Kernel, run::End};

/// Takes what a script says.
pub trait Sink: Send {
    /// Output of the running command: the next bytes, at the latest at the end of a line or of the command.
    ///
    /// # Errors
    /// Nobody takes them any more. The command is told, as if a pipe had no reader.
    fn output(&mut self, bytes: &[u8]) -> fmt::Result;
    /// The running command ended.
    fn status(&mut self, command: &str, status: Status);
}

/// How a script went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Commands executed.
    pub executed: u32,
    /// Those of them that did not succeed.
    pub failed: u32,
    /// The end that a command asked for; the commands behind it were not executed.
    pub end: Option<End>,
}

/// Runs the lists of `text`, whatever their statuses, until one ends the machine.
pub(crate) fn run<P: Platform>(kernel: &Kernel<P>, text: &str, sink: &mut dyn Sink) -> Outcome {
    let mut running = Running {
        sink,
        outcome: Outcome { executed: 0, failed: 0, end: None },
        session: Session::new(kernel),
    };
    let user = kernel.command_line().user;
    if !user.is_empty()
        && let Err(why) = begin(&mut running.session, user)
    {
        running.refuse("user", &why);
        return running.outcome;
    }
    match lang::parse(text) {
        Ok(script) => {
            for list in &script.lists {
                running.one(list.text, |session, terminal| exec::list(session, list, terminal));
                if running.outcome.end.is_some() {
                    break;
                }
            }
        }
        Err(error) => running.refuse(text, &error),
    }
    running.outcome
}

/// Is this user from the start, in his home if he can be there.
///
/// # Errors
/// There is no such user, or nobody knows.
fn begin<P: Platform>(session: &mut Session<'_, P>, user: &str) -> Result<(), Text> {
    let failed = |why: &dyn fmt::Display| Text::new(format_args!("{user}: {why}"));
    let who = Who::parse(user).ok_or_else(|| failed(&"neither NAME nor UID nor UID:GID"))?;
    if let Who::Named(name) = &who {
        let identity = session.kernel.identity(name).map_err(|why| failed(&why))?;
        // Who has no home stands where everybody does.
        let _ = session.begin_as(&identity);
    } else {
        session.begin_with(session.kernel.cred_of(&who).map_err(|why| failed(&why))?);
    }
    Ok(())
}

/// A script on its way.
struct Running<'s, 'k, P: Platform> {
    sink: &'s mut dyn Sink,
    outcome: Outcome,
    session: Session<'k, P>,
}

impl<'k, P: Platform> Running<'_, 'k, P> {
    /// Says why something is not done.
    fn refuse(&mut self, text: &str, why: &(dyn fmt::Display + Sync)) {
        self.one(text, |_, terminal| {
            // Who cannot be told is not told.
            let _ = terminal.complain(format_args!("{why}\n"));
            (Status::USAGE, Next::Continue)
        });
    }

    /// Does one thing, and tells the sink of it.
    fn one(&mut self, text: &str, work: impl FnOnce(&mut Session<'k, P>, &dyn Terminal) -> (Status, Next)) {
        let mut out = Buffered { sink: &mut *self.sink, buffer: heapless::Vec::new(), unheard: false };
        let (status, next) = work(&mut self.session, &Shared::<P>::new(&mut out));
        let unheard = out.flush().is_err() || out.unheard;
        let status = if unheard && status == Status::SUCCESS { Status::FAILED } else { status };
        self.sink.status(text, status);
        self.outcome.executed += 1;
        self.outcome.failed += u32::from(status != Status::SUCCESS);
        if let Next::End(end) = next {
            self.outcome.end = Some(end);
        }
    }
}

/// Gathers the little pieces of formatted output.
struct Buffered<'s> {
    sink: &'s mut dyn Sink,
    buffer: heapless::Vec<u8, 512>,
    /// Something was not taken, whether who wrote it cared or not.
    unheard: bool,
}

impl Buffered<'_> {
    fn flush(&mut self) -> fmt::Result {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let taken = self.sink.output(&self.buffer);
        self.unheard |= taken.is_err();
        self.buffer.clear();
        taken
    }
}

impl Write for Buffered<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes())
    }
}

impl Output for Buffered<'_> {
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        for &byte in bytes {
            if self.buffer.is_full() {
                self.flush()?;
            }
            // There is room: a full buffer was flushed.
            let _ = self.buffer.push(byte);
        }
        if bytes.contains(&b'\n') { self.flush() } else { Ok(()) }
    }
}
