//! The one place through which the command speaks: results to stdout, everything else to stderr.
//!
//! Work that takes longer than a second shows that it goes on: whoever waits calls [`Report::tick`] often, and once a second
//! of silence has passed a status line appears; on a terminal it is drawn over the one before.

use core::time::Duration;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

/// A little less than the second that is promised: whoever waits looks up now and then only.
const SILENCE: Duration = Duration::from_millis(900);

/// Where the command speaks.
#[derive(Debug)]
pub struct Report {
    verbose: bool,
    terminal: bool,
    /// A status line is on the terminal's current line.
    drawn: bool,
    /// Output without a line end is on the terminal's current line: a status line would destroy it.
    mid_line: bool,
    spoke: Instant,
}

impl Report {
    /// Speaks to this process's stdout and stderr.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { verbose, terminal, drawn: false, mid_line: false, spoke: Instant::now() }
    }

    /// Whether `-v` was given.
    #[must_use]
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Writes result bytes to stdout, unchanged.
    ///
    /// # Errors
    /// Stdout cannot be written to.
    pub fn output(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.clear();
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()?;
        self.mid_line = out.is_terminal() && bytes.last().is_some_and(|&last| last != b'\n');
        Ok(())
    }

    /// Ends a line that the guest left open on the terminal.
    pub fn end_line(&mut self) {
        if core::mem::take(&mut self.mid_line) {
            self.raw(b"\n");
        }
    }

    /// Tells the user something.
    pub fn say(&mut self, line: &str) {
        self.raw(format!("{line}\n").as_bytes());
    }

    /// Tells the user something if he asked for details.
    pub fn detail(&mut self, line: &str) {
        if self.verbose {
            self.say(line);
        }
    }

    /// Passes on what a child or the guest wrote, to stderr.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.clear();
        // Nobody is left to be told when stderr is gone.
        let _ = io::stderr().write_all(bytes);
    }

    /// Shows that `what`, begun at `started`, still goes on, if nothing was shown for a second.
    pub fn tick(&mut self, what: &str, started: Instant) {
        if self.spoke.elapsed() < SILENCE || self.mid_line {
            return;
        }
        let seconds = started.elapsed().as_secs();
        let line = if self.terminal {
            format!("\r\x1b[K{what} ({seconds} s)")
        } else {
            format!("{what} ({seconds} s)\n")
        };
        let _ = io::stderr().write_all(line.as_bytes());
        self.drawn = self.terminal;
        self.spoke = Instant::now();
    }

    /// Takes the status line away.
    pub fn clear(&mut self) {
        if core::mem::take(&mut self.drawn) {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
        self.spoke = Instant::now();
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.clear();
    }
}
