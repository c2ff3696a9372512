//! Timed lines that say what a peer sends and what must come back: [`run`].
//!
//! A file has cases, each headed by `== name`. `>` is a segment that must come out now, `<` one that comes in, `+40` lets 40 ms
//! pass (`+1.5` is 1.5 ms), in which nothing may come out before their end; `+200..400` waits for what comes first. The other
//! lines are what the user does, and what must be true: see `host` and `segment`. Numbers count from each side's SYN, which is 0. What
//! comes out and no line expects is a fault. `#` begins a remark.

mod host;
mod segment;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use host::Host;

/// A line that is wrong, or not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The case.
    pub case: String,
    /// The line in the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}): {}", self.case, self.line, self.what)
    }
}

impl core::error::Error for Fault {}

/// Runs the cases of `text`: how many there are, and the first fault of each that has one.
#[must_use]
pub fn run(text: &str) -> (usize, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut cases = 0;
    let mut running: Option<(String, Host)> = None;
    let mut last = 0;
    for (at, line) in text.lines().enumerate() {
        let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
        last = at + 1;
        if let Some(name) = line.strip_prefix("==") {
            finish(running.replace((name.trim().to_string(), Host::new())), at, &mut faults);
            cases += 1;
        } else if let Some((case, host)) = running.as_mut().filter(|_| !line.is_empty())
            && let Err(what) = host.line(line)
        {
            faults.push(Fault { case: case.clone(), line: last, what: format!("{line}: {what}") });
            running = None;
        }
    }
    finish(running, last, &mut faults);
    (cases, faults)
}

/// At the end of a case nothing may be left.
fn finish(case: Option<(String, Host)>, line: usize, faults: &mut Vec<Fault>) {
    let Some((case, mut host)) = case else { return };
    if let Err(what) = host.finish() {
        faults.push(Fault { case, line, what });
    }
}
