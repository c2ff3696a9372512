//! Commands in a row for somebody who wants each one's output and status: [`Sink`].

use core::fmt::{self, Write};

use super::{Next, Output, Session, Status, execute, parse};
use crate::platform::Platform;
use crate::{Kernel, run::End};

/// Takes what a script says.
pub trait Sink {
    /// Output of the running command: the next bytes.
    fn output(&mut self, bytes: &[u8]);
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

/// Runs the commands of `text`, whatever their statuses, until one ends the machine.
pub(crate) fn run<P: Platform>(kernel: &Kernel<P>, text: &str, sink: &mut dyn Sink) -> Outcome {
    let (mut outcome, mut session) = (Outcome { executed: 0, failed: 0, end: None }, Session::new(kernel));
    for command in parse::commands(text) {
        let mut out = Buffered { sink: &mut *sink, buffer: heapless::Vec::new() };
        let (status, next) =
            execute(&mut session, command, &mut out).unwrap_or((Status::FAILED, Next::Continue));
        out.flush();
        sink.status(command, status);
        outcome.executed += 1;
        outcome.failed += u32::from(status != Status::SUCCESS);
        if let Next::End(end) = next {
            outcome.end = Some(end);
            break;
        }
    }
    outcome
}

/// Gathers the little pieces of formatted output.
struct Buffered<'s> {
    sink: &'s mut dyn Sink,
    buffer: heapless::Vec<u8, 512>,
}

impl Buffered<'_> {
    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.sink.output(&self.buffer);
            self.buffer.clear();
        }
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
                self.flush();
            }
            // There is room: a full buffer was flushed.
            let _ = self.buffer.push(byte);
        }
        Ok(())
    }
}
