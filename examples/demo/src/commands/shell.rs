//! `cargo demo`: the kernel's shell on this terminal.
//!
//! Up to the first prompt the terminal is as always, and ctrl-c ends the command; from then on every key goes to the guest.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, IsTerminal};
use std::os::unix::net::UnixStream;
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

/// The user's side.
struct Console {
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
    let guest = Guest::start(&boot)?;
    let mut console =
        Console { input: guest.input()?, started: Instant::now(), recent: Vec::new(), open: None };
    let (interrupt, report) = (session.interrupt, &mut session.report);
    let run = guest.listen(interrupt, &mut |event| console.take(event, report));
    drop(console);
    session.report.end_line();
    let run = run?;
    let verdict = verdict::status(&run);
    Ok(session.conclude(&run, verdict, &["the kernel's shell".into()]))
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
            (Event::Idle, None) => report.tick("the kernel is booting", self.started),
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
