//! `cargo demo`: the kernel's shell on this terminal.
//!
//! With a debugger (`cargo demo gdb`) it waits before its first instruction; the line to type is said.
//!
//! Up to the first prompt the terminal is as always, and ctrl-c ends the command; from then on every key goes to the guest.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, IsTerminal};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use super::Session;
use crate::error::Error;
use crate::guest::{Event, Guest, Next};
use crate::report::Report;
use crate::status::Status;
use crate::terminal::{self, Raw};
use crate::verdict;

/// How the kernel's shell asks for a command.
const PROMPT: &[u8] = b"kos> ";

/// QEMU's last words when the debugger says `kill`.
const KILLED: &str = "Terminated via GDBstub";

/// The user's side.
struct Console {
    /// What goes on up to the first prompt.
    wait: &'static str,
    input: UnixStream,
    started: Instant,
    /// The newest output, to find the prompt in pieces of any size.
    recent: Vec<u8>,
    /// From the first prompt on: raw mode, and whether the user wants to leave.
    open: Option<(Option<Raw>, Arc<AtomicBool>)>,
}

pub(super) fn execute(session: &mut Session<'_>) -> Result<Status, Error> {
    let mut boot = session.boot()?;
    // Somebody who sits there may take his time; a script may not.
    boot.endless_once_ready = io::stdin().is_terminal();
    boot.machine.reboots = true;
    session.report.say(terminal::LEAVE_HINT);
    if let Some(port) = boot.machine.debugger {
        session.report.say(&debugger_line(&boot.kernel, port));
    }
    let guest = Guest::start(&boot)?;
    let wait = match boot.machine.debugger {
        Some(_) => "the kernel waits for the debugger, or boots",
        None => "the kernel is booting",
    };
    let mut console =
        Console { wait, input: guest.input()?, started: Instant::now(), recent: Vec::new(), open: None };
    let (interrupt, report) = (session.interrupt, &mut session.report);
    let run = guest.listen(interrupt, &mut |event| console.take(event, report));
    drop(console);
    session.report.end_line();
    let run = run?;
    if boot.machine.debugger.is_some() && run.complaints.ends_with(KILLED) {
        return Ok(Status::Success);
    }
    let verdict = verdict::status(&run);
    Ok(session.conclude(&run, verdict, &["the kernel's shell".into()]))
}

/// What to type in another terminal, for a shell.
fn debugger_line(kernel: &Path, port: u16) -> String {
    let kernel = kernel.display().to_string().replace('\'', r"'\''");
    format!("to debug it: gdb '{kernel}' -ex 'target remote :{port}'")
}

impl Console {
    fn take(&mut self, event: Event<'_>, report: &mut Report) -> Result<Next, Error> {
        match (event, &self.open) {
            (Event::Log(bytes), open) => {
                report.output(bytes).map_err(Error::io("write to stdout"))?;
                if open.is_none() && self.prompts(bytes) {
                    let raw = Raw::enter().map_err(Error::io("set the terminal"))?;
                    let input = self.input.try_clone().map_err(Error::io("share a socket"))?;
                    self.open = Some((raw, terminal::forward(input)));
                }
            }
            (Event::Records(_), _) => {}
            (Event::Idle, None) => report.tick(self.wait, self.started),
            (Event::Idle, Some((_, leave))) if leave.load(Ordering::Relaxed) => return Ok(Next::Stop),
            (Event::Idle, Some(_)) => {}
        }
        Ok(if self.open.is_some() { Next::Ready } else { Next::Continue })
    }

    fn prompts(&mut self, bytes: &[u8]) -> bool {
        self.recent.extend_from_slice(bytes);
        let found = self.recent.windows(PROMPT.len()).any(|window| window == PROMPT);
        let surplus = self.recent.len().saturating_sub(PROMPT.len());
        self.recent.drain(..surplus);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_the_line_for_the_debugger() {
        assert_eq!(
            debugger_line(Path::new("/it's/kos"), 7),
            r"to debug it: gdb '/it'\''s/kos' -ex 'target remote :7'"
        );
    }
}
